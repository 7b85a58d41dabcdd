import { afterEach, describe, expect, it, vi } from 'vitest'
import { FrameSession } from '../../../../src/client/http2/frame-session.js'
import { ErrorCode, Flag, FrameType } from '../../../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../../../src/client/http2/settings.js'
import { connectFrames as connect, destroySessions, Recorder, REQUEST } from '../../../support/frame-sessions.js'
import {
  emptyAnswerFrames,
  encodeFields,
  GRPC_HEADERS,
  Http2Peer,
  literal,
  number,
  OK_TRAILERS,
} from '../../../support/http2-frames.js'

const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM, COMPRESSION_ERROR } = ErrorCode
const END = Flag.END_HEADERS | Flag.END_STREAM

afterEach(destroySessions)

describe('a stream', () => {
  it('reports the head, the data, the trailers and the end of an answer in their order', async () => {
    const { peer, open } = connect()
    const { seen } = open()
    peer.sendBytes(emptyAnswerFrames(1))
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
    expect(seen.events).toEqual(['head 200', 'data 5', 'trailers 0', 'end', 'close 0'])
  })

  it('reports a trailers-only answer as head and trailers', async () => {
    const { peer, open } = connect()
    const { seen } = open()
    const payload = encodeFields([
      [':status', '200'],
      ['grpc-status', '7'],
    ])
    peer.send(FrameType.HEADERS, { flags: END, stream: 1, payload })
    await seen.closed
    expect(seen.events).toEqual(['head 200', 'trailers 7', 'end', 'close 0'])
  })

  it('reads padding, a priority and a header block in pieces', async () => {
    const { peer, open } = connect()
    const { seen } = open()
    const padded = Buffer.concat([Buffer.from([3]), Buffer.alloc(5), GRPC_HEADERS.subarray(0, 2), Buffer.alloc(3)])
    peer.send(FrameType.HEADERS, { flags: Flag.PADDED | Flag.PRIORITY, stream: 1, payload: padded })
    peer.send(FrameType.CONTINUATION, { stream: 1, payload: GRPC_HEADERS.subarray(2, 4) })
    peer.send(FrameType.CONTINUATION, { flags: Flag.END_HEADERS, stream: 1, payload: GRPC_HEADERS.subarray(4) })
    const data = Buffer.concat([Buffer.from([200]), Buffer.from('four'), Buffer.alloc(200)])
    peer.send(FrameType.DATA, { flags: Flag.PADDED, stream: 1, payload: data })
    peer.send(FrameType.HEADERS, { flags: END, stream: 1, payload: OK_TRAILERS })
    await seen.closed
    expect(seen.events).toEqual(['head 200', 'data 4', 'trailers 0', 'end', 'close 0'])
  })

  it('reads frames that arrive one byte at a time', async () => {
    const { peer, open } = connect()
    const { seen } = open()
    const bytes = emptyAnswerFrames(1)
    for (const byte of bytes) peer.sendBytes(Buffer.from([byte]))
    await seen.closed
    expect(seen.events).toEqual(['head 200', 'data 5', 'trailers 0', 'end', 'close 0'])
  })

  it('ends with the code of a reset', async () => {
    const { peer, open } = connect()
    const { seen } = open()
    peer.send(FrameType.RST_STREAM, { stream: 1, payload: number(ErrorCode.REFUSED_STREAM) })
    expect(await seen.closed).toBe(ErrorCode.REFUSED_STREAM)
  })

  it('ends as refused if the GOAWAY of the server leaves it out, while earlier ones go on', async () => {
    const { peer, session, goaways, open } = connect()
    const first = open()
    const second = open()
    peer.send(FrameType.GOAWAY, { payload: Buffer.concat([number(1), number(0)]) })
    expect(await second.seen.closed).toBe(ErrorCode.REFUSED_STREAM)
    expect(session.isOpen).toBe(false)
    peer.sendBytes(emptyAnswerFrames(1))
    expect(await first.seen.closed).toBe(ErrorCode.NO_ERROR)
    expect(goaways).toEqual([1])
  })

  it('holds data while it is paused, gives no window back for it, and delays no other stream', async () => {
    const { peer, open } = connect()
    const slow = open(null)
    slow.stream.pause()
    const other = open()
    peer.send(FrameType.HEADERS, { flags: Flag.END_HEADERS, stream: 1, payload: GRPC_HEADERS })
    for (let i = 0; i < 16; i += 1) peer.send(FrameType.DATA, { stream: 1, payload: new Uint8Array(16_384) })
    peer.sendBytes(emptyAnswerFrames(3))
    await other.seen.closed
    expect(slow.seen.bytes).toBe(0)
    expect(peer.frames.filter(({ type, stream }) => type === FrameType.WINDOW_UPDATE && stream === 1)).toEqual([])
    slow.stream.resume()
    expect(slow.seen.bytes).toBe(16 * 16_384)
    await peer.next(FrameType.WINDOW_UPDATE, ({ stream }) => stream === 1)
  })

  it('resets a stream, and its late frames still update the table of headers', async () => {
    const { peer, open } = connect()
    const { stream } = open()
    stream.close(ErrorCode.CANCEL)
    await peer.next(FrameType.RST_STREAM)
    const indexed = Buffer.concat([Buffer.from([0x88, 0x40, 1]), Buffer.from('a'), Buffer.from([1]), Buffer.from('b')])
    peer.send(FrameType.HEADERS, { flags: END, stream: 1, payload: indexed })
    const { seen } = open()
    peer.send(FrameType.HEADERS, { flags: Flag.END_HEADERS, stream: 3, payload: Buffer.from([0x88, 0xbe]) })
    peer.send(FrameType.HEADERS, { flags: END, stream: 3, payload: OK_TRAILERS })
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
  })

  it('passes an exception of its listener on, and loses no frame after it', async () => {
    const { peer, listener, open } = connect()
    await vi.waitFor(() => {
      expect(listener.onSettings).toHaveBeenCalled()
    })
    const first = open()
    const second = open()
    first.seen.onHead = () => {
      throw new Error('of the caller')
    }
    const bytes = Buffer.concat([emptyAnswerFrames(1), emptyAnswerFrames(3)])
    expect(() => peer.socket.emit('data', bytes)).toThrow('of the caller')
    expect(await second.seen.closed).toBe(ErrorCode.NO_ERROR)
  })
})

describe('sending', () => {
  it('sends no more than the windows of the server, and goes on as it gives more', async () => {
    const { peer, listener, open } = connect({ settings: [[4, 2000]] })
    await vi.waitFor(() => {
      expect(listener.onSettings).toHaveBeenCalled()
    })
    open(new Uint8Array(5500))
    expect((await peer.next(FrameType.DATA)).payload.length).toBe(2000)
    peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(1500) })
    expect((await peer.next(FrameType.DATA)).payload.length).toBe(1500)
    // A smaller initial window makes that of the stream negative (RFC 9113 section 6.9.2).
    peer.send(FrameType.SETTINGS, { payload: Buffer.concat([Buffer.from([0, 4]), number(0)]) })
    peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(2000) })
    peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(2000) })
    const last = await peer.next(FrameType.DATA)
    expect(last).toMatchObject({ flags: Flag.END_STREAM })
    expect(last.payload.length).toBe(2000)
  })

  it('sends a small request between the pieces of a large one', async () => {
    const { peer, open } = connect()
    peer.send(FrameType.WINDOW_UPDATE, { payload: number(64 * 1024 * 1024) })
    open(new Uint8Array(8 * 1024 * 1024))
    peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(64 * 1024 * 1024) })
    await peer.next(FrameType.DATA, ({ stream }) => stream === 1)
    open()
    await peer.next(FrameType.DATA, ({ stream }) => stream === 3)
    expect(peer.frames.some(({ flags, stream }) => stream === 1 && flags === Flag.END_STREAM)).toBe(false)
  })

  it('splits headers that are longer than a frame', async () => {
    const { peer, session } = connect()
    session.request({ ...REQUEST, own: { x: 'y'.repeat(40_000) } }, new Recorder(), new Uint8Array())
    expect(await peer.next(FrameType.HEADERS)).toMatchObject({ flags: 0, stream: 1 })
    expect(await peer.next(FrameType.CONTINUATION)).toMatchObject({ flags: 0, stream: 1 })
    expect(await peer.next(FrameType.CONTINUATION)).toMatchObject({ flags: Flag.END_HEADERS, stream: 1 })
  })

  it('reports that a stream was not processed if the connection ends before it was written', async () => {
    const { peer, session, open } = connect()
    const written = open()
    await peer.next(FrameType.HEADERS)
    const unwritten = open()
    session.destroy()
    expect([written.stream.isUnprocessed, unwritten.stream.isUnprocessed]).toEqual([false, true])
  })

  it('reports a GOAWAY of its own before its ids are used up, and opens no stream beyond the last one', async () => {
    const { peer, session, goaways, open } = connect({ firstId: 2 ** 31 - 3 })
    const { seen } = open()
    expect(session.isOpen).toBe(true)
    open()
    expect(session.isOpen).toBe(false)
    await vi.waitFor(() => {
      expect(goaways).toEqual([2 ** 31 - 1])
    })
    peer.sendBytes(emptyAnswerFrames(2 ** 31 - 3))
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
  })
})

describe('a connection', () => {
  it('announces its limits, and acknowledges SETTINGS and PING', async () => {
    const { peer } = connect()
    const { payload } = await peer.next(FrameType.SETTINGS, ({ flags }) => flags === 0)
    const limits = encodeSettings([
      [Setting.ENABLE_PUSH, 0],
      [Setting.INITIAL_WINDOW_SIZE, 256 * 1024],
      [Setting.MAX_HEADER_LIST_SIZE, 64 * 1024],
    ])
    expect(payload).toEqual(limits)
    const window = await peer.next(FrameType.WINDOW_UPDATE, ({ stream }) => stream === 0)
    expect(window.payload.readUInt32BE()).toBe(8 * 1024 * 1024 - 65_535)
    await peer.next(FrameType.SETTINGS, ({ flags }) => flags === Flag.ACK)
    peer.send(FrameType.PING, { payload: Buffer.from('12345678') })
    expect((await peer.next(FrameType.PING)).payload.toString()).toBe('12345678')
  })

  it('asks the server with SETTINGS, which it acknowledges', async () => {
    const { peer, session } = connect()
    const answered = vi.fn()
    session.ask(answered)
    await peer.next(FrameType.SETTINGS, ({ payload, flags }) => payload.length === 0 && flags === 0)
    expect(answered).not.toHaveBeenCalled()
    peer.send(FrameType.SETTINGS, { flags: Flag.ACK })
    await vi.waitFor(() => {
      expect(answered).toHaveBeenCalledOnce()
    })
    expect(session.isClosed).toBe(false)
  })

  it('ends with GOAWAY', async () => {
    const { peer, session, closed } = connect()
    await peer.next(FrameType.SETTINGS)
    session.close()
    await peer.next(FrameType.GOAWAY)
    peer.end.end()
    expect(await closed).toBeNull()
  })

  it('ends its streams if the socket closes', async () => {
    const { peer, closed, open } = connect()
    const { seen } = open()
    peer.end.destroy()
    expect(await closed).toBeNull()
    expect(await seen.closed).not.toBe(ErrorCode.NO_ERROR)
  })
})

type Attack = (peer: Http2Peer) => void

function repeat(times: number, type: number, frame: Parameters<Http2Peer['send']>[1]): Attack {
  return (peer) => {
    for (let i = 0; i < times; i += 1) peer.send(type, frame)
  }
}

const HEADERS_1 = { stream: 1, flags: Flag.END_HEADERS, payload: GRPC_HEADERS }
const ping = { payload: new Uint8Array(8) }

describe('a server that breaks HTTP/2', () => {
  const attacks: readonly (readonly [string, number, Attack])[] = [
    [
      'another frame in the middle of a header block',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, { stream: 1, payload: GRPC_HEADERS })
        peer.send(FrameType.PING, ping)
      },
    ],
    [
      'CONTINUATION without HEADERS',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.CONTINUATION, { stream: 1 })
      },
    ],
    [
      'an invalid header block',
      COMPRESSION_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, { ...HEADERS_1, payload: Buffer.from([0x80]) })
      },
    ],
    [
      'GOAWAY on a stream',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.GOAWAY, { stream: 1, payload: new Uint8Array(8) })
      },
    ],
    [
      'a PING on a stream',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.PING, { stream: 1, ...ping })
      },
    ],
    [
      'a GOAWAY of four bytes',
      FRAME_SIZE_ERROR,
      (peer) => {
        peer.send(FrameType.GOAWAY, { payload: new Uint8Array(4) })
      },
    ],
    [
      'a WINDOW_UPDATE of three bytes',
      FRAME_SIZE_ERROR,
      (peer) => {
        peer.send(FrameType.WINDOW_UPDATE, { payload: new Uint8Array(3) })
      },
    ],
    [
      'HEADERS without the priority that they announce',
      FRAME_SIZE_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, { ...HEADERS_1, flags: END | Flag.PRIORITY, payload: new Uint8Array(4) })
      },
    ],
    [
      'a WINDOW_UPDATE of zero',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.WINDOW_UPDATE, { payload: number(0) })
      },
    ],
    [
      'an initial window that makes the window of a stream overflow',
      FLOW_CONTROL_ERROR,
      (peer) => {
        peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(2 ** 31 - 1 - 65_535) })
        peer.send(FrameType.SETTINGS, { payload: encodeSettings([[4, 65_536 + 5]]) })
      },
    ],
    [
      'a frame size below the smallest',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.SETTINGS, { payload: Buffer.concat([Buffer.from([0, 5]), number(100)]) })
      },
    ],
    [
      'ENABLE_PUSH',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.SETTINGS, { payload: Buffer.concat([Buffer.from([0, 2]), number(1)]) })
      },
    ],
    [
      'SETTINGS of five bytes',
      FRAME_SIZE_ERROR,
      (peer) => {
        peer.send(FrameType.SETTINGS, { payload: new Uint8Array(5) })
      },
    ],
    [
      'an acknowledgement of no settings',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.SETTINGS, { flags: Flag.ACK })
      },
    ],
    [
      'a push',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.PUSH_PROMISE, { stream: 1, payload: number(2) })
      },
    ],
    [
      'a stream that was never opened',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, { ...HEADERS_1, stream: 9 })
      },
    ],
    [
      'a stream of its own',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, { ...HEADERS_1, stream: 2 })
      },
    ],
    [
      'data on stream 0',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.DATA, { payload: new Uint8Array(1) })
      },
    ],
    [
      'a reset of stream 0',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.RST_STREAM, { payload: number(0) })
      },
    ],
    [
      'SETTINGS on a stream',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.SETTINGS, { stream: 1 })
      },
    ],
    [
      'a PING of four bytes',
      FRAME_SIZE_ERROR,
      (peer) => {
        peer.send(FrameType.PING, { payload: new Uint8Array(4) })
      },
    ],
    [
      'more padding than the frame has',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.DATA, { stream: 1, flags: Flag.PADDED, payload: Buffer.from([9, 0]) })
      },
    ],
  ]

  it.each(attacks)('loses its connection after %s, with the code of the fault', async (_what, code, attack) => {
    const { peer, closed, open } = connect()
    const { seen } = open()
    await peer.next(FrameType.HEADERS)
    attack(peer)
    expect((await peer.next(FrameType.GOAWAY)).payload.readUInt32BE(4)).toBe(code)
    expect((await closed)?.message).toMatch(/^The server broke HTTP\/2: it sent /)
    expect(await seen.closed).not.toBe(ErrorCode.NO_ERROR)
  })

  const streamFaults: readonly (readonly [string, number, Attack])[] = [
    [
      'data before the headers',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.DATA, { stream: 1, payload: new Uint8Array(1) })
      },
    ],
    [
      'headers without a status',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, { ...HEADERS_1, payload: OK_TRAILERS })
      },
    ],
    [
      'two statuses',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, {
          ...HEADERS_1,
          payload: encodeFields([
            [':status', '200'],
            [':status', '200'],
          ]),
        })
      },
    ],
    [
      'a status after other headers',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.HEADERS, {
          ...HEADERS_1,
          payload: encodeFields([
            ['a', 'b'],
            [':status', '200'],
          ]),
        })
      },
    ],
    ...[
      ['a name in upper case', 'X', 'y'],
      ['a name with a space', 'a b', 'y'],
      ['an empty name', '', 'y'],
      ['a value with a line break', 'x', 'y\nz'],
      ['a value with NUL', 'x', 'y\0'],
      ['a header of the connection', 'connection', 'close'],
    ].map(
      ([what = '', name = '', value = '']) =>
        [
          what,
          PROTOCOL_ERROR,
          (peer: Http2Peer) => {
            peer.send(FrameType.HEADERS, { ...HEADERS_1, payload: Buffer.concat([GRPC_HEADERS, literal(name, value)]) })
          },
        ] as const,
    ),
    [
      'the status 101',
      PROTOCOL_ERROR,
      repeat(1, FrameType.HEADERS, { ...HEADERS_1, payload: encodeFields([[':status', '101']]) }),
    ],
    ['trailers that do not end the stream', PROTOCOL_ERROR, repeat(2, FrameType.HEADERS, HEADERS_1)],
    [
      'an informational response that ends the stream',
      PROTOCOL_ERROR,
      repeat(1, FrameType.HEADERS, { ...HEADERS_1, flags: END, payload: encodeFields([[':status', '103']]) }),
    ],
    [
      'a list of headers of more than 64 KiB',
      ENHANCE_YOUR_CALM,
      (peer) => {
        const large = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xd1, 0x0e]), Buffer.alloc(2000, 0x62)])
        peer.send(FrameType.HEADERS, {
          ...HEADERS_1,
          payload: Buffer.concat([Buffer.from([0x88]), large, Buffer.alloc(40, 0xbe)]),
        })
      },
    ],
    [
      'a WINDOW_UPDATE of zero on the stream',
      PROTOCOL_ERROR,
      (peer) => {
        peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(0) })
      },
    ],
  ]

  it.each(streamFaults)('loses the stream alone after %s', async (_what, code, attack) => {
    const { peer, session, open } = connect()
    const { stream, seen } = open()
    stream.pause()
    await peer.next(FrameType.HEADERS)
    attack(peer)
    expect((await peer.next(FrameType.RST_STREAM)).payload.readUInt32BE()).toBe(code)
    expect(await seen.closed).toBe(code)
    expect(seen.error?.message).toMatch(/^The server broke HTTP\/2: it sent /)
    expect(session.isOpen).toBe(true)
  })

  it('loses its connection if its first frame is not SETTINGS', async () => {
    const peer = new Http2Peer()
    const closed = new Promise<Error | null>((onClose) => {
      new FrameSession(peer.socket, { onSettings: () => undefined, onGoaway: () => undefined, onClose })
    })
    peer.send(FrameType.PING, ping)
    expect(await closed).toMatchObject({
      message: 'The server broke HTTP/2: it sent something other than SETTINGS first',
    })
  })
})
