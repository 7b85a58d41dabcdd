/**
 * Conversations of a session of own frames with a server that keeps to RFC 9113, and a model of what each side must see: headers,
 * data, windows and acknowledgements. The last frame may be one beyond a limit, which must end the connection.
 */
import { FrameSession } from '../../src/client/http2/frame-session.js'
import { type AnswerHead, ErrorCode, Flag, FrameType, type StreamListener } from '../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../src/client/http2/settings.js'
import type { Stream } from '../../src/client/http2/stream.js'
import { frame, number } from '../support/http2-frames.js'
import { must } from './checks.js'
import { type Field, ModelEncoder, MOST } from './hpack-model.js'
import type { Random } from './random.js'
import { Sink } from './sink.js'

const KIB = 1024
const STREAM_WINDOW = 256 * KIB
const CONNECTION_WINDOW = 8 * KIB * KIB
const FIRST_WINDOW = 65_535
const MAX_FRAME = 16 * KIB
const STEPS = 60
/** A part of a header block. */
const LONG = 16_000

const NAMES = ['content-type', 'date', 'grpc-status', 'grpc-message', 'x', 'a-long-name-of-a-header'] as const
const LENGTHS = [0, 1, 5, 30, 300, 2000, 4094 - 32, 4095 - 32, 4096 - 32] as const

/** The data of a stream is a piece of this, which begins elsewhere for each stream. */
const DATA = Buffer.from(Array.from({ length: 17 * KIB }, (_, i) => i & 0xff))
const byteAt = (id: number, at: number): number => (at + 31 * id) & 0xff

/** A stream: what the server sent of it, and what its caller saw. */
class Exchange implements StreamListener {
  readonly id: number
  readonly body: number
  /** Events other than data. */
  readonly sent: string[] = []
  readonly seen: string[] = []
  sentBytes = 0
  seenBytes = 0
  /** Of the window of the stream: bytes that the server sent and the client has not given back. */
  outstanding = 0
  isPaused = false
  isOver = false
  isCancelled = false
  hasHead = false
  serverEnded = false
  /** The request: bytes that arrived, the window for it, and whether it has ended. */
  arrived = 0
  window: number | null = null
  clientEnded = false

  constructor(id: number, body: number) {
    this.id = id
    this.body = body
  }

  onInformational(): void {
    this.seen.push('informational')
  }

  onHead(headers: AnswerHead): void {
    this.seen.push(`head ${briefly(Object.entries(headers))}`)
  }

  onTrailers(headers: object): void {
    this.seen.push(`trailers ${briefly(Object.entries(headers))}`)
  }

  onData(piece: Buffer): void {
    must(!this.isPaused, 'data for a caller that has paused')
    must(piece.length > 0, 'data without a byte')
    const last = piece.length - 1
    must(
      piece[0] === byteAt(this.id, this.seenBytes) && piece[last] === byteAt(this.id, this.seenBytes + last),
      `other data than the server sent on the stream ${String(this.id)}`,
    )
    this.seenBytes += piece.length
  }

  onEnd(): void {
    this.seen.push('end')
  }

  onClose(code: number): void {
    this.seen.push(`close ${String(code)}`)
  }

  end(code: number): void {
    this.sent.push(`close ${String(code)}`)
    this.isOver = true
  }

  /** The server has sent the end, which the caller sees after all data. */
  endIfRead(): void {
    if (this.isOver || !this.serverEnded || this.seenBytes < this.sentBytes) return
    this.sent.push('end')
    this.end(ErrorCode.NO_ERROR)
  }

  check(): void {
    if (this.isPaused && !this.isOver) return
    const [sent, seen] = [this.sent.join(), this.seen.join()]
    must(sent === seen, `the events ${seen} of the stream ${String(this.id)}, not ${sent}`)
    if (this.isOver) return
    must(this.seenBytes === this.sentBytes, `${String(this.seenBytes)} bytes of ${String(this.sentBytes)}`)
    must(
      this.serverEnded || this.outstanding < STREAM_WINDOW / 2,
      `${String(this.outstanding)} bytes of the window of a stream that are not given back`,
    )
  }
}

class Conversation {
  readonly #random: Random
  readonly #socket = new Sink()
  readonly #encoder = new ModelEncoder()
  readonly #exchanges: { exchange: Exchange; stream: Stream }[] = []
  readonly #session: FrameSession
  #closes = 0
  #goaway: number | null = null
  /** Bytes of the connection's window that the client has not given back; the first WINDOW_UPDATE is for what is missing of it. */
  #outstanding = CONNECTION_WINDOW - FIRST_WINDOW
  #pings: string[] = []
  /** Initial windows of SETTINGS that the client has not acknowledged; null: they do not change it. */
  #unacknowledged: (number | null)[] = []
  /** What the client may send. */
  #window = FIRST_WINDOW
  #initialWindow = FIRST_WINDOW

  constructor(random: Random) {
    this.#random = random
    const onClose = (): void => {
      this.#closes += 1
    }
    const listener = { onSettings: () => undefined, onGoaway: () => undefined, onClose }
    this.#session = new FrameSession(this.#socket, listener)
    this.#sendSettings(null, [])
    this.#send(frame(FrameType.SETTINGS, Flag.ACK, 0))
    this.#request()
  }

  run(): void {
    const steps = 1 + this.#random.below(STEPS)
    for (let step = 0; step < steps; step += 1) {
      this.#step()
      this.#settle()
    }
    if (this.#random.once(2)) this.#endBeyondALimit()
    else this.#finishRequests()
    this.#session.destroy()
    must(this.#closes === 1, `${String(this.#closes)} closes of the session`)
  }

  #step(): void {
    const step = this.#random.pick([
      this.#request,
      ...[this.#sendHead, this.#sendHead, this.#sendHead],
      ...[this.#sendData, this.#sendData],
      ...[this.#sendTrailers, this.#sendLateFrames],
      ...[this.#pause, this.#resume, this.#cancel, this.#reset],
      ...[this.#ping, this.#changeSettings, this.#giveWindow],
      this.#random.once(30) ? this.#floodWithPadding : this.#sendData,
      this.#random.once(50) ? this.#floodWithData : this.#sendData,
    ])
    step()
  }

  // --- the caller

  readonly #request = (): void => {
    const id = 2 * this.#exchanges.length + 1
    const exchange = new Exchange(id, this.#random.pick([0, 5, 5, 1000, 20_000, 70_000]))
    const stream = this.#session.request({ common: { ':method': 'POST' } }, exchange, new Uint8Array(exchange.body))
    this.#exchanges.push({ exchange, stream })
  }

  readonly #pause = (): void => {
    const { exchange, stream } = this.#any()
    exchange.isPaused = true
    stream.pause()
  }

  readonly #resume = (): void => {
    const { exchange, stream } = this.#any()
    this.#resumeOne(exchange, stream)
  }

  #resumeOne(exchange: Exchange, stream: Stream): void {
    exchange.isPaused = false
    stream.resume()
    exchange.endIfRead()
  }

  readonly #cancel = (): void => {
    if (!this.#random.once(4)) return
    const { exchange, stream } = this.#any()
    stream.close(ErrorCode.CANCEL)
    if (exchange.isOver) return
    exchange.isCancelled = true
    exchange.end(ErrorCode.CANCEL)
  }

  // --- the server

  readonly #sendHead = (): void => {
    const found = this.#answering((each) => !each.hasHead)
    if (found === null) return
    if (this.#random.once(5)) {
      this.#sendHeaders(found.id, [[':status', '103']], false)
      found.sent.push('informational')
      return
    }
    const fields = this.#fields()
    found.hasHead = true
    this.#sendHeaders(found.id, [[':status', '200'], ...fields], false)
    found.sent.push(`head ${briefly([[':status', '200'], ...fields])}`)
  }

  readonly #sendTrailers = (): void => {
    const found = this.#answering((each) => each.hasHead)
    if (found === null) return
    const fields = this.#fields()
    found.serverEnded = true
    found.sent.push(`trailers ${briefly(fields)}`)
    this.#sendHeaders(found.id, fields, true)
    found.endIfRead()
  }

  readonly #sendData = (): void => {
    const found = this.#answering((each) => each.hasHead)
    if (found !== null) this.#sendPiece(found, this.#random.below(this.#random.once(4) ? 16_000 : 60))
  }

  /** More padding than half of a window, a byte of data in each frame. */
  readonly #floodWithPadding = (): void => {
    const found = this.#answering((each) => each.hasHead && !each.isPaused)
    if (found === null) return
    for (let i = 0; i < 600; i += 1) this.#sendPiece(found, 1, 255)
  }

  /** More data than half of the connection's window, on a stream that has been cancelled. */
  readonly #floodWithData = (): void => {
    const found = this.#exchanges.find(({ exchange }) => exchange.isCancelled && !exchange.serverEnded)
    if (found === undefined) return
    const padding = this.#random.below(256)
    for (let i = 0; i < 270; i += 1) this.#sendLate(found.exchange.id, DATA.subarray(0, LONG), padding)
  }

  /** Frames that were on their way when the caller cancelled, which still count for the table and the window. */
  readonly #sendLateFrames = (): void => {
    const found = this.#exchanges.find(({ exchange }) => exchange.isCancelled && !exchange.serverEnded)
    if (found === undefined) return
    this.#sendHeaders(found.exchange.id, [[':status', '200'], ...this.#fields()], false)
    this.#sendLate(found.exchange.id, Buffer.alloc(this.#random.below(1000)), this.#random.below(256))
  }

  readonly #reset = (): void => {
    const found = this.#answering(() => true)
    if (found === null || !this.#random.once(4)) return
    const code = 1 + this.#random.below(13)
    found.end(code)
    found.serverEnded = true
    this.#send(frame(FrameType.RST_STREAM, 0, found.id, number(code)))
  }

  readonly #ping = (): void => {
    const payload = this.#random.bytes(8)
    this.#pings.push(payload.toString('hex'))
    this.#send(frame(FrameType.PING, 0, 0, payload))
  }

  readonly #changeSettings = (): void => {
    const size = this.#random.pick([0, 10, 1000, FIRST_WINDOW, 100_000])
    this.#sendSettings(size, [[Setting.INITIAL_WINDOW_SIZE, size]])
  }

  readonly #giveWindow = (): void => {
    const bytes = 1 + this.#random.below(30_000)
    const open = this.#exchanges.filter(({ exchange }) => !exchange.isOver && exchange.window !== null)
    const found = this.#random.once(2) ? null : this.#random.pick(open)
    if (found === null || found === undefined) this.#window += bytes
    else found.exchange.window = (found.exchange.window ?? 0) + bytes
    this.#send(frame(FrameType.WINDOW_UPDATE, 0, found?.exchange.id ?? 0, number(bytes)))
  }

  #sendSettings(window: number | null, values: readonly (readonly [number, number])[]): void {
    this.#unacknowledged.push(window)
    this.#send(frame(FrameType.SETTINGS, 0, 0, encodeSettings(values)))
  }

  /** Gives all windows, after which each request must arrive. */
  #finishRequests(): void {
    this.#sendSettings(2 ** 24, [[Setting.INITIAL_WINDOW_SIZE, 2 ** 24]])
    this.#window += 2 ** 26
    this.#send(frame(FrameType.WINDOW_UPDATE, 0, 0, number(2 ** 26)))
    for (const { exchange, stream } of this.#exchanges) this.#resumeOne(exchange, stream)
    this.#settle()
    for (const { exchange } of this.#exchanges) {
      must(
        exchange.isOver || exchange.serverEnded || (exchange.clientEnded && exchange.arrived === exchange.body),
        `${String(exchange.arrived)} bytes of a request of ${String(exchange.body)}`,
      )
    }
  }

  #endBeyondALimit(): void {
    this.#request()
    this.#settle()
    const id = 2 * this.#exchanges.length - 1
    const oldest = this.#encoder.oldest()
    const head = frame(FrameType.HEADERS, 0, id, Buffer.of(0x88))
    const [code, bytes] = this.#random.pick([
      [ErrorCode.COMPRESSION_ERROR, frame(FrameType.HEADERS, Flag.END_HEADERS, id, this.#encoder.beyond())],
      [
        ErrorCode.COMPRESSION_ERROR,
        // The oldest entry is there, and none before it.
        frame(
          FrameType.HEADERS,
          Flag.END_HEADERS,
          id,
          Buffer.concat([oldest?.block ?? Buffer.of(0x88), this.#encoder.beyond()]),
        ),
      ],
      [ErrorCode.COMPRESSION_ERROR, frame(FrameType.HEADERS, Flag.END_HEADERS, id, this.#encoder.resize(MOST + 1))],
      [
        ErrorCode.ENHANCE_YOUR_CALM,
        Buffer.concat([head, ...Array.from({ length: 64 }, () => frame(FrameType.CONTINUATION, 0, id))]),
      ],
      [
        ErrorCode.ENHANCE_YOUR_CALM,
        Buffer.concat([head, ...Array.from({ length: 4 }, () => frame(9, 0, id, Buffer.alloc(MAX_FRAME, 0x20)))]),
      ],
      [ErrorCode.FRAME_SIZE_ERROR, frame(FrameType.DATA, 0, id, Buffer.alloc(MAX_FRAME + 1))],
    ] as const)
    this.#send(bytes)
    this.#read()
    must(
      this.#goaway === code && this.#session.isClosed,
      `the code ${String(this.#goaway)} in place of ${String(code)}`,
    )
  }

  // --- frames of the server

  #any(): { exchange: Exchange; stream: Stream } {
    return this.#random.pick(this.#exchanges) ?? this.#never()
  }

  #never(): never {
    throw new Error('there is always a stream')
  }

  #answering(isWanted: (exchange: Exchange) => boolean): Exchange | null {
    const found = this.#exchanges.filter(
      ({ exchange }) => !exchange.isOver && !exchange.serverEnded && isWanted(exchange),
    )
    return this.#random.pick(found)?.exchange ?? null
  }

  #fields(): Field[] {
    const names = NAMES.filter(() => this.#random.once(3))
    return names.map((name) => [name, this.#random.pick(['v', 'w']).repeat(this.#random.pick(LENGTHS))])
  }

  /** One header block in one or more frames, with changes of the table before it. */
  #sendHeaders(id: number, fields: readonly Field[], ends: boolean): void {
    const random = this.#random
    const sizes = random.once(6) ? [random.pick([0, 33, 100, 2000]), random.pick([0, 40, 4000, MOST])] : []
    const changes = sizes.map((size) => this.#encoder.resize(size))
    const encoded = fields.map((field) => this.#encoder.field(random, field))
    const block = Buffer.concat([...changes, ...encoded])
    const count = random.once(12) ? 61 + random.below(2) : random.pick([1, 1, 1, 2, 5])
    const drawn = Array.from({ length: count - 1 }, () => random.below(block.length + 1))
    // Each frame has room for padding and a priority.
    const needed = Array.from({ length: Math.floor(block.length / LONG) }, (_, i) => LONG * (i + 1))
    const cuts = [...drawn, ...needed].sort((one, other) => one - other)
    const parts = [0, ...cuts].map((start, i) => block.subarray(start, cuts[i] ?? block.length))
    for (const [i, part] of parts.entries()) {
      const flags = i === parts.length - 1 ? Flag.END_HEADERS : 0
      if (i > 0) this.#send(frame(FrameType.CONTINUATION, flags, id, part))
      else this.#sendFirst(id, flags | (ends ? Flag.END_STREAM : 0), part)
    }
  }

  #sendFirst(id: number, flags: number, part: Buffer): void {
    const padding = this.#random.once(4) ? this.#random.below(256) : null
    const priority = this.#random.once(4) ? [Buffer.alloc(5)] : []
    const payload = Buffer.concat([
      ...(padding === null ? [] : [Buffer.of(padding)]),
      ...priority,
      part,
      Buffer.alloc(padding ?? 0),
    ])
    const own = (padding === null ? 0 : Flag.PADDED) | (priority.length > 0 ? Flag.PRIORITY : 0)
    this.#send(frame(FrameType.HEADERS, flags | own, id, payload))
  }

  /** DATA, as far as the window of the stream allows. */
  #sendPiece(
    exchange: Exchange,
    length: number,
    padding = this.#random.once(3) ? this.#random.below(256) : null,
  ): void {
    const start = byteAt(exchange.id, exchange.sentBytes)
    const data = DATA.subarray(start, start + length)
    const payload = padding === null ? data : Buffer.concat([Buffer.of(padding), data, Buffer.alloc(padding)])
    if (payload.length > MAX_FRAME || exchange.outstanding + payload.length > STREAM_WINDOW) return
    exchange.outstanding += payload.length
    exchange.sentBytes += length
    this.#outstanding += payload.length
    this.#send(frame(FrameType.DATA, padding === null ? 0 : Flag.PADDED, exchange.id, payload))
    this.#read()
  }

  #sendLate(id: number, data: Buffer, padding: number): void {
    const payload = padding === 0 ? data : Buffer.concat([Buffer.of(padding), data, Buffer.alloc(padding)])
    this.#outstanding += payload.length
    this.#send(frame(FrameType.DATA, padding === 0 ? 0 : Flag.PADDED, id, payload))
    this.#read()
    must(this.#outstanding < CONNECTION_WINDOW / 2, `${String(this.#outstanding)} bytes that are not given back`)
  }

  #send(bytes: Buffer): void {
    const cut = this.#random.once(3) ? this.#random.below(bytes.length) : bytes.length
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      if (piece.length > 0) this.#socket.emit('data', Buffer.from(piece))
    }
  }

  // --- what the client sends

  #settle(): void {
    this.#read()
    for (const { exchange } of this.#exchanges) exchange.check()
    must(this.#closes === 0, 'a connection that ended although the server kept to the rules')
    must(this.#pings.length === 0, 'a PING without an answer')
    must(this.#unacknowledged.length === 0, 'SETTINGS without an acknowledgement')
    must(this.#outstanding < CONNECTION_WINDOW / 2, `${String(this.#outstanding)} bytes that are not given back`)
  }

  #read(): void {
    for (const { type, flags, id, payload } of this.#socket.frames()) {
      const exchange = this.#exchanges[(id - 1) / 2]?.exchange
      switch (type) {
        case FrameType.HEADERS:
          if (exchange !== undefined) exchange.window = this.#initialWindow
          break
        case FrameType.DATA:
          if (exchange !== undefined) this.#readData(exchange, payload.length, flags)
          break
        case FrameType.WINDOW_UPDATE:
          this.#readWindow(exchange, payload.readUInt32BE())
          break
        case FrameType.SETTINGS:
          if (flags === Flag.ACK) this.#readAcknowledgement()
          break
        case FrameType.PING:
          must(this.#pings.shift() === payload.toString('hex') && flags === Flag.ACK, 'another answer to a PING')
          break
        case FrameType.RST_STREAM:
          this.#readReset(exchange, payload.readUInt32BE())
          break
        case FrameType.GOAWAY:
          this.#goaway = payload.readUInt32BE(4)
          break
        default:
          must(false, `a frame of the type ${String(type)}`)
      }
    }
  }

  #readData(exchange: Exchange, length: number, flags: number): void {
    this.#window -= length
    exchange.window = (exchange.window ?? 0) - length
    must(length === 0 || (this.#window >= 0 && exchange.window >= 0), 'more of a request than the windows allow')
    must(length <= MAX_FRAME && !exchange.clientEnded, 'a long frame, or one after the end of the request')
    exchange.arrived += length
    exchange.clientEnded = flags === Flag.END_STREAM
  }

  #readWindow(exchange: Exchange | undefined, bytes: number): void {
    if (exchange === undefined) this.#outstanding -= bytes
    else exchange.outstanding -= bytes
    must((exchange?.outstanding ?? this.#outstanding) >= 0, 'more window than the server has used')
  }

  #readAcknowledgement(): void {
    const window = this.#unacknowledged.shift()
    must(window !== undefined, 'an acknowledgement of no settings')
    if (window === null) return
    for (const { exchange } of this.#exchanges) {
      if (exchange.window !== null) exchange.window += window - this.#initialWindow
    }
    this.#initialWindow = window
  }

  #readReset(exchange: Exchange | undefined, code: number): void {
    const isExpected =
      code === ErrorCode.CANCEL
        ? exchange?.isCancelled === true
        : code === ErrorCode.NO_ERROR && exchange?.serverEnded === true && !exchange.clientEnded
    must(isExpected, `a reset with the code ${String(code)}`)
  }
}

/** Headers for an event. A value is one character, repeated. */
function briefly(fields: readonly (readonly [string, unknown])[]): string {
  return fields.map(([name, value]) => `${name}=${String(value).slice(0, 3)}*${String(String(value).length)}`).join('&')
}

export function converse(random: Random): void {
  new Conversation(random).run()
}
