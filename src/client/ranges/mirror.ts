/** A copy of the keys of a prefix in memory, which follows etcd. */
import { backoffPause } from '../../report/duration.js'
import { EtcdMtlsError, isError, isEtcdMtlsError } from '../../report/errors.js'
import { checkOptions } from '../../report/option-error.js'
import { pause } from '../base/timing.js'
import { CLIENT } from '../base/tls-session.js'
import type { SecureEtcd3 } from '../etcd3/secure-etcd3.js'
import { pagesOf } from './pages.js'
import {
  closable,
  endOf,
  type KeyRange,
  type KeyValue,
  prefixRange,
  signalOf,
  watchBatches,
  type WatchEvent,
} from './watch.js'

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
 */
export function mirror(client: SecureEtcd3, options: MirrorOptions): Mirror {
  checkOptions('options', options, ['prefix', 'signal'])
  return new RangeMirror(client, prefixRange(options.prefix), signalOf(options.signal))
}

/** Pauses before the keys are listed again, in milliseconds. */
const PAUSES = { first: 50, longest: 5000 }
const PAGE = 1000

class RangeMirror implements Mirror {
  readonly ready: Promise<void>
  readonly #client: SecureEtcd3
  readonly #range: KeyRange
  readonly #end: ReturnType<typeof endOf>
  readonly #readers = new Set<ChangeReader>()
  readonly #running: Promise<void>
  /** By {@link idOf} of the key. */
  #entries = new Map<string, KeyValue>()
  #revision: bigint | null = null
  #isReady = (): void => undefined
  /** Why it ended; null: it was closed, or has not ended. */
  #error: Error | null = null

  constructor(client: SecureEtcd3, range: KeyRange, signal: AbortSignal | null) {
    this.#client = client
    this.#range = range
    this.#end = endOf(client, signal)
    const listed = new Promise<void>((resolve) => (this.#isReady = resolve))
    this.#running = this.#run()
    this.ready = Promise.race([
      listed,
      this.#running.then(() => {
        throw (
          this.#error ??
          (signal?.aborted === true
            ? (signal.reason as Error)
            : new EtcdMtlsError('ERR_CLOSED', 'The mirror is closed.', { what: 'mirror' }))
        )
      }),
    ])
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
    const reader = new ChangeReader(this.#entries)
    if (!this.#end.signal.aborted) this.#readers.add(reader)
    return closable(this.#read(reader), () => {
      this.#readers.delete(reader)
      reader.wake()
    })
  }

  close(): void {
    this.#end.stop()
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
  async #run(): Promise<void> {
    const { signal } = this.#end
    try {
      for (let failures = 0; !signal.aborted; failures += 1) {
        if (failures > 0) await pause(backoffPause(failures, PAUSES), signal, true)
        try {
          await this.#list()
          failures = 0
          await this.#follow()
        } catch (error) {
          if (!signal.aborted) this.#throwFinal(error)
        }
      }
    } catch (error) {
      this.#error = error as Error
    }
    this.#end.stop()
    const readers = [...this.#readers]
    this.#readers.clear()
    for (const reader of readers) reader.wake()
  }

  /** Throws unless the keys can be listed again. */
  #throwFinal(error: unknown): void {
    for (const code of LIST_AGAIN) if (isEtcdMtlsError(error, code)) return
    // Once it is ready, a refusal may be temporary.
    const until = this.#revision === null ? Number.MAX_VALUE : Infinity
    const isTooLarge = isError(error) && isEtcdMtlsError(error.cause, 'ERR_ANSWER_TOO_LARGE')
    const final = isTooLarge ? error : this.#client[CLIENT].finalError(error, until)
    if (final !== null) throw final as Error
  }

  async #list(): Promise<void> {
    const { signal } = this.#end
    const entries = new Map<string, KeyValue>()
    let revision = 0n
    for await (const page of pagesOf(this.#client.withSignal(signal), this.#range, PAGE)) {
      for (const entry of page.entries) entries.set(idOf(entry.key), entry)
      revision = BigInt(page.revision)
    }
    const before = this.#entries
    this.#entries = entries
    this.#revision = revision
    this.#report(differences(before, entries, revision))
    this.#isReady()
  }

  async #follow(): Promise<void> {
    const from = (this.#revision ?? 0n) + 1n
    for await (const { events, revision } of watchBatches(this.#client, this.#range, from, this.#end.signal)) {
      for (const { type, ...entry } of events) {
        if (type === 'put') this.#entries.set(idOf(entry.key), entry)
        else this.#entries.delete(idOf(entry.key))
      }
      this.#revision = revision
      this.#report(events)
    }
  }

  #report(changes: readonly WatchEvent[]): void {
    for (const reader of this.#readers) reader.add(changes)
  }
}

/** Errors after which the keys are listed again: changes may be missed. */
const LIST_AGAIN = [
  'ERR_WATCH_COMPACTED',
  'ERR_PAGES_COMPACTED',
  'ERR_CLUSTER_CHANGED',
  'ERR_ANSWER_TOO_LARGE',
] as const

/** Each key of bytes as another string. */
function idOf(key: Buffer): string {
  return key.toString('latin1')
}

/** The changes that lead from one list to a later one. A deletion has the revision of the later list. */
function differences(before: Map<string, KeyValue>, after: Map<string, KeyValue>, revision: bigint): WatchEvent[] {
  const changes: WatchEvent[] = []
  for (const [id, { key }] of before) {
    if (after.has(id)) continue
    const gone = { value: Buffer.alloc(0), version: '0', createRevision: '0', lease: null }
    changes.push({ type: 'delete', key, ...gone, modRevision: String(revision) })
  }
  for (const [id, entry] of after)
    if (before.get(id)?.modRevision !== entry.modRevision) changes.push({ type: 'put', ...entry })
  return changes
}

/** What one loop has not read: at most one change for each key that it knows or that exists. */
class ChangeReader {
  /** The keys that exist for the loop. */
  readonly #known: Set<string>
  readonly #pending = new Map<string, WatchEvent>()
  #wake = (): void => undefined

  constructor(entries: Map<string, KeyValue>) {
    this.#known = new Set(entries.keys())
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
    for (const [id, change] of this.#pending) {
      this.#pending.delete(id)
      if (change.type === 'put') this.#known.add(id)
      else this.#known.delete(id)
      return change
    }
    return null
  }

  more(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }

  wake(): void {
    this.#wake()
  }
}
