/** The end of a connection, against a peer that writes its HTTP/2 frames by hand (RFC 9113 section 6). */
import { EventEmitter, once } from 'node:events'
import { connect as connectTcp, Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { FrameSession } from '../../../../src/client/http2/frame-session.js'
import type { StreamListener } from '../../../../src/client/http2/protocol.js'
import { type ActiveCall, Connection } from '../../../../src/client/transport/connection.js'
import { readServerStatus } from '../../../../src/client/transport/health-check.js'
import { PRIORITY } from '../../../../src/client/transport/stream-queue.js'
import { mintPki } from '../../../support/etcd.js'
import { serverTls, tlsPeer } from '../../../support/peers.js'

const pki = mintPki()
const ignoreAll = (): void => undefined

function frame(type: number, flags: number, stream: number, payload: readonly number[]): Buffer {
  return Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream, ...payload])
}

const settings = frame(4, 0, 0, [])
const goaway = frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0])
/** `:status: 200` with END_STREAM and END_HEADERS. */
const answer = frame(1, 5, 1, [0x88])

it('ends a connection whose peer sends GOAWAY and then never closes its side', async () => {
  const accepted: TLSSocket[] = []
  await using peer = await tlsPeer({ ...serverTls(pki.server), allowHalfOpen: true }, (socket) => {
    socket.write(settings)
    accepted.push(socket)
  })
  const raw = connectTcp(peer.port, '127.0.0.1')
  const socket = connectTls({
    socket: raw,
    ca: pki.client.trustAnchors.map((each) => each.toPem()),
    cert: pki.client.chain.map((each) => each.toPem()).join(''),
    key: pki.client.key.exportPem(),
    servername: 'localhost',
    ALPNProtocols: ['h2'],
  })
  await once(socket, 'secureConnect')
  const session = new FrameSession(socket, { onSettings: ignoreAll, onGoaway: ignoreAll, onClose: ignoreAll })
  const connection = new Connection(
    { url: 'localhost', host: 'localhost', session, socket, raw, roundTrip: 1 },
    () => undefined,
  )
  const ignore = (): void => undefined
  const call: ActiveCall = {
    priority: PRIORITY.first,
    awaitsAnswer: true,
    wasAnswered: true,
    progress: 'answered',
    open: ignore,
    release: ignore,
    expire: ignore,
    connectionLost: ignore,
    migrate: ignore,
  }
  connection.add(call)
  const ended = new Promise((resolve) => {
    const listener = {
      onInformational: ignore,
      onHead: ignore,
      onTrailers: ignore,
      onData: ignore,
      onEnd: ignore,
      onClose: resolve,
    }
    connection.request({ common: { ':method': 'POST', ':path': '/' } }, listener, new Uint8Array())
  })
  await expect.poll(() => accepted.length).toBe(1)
  accepted[0]?.write(Buffer.concat([goaway, answer]))
  await ended
  await expect.poll(() => session.isOpen).toBe(false)
  expect(socket.destroyed).toBe(false)
  connection.remove(call)
  await connection.closeWhenIdle()
  expect(socket.destroyed).toBe(true)
})

/** A session without a socket. It answers each check at once. */
class FakeSession {
  isOpen = true
  isClosed = false
  streamLimit = 1
  unref = ignoreAll
  close = ignoreAll
  destroy = ignoreAll

  requests = 0

  request(): { close: () => void } {
    if (!this.isOpen) throw new Error('The session opens no more streams')
    this.requests += 1
    return { close: ignoreAll }
  }

  ask(answered: () => void): void {
    answered()
  }
}

function connectionOver(fake: FakeSession): Connection {
  const session = fake as unknown as FrameSession
  const socket = Object.assign(new EventEmitter(), { destroy: ignoreAll }) as unknown as TLSSocket
  const raw = new Socket()
  return new Connection({ url: 'a', host: 'a', session, socket, raw, roundTrip: 1 }, ignoreAll)
}

it('releases thousands of calls that wait when the session opens no more streams before it reports its end', () => {
  const session = new FakeSession()
  const connection = connectionOver(session)
  let released = 0
  const calls = Array.from({ length: 10_000 }, () => {
    const call: ActiveCall = {
      priority: PRIORITY.first,
      awaitsAnswer: true,
      wasAnswered: true,
      progress: 'answered',
      open() {
        try {
          connection.request({ common: {} }, {} as StreamListener)
        } catch {
          connection.remove(call)
          released += 1
        }
      },
      release() {
        released += 1
      },
      expire: ignoreAll,
      connectionLost: ignoreAll,
      migrate: ignoreAll,
    }
    connection.add(call)
    return call
  })
  session.isOpen = false
  const [first] = calls
  if (first !== undefined) connection.remove(first)
  expect(released).toBe(calls.length - 1)
})

it('a request of the client itself waits for a stream as calls do, and for no longer than its own time', async () => {
  const session = new FakeSession()
  const connection = connectionOver(session)
  const call: ActiveCall = {
    ...{ priority: PRIORITY.first, awaitsAnswer: true, wasAnswered: true, progress: 'answered' },
    ...{ open: ignoreAll, release: ignoreAll, expire: ignoreAll, connectionLost: ignoreAll, migrate: ignoreAll },
  }
  connection.add(call)
  expect(await readServerStatus(connection, null, { timeout: 1 })).toBeNull()
  void readServerStatus(connection, null)
  await new Promise(setImmediate)
  expect(session.requests).toBe(0)
  connection.remove(call)
  await expect.poll(() => session.requests).toBe(1)
})

it('keeps nothing in memory of a check that was answered', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const session = new FakeSession()
  const connection = connectionOver(session)
  const checked = async (count: number): Promise<number> => {
    for (let check = 0; check < count; check += 1) expect(await connection.isAnswering(1000)).toBe(true)
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = await checked(1000)
  expect(((await checked(10_000)) - before) / 10_000).toBeLessThan(100)
})
