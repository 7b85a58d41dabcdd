/** Watches over the whole run, watches that come and go, and one on keys that do not change. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Etcd3, IKeyValue, Watcher } from 'etcd3'
import { eventLine } from '../record.js'
import { aborted, callOptions, clientAt, pause, recordFailure, type Work } from './work.js'

const WATCHES = 4
/** How long a watch may take to be created, canceled, or to deliver what is left, in milliseconds: longer than any fault. */
const SETTLED = 30_000

/** The key that the run puts when everything else has ended, below each prefix that is watched. */
export function endKeys(prefix: string): string[] {
  return [`${prefix}end`, `${quiet(prefix)}end`]
}

function quiet(prefix: string): string {
  return `quiet-${prefix}`
}

/** A watch that records what it delivers. */
class RecordedWatch {
  readonly #work: Work
  readonly #name: string
  readonly prefix: string
  readonly #over = new AbortController()
  #lines: string[] = []
  #watcher: Watcher | null = null

  constructor(work: Work, name: string, prefix: string) {
    this.#work = work
    this.#name = name
    this.prefix = prefix
  }

  /** @throws What the client throws. */
  async open(client: Etcd3): Promise<void> {
    const { recorder } = this.#work
    const { header } = await client.get(`${this.prefix}start`).options(callOptions()).exec()
    const start = String(BigInt(header.revision) + 1n)
    const creating = client.watch().startRevision(start).prefix(this.prefix).create()
    if (!(await settles(creating, SETTLED))) this.#fault(`create() did not settle within ${String(SETTLED)} ms`)
    const watcher = await creating
    recorder.add({ type: 'watch', watch: this.#name, prefix: this.prefix, after: header.revision })
    const note = (type: 'put' | 'delete') => (kv: IKeyValue) => {
      const key = kv.key.toString()
      this.#lines.push(eventLine({ revision: kv.mod_revision, type, key, value: kv.value.toString() }))
      if (this.#lines.length >= 50) this.flush()
      if (endKeys(this.#work.prefix).includes(key)) this.#over.abort()
    }
    watcher.on('put', note('put')).on('delete', note('delete'))
    watcher.on('error', (error) => {
      this.#fault(error.message)
      this.#watcher = null
      this.#over.abort()
    })
    this.#watcher = watcher
  }

  /** Resolves when the last key of the run was delivered. */
  async caughtUp(): Promise<void> {
    if (!(await settles(aborted(this.#over.signal), SETTLED)))
      this.#fault(`did not deliver the last event within ${String(SETTLED)} ms`)
    this.flush()
  }

  async cancel(): Promise<void> {
    const { recorder } = this.#work
    const canceled = this.#watcher?.cancel() ?? Promise.resolve()
    this.flush()
    recorder.add({ type: 'watch-canceled', watch: this.#name })
    if (!(await settles(canceled, SETTLED))) this.#fault(`cancel() did not settle within ${String(SETTLED)} ms`)
  }

  flush(): void {
    this.#work.recorder.add({ type: 'events', watch: this.#name, lines: this.#lines })
    this.#lines = []
  }

  #fault(message: string): void {
    this.#work.recorder.add({ type: 'watch-error', watch: this.#name, message })
  }
}

/** Opens the watches that last. Returns what resolves when they have delivered everything, the last event included. */
export async function openWatches(work: Work): Promise<() => Promise<void>> {
  const { prefix } = work
  const watches = Array.from(
    { length: WATCHES },
    (_, index) => new RecordedWatch(work, `watch ${String(index)}`, prefix),
  )
  watches.push(new RecordedWatch(work, 'quiet watch', quiet(prefix)))
  await Promise.all(watches.map((each, index) => each.open(clientAt(work, index))))
  return async () => {
    await Promise.all(watches.map((each) => each.caughtUp()))
  }
}

/** Watches that are created and canceled while faults go on. */
export async function churnWatches(work: Work): Promise<void> {
  const { stopping, random, prefix } = work
  for (let turn = 0; !stopping.aborted; turn += 1) {
    const watch = new RecordedWatch(work, `short watch ${String(turn)}`, `${prefix}r`)
    try {
      await watch.open(clientAt(work, turn))
    } catch (error) {
      recordFailure(work, error, false)
      await pause(500, stopping)
      continue
    }
    await pause(1000 + random.below(5000), stopping)
    await watch.cancel()
  }
}

/** Whether the promise resolves within that many milliseconds. */
function settles(promise: Promise<unknown>, within: number): Promise<boolean> {
  return Promise.race([promise.then(() => true), sleep(within, false, { ref: false })])
}
