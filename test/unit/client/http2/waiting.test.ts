/** Many calls that wait for a window of the server: what its frames cost, and when data is sent. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Flag, FrameType } from '../../../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../../../src/client/http2/settings.js'
import { connectFrames, destroySessions } from '../../../support/frame-sessions.js'
import { frame, number } from '../../../support/http2-frames.js'

const MAX_WINDOW = 2 ** 31 - 1
const NOTHING: readonly [number, number] = [Setting.INITIAL_WINDOW_SIZE, 0]

afterEach(() => {
  destroySessions()
  vi.useRealTimers()
})

/** A server that gives streams no window, and calls of this size that wait for one. */
async function waiting(calls: number, size = 100) {
  const connected = connectFrames({ settings: [NOTHING] })
  await vi.waitFor(() => {
    expect(connected.listener.onSettings).toHaveBeenCalled()
  })
  const body = new Uint8Array(size)
  const opened = Array.from({ length: calls }, () => connected.open(body))
  await connected.peer.next(FrameType.HEADERS, ({ stream }) => stream === 2 * calls - 1)
  return { ...connected, opened }
}

const initialWindow = (size: number): Buffer =>
  frame(FrameType.SETTINGS, 0, 0, encodeSettings([[Setting.INITIAL_WINDOW_SIZE, size]]))
const windowOf = (stream: number, bytes: number): Buffer => frame(FrameType.WINDOW_UPDATE, 0, stream, number(bytes))

const TIMES = 1900
/** In each, the frames are less than the allowance. */
const floods: readonly (readonly [what: string, make: (i: number, calls: number) => Buffer])[] = [
  ['windows of the connection', () => windowOf(0, 1)],
  ['windows of one byte for all streams', (i) => initialWindow(i % 2)],
  ['first windows that grow by one byte', (i) => initialWindow(Math.floor(i / 20))],
  ['windows of one byte for one stream each', (i, calls) => windowOf(2 * (i % calls) + 1, 1)],
  ['GOAWAY', () => frame(FrameType.GOAWAY, 0, 0, Buffer.concat([number(MAX_WINDOW), number(0)]))],
  [
    'first windows next to the window of a stream that is nearly too large',
    (i) => (i === 0 ? windowOf(1, MAX_WINDOW - 1000) : initialWindow(i % 2)),
  ],
]

/** The least processor time of a few tries, in milliseconds. */
async function cost(make: (typeof floods)[number][1], calls: number): Promise<number> {
  let least = Infinity
  for (let i = 0; i < 4; i += 1) {
    const { peer, session } = await waiting(calls)
    const bytes = Buffer.concat(Array.from({ length: TIMES }, (_, at) => make(at, calls)))
    const before = process.cpuUsage()
    peer.sendBytes(bytes)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
    expect(session.isClosed).toBe(false)
    destroySessions()
  }
  return least
}

describe('frames of a server for which 10,000 calls wait', () => {
  it.each(floods)('%s cost at most three times as much as for 10 calls', { timeout: 120_000 }, async (_what, make) => {
    // 25 ms for a machine that has other work. While each frame visited each call, they took from 90 ms to 3 s.
    const [few, many] = [await cost(make, 10), await cost(make, 10_000)]
    expect(many, `${few.toFixed(1)} ms for 10 calls`).toBeLessThan(3 * few + 25)
  })
})

describe('a message that waits for a window', () => {
  const dataOf = ({ peer }: Awaited<ReturnType<typeof waiting>>): number[] =>
    peer.frames.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload.length)
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 5; i += 1) await new Promise(setImmediate)
  }

  it('a message that waits is not sent byte by byte, but as soon as the window has 1 KiB or the rest of it', async () => {
    const connected = await waiting(1, 1500)
    const { peer } = connected
    for (let i = 0; i < 1023; i += 1) peer.sendBytes(windowOf(1, 1))
    await turns()
    expect(dataOf(connected)).toEqual([])
    peer.sendBytes(windowOf(1, 1))
    await turns()
    expect(dataOf(connected)).toEqual([1024])
    for (let i = 0; i < 475; i += 1) peer.sendBytes(windowOf(1, 1))
    await turns()
    expect(dataOf(connected)).toEqual([1024])
    peer.sendBytes(windowOf(1, 1))
    await turns()
    expect(dataOf(connected)).toEqual([1024, 476])
    expect(peer.frames.at(-1)?.flags).toBe(Flag.END_STREAM)
  })

  it.each([
    ['its own window', [windowOf(1, 10)]],
    ['the first window', [initialWindow(10)]],
  ])(
    'a message that waits is sent after a second although %s is smaller, as far as that goes',
    async (_which, frames) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const connected = await waiting(1, 1500)
      connected.peer.sendBytes(Buffer.concat(frames))
      await turns()
      vi.advanceTimersByTime(999)
      await turns()
      expect(dataOf(connected)).toEqual([])
      vi.advanceTimersByTime(1)
      await turns()
      expect(dataOf(connected)).toEqual([10])
    },
  )
})
