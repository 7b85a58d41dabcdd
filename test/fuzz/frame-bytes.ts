/** The target `frames`: what a server of HTTP/2 sends, changed, and a session of own frames that reads it while its caller acts. */
import { FrameSession } from '../../src/client/http2/frame-session.js'
import { Flag, FrameType, type StreamListener } from '../../src/client/http2/protocol.js'
import type { Stream } from '../../src/client/http2/stream.js'
import { encodeSettings } from '../../src/client/http2/settings.js'
import { emptyAnswerFrames, frame, GRPC_HEADERS, literal, number, statusHeader } from '../support/http2-frames.js'
import { must } from './checks.js'
import { mutateBytes } from './mutate.js'
import type { Random } from './random.js'
import { Sink } from './sink.js'

const STREAMS = 4
/** Indexed fields and changes of the table, so that blocks depend on those before them. */
const BLOCKS = ['88', '20', '3fe11f', '4001610162', 'be', 'bf', '5f8b1d75d0620d263d4c4d6564', '400161841fffffff'].map(
  (hex) => Buffer.from(hex, 'hex'),
)

function anyFrame(random: Random): Buffer {
  const stream = random.once(8) ? random.below(20) : 1 + 2 * random.below(STREAMS)
  const block = Buffer.concat(Array.from({ length: random.below(5) }, () => random.pick(BLOCKS) ?? Buffer.alloc(0)))
  const make = random.pick([
    () => emptyAnswerFrames(stream, random.bytes(random.below(300))),
    () => frame(FrameType.HEADERS, random.pick([0, 1, 4, 5, 12, 36, 44]), stream, Buffer.concat([GRPC_HEADERS, block])),
    () => frame(FrameType.HEADERS, random.below(64), stream, block),
    () =>
      frame(FrameType.HEADERS, random.pick([4, 5]), stream, statusHeader(random.pick([99, 100, 101, 103, 200, 503]))),
    () =>
      frame(
        FrameType.HEADERS,
        Flag.END_HEADERS | Flag.END_STREAM,
        stream,
        literal('grpc-status', random.pick(['0', 'x'])),
      ),
    () => frame(FrameType.CONTINUATION, random.pick([0, 4]), stream, block),
    () =>
      frame(
        FrameType.DATA,
        random.pick([0, 1, 8, 9]),
        stream,
        random.bytes(random.below(random.once(4) ? 16_384 : 40)),
      ),
    () => frame(FrameType.RST_STREAM, 0, stream, number(random.below(14))),
    () =>
      frame(
        FrameType.SETTINGS,
        0,
        0,
        encodeSettings([[random.below(8), random.pick([0, 1, 100, 65_536, 2 ** 31 - 1])]]),
      ),
    () => frame(FrameType.PING, random.below(2), 0, random.bytes(8)),
    () => frame(FrameType.GOAWAY, 0, 0, Buffer.concat([number(random.below(8)), number(random.below(14))])),
    () =>
      frame(FrameType.WINDOW_UPDATE, 0, random.once(2) ? 0 : stream, number(random.pick([0, 1, 70_000, 2 ** 31 - 1]))),
    () => frame(random.below(14), random.below(256), stream, random.bytes(random.below(40))),
  ])
  return make()
}

/** Valid SETTINGS and their acknowledgement, then frames that are valid, out of place, or not valid. */
export function serverBytes(random: Random): Buffer {
  const frames = Array.from({ length: 1 + random.below(40) }, () => anyFrame(random))
  const start = [frame(FrameType.SETTINGS, 0, 0), frame(FrameType.SETTINGS, Flag.ACK, 0)]
  const bytes = Buffer.concat([...(random.once(20) ? [] : start), ...frames])
  return random.once(3) ? mutateBytes(random, bytes) : bytes
}

/** Checks the order of events: a head, data, trailers, an end, and nothing after the close, which comes once. */
class Order implements StreamListener {
  hasHead = false
  hasEnded = false
  isClosed = false
  bytes = 0

  onInformational(): void {
    must(!this.hasHead && !this.isClosed, 'an informational response after the head or the close')
  }

  onHead(): void {
    must(!this.hasHead && !this.isClosed, 'a second head, or one after the close')
    this.hasHead = true
  }

  onTrailers(): void {
    must(this.hasHead && !this.isClosed, 'trailers before the head or after the close')
  }

  onData({ length }: Buffer): void {
    must(this.hasHead && !this.hasEnded && !this.isClosed, 'data before the head, after the end or after the close')
    must(length > 0, 'data without a byte')
    this.bytes += length
  }

  onEnd(): void {
    must(!this.hasEnded && !this.isClosed, 'a second end, or one after the close')
    this.hasEnded = true
  }

  onClose(): void {
    must(!this.isClosed, 'a second close')
    this.isClosed = true
  }
}

function act(random: Random, stream: Stream): void {
  const action = random.pick([
    () => {
      stream.pause()
    },
    () => {
      stream.resume()
    },
    () => {
      stream.resume()
    },
    () => {
      stream.write(new Uint8Array(random.below(20_000)))
    },
    () => {
      stream.end()
    },
    () => {
      stream.close(8)
    },
  ])
  action()
}

/** The bytes arrive in pieces, and the caller acts in between. No exception passes the session, and each stream ends once. */
export function checkSession(random: Random, bytes: Uint8Array): void {
  const socket = new Sink()
  let closes = 0
  const onClose = (): void => {
    closes += 1
  }
  const session = new FrameSession(socket, { onSettings: () => undefined, onGoaway: () => undefined, onClose })
  const orders = Array.from({ length: STREAMS }, () => new Order())
  const streams = orders.map((each) =>
    session.request({ common: { ':method': 'POST' } }, each, random.once(2) ? null : new Uint8Array(5)),
  )
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(random.once(2) ? 20 : 5000)
    socket.emit('data', Buffer.from(bytes.subarray(at, end)))
    at = end
    const stream = random.pick(streams)
    if (stream !== undefined && random.once(2)) act(random, stream)
  }
  must(orders.reduce((sum, each) => sum + each.bytes, 0) <= bytes.length, 'more data than the server sent')
  session.destroy()
  must(closes === 1, `${String(closes)} closes of the session`)
  must(
    orders.every(({ isClosed }) => isClosed) && streams.every(({ isClosed }) => isClosed),
    'a stream that did not end',
  )
}
