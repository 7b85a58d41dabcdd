/** What becomes of a stream of watches when the connection below it changes: what is sent, and what the caller is given. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EtcdMtlsError } from '../../../src/report/errors.js'
import type { ResumableStream } from '../../../src/client/streams/resumable-call.js'
import type { StreamAttempt } from '../../../src/client/streams/stream-attempt.js'
import { SeenHistory } from '../../../src/client/streams/watch-history.js'
import { ResumePositions, WatchEnds } from '../../../src/client/streams/watch-records.js'
import { WatchResumer } from '../../../src/client/streams/watch-resumer.js'
import { MalformedMessage } from '../../../src/client/transport/protobuf.js'
import {
  areWatched,
  cancelRequest,
  progressRequest,
  readWatchedKeys,
  readWatchRequest,
  readWatchResponse,
} from '../../../src/client/streams/watch-messages.js'
import { printable } from '../../../src/report/printable.js'
import { createFor, eventRevisions, watchResponse } from '../../support/watch-wire.js'

/** An attempt that writes down what is sent on it. `sign`: `>`, and `>>` while it is not the only one. */
class BenchAttempt implements StreamAttempt {
  readonly endpoint = 'https://a:2379'
  readonly #bench: Bench
  sign: string

  constructor(bench: Bench, sign: string) {
    this.#bench = bench
    this.sign = sign
  }

  send(message: Buffer): void {
    const request = readWatchRequest(message)
    const { sign } = this
    if (request.kind === 'create') {
      const { body, startRevision, watchId } = request.create
      const key = readWatchedKeys(body).key.toString()
      this.#bench.write(`${sign} create ${key} from ${String(startRevision)} as ${String(watchId)}`)
    } else this.#bench.write(`${sign} ${request.kind}${request.kind === 'cancel' ? ` ${String(request.watchId)}` : ''}`)
  }

  expectAnswer(due: boolean): void {
    this.#bench.answerDue = due
  }

  renewToken(): boolean {
    return this.#bench.renews
  }

  explainRefusal(): EtcdMtlsError | null {
    return this.#bench.refusal
  }

  checkProgressOrder(known: (exact: boolean) => void): void {
    known(this.#bench.exact)
  }

  whenCaughtUp(known: (reached: { revision: bigint; term: bigint } | null) => void): void {
    this.#bench.caughtUp = known
  }

  invalidAnswer(reason: string): EtcdMtlsError {
    return new EtcdMtlsError('ERR_ANSWER_INVALID', reason, { method: 'Watch/Watch', endpoint: null, reason })
  }

  fail(details: string): void {
    throw new Error(details)
  }
}

/** A resumer between a server and a caller that write down what they get. */
class Bench implements ResumableStream {
  readonly ends = new WatchEnds()
  readonly positions: ResumePositions
  resumer: WatchResumer
  /** `> …` to the server, `< …` to the caller. */
  #log: string[] = []
  readonly receiveLimit = 1000
  resumed = 0
  answerDue = false
  renews = false
  exact = true
  refusal: EtcdMtlsError | null = null
  /** In the headers of the answers. */
  cluster = 0
  term = 0
  /** Set while the resumer waits for the member to catch up. */
  caughtUp: ((reached: { revision: bigint; term: bigint } | null) => void) | null = null
  #attempt = new BenchAttempt(this, '>')
  #next: BenchAttempt | null = null

  constructor(positions = new ResumePositions()) {
    this.positions = positions
    this.resumer = new WatchResumer(this, positions, this.ends)
    this.#begin()
  }

  #begin(): void {
    this.#attempt = new BenchAttempt(this, '>')
    this.resumer.begin(this.#attempt)
  }

  receive(message: Buffer): void {
    this.resumer.incoming(message, this.#attempt)
  }

  /** An answer with this beginning was too large. */
  refuse(head: Buffer): void {
    this.resumer.undeliverable(head, this.#attempt)
  }

  write(line: string): void {
    this.#log.push(line)
  }

  countResumed(watches: number): void {
    this.resumed += watches
  }

  deliver(message: Buffer, inBurst = false): void {
    const { created, canceled, fragment, watchId, lastRevision, revision, cancelReason } = readWatchResponse(message)
    // etcd3 continues in a promise after these.
    if (inBurst) expect([created, canceled]).toEqual([false, false])
    const ends = [...(created ? ['created'] : []), ...(canceled ? ['canceled'] : [])].join(' and ')
    const what =
      ends !== '' ? ends : lastRevision === null ? `progress ${String(revision)}` : eventRevisions(message).join()
    expect(fragment).toBe(false)
    this.#log.push(`< ${String(watchId)}: ${what}${cancelReason === '' ? '' : ` (${cancelReason})`}`)
  }

  get log(): string[] {
    return this.#log.splice(0)
  }

  /**
   * Plays lines: of the caller (`create KEY [FROM] [quiet]`, `cancel ID`, `progress`), of the server (`@REVISION ID` with
   * `created`, `canceled REASON`, `compacted REVISION`, `refused REASON` or the revisions of events; `@@` on the next attempt), and of the client (`cluster ID TERM` of the headers, `caught-up REVISION TERM`, `begin`, `move`, `finish`, `abandon`, `refresh`, `wait MS`, `stop`, `fail`). All that is written down in between has to be there, as `> …` and `< …`.
   */
  play(script: string): this {
    const expected: string[] = []
    for (const line of [...script.trim().split('\n'), 'end'].map((each) => each.trim())) {
      if (/^[<>]/.test(line)) {
        expected.push(line)
        continue
      }
      expect(this.log, `before "${line}"`).toEqual(expected.splice(0))
      this.#step(line)
    }
    return this
  }

  #step(line: string): void {
    const [verb = '', first = '', second = ''] = line.split(' ')
    if (verb.startsWith('@@')) this.#answer(this.#next, Number(verb.slice(2)), Number(first), line.split(' ').slice(2))
    else if (verb.startsWith('@')) {
      this.#answer(this.#attempt, Number(verb.slice(1)), Number(first), line.split(' ').slice(2))
    } else if (verb === 'create') {
      const from = Number(/ (\d+)/.exec(line)?.[1] ?? 0)
      this.resumer.outgoing(createFor(first, from, { progressNotify: !line.endsWith('quiet') }))
    } else if (verb === 'cancel') this.resumer.outgoing(cancelRequest(BigInt(first)))
    else if (verb === 'progress') this.resumer.outgoing(progressRequest())
    else if (verb === 'begin') this.#begin()
    else if (verb === 'move') this.#move()
    else if (verb === 'finish') this.#finish()
    else if (verb === 'abandon') {
      this.resumer.cancelMigration()
      this.#next = null
    } else if (verb === 'refresh') this.resumer.refresh()
    else if (verb === 'stop') this.resumer.stop()
    else if (verb === 'wait') vi.advanceTimersByTime(Number(first))
    else if (verb === 'cluster') [this.cluster, this.term] = [Number(first), Number(second)]
    else if (verb === 'caught-up') this.#catchUp(Number(first), Number(second))
    else if (verb === 'set') Object.assign(this, { [first]: second === 'true' })
    else if (verb === 'fail') {
      // etcd3 opens another stream.
      this.resumer.failed()
      this.resumer = new WatchResumer(this, this.positions, this.ends)
      this.#begin()
    } else expect(line).toBe('end')
  }

  #catchUp(revision: number, term: number): void {
    const { caughtUp } = this
    this.caughtUp = null
    caughtUp?.({ revision: BigInt(revision), term: BigInt(term) })
  }

  #move(): void {
    const next = new BenchAttempt(this, '>>')
    this.#next = next
    this.resumer.migrateTo(next, () => {
      this.write('> done')
      this.#finish()
    })
  }

  #finish(): void {
    if (this.#next === null) return
    this.#attempt = this.#next
    this.#next = null
    this.#attempt.sign = '>'
    this.resumer.finishMigration()
  }

  #answer(attempt: BenchAttempt | null, revision: number, watchId: number, [what = '', ...words]: string[]): void {
    if (attempt === null) throw new Error('There is no such attempt')
    const refused = what === 'refused'
    const compactRevision = what === 'compacted' ? Number(words[0]) : 0
    const reason = compactRevision > 0 ? '' : words.join(' ')
    this.resumer.incoming(
      watchResponse({
        revision,
        watchId,
        cluster: this.cluster,
        term: this.term,
        created: what === 'created' || refused,
        canceled: what === 'canceled' || what === 'compacted' || refused,
        compactRevision,
        ...(reason === '' ? {} : { cancelReason: reason }),
        events: /^\+?[\d,]+$/.test(what) ? what.split(',').map(Number) : [],
        fragment: what.startsWith('+'),
      }),
      attempt,
    )
  }
}

// Pauses are random, up to a limit: each is at its limit here.
beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(1)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** A watch on `a` that etcd has created at revision 10. */
const A = 'create a\n> create a from 0 as 1\n@10 1 created\n< 1: created'
/** The same, and one on `b`. */
const AB = `${A}\ncreate b\n> create b from 0 as 2\n@10 2 created\n< 2: created`

describe('a watch on its first attempt', () => {
  it.each<[string, string]>([
    [
      'a watch has an id of this client, and every response reaches the caller',
      `${A}\n@11 1 11\n< 1: 11\n@20 1\n< 1: progress 20`,
    ],
    [
      'the first watch is created alone; when the server has used its id, the others follow at once, in any order',
      `create a
       > create a from 0 as 1
       create b
       create c
       @10 1 created
       < 1: created
       > create b from 0 as 2
       > create c from 0 as 3
       @10 3 created
       < 3: created
       @10 2 created
       < 2: created`,
    ],
    [
      'a server that gives its own ids creates one watch after the other, and the caller sees the ids of this client',
      `create a
       > create a from 0 as 1
       create b
       @10 0 created
       < 1: created
       > create b from 0 as 2
       create c
       @10 1 created
       < 2: created
       > create c from 0 as 3
       @11 1 11
       < 2: 11
       cancel 2
       > cancel 1
       @11 1 canceled
       < 2: canceled`,
    ],
    [
      'the caller receives the progress that it requested, and events for a watch that ended are dropped',
      `${A}\nprogress\n> progress\n@30 -1\n< -1: progress 30\n@30 5 30`,
    ],
    [
      'a cancel for a watch that has ended is not sent, because another watch may have its id',
      `${A}\n@12 1 canceled\n< 1: canceled\ncancel 1`,
    ],
    [
      'a refused create is reported, and followed by a response with which etcd3 sends its next request',
      `create a
       > create a from 0 as 1
       create b
       @10 -1 refused permission denied
       < 1: created and canceled (permission denied)
       < 1: created
       > create b from 0 as 2`,
    ],
  ])('%s', (_what, script) => {
    expect(() => new Bench().play(script)).not.toThrow()
  })

  it('expects an answer while a watch is not created', () => {
    const bench = new Bench().play('create a\n> create a from 0 as 1')
    expect(bench.answerDue).toBe(true)
    bench.play('@10 1 created\n< 1: created')
    expect(bench.answerDue).toBe(false)
  })

  it('keeps the id of the caller and does not use it twice', () => {
    const bench = new Bench()
    const own = Buffer.concat([createFor('a').subarray(2), Buffer.from([0x38, 1])])
    bench.resumer.outgoing(Buffer.concat([Buffer.from([0x0a, own.length]), own]))
    expect(bench.log).toEqual(['> create a from 0 as 1'])
    bench.play('@10 1 created\n< 1: created\ncreate b\n> create b from 0 as 2')
  })
})

describe('a watch that a store of another history answers', () => {
  /** A watch on `a` of cluster 1, in term 5, that has seen revision 20. */
  const SEEN = `cluster 1 5\n${A}\n@20 1\n< 1: progress 20`
  const END = 'and changes may have been missed. Read the keys again, then watch or lock again.'
  const OTHER = `The watch on "a" cannot continue: etcd now answers for the cluster 2 instead of 1, whose revisions are others, ${END}`
  const OLDER = `The watch on "a" cannot continue: the data of the cluster 1 was replaced by older data, as by a restore, ${END}`

  it.each<[string, string]>([
    [
      'ends if it is of another cluster, although its revision is higher',
      `${SEEN}\nbegin\n> create a from 21 as 1\ncluster 2 9\n@100 1 created\n> cancel 1\n< 1: canceled (${OTHER})`,
    ],
    [
      'ends if it is of another cluster and etcd3 has created it again',
      `${SEEN}
       fail
       create a 21
       > create a from 21 as 1
       cluster 2 9
       @100 1 created
       > cancel 1
       < 1: created and canceled (${OTHER})
       < 1: created`,
    ],
    [
      'ends if it is of another cluster on the attempt that it moves to',
      `${SEEN}\nmove\n> progress\n@20 -1\n>> create a from 21 as 1\ncluster 2 9\n@@100 1 created\n> cancel 1\n>> cancel 1\n< 1: canceled (${OTHER})\n> done`,
    ],
    [
      'ends if the revision is lower than one that it has seen, once the member has caught up',
      `${SEEN}\nbegin\n> create a from 21 as 1\n@12 1 created\n> cancel 1\ncaught-up 12 5\n< 1: canceled (${OLDER})`,
    ],
    [
      'ends if the term is lower than one that it has seen, once the member has caught up',
      `${SEEN}\nbegin\n> create a from 21 as 1\ncluster 1 2\n@100 1 created\n> cancel 1\ncaught-up 100 2\n< 1: canceled (${OLDER})`,
    ],
    [
      'continues on a member that was behind and has caught up',
      `${SEEN}
       begin
       > create a from 21 as 1
       @12 1 created
       > cancel 1
       caught-up 21 5
       > create a from 21 as 2
       @21 2 created
       @22 2 22
       < 1: 22`,
    ],
    [
      'continues behind a proxy that reports no cluster',
      `${SEEN}\nbegin\n> create a from 21 as 1\ncluster 0 0\n@12 1 created\n> progress\n@22 1 22\n< 1: 22`,
    ],
  ])('%s', (_what, script) => {
    expect(() => new Bench().play(script)).not.toThrow()
  })

  it('the end of such a watch has the error ERR_CLUSTER_CHANGED as its cause', () => {
    const bench = new Bench().play(
      `${SEEN}\nbegin\n> create a from 21 as 1\ncluster 2 9\n@100 1 created\n> cancel 1\n< 1: canceled (${OTHER})`,
    )
    expect(bench.ends.causeOf(OTHER)).toMatchObject({
      code: 'ERR_CLUSTER_CHANGED',
      details: { cluster: '2', before: '1' },
    })
  })
})

describe('a watch on the next attempt', () => {
  it.each<[string, string]>([
    [
      'a watch without a response since it was created resumes after the revision of its creation',
      `${A}\nbegin\n> create a from 11 as 1`,
    ],
    ['a watch resumes after the revision of its last event', `${A}\n@15 1 15\n< 1: 15\nbegin\n> create a from 16 as 1`],
    [
      'a watch resumes after the revision of its last progress',
      `${A}\n@40 1\n< 1: progress 40\nbegin\n> create a from 41 as 1`,
    ],
    [
      'a watch that reads past events resumes after the last of them, not after the header, and the caller does not see it created again',
      `${A}\n@9000 1 12,13,14\n< 1: 12,13,14\nbegin\n> create a from 15 as 1\n@9500 1 created\n> progress\n@9500 1 9400\n< 1: 9400`,
    ],
    [
      'a watch never resumes further back if a member lags behind',
      `${A}\n@15 1 15\n< 1: 15\n@12 1\n< 1: progress 12\nbegin\n> create a from 16 as 1`,
    ],
    [
      'a watch from a revision in the future keeps that revision',
      'create a 500\n> create a from 500 as 1\n@10 1 created\n< 1: created\n@20 1\n< 1: progress 20\nbegin\n> create a from 500 as 1',
    ],
    [
      'a watch that was not created yet is requested as before, and reported when it is created',
      `create a
       > create a from 0 as 1
       create b 7
       begin
       > create a from 0 as 1
       @10 1 created
       < 1: created
       > create b from 7 as 2
       @10 2 created
       < 2: created
       > progress`,
    ],
    [
      'other ids of the server are mapped, also if they are the ids of other watches of this client',
      `${AB}
       begin
       > create a from 11 as 1
       @10 2 created
       > create b from 11 as 2
       @10 1 created
       @11 2 11
       < 1: 11
       @12 1 12
       < 2: 12`,
    ],
    [
      'a cancel that was not answered is answered, and the watch is not created again',
      `${AB}\ncancel 1\n> cancel 1\nbegin\n< 1: canceled\n> create b from 11 as 2`,
    ],
    [
      'a cancel during the attempt ends a watch that is not requested yet, and a watch that is',
      `${AB}
       begin
       > create a from 11 as 1
       cancel 2
       < 2: canceled
       cancel 1
       @11 1 created
       > cancel 1
       > progress
       @11 1 canceled
       < 1: canceled
       begin`,
    ],
    [
      'a watch that the next server refuses has ended for the caller',
      `${AB}
       begin
       > create a from 11 as 1
       @10 -1 refused permission denied
       < 1: canceled (permission denied)
       > create b from 11 as 2`,
    ],
    [
      'a refused token is renewed instead, and all watches are requested again',
      `${A}
       begin
       > create a from 11 as 1
       set renews true
       @10 -1 refused etcdserver: invalid auth token
       begin
       > create a from 11 as 1
       set renews false
       @10 -1 refused etcdserver: invalid auth token
       < 1: canceled (etcdserver: invalid auth token)`,
    ],
    [
      'an answer to a request of an older attempt is dropped',
      `${A}\nprogress\n> progress\nbegin\n> create a from 11 as 1\n@30 -1`,
    ],
  ])('%s', (_what, script) => {
    expect(() => new Bench().play(script)).not.toThrow()
  })
})

describe('a quiet watch', () => {
  it.each<[string, string]>([
    ['requests no progress from an etcd whose answer may overtake events', `${A}\nset exact false\nrefresh\nrefresh`],
    [
      'requests no progress from a server that does not use the ids of this client, such as the grpc-proxy',
      'create a\n> create a from 0 as 1\n@10 7 created\n< 1: created\nrefresh',
    ],
    [
      'requests the position at each refresh, once for all watches of the stream',
      `${AB}\nrefresh\n> progress\n@500 -1\nrefresh\nwait 10\n> progress\n@600 -1\nbegin\n> create a from 601 as 1`,
    ],
    [
      'requests the position again until the server answers, after pauses that grow to the interval',
      `${A}
       refresh
       > progress
       wait 200
       > progress
       refresh
       wait 400
       > progress
       @500 -1
       wait 60000
       begin
       > create a from 501 as 1`,
    ],
    [
      'requests the position as soon as the watch was created again, because the next attempt may be short',
      `${AB}
       begin
       > create a from 11 as 1
       @90 1 created
       > create b from 11 as 2
       @90 2 created
       > progress
       @99 -1
       begin
       > create a from 100 as 1`,
    ],
    [
      'does not take the progress of other watches for its own if the request was sent before it was created',
      `${A}
       refresh
       > progress
       create b 5
       > create b from 5 as 2
       @50 2 created
       < 2: created
       @50 -1
       begin
       > create a from 51 as 1
       @50 1 created
       > create b from 5 as 2`,
    ],
    [
      'takes the answer to a request that was sent when it was created, also if the store has not changed',
      `create b 5\n> create b from 5 as 1\n@50 1 created\n< 1: created\nrefresh\n> progress\n@50 -1\nbegin\n> create b from 51 as 1`,
    ],
    ['leaves no timer when the stream ends', `${A}\nrefresh\n> progress\nstop\nwait 60000`],
    [
      'hides progress responses that the caller did not request',
      'create a quiet\n> create a from 0 as 1\n@10 1 created\n< 1: created\n@40 1\nbegin\n> create a from 41 as 1',
    ],
  ])('%s', (_what, script) => {
    expect(() => new Bench().play(script)).not.toThrow()
  })

  it('ends a watch that missed events with an error that names the revisions', () => {
    const bench = new Bench().play(`${A}\nbegin\n> create a from 11 as 1\n@700 1 created\n> progress`)
    bench.receive(watchResponse({ revision: 700, watchId: 1, canceled: true, compactRevision: 400 }))
    const [cancel, end = ''] = bench.log
    expect(cancel, 'etcd would answer no progress request of the stream any more').toBe('> cancel 1')
    const reason = 'etcd has compacted the revisions before 400, and the watch on "a" needs them from 11'
    expect(end).toContain(`< 1: canceled (${reason}`)
    expect(bench.ends.causeOf(/\((.*)\)/.exec(end)?.[1] ?? '')).toMatchObject({
      code: 'ERR_WATCH_COMPACTED',
      details: { key: 'a', rangeEnd: printable('\0'), revision: '11', compactRevision: '400' },
    })
  })
})

/** The watch on `a`, which moves: the old attempt has reported its progress, and `a` is created on the next one. */
const MOVE_A = `${A}\nmove\n> progress\n@20 -1\n>> create a from 21 as 1`
/** The watches on `a` and `b`, created on the next attempt: `b` from its current revision, 30, because the old one delivers up to 20. */
const MOVE_AB = `${AB}
  move
  > progress
  @20 -1
  >> create a from 21 as 1
  @@30 1 created
  >> create b from 0 as 2
  @@30 2 created
  >> progress
  wait 10
  > progress`

describe('a move to another attempt', () => {
  it.each<[string, string]>([
    ['a move without a watch is done at once', 'move\n> done'],
    [
      'a move is done when the next server has read the past events: from then on, a compaction does not end the watch',
      `${MOVE_A}\n@@25 1 created\n>> progress\n@@25 -1\n> done`,
    ],
    [
      'asks the next server again while it reads past events',
      `${MOVE_A}\n@@25 1 created\n>> progress\nwait 100\n>> progress\n@@25 -1\n> done`,
    ],
    [
      'delivers events from whichever attempt has them first, and each once',
      `${MOVE_A}
       @21 1 21
       < 1: 21
       @@25 1 created
       >> progress
       @@25 1 21,22,23
       < 1: 22,23
       @25 1 22,23,24
       < 1: 24
       @@25 1 24
       @@25 -1
       > done
       @26 1 25
       < 1: 25`,
    ],
    [
      'creates a watch from the current revision that the old attempt still has to reach, and drops events until then',
      `${MOVE_AB}
       @@31 2 31
       @@31 -1
       @20 -1
       wait 10
       > progress
       @25 2 25
       < 2: 25
       @31 2 31
       < 2: 31
       @31 -1
       > done
       @32 2 32
       < 2: 32`,
    ],
    [
      'creates a watch again, from the current revision and with another id, that a compaction has ended',
      `${MOVE_A}
       @@40 1 created
       >> progress
       @@40 1 compacted 38
       >> cancel 1
       >> create a from 0 as 2
       @@45 2 created
       wait 10
       > progress
       @46 1 46
       < 1: 46
       @46 -1
       @@46 -1
       > done
       @47 2 47
       < 1: 47`,
    ],
    [
      'ends a watch that compactions have ended four times',
      `${MOVE_A}
       @@40 1 created
       >> progress
       @@40 1 compacted 38
       >> cancel 1
       >> create a from 0 as 2
       @@50 2 compacted 50`,
    ],
    [
      'lets a watch that the caller creates meanwhile begin on the next attempt',
      `${MOVE_A}
       create c
       @@25 1 created
       >> create c from 0 as 2
       @@25 2 created
       < 2: created
       >> progress
       @@25 -1
       > done`,
    ],
    [
      'cancels on both attempts a watch that the caller cancels, and reports that once',
      `${AB}
       move
       > progress
       @20 -1
       >> create a from 21 as 1
       @@25 1 created
       >> create b from 0 as 2
       cancel 1
       > cancel 1
       >> cancel 1
       @25 1 canceled
       < 1: canceled
       @@25 1 canceled
       @@25 2 created
       >> progress
       wait 10
       > progress`,
    ],
    [
      'ends a watch that the next server refuses, also on the old attempt',
      `${MOVE_A}\n@@25 -1 refused permission denied\n> cancel 1\n< 1: canceled (permission denied)\n> done`,
    ],
    [
      'creates the watches at their positions if the old attempt does not report its progress in time',
      `${AB}
       @15 2 15
       < 2: 15
       move
       > progress
       wait 100
       > progress
       wait 200
       >> create a from 11 as 1
       > progress
       @@30 1 created
       >> create b from 16 as 2`,
    ],
    [
      'a move is done as soon as the watches are created, if the servers do not report progress in order',
      `${A}\nset exact false\nmove\n>> create a from 11 as 1\n@@20 1 created\n> done`,
    ],
    [
      'a move that cannot wait longer creates watches again which start after their positions',
      `${MOVE_AB}
       finish
       > cancel 2
       > create b from 21 as 3
       @40 3 created
       @41 3 21,41
       < 2: 21,41`,
    ],
    [
      'a move that cannot wait longer creates the watches that are not created',
      `${AB}
       move
       > progress
       finish
       > create a from 11 as 1
       @20 1 created
       > create b from 11 as 2`,
    ],
    [
      'a move that cannot wait longer creates a watch again whose answer comes too late',
      `${AB}
       move
       > progress
       @20 -1
       >> create a from 21 as 1
       @@30 1 created
       >> create b from 0 as 2
       finish
       @30 2 created
       > cancel 2
       > create b from 21 as 3`,
    ],
    [
      'ends a cancel that the old attempt did not answer',
      `${MOVE_A}\n@@25 1 created\n>> progress\ncancel 1\n> cancel 1\n>> cancel 1\nfinish\n< 1: canceled\n@25 1 canceled`,
    ],
    [
      'a move that fails leaves all watches on the old attempt, including watches that the caller has created',
      `${MOVE_A}\ncreate c\nabandon\n> create c from 0 as 2\n@25 2 created\n< 2: created\n@26 1 26\n< 1: 26`,
    ],
    [
      'a move can be tried again',
      `${MOVE_A}\nabandon\nmove\nwait 10\n> progress\n@30 -1\n>> create a from 31 as 1\n@@30 1 created\n>> progress\n@@30 -1\n> done`,
    ],
  ])('%s', (_what, script) => {
    expect(() => new Bench().play(script)).not.toThrow()
  })
})

it('sets a cause on a refused watch, whose message is part of the reason', () => {
  const bench = new Bench()
  bench.refusal = new EtcdMtlsError('ERR_CLOSED', 'User alice may not read "a".', { what: 'x' })
  const reason = 'permission denied. User alice may not read "a".'
  bench.play(
    `create a\n> create a from 0 as 1\n@10 -1 refused permission denied\n< 1: created and canceled (${reason})\n< 1: created`,
  )
  expect(bench.ends.causeOf(reason)).toBe(bench.refusal)
})

describe('fragments of a response', () => {
  it.each<[string, string]>([
    [
      'fragments are passed on in whole revisions, and the last one with the next fragment',
      `${A}\n@50 1 +11,12,13\n< 1: 11,12\n@50 1 +13,13,14\n< 1: 13,13,13\n@50 1 14,15\n< 1: 14,14\n< 1: 15`,
    ],
    ['fragments may share one revision', `${A}\n@50 1 +11\n@50 1 +11,11\n@50 1 11\n< 1: 11,11,11,11`],
    [
      'fragments deliver each revision once if each has its own',
      `${A}\n@50 1 +11\n@50 1 +12\n< 1: 11\n@50 1 13\n< 1: 12\n< 1: 13`,
    ],
    [
      'fragments are requested again from the first revision that was not complete',
      `${A}\n@50 1 +11,12,13\n< 1: 11,12\nbegin\n> create a from 13 as 1\n@50 1 created\n> progress\n@50 1 +13,13\n@50 1 14\n< 1: 13,13\n< 1: 14`,
    ],
    [
      'fragments keep the position of their watch if a progress response comes between them',
      `${A}\n@50 1 +11,12\n< 1: 11\n@50 -1\nbegin\n> create a from 12 as 1`,
    ],
    [
      'fragments belong to one watch, and another watch has its own',
      `${AB}\n@50 1 +11,12\n< 1: 11\n@50 2 +11,12\n< 2: 11\n@50 1 13\n< 1: 12\n< 1: 13\n@50 2 12\n< 2: 12,12`,
    ],
    [
      'fragments do not come back after their watch was canceled',
      `${A}\n@50 1 +11,12\n< 1: 11\ncancel 1\n> cancel 1\n@50 1 canceled\n< 1: canceled`,
    ],
    [
      'fragments make the next request of etcd3 start at the unfinished revision',
      `${A}\n@50 1 +11,12\n< 1: 11\nfail\ncreate a 51\n> create a from 12 as 1`,
    ],
  ])('%s', (_what, script) => {
    expect(() => new Bench().play(script)).not.toThrow()
  })

  const tooLarge =
    'The watch on "a" has an event or a revision of more than 1000 bytes, which this client does not receive.'

  it('ends the watch, once and with a cause, if a revision is larger than the limit', () => {
    const bench = new Bench().play(AB)
    const part = watchResponse({ revision: 50, watchId: 1, events: [11], size: 600, fragment: true })
    bench.receive(Buffer.from(part))
    expect(bench.log).toEqual([])
    bench.receive(Buffer.from(part))
    const [cancel, end = ''] = bench.log
    expect(cancel).toBe('> cancel 1')
    expect(end).toContain(tooLarge)
    expect(end).toContain('watch again from revision 11.')
    expect(bench.ends.causeOf(/\((The.*)\)$/.exec(end)?.[1] ?? '')).toMatchObject({
      code: 'ERR_ANSWER_TOO_LARGE',
      details: { call: 'Watch/Watch', endpoint: 'https://a:2379', limit: 1000 },
    })
    bench.receive(Buffer.from(part))
    bench.play('@51 2 51\n< 2: 51')
  })

  it('ends the watch if an event was refused as too large, and no other watch', () => {
    const bench = new Bench().play(AB)
    bench.refuse(watchResponse({ revision: 50, watchId: 1 }))
    expect(bench.log[1]).toContain(tooLarge)
    bench.refuse(watchResponse({ revision: 50, watchId: 1 }))
    bench.play('begin\n> create b from 11 as 2')
  })

  it('ends the watch if one of its fragments has no events', () => {
    const bench = new Bench().play(A)
    bench.receive(watchResponse({ revision: 50, watchId: 1, fragment: true }))
    expect(bench.log[1]).toMatch(/canceled .*a fragment without events/)
  })
})

describe('responses that etcd never sends', () => {
  it('ends only the watch of an invalid response, and asks the server to cancel it', () => {
    const bench = new Bench().play(AB)
    const invalid = Buffer.from('5a020805', 'hex')
    bench.receive(Buffer.concat([watchResponse({ revision: 11, watchId: 2 }), invalid]))
    const reason =
      'a response for the watch on "b" is invalid: an event cannot be read: type 5 is neither PUT nor DELETE'
    expect(bench.log).toEqual(['> cancel 2', `< 2: canceled (${reason})`])
    expect(bench.ends.causeOf(reason)).toMatchObject({ code: 'ERR_ANSWER_INVALID' })
    bench.play('@12 2 12\n@12 1 12\n< 1: 12')
  })

  it('does not pass on a response without a watch, or with the id of another watch', () => {
    const bench = new Bench().play(A)
    for (const bytes of ['0b0c', '1a0161', '0001']) {
      expect(() => {
        bench.receive(Buffer.from(bytes, 'hex'))
      }).toThrow(MalformedMessage)
    }
    bench.play('@11 99 11\n@11 98 canceled\n@11 97 created\ncreate b\n> create b from 0 as 2')
    expect(() => bench.play('@11 1 created')).toThrow(MalformedMessage)
    expect(() => bench.play('@11 -1 created')).toThrow(MalformedMessage)
  })

  it.each<[string, string, string, boolean]>([
    ['k', '', 'k', true],
    ['k', '', 'kk', false],
    ['a', 'b', 'azz', true],
    ['a', 'b', 'b', false],
    ['a', 'b', 'A', false],
    ['b', '\0', 'zz', true],
    ['b', '\0', 'a', false],
  ])('a watch from %j to %j with an event for %j passes it: %j', (key, rangeEnd, changed, passes) => {
    const keys = { key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) }
    const response = readWatchResponse(watchResponse({ revision: 11, watchId: 1, events: [11], key: changed }))
    expect(areWatched(response, keys)).toBe(passes)
  })

  it('ends the watch at an event for a key that is not watched', () => {
    const bench = new Bench().play('create l\n> create l from 0 as 1\n@10 1 created\n< 1: created')
    bench.receive(watchResponse({ revision: 11, watchId: 1, events: [11] }))
    expect(bench.log[1]).toContain('a key that is not watched')
  })
})

describe('the next request of etcd3 after the stream has failed', () => {
  const past = (id: number): string =>
    `create a 1\n> create a from 1 as ${String(id)}\n@100 ${String(id)} created\n< ${String(id)}: created`

  it.each<[string, string]>([
    [
      'corrects the next request of etcd3, once',
      `${past(1)}
       @120 1 1,2,3
       < 1: 1,2,3
       fail
       create a 121
       > create a from 4 as 1
       create a 121
       @120 1 created
       < 1: created
       > create a from 121 as 2`,
    ],
    [
      'corrects the next request of etcd3, also if it fails again before it was answered',
      `${past(1)}\nfail\ncreate a 101\n> create a from 1 as 1\nfail\ncreate a 101\n> create a from 1 as 1`,
    ],
    [
      'finds the position of each of several equal requests, in order',
      `${past(1)}
       create a
       > create a from 0 as 2
       @100 2 created
       < 2: created
       fail
       create a 101
       > create a from 1 as 1
       create a 101
       @100 1 created
       < 1: created
       > create a from 101 as 2`,
    ],
    [
      'leaves a request alone if its watch was canceled',
      `${past(1)}\ncancel 1\n> cancel 1\nfail\ncreate a 101\n> create a from 101 as 1`,
    ],
    [
      'leaves a request alone if it starts at another revision',
      `${past(1)}\nfail\ncreate a 102\n> create a from 102 as 1`,
    ],
  ])('%s', (_what, script) => {
    expect(() => new Bench().play(script)).not.toThrow()
  })

  it('drops the oldest positions that etcd3 does not ask for', () => {
    const positions = new ResumePositions()
    const key = (number: number): Buffer => Buffer.from(String(number))
    const seen = new SeenHistory()
    for (let i = 0; i < 10_001; i += 1) positions.note([{ body: key(i), from: 2n, next: 1n, seen }])
    expect([0, 1, 10_000].map((each) => positions.take(key(each), 2n)?.next)).toEqual([undefined, 1n, 1n])
  })
})
