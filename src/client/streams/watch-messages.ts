/** The messages of etcd's Watch call (etcd api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto). */
import { printable } from '../../report/printable.js'
import {
  bytesField,
  Fields,
  int64At,
  int64Field,
  MalformedMessage,
  readInt64,
  Shape,
  keepKnownFields,
  trueField,
  withoutFields,
} from '../transport/protobuf.js'

/** A request on a watch stream. `other`: unknown to this client. */
export type WatchRequest =
  { kind: 'create'; create: CreateRequest } | { kind: 'cancel'; watchId: bigint } | { kind: 'progress' | 'other' }

export interface CreateRequest {
  /** The WatchCreateRequest without its start revision and watch id. */
  body: Buffer
  /** 0: from now on. */
  startRevision: bigint
  /** 0: the server chooses. */
  watchId: bigint
  /** Whether the caller requested progress responses. */
  progressNotify: boolean
}

const CREATE_REQUEST = 1
const CANCEL_REQUEST = 2
const PROGRESS_REQUEST = 3
const CREATE = { key: 1, rangeEnd: 2, startRevision: 3, progressNotify: 4, watchId: 7, fragment: 8 } as const
const CANCEL_WATCH_ID = 1

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
  const progressNotify = int64At(message, CREATE.progressNotify) !== 0n
  const { startRevision, watchId, progressNotify: progress, fragment } = CREATE
  const body = withoutFields(message, [startRevision, watchId, progress, fragment])
  return {
    // Always requested. Without progress responses, etcd would compact the position of a watch on unchanged keys. Without
    // fragments, it sends up to 1,000 revisions in one message when a watch resumes (server/storage/mvcc, watchBatchMaxRevs).
    body: Buffer.concat([body, trueField(progress), trueField(fragment)]),
    startRevision: int64At(message, CREATE.startRevision),
    watchId: int64At(message, CREATE.watchId),
    progressNotify,
  }
}

/**
 * The range of a watch: from `key` up to `rangeEnd` (exclusive); `key` alone if that is empty; all keys from `key` on
 * if it is a zero byte.
 */
export interface WatchedKeys {
  key: Buffer
  rangeEnd: Buffer
}

/** One for all watches of a key: an empty buffer takes 200 bytes. */
const NO_KEY = Buffer.alloc(0)

export function readWatchedKeys(body: Buffer): WatchedKeys {
  const keys: WatchedKeys = { key: NO_KEY, rangeEnd: NO_KEY }
  const fields = new Fields(body)
  while (fields.next()) {
    if (fields.number === CREATE.key) keys.key = Buffer.from(fields.bytes())
    else if (fields.number === CREATE.rangeEnd) keys.rangeEnd = Buffer.from(fields.bytes())
  }
  return keys
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

export function withWatchId(message: Uint8Array, watchId: bigint): Buffer {
  return Buffer.concat([withoutFields(message, [RESPONSE.watchId]), int64Field(RESPONSE.watchId, watchId)])
}

/** Makes a response: the watch was created, was canceled, or (both) was refused. */
export function makeResponse(
  header: Uint8Array,
  watchId: bigint,
  { created = false, canceled = false, reason = '', compactRevision = 0n },
): Buffer {
  return Buffer.concat([
    bytesField(RESPONSE.header, header),
    int64Field(RESPONSE.watchId, watchId),
    int64Field(RESPONSE.created, created ? 1n : 0n),
    int64Field(RESPONSE.canceled, canceled ? 1n : 0n),
    int64Field(RESPONSE.compactRevision, compactRevision),
    reason === '' ? Buffer.alloc(0) : bytesField(RESPONSE.cancelReason, Buffer.from(reason)),
  ])
}

export interface WatchResponse {
  /** The message with checked fields only. */
  message: Buffer
  /** Why the message must not reach etcd3; null if it may. */
  fault: string | null
  /** Offsets of the ResponseHeader, and its revision or 0. */
  headerStart: number
  headerEnd: number
  revision: bigint
  watchId: bigint
  created: boolean
  canceled: boolean
  /** 0 if nothing was compacted. */
  compactRevision: bigint
  cancelReason: string
  /** Whether the next response continues this one, possibly in the middle of a revision. */
  fragment: boolean
  /** The revision of the last event; null without events. Events come in the order of their revisions. */
  lastRevision: bigint | null
  /** Offsets of the keys of the events: the start and the end of each. */
  keys: number[]
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
const KV = { key: 1, modRevision: 3 } as const

const HEADER_SHAPE = new Shape({ varints: [1, 2, 3, 4] })
const KV_SHAPE = new Shape({ varints: [2, 3, 4, 6], bytes: [1, 5] })
const EVENT_SHAPE = new Shape({ varints: [1], messages: { 2: KV_SHAPE, 3: KV_SHAPE } })
const OUTER = { varints: [2, 3, 4, 5, 7], bytes: [6], repeated: [RESPONSE.events] }
const OUTER_SHAPE = new Shape({ ...OUTER, messages: { 1: HEADER_SHAPE } })
/** All fields that etcd3 may receive. */
export const RESPONSE_SHAPE = new Shape({ ...OUTER, messages: { 1: HEADER_SHAPE, [RESPONSE.events]: EVENT_SHAPE } })

/**
 * Checks and reads a response before etcd3 decodes it, in one pass without copies, because it runs for each event.
 *
 * @throws {MalformedMessage} if the watch that it belongs to cannot be read.
 */
export function readWatchResponse(received: Buffer): WatchResponse {
  try {
    return readResponse(received, RESPONSE_SHAPE, null)
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return readResponse(received, OUTER_SHAPE, `an event cannot be read: ${error.message}`)
  }
}

/** @param fault The fault of an event; null to read the events. */
function readResponse(message: Buffer, shape: Shape, fault: string | null): WatchResponse {
  const response: WatchResponse = {
    message,
    fault: fault ?? 'it has no header',
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
  let last: KeyValue | null = null
  const fields = new Fields(message, shape)
  while (fields.next()) {
    switch (fields.number) {
      case RESPONSE.events:
        if (fault !== null) break
        last = readEvent(message, fields.message(EVENT_SHAPE))
        response.keys.push(last.keyStart, last.keyEnd)
        break
      case RESPONSE.header:
        response.revision = int64At(fields.message(HEADER_SHAPE), HEADER_REVISION)
        response.headerStart = fields.value
        response.headerEnd = fields.end
        response.fault = fault
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
        // As `grpc-message`: it becomes the message of an error, which Node prints.
        response.cancelReason = printable(fields.text())
        break
      case RESPONSE.fragment:
        response.fragment = fields.bool()
        break
    }
  }
  // Rare: only a later version of etcd sends unknown fields.
  if (fields.hasUnknown) return readResponse(keepKnownFields(message, shape), shape, fault)
  if (last !== null) response.lastRevision = readInt64(message, last.revisionStart, last.revisionEnd)
  return response
}

/** Offsets of the key and the revision of an event. */
interface KeyValue {
  keyStart: number
  keyEnd: number
  revisionStart: number
  revisionEnd: number
}

function readEvent(message: Buffer, fields: Fields): KeyValue {
  let current: KeyValue | null = null
  let previous: KeyValue | null = null
  while (fields.next()) {
    if (fields.number === EVENT.kv) current = readKeyValue(fields.message(KV_SHAPE))
    else if (fields.number === EVENT.prevKv) previous = readKeyValue(fields.message(KV_SHAPE))
    else if (fields.int64() >> 1n !== 0n) {
      throw new MalformedMessage(`type ${String(fields.int64())} is neither PUT nor DELETE`)
    }
  }
  if (current === null) throw new MalformedMessage('it has no key')
  const { keyStart, keyEnd } = current
  if (previous !== null && message.compare(message, previous.keyStart, previous.keyEnd, keyStart, keyEnd) !== 0) {
    throw new MalformedMessage('its previous value has another key')
  }
  return current
}

function readKeyValue(fields: Fields): KeyValue {
  const found = { keyStart: 0, keyEnd: 0, revisionStart: 0, revisionEnd: 0 }
  while (fields.next()) {
    if (fields.number === KV.key) {
      found.keyStart = fields.value
      found.keyEnd = fields.end
    } else if (fields.number === KV.modRevision) {
      found.revisionStart = fields.value
      found.revisionEnd = fields.end
    }
  }
  return found
}

/** The revision of an event; 0 if it has none. */
export function revisionOfEvent(event: Fields): bigint {
  let revision = 0n
  while (event.next()) if (event.number === EVENT.kv) revision = int64At(event.message(), KV.modRevision)
  return revision
}

/** The response without its events before a revision; null if no event is left. */
export function withoutEventsBefore(message: Buffer, revision: bigint): Buffer | null {
  const kept: Buffer[] = []
  let [hasOld, hasNew] = [false, false]
  const fields = new Fields(message)
  while (fields.next()) {
    const { start, end } = fields
    if (fields.number === RESPONSE.events) {
      const isOld = revisionOfEvent(fields.message()) < revision
      // Events come in the order of their revisions.
      if (!isOld && !hasOld) return message
      if (isOld) hasOld = true
      else hasNew = true
      if (isOld) continue
    }
    kept.push(message.subarray(start, end))
  }
  return hasNew ? Buffer.concat(kept) : null
}

export function areWatched({ message, keys }: WatchResponse, { key, rangeEnd }: WatchedKeys): boolean {
  const isEndless = rangeEnd.length === 1 && rangeEnd[0] === 0
  for (let at = 0; at < keys.length; at += 2) {
    const [start = 0, end = 0] = [keys[at], keys[at + 1]]
    const order = compareRange(message, start, end, key)
    if (rangeEnd.length === 0 ? order !== 0 : order < 0) return false
    if (rangeEnd.length > 0 && !isEndless && compareRange(message, start, end, rangeEnd) >= 0) return false
  }
  return true
}

/** As `Buffer.compare`, which is slower here because it calls native code. */
function compareRange(message: Buffer, start: number, end: number, other: Buffer): number {
  const length = Math.min(end - start, other.length)
  for (let at = 0; at < length; at += 1) {
    const difference = (message[start + at] ?? 0) - (other[at] ?? 0)
    if (difference !== 0) return difference
  }
  return end - start - other.length
}
