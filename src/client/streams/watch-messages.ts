/** The messages of etcd's Watch call (etcd api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto), checked before etcd3 decodes them. */
import { bytesField, Fields, int64Field, MalformedMessage, type Shape, sift, trueField, without } from './protobuf.js'

/** What a client asks for on a stream of watches. */
export type WatchRequest =
  | { kind: 'create'; create: CreateRequest }
  | { kind: 'cancel'; watchId: bigint }
  | { kind: 'progress' }
  /** Something that we do not know. */
  | { kind: 'other' }

export interface CreateRequest {
  /** The WatchCreateRequest without its start revision and its id. */
  body: Buffer
  /** 0: from now on. */
  startRevision: bigint
  /** 0: of the server's choice. */
  watchId: bigint
  /** Whether the caller asked for responses without events that report the progress. */
  progressNotify: boolean
  /** Whether the caller asked for large responses in parts. */
  fragment: boolean
}

const CREATE_REQUEST = 1
const CANCEL_REQUEST = 2
const PROGRESS_REQUEST = 3
const CREATE = { key: 1, rangeEnd: 2, startRevision: 3, progressNotify: 4, watchId: 7, fragment: 8 } as const
const CANCEL_WATCH_ID = 1

/** @throws {MalformedMessage} */
export function readWatchRequest(message: Uint8Array): WatchRequest {
  let request: WatchRequest = { kind: 'other' }
  const fields = new Fields(message)
  while (fields.next()) {
    if (fields.number === CREATE_REQUEST) request = { kind: 'create', create: readCreate(fields.bytes()) }
    else if (fields.number === CANCEL_REQUEST) {
      request = { kind: 'cancel', watchId: readInt64(fields.message(), CANCEL_WATCH_ID) }
    } else if (fields.number === PROGRESS_REQUEST) request = { kind: 'progress' }
  }
  return request
}

function readCreate(message: Uint8Array): CreateRequest {
  const progressNotify = readInt64(new Fields(message), CREATE.progressNotify) !== 0n
  const body = without(message, [CREATE.startRevision, CREATE.watchId])
  return {
    // Without these responses, the position of a watch on keys that never change gets older until etcd compacts it.
    body: progressNotify ? body : Buffer.concat([body, trueField(CREATE.progressNotify)]),
    startRevision: readInt64(new Fields(message), CREATE.startRevision),
    watchId: readInt64(new Fields(message), CREATE.watchId),
    progressNotify,
    fragment: readInt64(new Fields(message), CREATE.fragment) !== 0n,
  }
}

/** The keys that a watch is about: from `key` to before `rangeEnd`, `key` alone if that is empty, all from `key` if it is a zero byte. */
export interface WatchedKeys {
  key: Buffer
  rangeEnd: Buffer
}

/** @param body A WatchCreateRequest. */
export function readWatchedKeys(body: Buffer): WatchedKeys {
  const keys: WatchedKeys = { key: Buffer.alloc(0), rangeEnd: Buffer.alloc(0) }
  const fields = new Fields(body)
  while (fields.next()) {
    if (fields.number === CREATE.key) keys.key = Buffer.from(fields.bytes())
    else if (fields.number === CREATE.rangeEnd) keys.rangeEnd = Buffer.from(fields.bytes())
  }
  return keys
}

/** Whether an event for this key belongs to a watch on these keys. */
export function isWatched(changed: Uint8Array, { key, rangeEnd }: WatchedKeys): boolean {
  if (rangeEnd.length === 0) return key.equals(changed)
  if (key.compare(changed) > 0) return false
  return (rangeEnd.length === 1 && rangeEnd[0] === 0) || rangeEnd.compare(changed) > 0
}

function readInt64(fields: Fields, number: number): bigint {
  let value = 0n
  while (fields.next()) if (fields.number === number) value = fields.int64()
  return value
}

export function createRequest({
  body,
  startRevision,
  watchId,
}: Pick<CreateRequest, 'body' | 'startRevision' | 'watchId'>): Buffer {
  const create = [body, int64Field(CREATE.startRevision, startRevision), int64Field(CREATE.watchId, watchId)]
  return bytesField(CREATE_REQUEST, Buffer.concat(create))
}

export function cancelRequest(watchId: bigint): Buffer {
  return bytesField(CANCEL_REQUEST, int64Field(CANCEL_WATCH_ID, watchId))
}

/** Asks for the revision that every watch of the stream has come to (since etcd 3.4). */
export function progressRequest(): Buffer {
  return bytesField(PROGRESS_REQUEST, Buffer.alloc(0))
}

/** A WatchResponse. */
export interface WatchResponse {
  /** The fields that were checked. */
  message: Buffer
  /** Why the message must not reach etcd3; null if it may. */
  flaw: string | null
  /** The ResponseHeader as it was sent, and the revision in it; 0 if there is none. */
  header: Uint8Array
  revision: bigint
  watchId: bigint
  created: boolean
  canceled: boolean
  /** 0 if nothing was compacted. */
  compactRevision: bigint
  cancelReason: string
  /** Whether more of the same revision follows in the next response. */
  fragment: boolean
  /** The revision of the last event; null if there is none. Events come in the order of their revisions. */
  lastRevision: bigint | null
  /** The keys of the events. */
  keys: Uint8Array[]
}

const RESPONSE = {
  header: 1,
  watchId: 2,
  created: 3,
  canceled: 4,
  compactRevision: 5,
  cancelReason: 6,
  fragment: 7,
  events: 11,
} as const
const HEADER_REVISION = 3
const EVENT = { type: 1, kv: 2, prevKv: 3 } as const
/** PUT and DELETE. */
const EVENT_TYPES = [0n, 1n]
const KV_KEY = 1
const KV_MOD_REVISION = 3

const HEADER_SHAPE: Shape = { 1: 'varint', 2: 'varint', 3: 'varint', 4: 'varint' }
const KEY_VALUE_SHAPE: Shape = { 1: 'bytes', 2: 'varint', 3: 'varint', 4: 'varint', 5: 'bytes', 6: 'varint' }
const EVENT_SHAPE: Shape = { 1: 'varint', 2: KEY_VALUE_SHAPE, 3: KEY_VALUE_SHAPE }
const OUTER_SHAPE: Shape = {
  1: HEADER_SHAPE,
  2: 'varint',
  3: 'varint',
  4: 'varint',
  5: 'varint',
  6: 'bytes',
  7: 'varint',
  11: ['bytes'],
}
const FULL_SHAPE: Shape = { ...OUTER_SHAPE, 11: [EVENT_SHAPE] }

/** @throws {MalformedMessage} if not even the watch that it belongs to can be read. */
export function readWatchResponse(received: Buffer): WatchResponse {
  try {
    return readSifted(sift(received, FULL_SHAPE), null)
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return readSifted(sift(received, OUTER_SHAPE), `an event cannot be read: ${error.message}`)
  }
}

/** @param flaw What is wrong with an event; null if the events are to be read. */
function readSifted(message: Buffer, flaw: string | null): WatchResponse {
  const response: WatchResponse = {
    message,
    flaw: flaw ?? 'it has no header',
    header: new Uint8Array(),
    revision: 0n,
    watchId: 0n,
    created: false,
    canceled: false,
    compactRevision: 0n,
    cancelReason: '',
    fragment: false,
    lastRevision: null,
    keys: [],
  }
  const fields = new Fields(message)
  while (fields.next()) {
    switch (fields.number) {
      case RESPONSE.header:
        response.header = fields.bytes()
        response.revision = readInt64(fields.message(), HEADER_REVISION)
        response.flaw = flaw
        break
      case RESPONSE.watchId:
        response.watchId = fields.int64()
        break
      case RESPONSE.created:
        response.created = fields.bool()
        break
      case RESPONSE.canceled:
        response.canceled = fields.bool()
        break
      case RESPONSE.compactRevision:
        response.compactRevision = fields.int64()
        break
      case RESPONSE.cancelReason:
        response.cancelReason = Buffer.from(fields.bytes()).toString()
        break
      case RESPONSE.fragment:
        response.fragment = fields.bool()
        break
      case RESPONSE.events:
        if (flaw === null) {
          const { key, revision } = readEvent(fields.message())
          response.lastRevision = revision
          response.keys.push(key)
        }
        break
    }
  }
  return response
}

function readEvent(event: Fields): { key: Uint8Array; revision: bigint } {
  let current: { key: Uint8Array; revision: bigint } | null = null
  let previous: { key: Uint8Array; revision: bigint } | null = null
  while (event.next()) {
    if (event.number === EVENT.kv) current = readKeyValue(event.message())
    else if (event.number === EVENT.prevKv) previous = readKeyValue(event.message())
    else if (event.number === EVENT.type && !EVENT_TYPES.includes(event.int64())) {
      throw new MalformedMessage(`type ${String(event.int64())} is neither PUT nor DELETE`)
    }
  }
  if (current === null) throw new MalformedMessage('it has no key')
  if (previous !== null && Buffer.compare(previous.key, current.key) !== 0) {
    throw new MalformedMessage('its previous value has another key')
  }
  return current
}

function readKeyValue(fields: Fields): { key: Uint8Array; revision: bigint } {
  const read: { key: Uint8Array; revision: bigint } = { key: new Uint8Array(), revision: 0n }
  while (fields.next()) {
    if (fields.number === KV_KEY) read.key = fields.bytes()
    else if (fields.number === KV_MOD_REVISION) read.revision = fields.int64()
  }
  return read
}

/** The same response under another id. */
export function withWatchId(message: Uint8Array, watchId: bigint): Buffer {
  return Buffer.concat([without(message, [RESPONSE.watchId]), int64Field(RESPONSE.watchId, watchId)])
}

/** The answer that a watch was created. */
export function createdResponse(header: Uint8Array, watchId: bigint): Buffer {
  return Buffer.concat([
    bytesField(RESPONSE.header, header),
    int64Field(RESPONSE.watchId, watchId),
    trueField(RESPONSE.created),
  ])
}

/** The end of a watch. `refused`: instead of the answer that it was created. */
export function canceledResponse(
  header: Uint8Array,
  watchId: bigint,
  { reason = '', compactRevision = 0n, refused = false } = {},
): Buffer {
  return Buffer.concat([
    bytesField(RESPONSE.header, header),
    int64Field(RESPONSE.watchId, watchId),
    ...(refused ? [trueField(RESPONSE.created)] : []),
    trueField(RESPONSE.canceled),
    int64Field(RESPONSE.compactRevision, compactRevision),
    ...(reason === '' ? [] : [bytesField(RESPONSE.cancelReason, Buffer.from(reason))]),
  ])
}
