/** The messages of etcd's Watch call (etcd api/etcdserverpb/rpc.proto). What a server sends is read in watch-response.ts. */
import { bytesField, Fields, int64Field, trueField, without } from './protobuf.js'
import { RESPONSE, type WatchedKeys } from './watch-response.js'

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
