/** Messages of etcd's Watch call as a server sends them, made of the client's own protobuf functions. */
import { RESPONSE, revisionOfEvent } from '../../src/client/streams/watch-messages.js'
import { bytesField, Fields, int64Field, trueField } from '../../src/client/transport/protobuf.js'

interface ResponseParts {
  /** In the header. */
  revision: number
  watchId: number
  /** In the header; 0: none, as behind a proxy. */
  cluster?: number
  term?: number
  created?: boolean
  canceled?: boolean
  compactRevision?: number
  cancelReason?: string
  fragment?: boolean
  /** Events by their revision; the value is the revision. */
  events?: readonly number[]
  /** Of the events. Default: `k`. */
  key?: string
  /** Bytes of each value. Default: the length of the revision. */
  size?: number
}

export function watchResponse(parts: ResponseParts): Buffer {
  const {
    revision,
    watchId,
    cluster = 0,
    term = 0,
    created,
    canceled,
    compactRevision = 0,
    cancelReason,
    fragment,
    events = [],
    key = 'k',
    size = 0,
  } = parts
  return Buffer.concat([
    bytesField(
      1,
      Buffer.concat([int64Field(1, BigInt(cluster)), int64Field(3, BigInt(revision)), int64Field(4, BigInt(term))]),
    ),
    int64Field(2, BigInt(watchId)),
    ...(created === true ? [trueField(3)] : []),
    ...(canceled === true ? [trueField(4)] : []),
    int64Field(5, BigInt(compactRevision)),
    ...(cancelReason === undefined ? [] : [bytesField(6, Buffer.from(cancelReason))]),
    ...(fragment === true ? [trueField(7)] : []),
    ...events.map((each) => bytesField(11, event(key, each, size))),
  ])
}

function event(key: string, revision: number, size: number): Buffer {
  const value = Buffer.from(String(revision).padEnd(size))
  return bytesField(
    2,
    Buffer.concat([bytesField(1, Buffer.from(key)), int64Field(3, BigInt(revision)), bytesField(5, value)]),
  )
}

/** The revisions of the events in a response. */
export function eventRevisions(message: Buffer): number[] {
  const revisions: number[] = []
  const fields = new Fields(message)
  while (fields.next()) {
    if (fields.number === RESPONSE.events) revisions.push(Number(revisionOfEvent(fields.message())))
  }
  return revisions
}

/** A WatchRequest that creates a watch on the keys from this one, as etcd3 sends it. */
export function createFor(key: string, startRevision = 0, { progressNotify = true, watchId = 0 } = {}): Buffer {
  return bytesField(
    1,
    Buffer.concat([
      bytesField(1, Buffer.from(key)),
      bytesField(2, Buffer.from([0])),
      int64Field(3, BigInt(startRevision)),
      ...(progressNotify ? [trueField(4)] : []),
      int64Field(7, BigInt(watchId)),
    ]),
  )
}
