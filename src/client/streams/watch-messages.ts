/** The messages of etcd's Watch call (etcd api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto). */
import {
  bytesField,
  Fields,
  int64Field,
  trueField,
  without,
  MalformedMessage,
  readInt64,
  type Shape,
  sift,
} from '../transport/protobuf.js'

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
      request = { kind: 'cancel', watchId: int64At(fields.message(), CANCEL_WATCH_ID) }
    } else if (fields.number === PROGRESS_REQUEST) request = { kind: 'progress' }
  }
  return request
}

function readCreate(message: Uint8Array): CreateRequest {
  const progressNotify = int64At(new Fields(message), CREATE.progressNotify) !== 0n
  const body = without(message, [CREATE.startRevision, CREATE.watchId])
  return {
    // Without these responses, the position of a watch on keys that never change gets older until etcd compacts it.
    body: progressNotify ? body : Buffer.concat([body, trueField(CREATE.progressNotify)]),
    startRevision: int64At(new Fields(message), CREATE.startRevision),
    watchId: int64At(new Fields(message), CREATE.watchId),
    progressNotify,
    fragment: int64At(new Fields(message), CREATE.fragment) !== 0n,
  }
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

function int64At(fields: Fields, number: number): bigint {
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

/** Asks for the revision that every watch of the stream has reached (since etcd 3.4). */
export function progressRequest(): Buffer {
  return bytesField(PROGRESS_REQUEST, Buffer.alloc(0))
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

// A response is checked before etcd3 decodes it. This is done for each event that a client receives, so everything is read in one pass
// and nothing is copied.

/** A WatchResponse. */
export interface WatchResponse {
  /** The fields that were checked. */
  message: Buffer
  /** Why the message must not reach etcd3; null if it may. */
  flaw: string | null
  /** Where the ResponseHeader lies in the message, and the revision in it, or 0. */
  headerStart: number
  headerEnd: number
  revision: bigint
  watchId: bigint
  created: boolean
  canceled: boolean
  /** 0 if nothing was compacted. */
  compactRevision: bigint
  cancelReason: string
  /** Whether more of the same revision follows in the next response. */
  fragment: boolean
  /** The revision of the last event; null without events. Events come in the order of their revisions. */
  lastRevision: bigint | null
  /** Where the keys of the events lie in the message: the start and the end of each. */
  keys: number[]
}

/** The keys that a watch is about: from `key` to before `rangeEnd`, `key` alone if that is empty, all from `key` if it is a zero byte. */
export interface WatchedKeys {
  key: Buffer
  rangeEnd: Buffer
}

export const RESPONSE = {
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
const KV = { key: 1, createRevision: 2, modRevision: 3, version: 4, value: 5, lease: 6 } as const

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
/** All that etcd3 may receive. */
export const RESPONSE_SHAPE: Shape = { ...OUTER_SHAPE, 11: [EVENT_SHAPE] }

/** @throws {MalformedMessage} if not even the watch that it belongs to can be read. */
export function readWatchResponse(received: Buffer): WatchResponse {
  try {
    const reader = new Reader(received, null)
    // Unknown fields are rare: a later version of etcd sends them.
    return reader.foreign ? new Reader(sift(received, RESPONSE_SHAPE), null).response : reader.response
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return new Reader(sift(received, OUTER_SHAPE), `an event cannot be read: ${error.message}`).response
  }
}

class Reader {
  readonly response: WatchResponse
  /** Whether the message has fields that are not known. */
  foreign = false
  // Of the key and value that was read last, where they lie in the message:
  #keyStart = 0
  #keyEnd = 0
  #revisionStart = 0
  #revisionEnd = 0

  /** @param flaw What is wrong with an event; null if the events are to be read. */
  constructor(message: Buffer, flaw: string | null) {
    this.response = {
      message,
      flaw: flaw ?? 'it has no header',
      headerStart: 0,
      headerEnd: 0,
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
    this.#read(message, flaw)
  }

  #read(message: Buffer, flaw: string | null): void {
    const { response } = this
    const fields = new Fields(message)
    let seen = 0
    while (fields.next()) {
      switch (fields.number) {
        case RESPONSE.events:
          if (flaw === null) {
            this.#readEvent(message, fields.message())
            response.keys.push(this.#keyStart, this.#keyEnd)
          }
          continue
        case RESPONSE.header:
          this.#readHeader(fields.message())
          response.headerStart = fields.value
          response.headerEnd = fields.end
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
          response.cancelReason = fields.text()
          break
        case RESPONSE.fragment:
          response.fragment = fields.bool()
          break
        default:
          this.foreign = true
          continue
      }
      seen = addOnce(seen, fields.number)
    }
    if (response.keys.length > 0) response.lastRevision = readInt64(message, this.#revisionStart, this.#revisionEnd)
  }

  #readHeader(fields: Fields): void {
    let seen = 0
    while (fields.next()) {
      const { number } = fields
      if (number > 4) {
        this.foreign = true
        continue
      }
      seen = addOnce(seen, number)
      if (number === HEADER_REVISION) this.response.revision = fields.int64()
      else fields.assertVarint()
    }
  }

  /** Afterwards, the key and value that was read last is that of the event. */
  #readEvent(message: Buffer, fields: Fields): void {
    let seen = 0
    let current: Fields | null = null
    let previous: Fields | null = null
    while (fields.next()) {
      switch (fields.number) {
        case EVENT.kv:
          current = fields.message()
          break
        case EVENT.prevKv:
          previous = fields.message()
          break
        case EVENT.type:
          if (!EVENT_TYPES.includes(fields.int64())) {
            throw new MalformedMessage(`type ${String(fields.int64())} is neither PUT nor DELETE`)
          }
          break
        default:
          this.foreign = true
          continue
      }
      seen = addOnce(seen, fields.number)
    }
    if (current === null) throw new MalformedMessage('it has no key')
    if (previous === null) {
      this.#readKeyValue(current)
      return
    }
    this.#readKeyValue(previous)
    const [start, end] = [this.#keyStart, this.#keyEnd]
    this.#readKeyValue(current)
    if (message.compare(message, start, end, this.#keyStart, this.#keyEnd) !== 0) {
      throw new MalformedMessage('its previous value has another key')
    }
  }

  #readKeyValue(fields: Fields): void {
    let seen = 0
    this.#keyStart = 0
    this.#keyEnd = 0
    this.#revisionStart = 0
    this.#revisionEnd = 0
    while (fields.next()) {
      switch (fields.number) {
        case KV.key:
          fields.assertBytes()
          this.#keyStart = fields.value
          this.#keyEnd = fields.end
          break
        case KV.modRevision:
          fields.assertVarint()
          this.#revisionStart = fields.value
          this.#revisionEnd = fields.end
          break
        case KV.value:
          fields.assertBytes()
          break
        case KV.createRevision:
        case KV.version:
        case KV.lease:
          fields.assertVarint()
          break
        default:
          this.foreign = true
          continue
      }
      seen = addOnce(seen, fields.number)
    }
  }
}

/** @throws {MalformedMessage} if the number is there already. */
function addOnce(seen: number, number: number): number {
  const bit = 1 << number
  if ((seen & bit) !== 0) throw new MalformedMessage(`Field ${String(number)} occurs twice`)
  return seen | bit
}

/** Whether every event of a response is about one of these keys. */
export function areWatched({ message, keys }: WatchResponse, watched: WatchedKeys): boolean {
  for (let at = 0; at < keys.length; at += 2) {
    if (!isWatched(message, keys[at] ?? 0, keys[at + 1] ?? 0, watched)) return false
  }
  return true
}

function isWatched(message: Buffer, start: number, end: number, { key, rangeEnd }: WatchedKeys): boolean {
  const order = compareRange(message, start, end, key)
  if (rangeEnd.length === 0) return order === 0
  if (order < 0) return false
  return (rangeEnd.length === 1 && rangeEnd[0] === 0) || compareRange(message, start, end, rangeEnd) < 0
}

/** As `Buffer.compare`, which costs more than all else here because it leaves JavaScript. */
function compareRange(message: Buffer, start: number, end: number, other: Buffer): number {
  const length = Math.min(end - start, other.length)
  for (let at = 0; at < length; at += 1) {
    const difference = (message[start + at] ?? 0) - (other[at] ?? 0)
    if (difference !== 0) return difference
  }
  return end - start - other.length
}
