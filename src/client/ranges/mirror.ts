/** A copy of the keys of a prefix in memory, which follows etcd. */
import { backoffPause } from '../../report/duration.js'
import { type ErrorCode, EtcdMtlsError, isError, isEtcdMtlsError } from '../../report/errors.js'
import { checkOptions } from '../../report/option-error.js'
import { pause } from '../base/timing.js'
import { checkSignal } from '../../credentials/checks.js'
import { CLIENT } from '../base/tls-session.js'
import type { SecureEtcd3 } from '../etcd3/secure-etcd3.js'
import { pages } from './pages.js'
import { closable, endWith, type KeyValue, prefixRange, watchBatches, type WatchEvent } from './watch.js'

/** Options of {@link mirror}. */
export interface MirrorOptions {
  /** Empty for all keys. */
  prefix: string | Buffer
  /** Ends the mirror. @default none */
  signal?: AbortSignal | undefined
}

/** The keys of a prefix as they were at one revision, made by {@link mirror}. After it ended, the last state stays. */
export interface Mirror extends AsyncDisposable {
  /** Resolves when the keys were listed for the first time; rejects if the mirror ends before that. */
  readonly ready: Promise<void>
  /** What `get` and `entries` return is the state of etcd at this revision; null before it is ready. */
  readonly revision: string | null
  /** Undefined if the key does not exist. */
  get(key: string | Buffer): KeyValue | undefined
  /** The keys as strings, with their values, in no order. */
  entries(): IterableIterator<[string, KeyValue]>
  /**
   * Yields the changes from this call on, also those that a new list has found. A slow loop gets only the last change of a key. It ends
   * with the mirror, and throws its error.
   */
  changes(): AsyncIterableIterator<WatchEvent, undefined>
  /** Ends the mirror. */
  close(): void
}

/**
 * Lists the keys of a prefix, and follows their changes until the client is closed, the signal aborts or the mirror is closed. If etcd
 * has compacted changes that it needs, it lists the keys again on its own.
 *
 * @example
 * ```ts
 * const config = mirror(client, { prefix: 'config/' })
 * await config.ready
 * console.log(config.get('config/colour')?.value.toString())
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @experimental It may change in a minor release.
 */
export function mirror(client: SecureEtcd3, options: MirrorOptions): Mirror {
  checkOptions('options', options, ['prefix', 'signal'])
  checkSignal(options.signal)
  prefixRange(options.prefix)
  return new PrefixMirror(client, options)
}

/** Pauses before the keys are listed again, in milliseconds. */
const PAUSES = { first: 50, longest: 5000 }

class PrefixMirror implements Mirror {
  readonly ready: Promise<void>
  readonly #client: SecureEtcd3
  readonly #prefix: string | Buffer
  readonly #over = new AbortController()
  readonly #readers = new Set<ChangeReader>()
  readonly #running: Promise<void>
  /** By {@link idOf} of the key. */
  readonly #entries = new Map<string, KeyValue>()
  #revision: bigint | null = null
  #isListed = (): void => undefined
  /** Why it ended; null: it was closed, or has not ended. */
  #error: Error | null = null

  constructor(client: SecureEtcd3, { prefix, signal }: MirrorOptions) {
    this.#client = client
    this.#prefix = prefix
    const listed = new Promise<void>((resolve) => (this.#isListed = resolve))
    this.#running = this.#run(endWith(client, signal, this.#over))
    const ended = this.#running.then(() => {
      signal?.throwIfAborted()
      throw this.#error ?? new EtcdMtlsError('ERR_CLOSED', 'The mirror is closed.', { what: 'mirror' })
    })
    this.ready = Promise.race([listed, ended])
    this.ready.catch(() => undefined)
  }

  get revision(): string | null {
    return this.#revision === null ? null : String(this.#revision)
  }

  get(key: string | Buffer): KeyValue | undefined {
    return this.#entries.get(idOf(Buffer.from(key)))
  }

  *entries(): IterableIterator<[string, KeyValue]> {
    for (const entry of this.#entries.values()) yield [entry.key.toString(), entry]
  }

  changes(): AsyncIterableIterator<WatchEvent, undefined> {
    const reader = new ChangeReader(this.#entries.keys())
    if (!this.#over.signal.aborted) this.#readers.add(reader)
    return closable(this.#read(reader), () => {
      this.#readers.delete(reader)
      reader.wake()
    })
  }

  close(): void {
    this.#over.abort(null)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#running
  }

  async *#read(reader: ChangeReader): AsyncGenerator<WatchEvent, undefined> {
    try {
      for (;;) {
        const change = reader.take()
        if (change !== null) yield change
        else if (this.#readers.has(reader)) await reader.more()
        else break
      }
    } finally {
      this.#readers.delete(reader)
    }
    if (this.#error !== null) throw this.#error
    return undefined
  }

  /** Never rejects. */
  async #run(stop: () => void): Promise<void> {
    const isOver = (): boolean => this.#over.signal.aborted || this.#error !== null
    for (let failures = 0; !isOver(); failures += 1) {
      if (failures > 0) await pause(backoffPause(failures, PAUSES), this.#over.signal, true)
      try {
        await this.#list()
        failures = 0
        await this.#follow()
      } catch (error) {
        if (!isOver()) this.#error = this.#finalError(error)
      }
    }
    stop()
    const readers = [...this.#readers]
    this.#readers.clear()
    for (const reader of readers) reader.wake()
  }

  /** Null if the keys can be listed again. */
  #finalError(error: unknown): Error | null {
    if (isEtcdMtlsError(error) && LIST_AGAIN.includes(error.code)) return null
    if (isError(error) && isEtcdMtlsError(error.cause, 'ERR_ANSWER_TOO_LARGE')) return error
    // Once the keys were listed, a refusal may be temporary.
    const until = this.#revision === null ? Number.MAX_VALUE : Infinity
    return this.#client[CLIENT].finalError(error, until) as Error | null
  }

  async #list(): Promise<void> {
    const listed = new Map<string, KeyValue>()
    let revision = 0n
    for await (const page of pages(this.#client.withSignal(this.#over.signal), { prefix: this.#prefix })) {
      for (const entry of page.entries) listed.set(idOf(entry.key), entry)
      revision = BigInt(page.revision)
    }
    this.#apply(differences(this.#entries, listed, String(revision)), revision)
    this.#isListed()
  }

  async #follow(): Promise<void> {
    const [range, from] = [prefixRange(this.#prefix), (this.#revision ?? 0n) + 1n]
    const batches = watchBatches(this.#client, range, from, this.#over.signal)
    for await (const { events, revision } of batches) this.#apply(events, revision)
  }

  #apply(changes: readonly WatchEvent[], revision: bigint): void {
    for (const { type, ...entry } of changes) {
      if (type === 'put') this.#entries.set(idOf(entry.key), entry)
      else this.#entries.delete(idOf(entry.key))
    }
    this.#revision = revision
    for (const reader of this.#readers) reader.add(changes)
  }
}

/** Errors after which the keys are listed again: changes may be missed. */
const LIST_AGAIN: readonly ErrorCode[] = [
  'ERR_WATCH_COMPACTED',
  'ERR_PAGES_COMPACTED',
  'ERR_CLUSTER_CHANGED',
  'ERR_ANSWER_TOO_LARGE',
]

/** Another string for each key. */
function idOf(key: Buffer): string {
  return key.toString('latin1')
}

/** The changes that lead to a list. A deletion has the revision of the list. */
function differences(from: Map<string, KeyValue>, to: Map<string, KeyValue>, modRevision: string): WatchEvent[] {
  const none = { value: Buffer.alloc(0), version: '0', createRevision: '0', modRevision, lease: null }
  const gone = [...from].filter(([id]) => !to.has(id))
  const changed = [...to].filter(([id, entry]) => from.get(id)?.modRevision !== entry.modRevision)
  return [
    ...gone.map(([, { key }]): WatchEvent => ({ type: 'delete', key, ...none })),
    ...changed.map(([, entry]): WatchEvent => ({ type: 'put', ...entry })),
  ]
}

/** What one loop has not read: at most one change for each key that it knows or that exists. */
class ChangeReader {
  /** The keys that exist for the loop. */
  readonly #known: Set<string>
  readonly #pending = new Map<string, WatchEvent>()
  wake = (): void => undefined

  constructor(known: Iterable<string>) {
    this.#known = new Set(known)
  }

  add(changes: readonly WatchEvent[]): void {
    for (const change of changes) {
      const id = idOf(change.key)
      // Last, so that changes stay in the order of their revisions.
      this.#pending.delete(id)
      if (change.type === 'put' || this.#known.has(id)) this.#pending.set(id, change)
    }
    this.wake()
  }

  take(): WatchEvent | null {
    const [first] = this.#pending
    if (first === undefined) return null
    const [id, change] = first
    this.#pending.delete(id)
    if (change.type === 'put') this.#known.add(id)
    else this.#known.delete(id)
    return change
  }

  more(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve))
  }
}
