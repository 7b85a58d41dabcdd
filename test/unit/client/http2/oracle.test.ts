/** Own frames next to node:http2: the same bytes of a server, and what a stream reports to its caller. */
import { expect, it } from 'vitest'
import { FrameSession } from '../../../../src/client/http2/frame-session.js'
import { ErrorCode, Flag, FrameType, type SessionListener } from '../../../../src/client/http2/protocol.js'
import { Recorder, REQUEST } from '../../../support/frame-sessions.js'
import {
  emptyAnswerFrames,
  encodeFields,
  frame,
  GRPC_HEADERS,
  Http2Peer,
  literal,
  number,
  OK_TRAILERS,
  statusHeader,
} from '../../../support/http2-frames.js'
import { NodeSession } from '../../../support/node-session.js'

const END = Flag.END_HEADERS | Flag.END_STREAM
const head = (payload: Buffer = GRPC_HEADERS, flags: number = Flag.END_HEADERS): Buffer =>
  frame(FrameType.HEADERS, flags, 1, payload)
const data = (size: number, flags = 0): Buffer => frame(FrameType.DATA, flags, 1, Buffer.alloc(size))
const trailers = head(OK_TRAILERS, END)
const padded = Buffer.concat([Buffer.from([3]), Buffer.alloc(5), GRPC_HEADERS, Buffer.alloc(3)])
const refusal = encodeFields([
  [':status', '200'],
  ['grpc-status', '7'],
])
const indexed = Buffer.concat([GRPC_HEADERS, Buffer.from('4001610162be', 'hex')])
const reset = (code: number): Buffer => frame(FrameType.RST_STREAM, 0, 1, number(code))
const goaway = frame(FrameType.GOAWAY, 0, 0, Buffer.concat([number(0), number(0)]))

const ANSWERS: [title: string, ...frames: Buffer[]][] = [
  ['an empty message', emptyAnswerFrames(1)],
  ['trailers only', head(refusal, END)],
  ['three frames of data', head(), data(16_384), data(16_384), data(16_384), trailers],
  ['data that ends the stream', head(), data(5, Flag.END_STREAM)],
  ['a padded head with a priority', head(padded, Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY), trailers],
  ['a head in two frames', head(GRPC_HEADERS.subarray(0, 5), 0), continuation(GRPC_HEADERS.subarray(5)), trailers],
  ['a head that fills the table of HPACK', head(indexed), trailers],
  ['informational responses', head(statusHeader(103)), head(statusHeader(100)), emptyAnswerFrames(1)],
  ['a reset without an answer', reset(ErrorCode.INTERNAL_ERROR)],
  ['a refusal of the stream', reset(ErrorCode.REFUSED_STREAM)],
  ['a reset after data', head(), data(5), reset(ErrorCode.CANCEL)],
  ['a reset without an error after the end', emptyAnswerFrames(1), reset(ErrorCode.NO_ERROR)],
  ['a GOAWAY that leaves the stream out', goaway],
  ['a header with a capital letter', head(Buffer.concat([GRPC_HEADERS, literal('A', 'b')]))],
  ['a status after another header', head(Buffer.concat([literal('a', 'b'), statusHeader(200)]))],
  ['trailers that do not end the stream', head(), head(OK_TRAILERS)],
]

function continuation(payload: Buffer): Buffer {
  return frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1, payload)
}

it.each(ANSWERS)('a stream reports the same as node:http2 of %s', async (_title, ...frames) => {
  const own = await heard((...parts) => new FrameSession(...parts), frames)
  expect(own).toEqual(await heard((...parts) => new NodeSession(...parts), frames))
  expect(own.at(-1)).toMatch(/^close/)
})

type Open = (socket: Http2Peer['socket'], listener: SessionListener) => FrameSession | NodeSession

/** The events of a stream. Data is summed up, because its pieces depend on the buffers. */
async function heard(open: Open, frames: readonly Buffer[]): Promise<string[]> {
  const peer = new Http2Peer()
  const ignore = (): void => undefined
  const session = open(peer.socket, { onSettings: ignore, onGoaway: ignore, onClose: ignore })
  peer.accept()
  const seen = new Recorder()
  session.request(REQUEST, seen, new Uint8Array(5))
  await peer.next(FrameType.DATA)
  peer.sendBytes(Buffer.concat(frames))
  await seen.closed
  session.destroy()
  return [...seen.events.filter((each) => !each.startsWith('data')), `close after ${String(seen.bytes)} bytes`]
}
