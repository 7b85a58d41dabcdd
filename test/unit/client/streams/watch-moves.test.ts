/** Watches that move between streams of a modelled etcd, with every message in random order. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { EtcdMtlsError } from '../../../../src/report/errors.js'
import type { ResumableStream } from '../../../../src/client/streams/resumable-call.js'
import type { StreamAttempt } from '../../../../src/client/streams/stream-attempt.js'
import { cancelRequest, readWatchResponse } from '../../../../src/client/streams/watch-messages.js'
import { ResumePositions, WatchEnds } from '../../../../src/client/streams/watch-records.js'
import { WatchResumer } from '../../../../src/client/streams/watch-resumer.js'
import { Random } from '../../../fuzz/random.js'
import { scaled, seed } from '../../../support/long.js'
import { ModelStore, ModelStream } from '../../../support/watch-server.js'
import { createFor, eventRevisions } from '../../../support/watch-wire.js'

const RUNS = scaled({ short: 80, long: 5000 })
const STEPS = 400
/** The caller chooses ids that the client does not use for its own. */
const FIRST_ID = 1_000_000

interface Seen {
  readonly key: string
  /** The revision at which etcd has created it. */
  start: number
  revisions: number[]
  end: string | null
  canceled: boolean
}

class ModelAttempt implements StreamAttempt {
  readonly endpoint = null
  readonly server: ModelStream

  constructor(server: ModelStream) {
    this.server = server
  }

  send(message: Buffer): void {
    this.server.requests.push(message)
  }

  expectAnswer(): void {
    // Nobody waits here.
  }

  renewToken(): boolean {
    return false
  }

  explainRefusal(): null {
    return null
  }

  checkProgressOrder(known: (exact: boolean) => void): void {
    known(true)
  }

  invalidAnswer(reason: string): EtcdMtlsError {
    throw new Error(reason)
  }

  whenCaughtUp(): never {
    throw new Error('No member of this test is behind')
  }

  fail(details: string): void {
    throw new Error(details)
  }
}

/** A client with watches. In `withFaults`, streams break and moves do not wait. */
class Run implements ResumableStream {
  readonly receiveLimit = 1_000_000
  resumed = 0
  readonly #random: Random
  readonly #withFaults: boolean
  readonly #store = new ModelStore()
  readonly #resumer = new WatchResumer(this, new ResumePositions(), new WatchEnds())
  /** By the id of the watch. */
  readonly #seen: Seen[] = []
  #current: ModelAttempt
  #next: ModelAttempt | null = null
  moved = 0

  constructor(number: number, withFaults: boolean) {
    this.#random = new Random(number)
    this.#withFaults = withFaults
    this.#current = this.#attempt()
    this.#resumer.begin(this.#current)
  }

  countResumed(watches: number): void {
    this.resumed += watches
  }

  deliver(message: Buffer): void {
    const { watchId, created, canceled, revision, cancelReason } = readWatchResponse(message)
    const seen = this.#seen[Number(watchId) - FIRST_ID]
    if (seen === undefined) throw new Error(`a message for watch ${String(watchId)}`)
    expect(seen.end, 'the watch has ended').toBeNull()
    if (created) seen.start = Number(revision) + 1
    if (canceled) seen.end = cancelReason
    seen.revisions.push(...eventRevisions(message))
  }

  play(): void {
    for (let step = 0; step < STEPS; step += 1) this.#step()
    // Until nothing moves any more.
    let rounds = 0
    do {
      rounds += 1
      expect(rounds, 'the run comes to rest').toBeLessThan(200)
      for (let step = 0; step < 40; step += 1) this.#deliverMessages()
      vi.advanceTimersByTime(100)
    } while (this.#next !== null || !this.#current.server.isIdle)
    this.#check()
    this.#resumer.stop()
  }

  #attempt(): ModelAttempt {
    return new ModelAttempt(new ModelStream(this.#store, this.#random))
  }

  #step(): void {
    const chance = this.#random.below(100)
    if (chance < 12) this.#store.write(1 + this.#random.below(3))
    else if (chance < 22) {
      this.#store.compacted = Math.max(this.#store.compacted, this.#store.revision - this.#random.below(3))
    } else if (chance < 27) this.#create()
    else if (chance < 28) this.#cancel()
    else if (chance < 33) this.#move()
    else if (chance < 35) vi.advanceTimersByTime(50)
    else if (chance < 37 && this.#withFaults) this.#fault()
    else this.#deliverMessages()
  }

  #deliverMessages(): void {
    const attempt = this.#next !== null && this.#random.below(2) === 0 ? this.#next : this.#current
    const { server } = attempt
    const chance = this.#random.below(8)
    if (chance === 0) server.sync()
    else if (chance < 3) server.read()
    else {
      const message = server.send()
      if (message !== null) this.#resumer.incoming(message, attempt)
    }
  }

  #create(): void {
    if (this.#seen.length >= 8) return
    const key = this.#random.below(3) === 0 ? 'quiet' : 'k'
    this.#seen.push({ key, start: 0, revisions: [], end: null, canceled: false })
    this.#resumer.outgoing(createFor(key, 0, { watchId: FIRST_ID + this.#seen.length - 1 }))
  }

  #cancel(): void {
    const index = this.#random.below(8)
    const seen = this.#seen[index]
    if (seen?.end !== null) return
    seen.canceled = true
    this.#resumer.outgoing(cancelRequest(BigInt(FIRST_ID + index)))
  }

  #move(): void {
    if (this.#next !== null) return
    this.#next = this.#attempt()
    this.#resumer.migrateTo(this.#next, () => {
      this.moved += 1
      this.#finish()
    })
  }

  #finish(): void {
    if (this.#next === null) return
    this.#current.server.close()
    this.#current = this.#next
    this.#next = null
    this.#resumer.finishMigration()
  }

  #fault(): void {
    if (this.#next === null) {
      this.#current.server.close()
      this.#current = this.#attempt()
      this.#resumer.begin(this.#current)
    } else if (this.#random.below(2) === 0) this.#finish()
    else {
      this.#next.server.close()
      this.#next = null
      this.#resumer.cancelMigration()
    }
  }

  #check(): void {
    for (const { key, start, revisions, end, canceled } of this.#seen) {
      const events = key === 'k' ? this.#store.events.filter((each) => each >= start) : []
      expect(revisions, 'in order, each once, without a gap').toEqual(events.slice(0, revisions.length))
      if (end === null) expect(revisions).toHaveLength(events.length)
      else if (!canceled) expect([this.#withFaults, end]).toEqual([true, expect.stringContaining('has compacted')])
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

it.each([
  ['ends no watch, although etcd compacts everything', false],
  ['loses and repeats no event of a watch that goes on, although streams break', true],
])(
  'a move between two streams of etcd %s',
  (_what, withFaults) => {
    let moved = 0
    for (let number = seed; number < seed + RUNS; number += 1) {
      const run = new Run(number, withFaults)
      try {
        run.play()
      } catch (error) {
        throw new Error(`Run ${String(number)} failed`, { cause: error })
      }
      moved += run.moved
    }
    expect(moved).toBeGreaterThan(RUNS)
  },
  600_000,
)
