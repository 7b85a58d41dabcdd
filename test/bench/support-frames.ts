/** What the frames of a hostile server cost while calls wait for its windows. */
import { FrameSession } from '../../src/client/http2/frame-session.js'
import { Flag, FrameType, type StreamListener } from '../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../src/client/http2/settings.js'
import { frame, Http2Peer, number } from '../support/http2-frames.js'
import { NodeSession } from '../support/node-session.js'
import type { RemoteContender } from './harness.js'

export const FEW_CALLS = 10
export const MANY_CALLS = 10_000
/** Less than the allowance for frames without content. */
const FRAMES = 1900

type Make = (i: number, calls: number) => Buffer

const initialWindow = (size: number): Buffer =>
  frame(FrameType.SETTINGS, 0, 0, encodeSettings([[Setting.INITIAL_WINDOW_SIZE, size]]))
const windowOf = (stream: number): Buffer => frame(FrameType.WINDOW_UPDATE, 0, stream, number(1))

const flood = (what: string, make: Make) => ({
  title: (calls: number) => `${String(FRAMES)} ${what}, ${calls.toLocaleString('en')} waiting calls`,
  make,
})

export const FRAME_FLOODS = [
  flood('windows of the connection and of all streams', (i) => (i % 2 === 0 ? windowOf(0) : initialWindow(i % 4))),
  flood('windows of one byte for one stream each', (i, calls) => windowOf(2 * (i % calls) + 1)),
]

type Open = (peer: Http2Peer) => FrameSession | NodeSession

const ignore = (): void => undefined
const NOTHING = { onSettings: ignore, onGoaway: ignore, onClose: ignore }
const openOwn: Open = ({ socket }) => new FrameSession(socket, NOTHING)
const openNode: Open = ({ socket }) => new NodeSession(socket, NOTHING)

export function hostileFrames(): RemoteContender[] {
  const row = (name: string, make: Make, calls: number, open: Open, tries: number): RemoteContender => ({
    name,
    async measure() {
      const costs: number[] = []
      for (let i = 0; i < tries; i += 1) costs.push(await cost(make, calls, open))
      return Math.min(...costs)
    },
  })
  return FRAME_FLOODS.flatMap(({ title, make }) => [
    ...[FEW_CALLS, MANY_CALLS].map((calls) => row(title(calls), make, calls, openOwn, 5)),
    row(`${title(MANY_CALLS)}, node:http2`, make, MANY_CALLS, openNode, 1),
  ])
}

const LISTENER: StreamListener = {
  onInformational: ignore,
  onHead: ignore,
  onTrailers: ignore,
  onData: ignore,
  onEnd: ignore,
  onClose: ignore,
}
const HEADERS = { common: { ':method': 'POST' } }

/** Processor time in milliseconds. */
async function cost(make: Make, calls: number, open: Open): Promise<number> {
  const peer = new Http2Peer()
  const session = open(peer)
  peer.sendBytes(Buffer.concat([initialWindow(0), frame(FrameType.SETTINGS, Flag.ACK, 0)]))
  await turns()
  const body = new Uint8Array(2000)
  for (let i = 0; i < calls; i += 1) session.request(HEADERS, LISTENER, body)
  await peer.next(FrameType.HEADERS, ({ stream }) => stream === 2 * calls - 1)
  const bytes = Buffer.concat(Array.from({ length: FRAMES }, (_, i) => make(i, calls)))
  const before = process.cpuUsage()
  peer.sendBytes(bytes)
  await turns()
  const { user, system } = process.cpuUsage(before)
  if (session.isClosed) throw new Error('The session ended')
  session.destroy()
  return (user + system) / 1000
}

async function turns(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise(setImmediate)
}
