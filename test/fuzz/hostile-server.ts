/**
 * A TLS server in the place of etcd that answers as etcd does, and at random as it never does: in the frames of HTTP/2, the framing
 * of gRPC, the bytes of protobuf, and the meaning of watches, leases and locks.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { FrameType } from '../../src/client/http2/protocol.js'
import { frameMessage, FramingError, MessageReader } from '../../src/client/transport/framing.js'
import { bytesField, int64Field, MalformedMessage, trueField } from '../../src/client/transport/protobuf.js'
import { readWatchRequest } from '../../src/client/streams/watch-messages.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { frame, framePeer, GRPC_HEADERS, healthAnswerFrame, literal } from '../support/http2-frames.js'
import { answerHealthCheck, grpcPeer, type Peer, serverTls } from '../support/peers.js'
import { mutateBytes } from './mutate.js'
import type { Random } from './random.js'

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' }

/** One in eight servers breaks HTTP/2 itself; the others break what is above it. */
export function hostileServer(server: Credentials, random: Random): Promise<Peer> {
  const tls = serverTls(server)
  if (random.once(8)) {
    return framePeer(tls, (stream, send) => {
      for (const each of answerByFrames(stream, random)) send(each)
    })
  }
  return grpcPeer(
    tls,
    (stream, headers) => {
      answerCall(stream, headers, random)
    },
    (stream) => {
      if (random.once(20)) answerStrangely(stream, random)
      else answerHealthCheck(stream)
    },
  )
}

// --- calls

function answerCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, random: Random): void {
  if (random.once(8)) {
    answerStrangely(stream, random)
    return
  }
  const path = String(headers[':path'])
  const reader = new MessageReader(-1)
  stream.on('data', (piece: Buffer) => {
    for (const request of orNull(() => reader.push(piece)) ?? []) {
      const messages = answersTo(path, request, random)
      if (messages.length > 0) sendMessages(stream, messages, random)
    }
  })
  stream.on('end', () => {
    if (path.endsWith('/Watch') || path.endsWith('KeepAlive')) return
    finish(stream, random)
  })
}

/** Something that is not a gRPC answer, or one that ends at once; the first one gives no answer. */
function answerStrangely(stream: ServerHttp2Stream, random: Random): void {
  if (stream.destroyed) return
  const respond = (content?: Buffer): void => {
    stream.respond(HEADERS)
    stream.end(content)
  }
  const page = (): void => {
    const status = random.pick([200, 204, 302, 400, 401, 404, 429, 500, 503])
    stream.respond({ ':status': status, 'content-type': 'text/html' })
    stream.end('<html>a page</html>')
  }
  const answer = random.pick([
    () => undefined,
    () => {
      stream.close(random.below(14))
    },
    () => {
      stream.respond({ ...HEADERS, ...anyStatus(random) }, { endStream: true })
    },
    page,
    respond,
    () => {
      respond(random.bytes(random.below(100)))
    },
    () => stream.session?.goaway(random.below(14), random.below(5)),
    // Not in the handler of the stream: Node 22.23 ends the process if the next request was received with this one
    // (https://github.com/nodejs/node/issues/64850). It concerns servers only.
    () => setImmediate(() => stream.session?.destroy()),
  ])
  answer()
}

function anyStatus(random: Random): Record<string, string> {
  const error = random.pick(['permission denied', 'invalid auth token', 'requested lease not found', 'no leader'])
  const message = random.pick([
    `etcdserver: ${error}`,
    'etcdserver: mvcc: required revision has been compacted',
    '%E0%A4%A',
    '',
  ])
  return {
    'grpc-status': random.pick(['0', '1', '2', '3', '5', '7', '8', '13', '14', '16', '17', '99', '-1', 'x', '']),
    'grpc-message': message,
    ...(random.once(3) ? { 'x-bin': random.pick(['AAAA', '!!']) } : {}),
  }
}

function sendMessages(stream: ServerHttp2Stream, messages: readonly Buffer[], random: Random): void {
  if (stream.destroyed || stream.writableEnded) return
  if (!stream.headersSent) {
    stream.respond(HEADERS, { waitForTrailers: true })
    stream.on('wantTrailers', () => {
      if (random.once(15)) stream.close(random.below(14))
      else stream.sendTrailers(random.once(10) ? anyStatus(random) : { 'grpc-status': '0' })
    })
  }
  let bytes: Buffer = Buffer.concat(messages.map(frameMessage))
  if (random.once(12)) bytes = mutateBytes(random, bytes)
  if (random.once(10)) for (let at = 0; at < bytes.length; at += 1) stream.write(bytes.subarray(at, at + 1))
  else stream.write(bytes)
  if (random.once(20)) stream.session?.goaway(constants.NGHTTP2_NO_ERROR)
}

function finish(stream: ServerHttp2Stream, random: Random): void {
  if (stream.destroyed || stream.writableEnded) return
  if (random.once(15)) sendMessages(stream, [random.bytes(5), Buffer.alloc(0)], random)
  if (!stream.headersSent) stream.respond({ ...HEADERS, 'grpc-status': '0' }, { endStream: true })
  else stream.end()
}

// --- messages

/** What etcd could answer, often altered. */
function answersTo(path: string, request: Buffer, random: Random): Buffer[] {
  const messages = path.endsWith('/Watch') ? watchAnswers(request, random) : [unaryAnswer(path, request, random)]
  return messages.map((each) => (random.once(10) ? mutateBytes(random, each) : each))
}

const anyNumber = (random: Random): bigint =>
  random.pick([0n, 1n, 2n, 3n, 7n, -1n, -2n, 100n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)])

function header(random: Random): Buffer {
  if (random.once(12)) return Buffer.alloc(0)
  return bytesField(1, Buffer.concat([int64Field(1, 5n), int64Field(3, random.once(4) ? anyNumber(random) : 10n)]))
}

function keyValue(random: Random): Buffer {
  return Buffer.concat([
    ...(random.once(8) ? [] : [bytesField(1, Buffer.from(random.pick(['k', 'l', 'a/very/long/key'])))]),
    int64Field(2, 3n),
    int64Field(3, random.once(4) ? anyNumber(random) : 11n),
    bytesField(5, random.bytes(random.below(20))),
    ...(random.once(10) ? [Buffer.from([0x0b, 0x0c])] : []),
    ...(random.once(10) ? [bytesField(15, Buffer.from('later'))] : []),
  ])
}

function unaryAnswer(path: string, request: Buffer, random: Random): Buffer {
  const ttl = (): Buffer => int64Field(3, random.once(3) ? anyNumber(random) : 60n)
  const sameId = Buffer.concat([Buffer.from([0x10]), request.subarray(1)])
  const fields: Readonly<Record<string, () => Buffer[]>> = {
    Range: () => [bytesField(2, keyValue(random)), int64Field(4, 1n)],
    Txn: () => (random.once(3) ? [] : [trueField(2)]),
    LeaseGrant: () => [int64Field(2, 7n), ttl()],
    LeaseKeepAlive: () => [random.once(4) ? int64Field(2, anyNumber(random)) : sameId, ttl()],
  }
  return Buffer.concat([header(random), ...(fields[path.slice(path.lastIndexOf('/') + 1)]?.() ?? [])])
}

function watchAnswers(request: Buffer, random: Random): Buffer[] {
  const parsed = orNull(() => readWatchRequest(request))
  if (parsed === null) return []
  if (parsed.kind === 'cancel') return random.once(3) ? [] : [watchMessage(parsed.watchId, random, trueField(4))]
  if (parsed.kind !== 'create') return random.once(3) ? [] : [watchMessage(-1n, random)]
  const watchId = random.once(6) ? anyNumber(random) : parsed.create.watchId
  const answers = random.once(8) ? [] : [watchMessage(watchId, random, trueField(3), ...maybeRefused(random))]
  for (let count = random.below(6); count > 0; count -= 1) answers.push(anyWatchMessage(watchId, random))
  return answers
}

/** Null for what the client's readers refuse. */
function orNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof FramingError || error instanceof MalformedMessage) return null
    throw error
  }
}

function watchMessage(watchId: bigint, random: Random, ...fields: Buffer[]): Buffer {
  return Buffer.concat([header(random), int64Field(2, watchId), ...fields])
}

function maybeRefused(random: Random): Buffer[] {
  if (!random.once(5)) return []
  const reasons = ['etcdserver: permission denied', 'invalid auth token', 'revision of auth store is old', '', 'other']
  return [trueField(4), bytesField(6, Buffer.from(random.pick(reasons) ?? ''))]
}

function anyWatchMessage(created: bigint, random: Random): Buffer {
  const watchId = random.once(6) ? anyNumber(random) : created
  if (random.once(8)) return watchMessage(-1n, random)
  const events = (): Buffer[] => Array.from({ length: 1 + random.below(4) }, () => anyEvent(random))
  const fields = random.pick([
    () => [trueField(4), int64Field(5, anyNumber(random))],
    () => [trueField(3)],
    () => [],
    () => [trueField(7), anyEvent(random)],
    ...[events, events, events],
  ])
  return watchMessage(watchId, random, ...fields())
}

function anyEvent(random: Random): Buffer {
  return bytesField(
    11,
    Buffer.concat([
      ...(random.once(3) ? [int64Field(1, random.once(2) ? 1n : anyNumber(random))] : []),
      ...(random.once(8) ? [] : [bytesField(2, keyValue(random))]),
      ...(random.once(5) ? [bytesField(3, keyValue(random))] : []),
    ]),
  )
}

// --- frames

/** The frames that follow a request are out of place, or there are none at all. */
function answerByFrames(stream: number, random: Random): Buffer[] {
  // The health check and the request of the status next to it get a good answer, so that calls follow.
  if (stream <= 3) return [healthAnswerFrame(stream)]
  return Array.from({ length: 1 + random.below(6) }, () => anyFrame(stream, random))
}

function anyFrame(own: number, random: Random): Buffer {
  const stream = random.once(6) ? random.below(12) : own
  const some = (most: number): Buffer => random.bytes(random.below(most))
  const headers = (): Buffer => frame(FrameType.HEADERS, random.once(4) ? random.below(64) : 4, stream, GRPC_HEADERS)
  const status = (): Buffer => Buffer.concat([GRPC_HEADERS, literal('grpc-status', random.pick(['0', '14', 'x']))])
  const make = random.pick([
    () => some(60),
    () => frame(random.below(12), random.below(256), stream, some(40)),
    () => frame(FrameType.RST_STREAM, 0, stream, Buffer.from([0, 0, 0, random.below(14)])),
    () => frame(FrameType.GOAWAY, 0, 0, Buffer.from([0, 0, 0, random.below(6), 0, 0, 0, random.below(14)])),
    () => frame(FrameType.WINDOW_UPDATE, 0, random.once(2) ? 0 : stream, random.bytes(4)),
    () => frame(FrameType.CONTINUATION, random.below(8), stream, GRPC_HEADERS),
    () => frame(FrameType.SETTINGS, 0, 0, random.bytes(6 * random.below(3))),
    () => frame(FrameType.HEADERS, 5, stream, status()),
    () => frame(FrameType.DATA, random.below(2), stream, frameMessage(some(30))),
    () => frame(FrameType.DATA, random.below(16), stream, some(60)),
    ...[headers, headers],
  ])
  return make()
}
