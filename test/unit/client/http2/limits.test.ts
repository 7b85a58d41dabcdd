/** The limits of docs/http2.md: what is exactly at a limit is accepted, and one more ends the stream or the connection. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Glut } from '../../../../src/client/http2/frame-checks.js'
import { FrameSession } from '../../../../src/client/http2/frame-session.js'
import { HeaderEncoder } from '../../../../src/client/http2/hpack.js'
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameType,
  type RequestHeaders,
} from '../../../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../../../src/client/http2/settings.js'
import { FRAME_HEADER } from '../../../../src/client/http2/output.js'
import { connectFrames, destroySessions, Recorder, REQUEST } from '../../../support/frame-sessions.js'
import { GRPC_HEADERS, Http2Peer, number } from '../../../support/http2-frames.js'

const { COMPRESSION_ERROR, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, SETTINGS_TIMEOUT } = ErrorCode
const KIB = 1024
const MAX_WINDOW = 2 ** 31 - 1
const MAX_FRAME = 16_384

type Connected = ReturnType<typeof connectFrames>
/** What is sent: frames that are exactly at the limit, or one more. */
type Send = (peer: Http2Peer, isBeyond: boolean) => void

/** Resolves when the client has read all that was sent. The acknowledgement does not count. */
async function readBy({ peer, session }: Connected): Promise<void> {
  await new Promise<void>((answered) => {
    session.ask(answered)
    peer.send(FrameType.SETTINGS, { flags: Flag.ACK })
  })
}

afterEach(() => {
  destroySessions()
  vi.useRealTimers()
})

/** An open stream whose caller does not read, and whose answer has begun. */
async function answered(): Promise<Connected & ReturnType<Connected['open']>> {
  const connected = connectFrames()
  const { stream, seen } = connected.open()
  stream.pause()
  await connected.peer.next(FrameType.HEADERS)
  return { ...connected, stream, seen }
}

const BEGINS = { stream: 1, flags: Flag.END_HEADERS, payload: GRPC_HEADERS }

/** A header block of changes of the table's size, one byte each, which ends with `:status: 200`. */
function block(length: number): Buffer {
  const bytes = Buffer.alloc(length, 0x20)
  bytes[length - 1] = 0x88
  return bytes
}

function sendBlock(peer: Http2Peer, parts: readonly Buffer[]): void {
  for (const [i, payload] of parts.entries()) {
    const flags = i === parts.length - 1 ? Flag.END_HEADERS : 0
    peer.send(i === 0 ? FrameType.HEADERS : FrameType.CONTINUATION, { stream: 1, flags, payload })
  }
}

/** `:status: 200`, which counts 42 bytes, and other fields, so that the list has this size (RFC 9113 section 6.5.2). */
function listOf(size: number): Buffer {
  const overhead = 33
  const rest = size - 42
  const lengths = [rest >> 1, rest - (rest >> 1)].map((each) => each - overhead)
  const fields = lengths.map((length) => {
    const left = length - 127
    const head = [0, 1, 0x61, 0x7f, (left & 0x7f) | 0x80, ((left >> 7) & 0x7f) | 0x80, left >> 14]
    return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0x62)])
  })
  return Buffer.concat([Buffer.from([0x88]), ...fields])
}

function inFrames(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / MAX_FRAME) }, (_, i) =>
    bytes.subarray(i * MAX_FRAME, (i + 1) * MAX_FRAME),
  )
}

const limits: readonly (readonly [what: string, scope: 'connection' | 'stream', code: number, send: Send])[] = [
  [
    'a frame of 16,384 bytes',
    'connection',
    FRAME_SIZE_ERROR,
    (peer, isBeyond) => {
      peer.send(FrameType.HEADERS, BEGINS)
      peer.send(FrameType.DATA, { stream: 1, payload: new Uint8Array(MAX_FRAME + Number(isBeyond)) })
    },
  ],
  [
    'a header block of 64 KiB',
    'connection',
    ENHANCE_YOUR_CALM,
    (peer, isBeyond) => {
      sendBlock(peer, inFrames(block(64 * KIB + Number(isBeyond))))
    },
  ],
  [
    'a header block of 64 frames',
    'connection',
    ENHANCE_YOUR_CALM,
    (peer, isBeyond) => {
      const empty = Array.from({ length: 63 + Number(isBeyond) }, () => Buffer.alloc(0))
      sendBlock(peer, [GRPC_HEADERS, ...empty])
    },
  ],
  [
    'a list of headers of 64 KiB',
    'stream',
    ENHANCE_YOUR_CALM,
    (peer, isBeyond) => {
      sendBlock(peer, inFrames(listOf(64 * KIB + Number(isBeyond))))
    },
  ],
  [
    'a table of HPACK of 4,096 bytes',
    'connection',
    COMPRESSION_ERROR,
    (peer, isBeyond) => {
      sendBlock(peer, [Buffer.from([0x3f, 0xe1 + Number(isBeyond), 0x1f, 0x88])])
    },
  ],
  [
    'data of 256 KiB that the caller does not read',
    'stream',
    FLOW_CONTROL_ERROR,
    (peer, isBeyond) => {
      peer.send(FrameType.HEADERS, BEGINS)
      for (let i = 0; i < 16; i += 1) peer.send(FrameType.DATA, { stream: 1, payload: new Uint8Array(MAX_FRAME) })
      if (isBeyond) peer.send(FrameType.DATA, { stream: 1, payload: new Uint8Array(1) })
    },
  ],
  [
    'a window of the connection of 2^31 − 1 bytes',
    'connection',
    FLOW_CONTROL_ERROR,
    (peer, isBeyond) => {
      // The request has taken five bytes.
      const bytes = MAX_WINDOW - 65_535 + 5 + Number(isBeyond)
      peer.send(FrameType.WINDOW_UPDATE, { payload: number(bytes) })
    },
  ],
  [
    'a window of a stream of 2^31 − 1 bytes',
    'stream',
    FLOW_CONTROL_ERROR,
    (peer, isBeyond) => {
      const bytes = MAX_WINDOW - 65_535 + 5 + Number(isBeyond)
      peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(bytes) })
    },
  ],
  [
    'a first window of 2^31 − 1 bytes',
    'connection',
    FLOW_CONTROL_ERROR,
    (peer, isBeyond) => {
      const value = MAX_WINDOW + Number(isBeyond)
      peer.send(FrameType.SETTINGS, { payload: encodeSettings([[Setting.INITIAL_WINDOW_SIZE, value]]) })
    },
  ],
  [
    '64 settings in one frame',
    'connection',
    FRAME_SIZE_ERROR,
    (peer, isBeyond) => {
      peer.send(FrameType.SETTINGS, { payload: new Uint8Array(6 * (64 + Number(isBeyond))) })
    },
  ],
]

describe('a connection of own frames', () => {
  it.each(limits)('a connection accepts %s, and more than that ends the %s', async (_what, scope, code, send) => {
    const within = await answered()
    send(within.peer, false)
    await readBy(within)
    expect([within.session.isOpen, within.stream.isClosed]).toEqual([true, false])
    const beyond = await answered()
    send(beyond.peer, true)
    expect(await beyond.seen.closed).not.toBe(ErrorCode.NO_ERROR)
    expect(beyond.session.isOpen).toBe(scope === 'stream')
    const frame = await beyond.peer.next(scope === 'stream' ? FrameType.RST_STREAM : FrameType.GOAWAY)
    expect(frame.payload.readUInt32BE(scope === 'stream' ? 0 : 4)).toBe(code)
  })

  it('a connection ends with SETTINGS_TIMEOUT if the server does not acknowledge its SETTINGS in 10 seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const peer = new Http2Peer()
    const onClose = vi.fn<(error: Error | null) => void>()
    const session = new FrameSession(peer.socket, { onSettings: vi.fn(), onGoaway: vi.fn(), onClose })
    peer.send(FrameType.SETTINGS)
    const seen = new Recorder()
    session.request(REQUEST, seen, null)
    await peer.next(FrameType.HEADERS)
    vi.advanceTimersByTime(9999)
    expect(session.isOpen).toBe(true)
    vi.advanceTimersByTime(1)
    const [[error]] = onClose.mock.calls as [[ConnectionError]]
    expect(error).toBeInstanceOf(ConnectionError)
    expect([error.errorCode, error.message]).toEqual([
      SETTINGS_TIMEOUT,
      'The server broke HTTP/2: it sent no acknowledgement of the settings',
    ])
    expect(seen.error).toBe(error)
    expect((await peer.next(FrameType.GOAWAY)).payload.readUInt32BE(4)).toBe(SETTINGS_TIMEOUT)
  })

  it('a connection stays open after 10 seconds if the server has acknowledged its SETTINGS', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const connected = connectFrames()
    await readBy(connected)
    vi.advanceTimersByTime(60_000)
    expect(connected.session.isOpen).toBe(true)
  })
})

describe('frames without content', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })

  /** Each frame of the client allows eight more, and a reset 4,096. */
  const OF_CONNECTION = 2000
  const OF_STREAM = OF_CONNECTION + 8
  const AFTER_RESET = OF_STREAM + 4096

  type Prepare = (connected: Connected) => Promise<void>

  const begun: Prepare = async ({ open, peer }) => {
    open(null)
    await peer.next(FrameType.HEADERS)
    peer.send(FrameType.HEADERS, BEGINS)
  }
  const resetByServer: Prepare = async ({ open, peer }) => {
    const { seen } = open(null)
    peer.send(FrameType.RST_STREAM, { stream: 1, payload: number(ErrorCode.CANCEL) })
    await seen.closed
  }
  const cancelled: Prepare = ({ open }) => {
    open(null).stream.close(ErrorCode.CANCEL)
    return Promise.resolve()
  }
  const goingAway: Prepare = async (connected) => {
    connected.peer.send(FrameType.GOAWAY, { payload: new Uint8Array(8) })
    await readBy(connected)
  }

  type Kind = readonly [most: number, what: string, type: number, frame: Parameters<Http2Peer['send']>[1], Prepare]
  const kinds: readonly Kind[] = [
    [OF_CONNECTION, 'PING', FrameType.PING, { payload: new Uint8Array(8) }, readBy],
    [
      OF_CONNECTION,
      'acknowledgements of no PING',
      FrameType.PING,
      { flags: Flag.ACK, payload: new Uint8Array(8) },
      readBy,
    ],
    [OF_CONNECTION, 'SETTINGS', FrameType.SETTINGS, {}, readBy],
    [OF_CONNECTION, 'WINDOW_UPDATE of the connection', FrameType.WINDOW_UPDATE, { payload: number(1) }, readBy],
    [OF_CONNECTION, 'PRIORITY', FrameType.PRIORITY, { stream: 1, payload: new Uint8Array(5) }, readBy],
    [OF_CONNECTION, 'frames of an unknown type', 0xfe, { payload: new Uint8Array(100) }, readBy],
    [OF_CONNECTION, 'GOAWAY after the first', FrameType.GOAWAY, { payload: new Uint8Array(8) }, goingAway],
    [OF_STREAM, 'empty DATA', FrameType.DATA, { stream: 1 }, begun],
    [OF_STREAM, 'DATA of padding', FrameType.DATA, { stream: 1, flags: Flag.PADDED, payload: Buffer.of(1, 0) }, begun],
    [OF_STREAM, 'WINDOW_UPDATE of a stream', FrameType.WINDOW_UPDATE, { stream: 1, payload: number(1) }, begun],
    [OF_STREAM, 'resets of an ended stream', FrameType.RST_STREAM, { stream: 1, payload: number(8) }, resetByServer],
    [OF_STREAM, 'HEADERS of an ended stream', FrameType.HEADERS, BEGINS, resetByServer],
    [OF_STREAM, 'DATA of an ended stream', FrameType.DATA, { stream: 1, payload: new Uint8Array(9) }, resetByServer],
    [AFTER_RESET, 'DATA of a cancelled stream', FrameType.DATA, { stream: 1, payload: new Uint8Array(64) }, cancelled],
    [AFTER_RESET, 'HEADERS of a cancelled stream', FrameType.HEADERS, BEGINS, cancelled],
  ]

  it.each(kinds)(
    'a server that sends more than %i %s loses its connection',
    async (most, _what, type, frame, prepare) => {
      const connected = connectFrames()
      const { peer, session, closed } = connected
      await prepare(connected)
      for (let i = 0; i < most; i += 1) peer.send(type, frame)
      await readBy(connected)
      expect(session.isClosed).toBe(false)
      peer.send(type, frame)
      expect(await closed).toMatchObject({ errorCode: ENHANCE_YOUR_CALM })
      const code = (await peer.next(FrameType.GOAWAY)).payload.readUInt32BE(4)
      expect(code).toBe(ENHANCE_YOUR_CALM)
    },
  )

  /** How many frames are accepted before the next one is refused. */
  function accepted(glut: Glut): number {
    for (let count = 0; ; count += 1) {
      try {
        glut.add()
      } catch (error) {
        expect(error).toMatchObject({ errorCode: ENHANCE_YOUR_CALM })
        return count
      }
    }
  }

  it('a server does not raise its allowance of frames without content by resets that it provokes', async () => {
    const connected = connectFrames({ settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] })
    const { peer, open, closed } = connected
    await readBy(connected)
    const { seen } = open(new Uint8Array(100))
    open(new Uint8Array(100))
    await peer.next(FrameType.HEADERS, ({ stream }) => stream === 3)
    // Data before the head of an answer breaks a rule: the client resets the stream.
    peer.send(FrameType.DATA, { stream: 1, payload: new Uint8Array(5) })
    await seen.closed
    // Two HEADERS allow 16 more.
    for (let i = 0; i < OF_CONNECTION + 16 + 1; i += 1) peer.send(FrameType.WINDOW_UPDATE, { payload: number(1) })
    expect(await closed).toMatchObject({ errorCode: ENHANCE_YOUR_CALM })
  })

  it('frames without content are allowed 100 times a second after the first 2,000, up to 2,000 at once', () => {
    const glut = new Glut()
    expect(accepted(glut)).toBe(2000)
    vi.advanceTimersByTime(9)
    expect(accepted(glut)).toBe(0)
    vi.advanceTimersByTime(1)
    expect(accepted(glut)).toBe(1)
    vi.advanceTimersByTime(1000)
    expect(accepted(glut)).toBe(100)
    vi.advanceTimersByTime(60_000)
    expect(accepted(glut)).toBe(2000)
  })

  it('frames without content are allowed more often after frames, data and resets of the client, up to 100,000 times', () => {
    const one = new Glut()
    one.noteSent(0)
    expect(accepted(one)).toBe(2008)
    const data = new Glut()
    data.noteSent(10 * KIB)
    expect(accepted(data)).toBe(2028)
    const reset = new Glut()
    reset.noteReset()
    expect(accepted(reset)).toBe(6096)
    const resets = new Glut()
    for (let i = 0; i < 100; i += 1) resets.noteReset()
    expect(accepted(resets)).toBe(100_000)
  })
})

/** Headers whose frame has this size in bytes, with its own header. */
function headersOf(size: number): RequestHeaders {
  const make = (length: number): RequestHeaders => ({ ...REQUEST, own: { x: 'y'.repeat(length) } })
  const frameOf = (length: number): number => FRAME_HEADER + new HeaderEncoder().encode(make(length)).length
  return make(2 * size - frameOf(size))
}

describe('a server that does not read', () => {
  it('a server that does not read may let 16 MiB wait, and loses its connection at one frame more', async () => {
    const { peer, session, closed, open } = connectFrames()
    open(null)
    await peer.next(FrameType.HEADERS)
    peer.end.pause()
    // The socket takes what there is in one turn, and nothing after that if it was more than 64 KiB.
    for (let i = 0; i < 2; i += 1) session.request({ ...REQUEST, own: { x: 'y'.repeat(60_000) } }, new Recorder(), null)
    await new Promise(setImmediate)
    const headers = headersOf(16 * KIB)
    for (let i = 0; i < KIB; i += 1) session.request(headers, new Recorder(), null)
    await new Promise(setImmediate)
    expect(session.isOpen).toBe(true)
    peer.send(FrameType.PING, { payload: new Uint8Array(8) })
    expect((await closed)?.message).toMatch(/^The server reads nothing: \d{8} bytes wait to be sent$/)
  })
})
