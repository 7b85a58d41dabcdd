/** The changes of keys as an async iterable. Each has a stream of its own, whose flow control holds the server back. */
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { abortable } from '../base/timing.js'
import { checkSignal } from '../../credentials/checks.js'
import { CLIENT } from '../base/tls-session.js'
import type { SecureEtcd3 } from '../etcd3/secure-etcd3.js'

/** A key and its value, as etcd has it. Revisions and the lease are decimal numbers. */
export interface KeyValue {
  key: Buffer
  /** Empty in an event of the type `delete`. */
  value: Buffer
  /** The number of changes since the key was created; `0` if it was deleted. */
  version: string
  /** The revision that created the key. */
  createRevision: string
  /** The revision of the last change. */
  modRevision: string
  /** Null without a lease. */
  lease: string | null
}

/** A change of a key. */
export interface WatchEvent extends KeyValue {
  type: 'put' | 'delete'
}

/** Options of {@link watch}: exactly one of `key` and `prefix`. */
export type WatchOptions = ({ key: string | Buffer; prefix?: never } | { prefix: string | Buffer; key?: never }) & {
  /** The first revision. @default the changes after the watch is created at the server */
  startRevision?: string | number | bigint | undefined
  /** Ends the iteration. @default none */
  signal?: AbortSignal | undefined
}

/** The changes of one or more revisions, all of them complete. */
export interface WatchBatch {
  readonly events: readonly WatchEvent[]
  /** Every change up to this revision was yielded. */
  readonly revision: bigint
}

/** Keys from `key` up to `range_end`, as in etcd's requests. */
export interface KeyRange {
  readonly key: Buffer
  readonly range_end: Buffer
}

/** The part of etcd3's messages that is read. */
interface Etcd3KeyValue {
  readonly key: Buffer
  readonly value: Buffer
  readonly version: string
  readonly create_revision: string
  readonly mod_revision: string
  readonly lease: string
}

/**
 * Yields the changes of a key or a prefix, each once and in order, over lost connections, restarts of members and rotations. The watch
 * begins with the first iteration, has a stream of its own, and reads from it only as fast as the loop: flow control holds etcd back. It
 * ends when the loop ends, when the signal aborts, and when the client is closed.
 *
 * @example
 * ```ts
 * for await (const { type, key, value } of watch(client, { prefix: 'config/' })) console.log(type, `${key}`, `${value}`)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` at once. While it iterates:
 * - `ERR_WATCH_COMPACTED`: etcd has compacted revisions that were not yielded. List the keys, and watch from the revision after that.
 * - `ERR_CLUSTER_CHANGED`: another cluster answers, or the same with older data.
 * - `ERR_ACCESS_DENIED`: etcd's roles refuse the keys.
 * @experimental It may change in a minor release.
 */
export function watch(client: SecureEtcd3, options: WatchOptions): AsyncIterableIterator<WatchEvent, undefined> {
  checkOptions('options', options, ['key', 'prefix', 'startRevision', 'signal'])
  const { key, prefix, startRevision = 0 } = options
  if ((key === undefined) === (prefix === undefined))
    throw optionInvalid('prefix', 'must be given, or "key": pass one of the two')
  const range = key === undefined ? prefixRange(prefix) : { key: bytesOf('key', key), range_end: Buffer.alloc(0) }
  const start = revisionOf(startRevision)
  checkSignal(options.signal)
  const over = new AbortController()
  const events = async function* (): AsyncGenerator<WatchEvent, undefined> {
    const stop = endWith(client, options.signal, over)
    try {
      for await (const batch of watchBatches(client, range, start, over.signal))
        for (const event of batch.events) if (!over.signal.aborted) yield event
    } finally {
      stop()
    }
    return undefined
  }
  return closable(events(), () => {
    over.abort(null)
  })
}

/** The iterator of a generator that may wait: `return` calls `stop`, which ends the wait. */
export function closable<T>(
  values: AsyncGenerator<T, undefined>,
  stop: () => void,
): AsyncIterableIterator<T, undefined> {
  const iterator: AsyncIterableIterator<T, undefined> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () => values.next(),
    return: () => {
      stop()
      return values.return(undefined)
    },
  }
  return iterator
}

/** Aborts `over` with the client or the caller's signal, until the returned function aborts it. */
export function endWith(client: SecureEtcd3, given: AbortSignal | undefined, over: AbortController): () => void {
  const { closing, onAbort } = client[CLIENT]
  const signals = given === undefined ? [closing] : [closing, given]
  const stop = (): void => {
    over.abort(null)
  }
  if (signals.some((each) => each.aborted)) stop()
  const ignored = signals.map((each) => onAbort(each, stop))
  return () => {
    for (const ignore of ignored) ignore()
    stop()
  }
}

/** Ends without an error when the signal aborts. @param start 0: from now on. */
export async function* watchBatches(
  client: SecureEtcd3,
  range: KeyRange,
  start: bigint,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch, undefined> {
  const internals = client[CLIENT]
  const isOver = (): boolean => signal.aborted
  // It keeps the positions of its streams, and pauses after one that failed.
  const { watchClient } = client.namespace('')
  let from = start
  let until = UNTIL_REFUSED
  while (!isOver()) {
    let stop = (): void => undefined
    try {
      const stream = await openStream(() => watchClient.watch(), signal)
      const ignore = internals.onAbort(signal, () => {
        stream.cancel()
      })
      stop = () => {
        ignore()
        stream.cancel()
      }
      stream.write({ create_request: { ...range, start_revision: String(from), progress_notify: true } })
      // It is a stream of Node, although its type does not say it.
      for await (const message of stream as unknown as AsyncIterable<WatchMessage>) {
        if (message.canceled) throw internals.watchError(message.cancel_reason)
        until = Infinity
        // As in etcd3, so that the next stream continues at the position of this one (`ResumePositions`).
        from = BigInt(message.header.revision) + 1n
        if (!message.created) yield batchOf(message)
      }
    } catch (error) {
      const final = isOver() ? null : internals.finalError(error, until)
      if (final !== null) throw final as Error
    } finally {
      stop()
    }
  }
  return undefined
}

/** Until the watch was created once, a client that each endpoint refuses is an error. Later the refusal may be temporary. */
const UNTIL_REFUSED = Number.MAX_VALUE

async function openStream<S extends { cancel(): void }>(open: () => Promise<S>, signal: AbortSignal): Promise<S> {
  const opening = open()
  const endLate = (stream: S): void => {
    if (signal.aborted) stream.cancel()
  }
  opening.then(endLate, () => undefined)
  return abortable(signal, opening)
}

interface WatchMessage {
  readonly header: { readonly revision: string }
  readonly created: boolean
  readonly canceled: boolean
  readonly cancel_reason: string
  readonly events: readonly { readonly type: 'Put' | 'Delete'; readonly kv: Etcd3KeyValue }[]
}

/** With past events, the revision of the header may be far ahead of them. */
function batchOf({ header, events }: WatchMessage): WatchBatch {
  const revision = BigInt(events.at(-1)?.kv.mod_revision ?? header.revision)
  return {
    revision,
    events: events.map(({ type, kv }) => ({ type: type === 'Put' ? 'put' : 'delete', ...keyValue(kv) })),
  }
}

export function keyValue(kv: Etcd3KeyValue): KeyValue {
  const { key, value, version, create_revision: createRevision, mod_revision: modRevision, lease } = kv
  return { key, value, version, createRevision, modRevision, lease: lease === '0' ? null : lease }
}

function revisionOf(revision: string | number | bigint): bigint {
  const isRevision = typeof revision !== 'object' && /^\d{1,18}$/.test(String(revision))
  if (!isRevision) throw valueInvalid('startRevision', revision, 'a revision, such as "42"')
  return BigInt(String(revision))
}

function bytesOf(option: string, key: unknown): Buffer {
  if (typeof key !== 'string' && !Buffer.isBuffer(key)) throw valueInvalid(option, key, 'a string or a Buffer')
  return Buffer.from(key)
}

/** All keys that begin with the prefix. An empty one is that of all keys. */
export function prefixRange(prefix: unknown): KeyRange {
  const key = bytesOf('prefix', prefix)
  const last = key.findLastIndex((byte) => byte < 0xff)
  const end = Buffer.from(key.subarray(0, last + 1))
  if (last >= 0) end[last] = (end[last] ?? 0) + 1
  // A zero byte alone means "up to the last key".
  return { key: key.length === 0 ? Buffer.alloc(1) : key, range_end: last < 0 ? Buffer.alloc(1) : end }
}
