/** SETTINGS of HTTP/2 (RFC 9113 section 6.5). */
import { DEFAULT_TABLE } from './hpack.js'
import { MAX_FRAME } from './input.js'
import { ConnectionError, ErrorCode } from './protocol.js'

export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const

/** The first window of a connection, and of a stream unless SETTINGS change it, in bytes. */
export const DEFAULT_WINDOW = 65_535
export const MAX_WINDOW = 2 ** 31 - 1
/** Bytes of one setting, and the maximum number of settings of one frame. */
const LENGTH = 6
const MAX_SETTINGS = 64

export function encodeSettings(values: readonly (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(LENGTH * values.length)
  for (const [i, [name, value]] of values.entries()) {
    payload.writeUInt16BE(name, LENGTH * i)
    payload.writeUInt32BE(value, LENGTH * i + 2)
  }
  return payload
}

/** The settings of the server that a client obeys. MAX_HEADER_LIST_SIZE is advice. */
export class PeerSettings {
  maxStreams = Infinity
  initialWindow = DEFAULT_WINDOW
  /** The smallest table of HPACK that it has allowed so far, in bytes. */
  smallestTable = DEFAULT_TABLE

  /** @throws {ConnectionError} */
  apply(payload: Buffer): void {
    if (payload.length % LENGTH !== 0 || payload.length > LENGTH * MAX_SETTINGS) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `SETTINGS of ${String(payload.length)} bytes`)
    }
    for (let at = 0; at < payload.length; at += LENGTH)
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
  }

  #set(name: number, value: number): void {
    switch (name) {
      case Setting.HEADER_TABLE_SIZE:
        this.smallestTable = Math.min(this.smallestTable, value)
        return
      case Setting.ENABLE_PUSH:
        if (value !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a setting that only clients send')
        return
      case Setting.MAX_CONCURRENT_STREAMS:
        this.maxStreams = value
        return
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large')
        this.initialWindow = value
        return
      case Setting.MAX_FRAME_SIZE:
        // Frames of the smallest size are sent all the same: larger ones would delay the other streams.
        if (value < MAX_FRAME || value >= 2 ** 24) {
          throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame size of ${String(value)}`)
        }
        return
      default:
    }
  }
}
