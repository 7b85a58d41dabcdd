/** What the etcd behind a connection reports about itself: its version, and its role in the cluster. */
import { constants } from 'node:http2'
import { callHeaders } from '../greeting.js'
import type { Connection } from '../transport/connection.js'
import { frameMessage, FramingError, MessageReader } from './framing.js'
import { Fields, MalformedMessage } from './protobuf.js'

export const SERVER_STATUS_PATH = '/etcdserverpb.Maintenance/Status'
/** etcd api/etcdserverpb/rpc.proto, StatusResponse; the last one is in its ResponseHeader. */
const [HEADER, VERSION, LEADER, IS_LEARNER, MEMBER_ID] = [1, 2, 4, 10, 2]
/** A StatusResponse has about 200 bytes, in addition to a text for each error of the member. */
const MAX_STATUS = 64 * 1024
/** How long the answer may take, in milliseconds. */
const TIMEOUT = 5000

export type MemberRole = 'leader' | 'follower' | 'learner'

export interface ServerStatus {
  readonly version: string | null
  /** Null: the member has no leader, or does not report one. */
  readonly role: MemberRole | null
  readonly hasLeader: boolean
}

/** @returns Null if the server did not report it: an older etcd, a user without the right to ask, or not etcd. */
export function readServerStatus(
  connection: Connection,
  token: string | null,
  timeout = TIMEOUT,
): Promise<ServerStatus | null> {
  return new Promise((resolve) => {
    try {
      const headers = { ...callHeaders(SERVER_STATUS_PATH, connection.host), ...(token === null ? {} : { token }) }
      const stream = connection.request(headers)
      const reader = new MessageReader(MAX_STATUS)
      // Not the stream's own time-out, which each byte that arrives would restart.
      const timer = setTimeout(() => {
        stream.close(constants.NGHTTP2_CANCEL)
      }, timeout)
      timer.unref()
      stream.on('data', (piece: Buffer) => {
        const status = readStatus(reader, piece)
        if (status === undefined) return
        resolve(status)
        stream.close(constants.NGHTTP2_CANCEL)
      })
      stream.on('error', () => {
        resolve(null)
      })
      stream.on('close', () => {
        clearTimeout(timer)
        resolve(null)
      })
      stream.end(frameMessage(new Uint8Array()))
    } catch {
      // The connection accepts no calls any more; the stream that asks is about to leave it.
      resolve(null)
    }
  })
}

/** Undefined if the answer is not complete. */
function readStatus(reader: MessageReader, piece: Buffer): ServerStatus | null | undefined {
  try {
    const [message] = reader.push(piece)
    if (message === undefined) return undefined
    let version: string | null = null
    let [member, leader, isLearner] = [0n, 0n, false]
    const fields = new Fields(message)
    while (fields.next()) {
      if (fields.number === HEADER) member = memberOf(fields.message())
      else if (fields.number === VERSION) version = Buffer.from(fields.bytes()).toString()
      else if (fields.number === LEADER) leader = fields.int64()
      else if (fields.number === IS_LEARNER) isLearner = fields.bool()
    }
    // Every member has an id; an answer without one is not etcd's.
    if (member === 0n) return { version, role: null, hasLeader: true }
    const role = isLearner ? 'learner' : leader === 0n ? null : leader === member ? 'leader' : 'follower'
    return { version, role, hasLeader: leader !== 0n }
  } catch (error) {
    if (error instanceof FramingError || error instanceof MalformedMessage) return null
    throw error
  }
}

function memberOf(header: Fields): bigint {
  while (header.next()) if (header.number === MEMBER_ID) return header.int64()
  return 0n
}

/**
 * Whether the answer to a progress request comes after the events before it. In earlier versions it could overtake them
 * (etcd CHANGELOG-3.4.md, 3.4.25, and CHANGELOG-3.5.md, 3.5.8: "Fix requested watch progress notification").
 */
export function sendsProgressInOrder(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? []
  if (major !== 3) return major > 3
  if (minor === 4) return patch >= 25
  if (minor === 5) return patch >= 8
  return minor > 5
}
