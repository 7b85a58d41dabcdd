/** The messages of etcd's Watch call (etcd api/etcdserverpb/rpc.proto), as far as carrying a watch on needs them. */
import { bytesField, Fields, int64Field, trueField, without } from './protobuf.js'

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
}

const CREATE_REQUEST = 1
const CANCEL_REQUEST = 2
const PROGRESS_REQUEST = 3
const CREATE = { startRevision: 3, watchId: 7 } as const
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
  return {
    body: without(message, [CREATE.startRevision, CREATE.watchId]),
    startRevision: readInt64(new Fields(message), CREATE.startRevision),
    watchId: readInt64(new Fields(message), CREATE.watchId),
  }
}

function readInt64(fields: Fields, number: number): bigint {
  let value = 0n
  while (fields.next()) if (fields.number === number) value = fields.int64()
  return value
}

export function createRequest({ body, startRevision, watchId }: CreateRequest): Buffer {
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

/** What of a WatchResponse matters here. */
export interface WatchResponse {
  /** The ResponseHeader as it stands, and the revision in it; 0 where there is none. */
  header: Uint8Array
  revision: bigint
  watchId: bigint
  created: boolean
  canceled: boolean
  /** 0 where nothing was compacted. */
  compactRevision: bigint
  cancelReason: string
  /** Whether more of the same revision follows in the next response. */
  fragment: boolean
  /** The revision of the last event; null where there is none. Events come in the order of their revisions. */
  lastRevision: bigint | null
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
const EVENT_KV = 2
const KV_MOD_REVISION = 3

/** @throws {MalformedMessage} */
export function readWatchResponse(message: Uint8Array): WatchResponse {
  const response: WatchResponse = {
    header: new Uint8Array(),
    revision: 0n,
    watchId: 0n,
    created: false,
    canceled: false,
    compactRevision: 0n,
    cancelReason: '',
    fragment: false,
    lastRevision: null,
  }
  let lastEvent: readonly [from: number, to: number] | null = null
  const fields = new Fields(message)
  while (fields.next()) {
    switch (fields.number) {
      case RESPONSE.header:
        response.header = fields.bytes()
        response.revision = readInt64(fields.message(), HEADER_REVISION)
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
        lastEvent = [fields.value, fields.end]
        break
    }
  }
  if (lastEvent !== null) response.lastRevision = readModRevision(new Fields(message, ...lastEvent))
  return response
}

function readModRevision(event: Fields): bigint {
  let revision = 0n
  while (event.next()) if (event.number === EVENT_KV) revision = readInt64(event.message(), KV_MOD_REVISION)
  return revision
}

/** The same response under another id. */
export function withWatchId(message: Uint8Array, watchId: bigint): Buffer {
  return Buffer.concat([without(message, [RESPONSE.watchId]), int64Field(RESPONSE.watchId, watchId)])
}

/** The refusal of a watch that was created before, as its end: without the flag that it was created just now. */
export function asCanceled(message: Uint8Array, watchId: bigint): Buffer {
  const rest = without(message, [RESPONSE.watchId, RESPONSE.created])
  return Buffer.concat([rest, int64Field(RESPONSE.watchId, watchId)])
}

/** The answer that a watch was created, or canceled. */
export function ownResponse(header: Uint8Array, watchId: bigint, what: 'created' | 'canceled'): Buffer {
  return Buffer.concat([
    bytesField(RESPONSE.header, header),
    int64Field(RESPONSE.watchId, watchId),
    trueField(RESPONSE[what]),
  ])
}
