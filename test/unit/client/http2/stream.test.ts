import { afterEach, describe, expect, it, vi } from 'vitest'
import { ErrorCode, Flag, FrameType } from '../../../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../../../src/client/http2/settings.js'
import type { Stream } from '../../../../src/client/http2/stream.js'
import { connectFrames, destroySessions, Recorder, REQUEST } from '../../../support/frame-sessions.js'
import {
  emptyAnswerFrames,
  encodeFields,
  frame,
  GRPC_HEADERS,
  type Http2Peer,
  number,
  OK_TRAILERS,
} from '../../../support/http2-frames.js'

const END = Flag.END_HEADERS | Flag.END_STREAM
const MIB = 1024 * 1024

afterEach(destroySessions)

/** A stream that is paused, with data of these lengths held, and its trailers received if `ends`. */
async function held(lengths: readonly number[], ends = false) {
  const connected = connectFrames()
  const { peer, open } = connected
  const { stream, seen } = open(ends ? new Uint8Array(5) : null)
  stream.pause()
  const data = lengths.map((length, i) => frame(FrameType.DATA, 0, 1, Buffer.alloc(length, i)))
  const trailers = ends ? [frame(FrameType.HEADERS, END, 1, OK_TRAILERS)] : []
  const head = frame(FrameType.HEADERS, Flag.END_HEADERS, 1, GRPC_HEADERS)
  peer.sendBytes(Buffer.concat([head, ...data, ...trailers]))
  await pinged(peer)
  return { ...connected, stream, seen }
}

/** Resolves when the client has read all that was sent. */
async function pinged(peer: Http2Peer): Promise<void> {
  peer.send(FrameType.PING, { payload: new Uint8Array(8) })
  await peer.next(FrameType.PING)
}

describe('held data', () => {
  it('passes held data once and in order if its reader pauses and resumes while it receives a piece', async () => {
    const { stream, seen } = await held([5000, 6000, 7000])
    const onData = seen.onData.bind(seen)
    seen.onData = (piece) => {
      onData(piece)
      stream.pause()
      stream.resume()
    }
    stream.resume()
    expect(seen.events).toEqual(['head 200', 'data 5000', 'data 6000', 'data 7000'])
  })

  it('stays held from the piece on at which its reader pauses', async () => {
    const { stream, seen } = await held([5000, 6000, 7000], true)
    const onData = seen.onData.bind(seen)
    seen.onData = (piece) => {
      onData(piece)
      stream.pause()
    }
    stream.resume()
    stream.resume()
    expect(seen.events).toEqual(['head 200', 'trailers 0', 'data 5000', 'data 6000'])
    stream.resume()
    stream.resume()
    expect(seen.events.slice(4)).toEqual(['data 7000', 'end', 'close 0'])
  })

  it('loses no held data if its reader throws', async () => {
    const { stream, seen } = await held([5000, 6000], true)
    const onData = seen.onData.bind(seen)
    seen.onData = (piece) => {
      onData(piece)
      seen.onData = onData
      throw new Error('of the caller')
    }
    expect(() => {
      stream.resume()
    }).toThrow('of the caller')
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
    expect(seen.events).toEqual(['head 200', 'trailers 0', 'data 5000', 'data 6000', 'end', 'close 0'])
  })

  it('keeps no read buffers of the socket for small pieces, and changes no byte', async () => {
    const lengths = Array.from({ length: 300 }, (_, i) => (i % 50 === 49 ? 5000 : 100 + i))
    const { stream, seen } = await held(lengths)
    stream.resume()
    expect(Buffer.concat(seen.pieces)).toEqual(Buffer.concat(lengths.map((length, i) => Buffer.alloc(length, i))))
    const small = seen.pieces.filter(({ length }) => length !== 5000)
    const memory = [...new Set(small.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(memory).toBeLessThan(2 * seen.bytes)
  })

  it('passes held data after a reset with NO_ERROR that follows a complete answer', async () => {
    const { peer, stream, seen } = await held([5000, 6000], true)
    peer.send(FrameType.RST_STREAM, { stream: 1, payload: number(ErrorCode.NO_ERROR) })
    await pinged(peer)
    stream.resume()
    expect(seen.events).toEqual(['head 200', 'trailers 0', 'data 5000', 'data 6000', 'end', 'close 0'])
  })

  it('discards held data without a reset if the stream is closed after both sides have ended it', async () => {
    const { peer, stream, seen } = await held([5000], true)
    stream.close(ErrorCode.CANCEL)
    expect(await seen.closed).toBe(ErrorCode.CANCEL)
    await pinged(peer)
    expect(peer.frames.some(({ type }) => type === FrameType.RST_STREAM)).toBe(false)
  })
})

describe('a stream', () => {
  it('ends although its listener throws at the head of an answer that is only a head', async () => {
    const { peer, open } = connectFrames()
    await pinged(peer)
    const { seen } = open()
    seen.onHead = () => {
      throw new Error('of the caller')
    }
    const payload = Buffer.concat([GRPC_HEADERS, OK_TRAILERS])
    expect(() => peer.socket.emit('data', frame(FrameType.HEADERS, END, 1, payload))).toThrow('of the caller')
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
    expect(seen.events).toEqual(['end', 'close 0'])
  })

  it('a stream may have been processed if the server refuses it after the head of an answer', async () => {
    const { peer, open } = connectFrames()
    const answered = open()
    const refused = open()
    peer.send(FrameType.HEADERS, { flags: Flag.END_HEADERS, stream: 1, payload: GRPC_HEADERS })
    for (const stream of [1, 3]) {
      peer.send(FrameType.RST_STREAM, { stream, payload: number(ErrorCode.REFUSED_STREAM) })
    }
    await refused.seen.closed
    expect([answered.stream.isUnprocessed, refused.stream.isUnprocessed]).toEqual([false, true])
  })
})

describe('the windows of what a server sends', () => {
  const WINDOW = 256 * 1024
  const CONNECTION_WINDOW = 8 * MIB
  const headers = (stream: number): Buffer => frame(FrameType.HEADERS, Flag.END_HEADERS, stream, GRPC_HEADERS)
  const data = (stream: number): Buffer => frame(FrameType.DATA, 0, stream, new Uint8Array(16_384))

  /** What the client has given back of a window, in bytes. */
  function given(peer: Http2Peer, id: number): number {
    const updates = peer.frames.filter(({ type, stream }) => type === FrameType.WINDOW_UPDATE && stream === id)
    return updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0)
  }

  it('a window counts padding, which the client gives back as if it were data that was read', async () => {
    const { peer, session, open } = connectFrames()
    const { stream, seen } = open(null)
    peer.sendBytes(headers(1))
    const padded = Buffer.concat([Buffer.of(255), Buffer.from('x'), Buffer.alloc(255)])
    const frames = (4 * WINDOW) / padded.length
    // In pieces, as the window allows.
    for (let sent = 0; sent < frames; sent += 400) {
      for (let i = 0; i < 400; i += 1) peer.send(FrameType.DATA, { flags: Flag.PADDED, stream: 1, payload: padded })
      await pinged(peer)
      expect((sent + 400) * padded.length - given(peer, 1)).toBeLessThan(WINDOW)
    }
    expect([session.isOpen, stream.isClosed, seen.bytes >= frames]).toEqual([true, false, true])
  })

  it('the window of a connection is given back for the data of cancelled streams, which no caller reads', async () => {
    const { peer, open } = connectFrames()
    await peer.next(FrameType.WINDOW_UPDATE)
    open().stream.close(ErrorCode.CANCEL)
    for (let sent = 0; sent < CONNECTION_WINDOW; sent += 16_384) peer.sendBytes(data(1))
    await pinged(peer)
    expect(given(peer, 0)).toBe(CONNECTION_WINDOW)
  })

  it('the window of a connection is given back while 40 callers read nothing of 10 MiB, so that another stream gets its data', async () => {
    const { peer, open } = connectFrames()
    await peer.next(FrameType.WINDOW_UPDATE)
    const slow = Array.from({ length: 40 }, () => open(null))
    for (const [i, { stream }] of slow.entries()) {
      stream.pause()
      peer.sendBytes(headers(2 * i + 1))
      for (let sent = 0; sent < WINDOW; sent += 16_384) peer.sendBytes(data(2 * i + 1))
    }
    const { seen } = open()
    peer.sendBytes(emptyAnswerFrames(81))
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
    await pinged(peer)
    expect(given(peer, 0)).toBeGreaterThan(10 * MIB - CONNECTION_WINDOW / 2)
    expect(slow.map((each) => each.seen.bytes)).toEqual(slow.map(() => 0))
    expect(given(peer, 1)).toBe(0)
  })
})

describe('a stream that a server ends', () => {
  it.each(Object.entries(ErrorCode))(
    'a stream certainly was not processed after %s only if that is REFUSED_STREAM',
    async (name, code) => {
      const { peer, open } = connectFrames()
      const { stream, seen } = open()
      peer.send(FrameType.RST_STREAM, { stream: 1, payload: number(code) })
      expect(await seen.closed).toBe(code)
      expect(stream.isUnprocessed).toBe(name === 'REFUSED_STREAM')
    },
  )

  it('a stream certainly was not processed if a GOAWAY leaves it out before the head of its answer', async () => {
    const { peer, open } = connectFrames()
    const streams = [open(), open(), open()]
    peer.sendBytes(frame(FrameType.HEADERS, Flag.END_HEADERS, 5, GRPC_HEADERS))
    peer.send(FrameType.GOAWAY, { payload: Buffer.concat([number(1), number(0)]) })
    await Promise.all(streams.slice(1).map(({ seen }) => seen.closed))
    peer.end.destroy()
    await streams[0]?.seen.closed
    expect(streams.map(({ stream }) => stream.isUnprocessed)).toEqual([false, true, false])
  })
})

it('the beginning of a large DATA frame is passed on before its rest arrives, and neither is copied', async () => {
  const { peer, open } = connectFrames()
  await pinged(peer)
  const { seen } = open()
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i & 0xff))
  const bytes = Buffer.concat([
    frame(FrameType.HEADERS, Flag.END_HEADERS, 1, GRPC_HEADERS),
    frame(FrameType.DATA, 0, 1, content),
    frame(FrameType.HEADERS, END, 1, OK_TRAILERS),
  ])
  const pieces = [bytes.subarray(0, 4000), bytes.subarray(4000, 9000), bytes.subarray(9000)]
  for (const [i, piece] of pieces.entries()) {
    peer.socket.emit('data', piece)
    expect(seen.pieces).toHaveLength(i + 1)
  }
  expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
  expect(Buffer.concat(seen.pieces)).toEqual(content)
  expect(seen.pieces.every(({ buffer }) => buffer === bytes.buffer)).toBe(true)
  expect(seen.events.filter((each) => !each.startsWith('data'))).toEqual(['head 200', 'trailers 0', 'end', 'close 0'])
})

describe('a request that waits for a window', () => {
  /** A server that gives streams no window, and a request that waits for one. */
  async function waiting() {
    const connected = connectFrames({ settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] })
    await pinged(connected.peer)
    const body = connected.open(new Uint8Array(100))
    await connected.peer.next(FrameType.HEADERS)
    return { ...connected, ...body }
  }

  it('does not delay another one that has a window', async () => {
    const { peer, open } = await waiting()
    const other = open()
    peer.send(FrameType.WINDOW_UPDATE, { stream: 3, payload: number(5) })
    expect(await peer.next(FrameType.DATA)).toMatchObject({ stream: 3, flags: Flag.END_STREAM })
    peer.sendBytes(emptyAnswerFrames(3))
    expect(await other.seen.closed).toBe(ErrorCode.NO_ERROR)
  })

  it('discards a waiting request that is cancelled, and a later window sends none of it', async () => {
    const { peer, stream, seen } = await waiting()
    stream.close(ErrorCode.CANCEL)
    expect(await seen.closed).toBe(ErrorCode.CANCEL)
    peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(100) })
    await pinged(peer)
    expect(peer.frames.some(({ type }) => type === FrameType.DATA)).toBe(false)
  })

  it('discards a waiting request with NO_ERROR if the server has answered without it', async () => {
    const { peer, seen } = await waiting()
    peer.sendBytes(emptyAnswerFrames(1))
    expect((await peer.next(FrameType.RST_STREAM)).payload).toEqual(number(ErrorCode.NO_ERROR))
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
  })

  it('discards a waiting request with NO_ERROR if its caller ends it after the answer', async () => {
    const { peer, session } = await waiting()
    const seen = new Recorder()
    const stream = session.request(REQUEST, seen, null)
    const written = new Promise<void>((resolve) => {
      stream.write(new Uint8Array(10), resolve)
    })
    peer.sendBytes(emptyAnswerFrames(3))
    await pinged(peer)
    stream.end()
    expect((await peer.next(FrameType.RST_STREAM)).payload).toEqual(number(ErrorCode.NO_ERROR))
    expect(await seen.closed).toBe(ErrorCode.NO_ERROR)
    await written
  })

  it('waits for the window of the connection as well, which all streams share', async () => {
    const { peer, open } = connectFrames({ settings: [[Setting.INITIAL_WINDOW_SIZE, MIB]] })
    open(new Uint8Array(65_535))
    open(new Uint8Array(10))
    await pinged(peer)
    const sent = (): number =>
      peer.frames.filter(({ type }) => type === FrameType.DATA).reduce((sum, { payload }) => sum + payload.length, 0)
    expect(sent()).toBe(65_535)
    peer.send(FrameType.WINDOW_UPDATE, { payload: number(10) })
    await vi.waitFor(() => {
      expect(sent()).toBe(65_545)
    })
  })
})

describe('a server that does not read', () => {
  it('gets small requests when it reads again, in the meantime they wait', async () => {
    const { peer, session, open } = connectFrames()
    await pinged(peer)
    peer.send(FrameType.WINDOW_UPDATE, { payload: number(2 ** 30) })
    await pinged(peer)
    peer.end.pause()
    const count = 1000
    for (let i = 0; i < count; i += 1) open(new Uint8Array(4096))
    await new Promise(setImmediate)
    expect(session.isOpen).toBe(true)
    peer.end.resume()
    await peer.next(FrameType.DATA, ({ stream }) => stream === 2 * count - 1)
    expect(peer.frames.filter(({ type }) => type === FrameType.DATA)).toHaveLength(count - 1)
  })

  it('a server that does not read gets no more of large requests than the socket takes, and the rest stays with the caller', async () => {
    const { peer, session, open } = connectFrames({ settings: [[Setting.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]] })
    await pinged(peer)
    peer.send(FrameType.WINDOW_UPDATE, { payload: number(2 ** 30) })
    await pinged(peer)
    peer.end.pause()
    const bodies = Array.from({ length: 16 }, () => open(new Uint8Array(4 * MIB)))
    for (let i = 0; i < 10; i += 1) await new Promise(setImmediate)
    expect(session.isOpen).toBe(true)
    expect(peer.socket.writableLength + peer.end.readableLength).toBeLessThan(MIB)
    const sent = bodies.map(({ stream }) => stream.outgoing?.[0]?.bytes.length ?? 0)
    expect(sent.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(63 * MIB)
    peer.end.resume()
    await peer.next(FrameType.DATA, ({ stream, flags }) => stream === 31 && flags === Flag.END_STREAM)
    expect(bodies.every(({ stream }) => stream.localEnded)).toBe(true)
  })

  it('a server that does not read loses its connection at 16 MiB of requests, and waiting requests count as unprocessed', async () => {
    const { peer, session, closed } = connectFrames()
    await pinged(peer)
    peer.end.pause()
    const own = { x: 'y'.repeat(60_000) }
    const request = (): Stream => session.request({ ...REQUEST, own }, new Recorder(), null)
    const first = [request(), request()]
    // The socket is given what there is in one turn, and nothing after that if it was more than 64 KiB.
    await new Promise(setImmediate)
    const others = Array.from({ length: 300 }, request)
    expect((await closed)?.message).toMatch(/^The server reads nothing: \d{8} bytes wait to be sent$/)
    expect(first.map((each) => each.isUnprocessed)).toEqual([false, false])
    expect(others.every((each) => each.isUnprocessed)).toBe(true)
  })
})

describe('a connection that ends', () => {
  it('sends no request that waited when the server broke HTTP/2, and reports it as not processed', async () => {
    const { peer, open } = connectFrames()
    await pinged(peer)
    const { stream, seen } = open()
    peer.socket.emit('data', frame(FrameType.DATA, 0, 0))
    await seen.closed
    await peer.next(FrameType.GOAWAY)
    expect(stream.isUnprocessed).toBe(true)
    expect(peer.frames.some(({ type }) => type === FrameType.HEADERS)).toBe(false)
  })

  it('writes nothing to a socket that has ended, and reports the request as not processed', async () => {
    const { peer, session, closed, open } = connectFrames()
    await pinged(peer)
    peer.socket.end()
    const { stream } = open()
    await new Promise(setImmediate)
    session.destroy()
    expect(await closed).toBeNull()
    expect(stream.isUnprocessed).toBe(true)
  })
})

describe('frames that a server has reasons for', () => {
  it('a server may give windows back every 4 KiB and ping for each frame of a large request', async () => {
    const { peer, session, open } = connectFrames()
    await pinged(peer)
    const size = 12 * MIB
    const { stream } = open(null)
    peer.send(FrameType.WINDOW_UPDATE, { payload: number(2 * size) })
    peer.send(FrameType.WINDOW_UPDATE, { stream: 1, payload: number(2 * size) })
    await pinged(peer)
    await new Promise<void>((written) => {
      stream.write(new Uint8Array(size), written)
    })
    for (let at = 0; at < size; at += 4096) {
      for (const id of [0, 1]) peer.send(FrameType.WINDOW_UPDATE, { stream: id, payload: number(4096) })
      if (at % 16_384 === 0) peer.send(FrameType.PING, { payload: new Uint8Array(8) })
    }
    await pinged(peer)
    expect(session.isOpen).toBe(true)
  })

  it('a server may answer thousands of calls that were cancelled', async () => {
    const { peer, session, open } = connectFrames()
    const count = 3000
    for (let i = 0; i < count; i += 1) open().stream.close(ErrorCode.CANCEL)
    for (let i = 0; i < count; i += 1) peer.sendBytes(emptyAnswerFrames(2 * i + 1))
    await pinged(peer)
    expect(session.isOpen).toBe(true)
  })
})

it.each([
  ['frames', [[0], [4096]]],
  ['one frame', [[0, 4096]]],
] as const)(
  'a table of HPACK that is made smaller and larger again, in %s, is reported in the next block',
  async (_in, sizes) => {
    const { peer, open } = connectFrames()
    for (const each of sizes) {
      const payload = encodeSettings(each.map((size) => [Setting.HEADER_TABLE_SIZE, size]))
      peer.send(FrameType.SETTINGS, { payload })
    }
    await pinged(peer)
    open()
    expect((await peer.next(FrameType.HEADERS)).payload.toString('hex')).toBe('2083')
  },
)

it('a smaller table of HPACK is reported in the next header block, once', async () => {
  const { peer, open } = connectFrames({ settings: [[Setting.HEADER_TABLE_SIZE, 0]] })
  await pinged(peer)
  open()
  open()
  const blocks = [await peer.next(FrameType.HEADERS), await peer.next(FrameType.HEADERS)]
  expect(blocks.map(({ payload }) => payload.toString('hex'))).toEqual(['2083', '83'])
  peer.send(FrameType.SETTINGS, { payload: encodeSettings([[Setting.HEADER_TABLE_SIZE, 100]]) })
  await pinged(peer)
  open()
  expect((await peer.next(FrameType.HEADERS)).payload).toEqual(Buffer.from([0x83]))
})

it('headers of several fields with one name are joined', async () => {
  const { peer, open } = connectFrames()
  const { seen } = open()
  const found: unknown[] = []
  seen.onHead = (headers) => {
    found.push(headers['x'])
  }
  const payload = encodeFields([
    [':status', '200'],
    ['x', 'a'],
    ['x', 'b'],
  ])
  peer.send(FrameType.HEADERS, { flags: END, stream: 1, payload })
  await seen.closed
  expect(found).toEqual(['a, b'])
})
