/** The version of the etcd behind a connection, and what depends on it. */
import { constants } from 'node:http2'
import { callHeaders } from '../greeting.js'
import type { Connection } from '../transport/connection.js'
import { frameMessage, FramingError, MessageReader } from './framing.js'
import { Fields, MalformedMessage } from './protobuf.js'

const STATUS = '/etcdserverpb.Maintenance/Status'
/** etcd api/etcdserverpb/rpc.proto, StatusResponse. */
const VERSION = 2
/** A StatusResponse has about 200 bytes, in addition to a text for each error of the member. */
const MAX_STATUS = 64 * 1024
/** How long the answer may take, in milliseconds. */
const TIMEOUT = 5000

/** @returns Null if the server did not report it: an older etcd, a user without the right to ask, or not etcd. */
export function readServerVersion(connection: Connection, token: string | null): Promise<string | null> {
  return new Promise((resolve) => {
    try {
      const headers = { ...callHeaders(STATUS, connection.authority), ...(token === null ? {} : { token }) }
      const stream = connection.request(headers)
      const reader = new MessageReader(MAX_STATUS)
      stream.setTimeout(TIMEOUT, () => {
        stream.close(constants.NGHTTP2_CANCEL)
      })
      stream.on('data', (piece: Buffer) => {
        const version = readVersion(reader, piece)
        if (version === undefined) return
        resolve(version)
        stream.close(constants.NGHTTP2_CANCEL)
      })
      stream.on('error', () => {
        resolve(null)
      })
      stream.on('close', () => {
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
function readVersion(reader: MessageReader, piece: Buffer): string | null | undefined {
  try {
    const [message] = reader.push(piece)
    if (message === undefined) return undefined
    let version: string | null = null
    const fields = new Fields(message)
    while (fields.next()) if (fields.number === VERSION) version = Buffer.from(fields.bytes()).toString()
    return version
  } catch (error) {
    if (error instanceof FramingError || error instanceof MalformedMessage) return null
    throw error
  }
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
