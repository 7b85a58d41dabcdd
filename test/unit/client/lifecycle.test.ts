/** How a client uses its endpoints: which must be ready, one connection each, members that go away, and logging in. */
import { once } from 'node:events'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { inspect } from 'node:util'
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'
import { circuitBreaker, ConsecutiveBreaker, handleAll } from 'cockatiel'
import { describe, expect, it, vi } from 'vitest'
import type { SecureClientOptions, SecureEtcd3, TlsEvent } from '../../../src/client/index.js'
import { readWatchRequest } from '../../../src/client/streams/watch-messages.js'
import { frameMessage, MessageReader } from '../../../src/client/transport/framing.js'
import { CALL_FORMS } from '../../support/call-forms.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { dns } from '../../support/mint.js'
import {
  answerToken,
  emptyAnswer,
  grpcPeer,
  leaveOpen,
  type Peer,
  proxyTo,
  refuseCall,
  serverTls,
  silentPeer,
  tlsPeer,
} from '../../support/peers.js'
import { heldPorts } from '../../support/ports.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'
import { watchResponse } from '../../support/watch-wire.js'

const { freePort } = heldPorts()
const pki = mintPki()
/** A good certificate for another host. */
const elsewhere = pki.issueServer({ names: [dns('elsewhere')] })
const start = connector({ credentials: pki.client, dialTimeout: '2s' })

function isPut(headers: IncomingHttpHeaders): boolean {
  return headers[':path'] === '/etcdserverpb.KV/Put'
}

it('applies call options, interceptors and fault handling of etcd3', async () => {
  const paths: string[] = []
  await using peer = await grpcPeer(pki.server, (stream, headers) => {
    if (isPut(headers)) refuseCall(stream, 8, 'etcdserver: mvcc: database space exceeded')
    else if (headers['grpc-timeout'] !== undefined) emptyAnswer(stream)
  })
  const interceptor: Interceptor = (options, next) => {
    paths.push(options.method_definition.path)
    return new InterceptingCall(next(options))
  }
  const breaker = new ConsecutiveBreaker(2)
  await using client = await start([peer], {
    etcd3: {
      defaultCallOptions: () => ({ deadline: Date.now() + 5000 }),
      grpcOptions: { interceptors: [interceptor] },
      faultHandling: { host: () => circuitBreaker(handleAll, { breaker, halfOpenAfter: 60_000 }) },
    },
  })
  expect(await client.get('a').string()).toBeNull()
  expect(paths).toEqual(['/etcdserverpb.KV/Range'])
  for (let i = 0; i < 2; i += 1) await expect(client.put('a').value('b')).rejects.toThrow('space exceeded')
  await expect(client.get('a').string()).rejects.toThrow(/circuit breaker is open/)
})

describe('the connections of a client', () => {
  it('opens one connection for each endpoint, and distributes calls over them in turn', async () => {
    const counts = [0, 0]
    const counting = (index: number): Promise<Peer> =>
      grpcPeer(pki.server, (stream) => {
        counts[index] = (counts[index] ?? 0) + 1
        emptyAnswer(stream)
      })
    await using one = await counting(0)
    await using two = await counting(1)
    await using client = await start([one, two], { preflight: 'all' })
    for (let i = 0; i < 5; i += 1) await client.get('a').string()
    await client.put('a').value('b')
    expect(counts).toEqual([3, 3])
    await client.getRoles().catch(() => undefined)
    await client.tls.probe()
    expect([one.accepted, two.accepted]).toEqual([1, 1])
  })

  it('makes calls wait for a connection if the member served for more than a second before each loss', async () => {
    const now = performance.now.bind(performance)
    let later = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + later)
    try {
      await using peer = await grpcPeer(pki.server)
      await using client = await start([peer])
      for (let lost = 0; lost < 8; lost += 1) {
        later += 2000
        peer.cut()
        expect([lost, await client.get('a').string(), peer.accepted]).toEqual([lost, null, lost + 2])
      }
    } finally {
      clock.mockRestore()
    }
  })

  it('closes a connection after GOAWAY when its calls have ended, and sends new calls over a new one', async () => {
    const waiting: ServerHttp2Stream[] = []
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      if (isPut(headers)) waiting.push(stream)
      else if (headers[':path'] === '/etcdserverpb.Watch/Watch') {
        leaveOpen(stream)
      } else emptyAnswer(stream)
    })
    const client = await start([peer])
    const watcher = client.watch().key('a').watcher()
    await once(watcher, 'connecting')
    const put = client.put('a').value('b').exec()
    await expect.poll(() => waiting.length).toBe(1)
    const [stream] = waiting
    stream?.session?.goaway(0)
    await expect.poll(() => peer.accepted).toBe(2)
    expect(await client.get('a').string()).toBeNull()
    expect(peer.open, 'the old connection still carries calls').toBe(2)
    if (stream !== undefined) emptyAnswer(stream)
    await put
    await client[Symbol.asyncDispose]()
    await expect.poll(() => peer.open).toBe(0)
  })

  it('connects again when the only member is back, and fails a call with the cause at its deadline before that', async () => {
    await using behind = await grpcPeer(pki.server)
    const port = await freePort()
    let proxy = await proxyTo(behind.port, port)
    await using client = await start([proxy])
    await proxy[Symbol.asyncDispose]()
    await expect.poll(() => errorCodes(client.tls.endpoints[0]?.findings ?? [])).toEqual(['endpoint/unreachable'])
    for (let i = 0; i < 3; i += 1) {
      const options = { deadline: Date.now() + 100 }
      const error: unknown = await client
        .get('a')
        .options(options)
        .string()
        .catch((reason: unknown) => reason)
      expect((error as Error).cause).toMatchObject({ code: 'ERR_UNREACHABLE' })
    }
    const get = client.get('a').string()
    proxy = await proxyTo(behind.port, port)
    expect(await get).toBeNull()
    await proxy[Symbol.asyncDispose]()
  })
})

describe('preflight', () => {
  it('preflight "all" rejects if one endpoint is bad', async () => {
    await using good = await grpcPeer(pki.server)
    await using wrongName = await grpcPeer(elsewhere)
    await refused(start([good, wrongName], { preflight: 'all' }), 'ERR_HANDSHAKE_FAILED')
    await expect.poll(() => good.open).toBe(0)
  })

  it('preflight "none" resolves at once, and the first call reports why it fails', async () => {
    await using wrongName = await grpcPeer(elsewhere)
    await using client = await start([wrongName], { preflight: 'none' })
    await expect(client.get('a').string()).rejects.toThrow(/san\/host-not-covered/)
  })
})

it('verifies a server name instead of the host and sends it as SNI, but never an IP address', async () => {
  const names: (string | false | undefined)[] = []
  await using peer = await tlsPeer(serverTls(pki.server), (socket) => {
    names.push((socket as { servername?: string | false }).servername)
    socket.destroy()
  })
  await refused(start([peer]), 'ERR_HANDSHAKE_FAILED')
  await refused(start([peer], { serverName: 'localhost' }), 'ERR_HANDSHAKE_FAILED')
  // Each time, a second connection finds why the server closed the first.
  expect(names).toEqual([false, false, 'localhost', 'localhost'])
})

it.each([
  ['TLSv1.2', true],
  ['TLSv1.2', false],
  ['TLSv1.3', true],
  ['TLSv1.3', false],
] as const)(
  'a server of %s that asks for a client certificate (%s) serves, and the client warns of one that does not ask',
  async (version, asks) => {
    const tls = serverTls(pki.server, { requestCert: asks, rejectUnauthorized: asks, maxVersion: version })
    await using peer = await grpcPeer(tls)
    await using client = await start([peer])
    const [status] = client.tls.endpoints
    expect(status).toMatchObject({ state: 'ready', protocol: version })
    expect(status?.findings.map((each) => each.code)).toEqual(asks ? [] : ['handshake/client-certificate-not-asked'])
    expect((await client.tls.probe()).ok).toBe(true)
  },
)

const auth = { username: 'alice', password: 'secret' }

function loginPeer(
  onLogin: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  onCall: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void = emptyAnswer,
): Promise<Peer> {
  return grpcPeer(pki.server, (stream, headers) => {
    if (headers[':path'] === '/etcdserverpb.Auth/Authenticate') onLogin(stream, headers)
    else onCall(stream, headers)
  })
}

describe.each(CALL_FORMS)('logging in with a password, $name', (form) => {
  const connect = (peers: readonly Peer[], options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> =>
    start(peers, form.options(options))
  const TOKEN_REFUSED = 'etcdserver: invalid auth token'

  it('sends a token with every call, and requests a new one only when etcd refuses it', async () => {
    let logins = 0
    let valid = 'token-1'
    const seen: unknown[] = []
    await using peer = await loginPeer(
      (stream, headers) => {
        logins += 1
        expect(headers['token']).toBeUndefined()
        answerToken(stream, valid)
      },
      (stream, headers) => {
        seen.push(headers['token'])
        if (headers['token'] === valid) emptyAnswer(stream)
        else refuseCall(stream, 16, TOKEN_REFUSED)
      },
    )
    await using client = await connect([peer], { auth })
    const calls = Array.from({ length: 5 }, () => () => client.get('a').string())
    await Promise.all(calls.map((call) => call()))
    expect(seen).toEqual(calls.map(() => 'token-1'))
    valid = 'token-2'
    await Promise.all(calls.map((call) => call()))
    expect([logins, peer.accepted]).toEqual([2, 1])
  })

  it('creates a watch on a stream whose token has expired, however often that happened', async () => {
    const now = performance.now.bind(performance)
    let later = 0
    using _clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + later)
    let valid = 0
    await using peer = await loginPeer(
      (stream) => {
        answerToken(stream, `token-${String(valid)}`)
      },
      (stream, headers) => {
        const reader = new MessageReader(-1)
        leaveOpen(stream)
        stream.on('data', (piece: Buffer) => {
          for (const message of reader.push(piece)) {
            const request = readWatchRequest(message)
            if (request.kind !== 'create') continue
            const isValid = headers['token'] === `token-${String(valid)}`
            const watchId = isValid ? Number(request.create.watchId) : -1
            const refused = isValid ? {} : { canceled: true, cancelReason: TOKEN_REFUSED }
            stream.write(frameMessage(watchResponse({ revision: 1, watchId, created: true, ...refused })))
          }
        })
      },
    )
    await using client = await connect([peer], { auth })
    // The watches of one builder share a stream.
    const watch = client.watch().key('k')
    for (; valid < 6; valid += 1) {
      await watch.create()
      later += 60_000
    }
  })

  it('reports a refused login in one finding without the password', async () => {
    await using peer = await loginPeer((stream) => {
      refuseCall(stream, 3, 'etcdserver: authentication failed, invalid user ID or password')
    })
    const error = await refused(connect([peer], { auth }), 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(error.details.report.findings, 'login/failed').details).toMatchObject({ username: 'alice' })
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('secret')
    await expect.poll(() => peer.open).toBe(0)
  })

  it('logs in with a refused password after growing pauses only, with one event, and at once when etcd accepts it', async () => {
    let [logins, isAccepted] = [0, true]
    await using peer = await loginPeer(
      (stream) => {
        logins += 1
        if (isAccepted) answerToken(stream, `token-${String(logins)}`)
        else refuseCall(stream, 3, 'etcdserver: authentication failed, invalid user ID or password')
      },
      (stream, headers) => {
        if (isAccepted && headers['token'] === `token-${String(logins)}`) emptyAnswer(stream)
        else refuseCall(stream, 16, TOKEN_REFUSED)
      },
    )
    const failures: TlsEvent[] = []
    await using client = await connect([peer], {
      auth,
      onEvent: (event) => {
        if (event.type === 'login-failed') failures.push(event)
      },
    })
    let now = performance.now()
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    isAccepted = false
    const call = (): Promise<unknown> => client.get('a').string()
    for (let calls = 0; calls < 50; calls += 1) await expect(call()).rejects.toThrow('authentication failed')
    expect([logins, failures.length]).toEqual([2, 1])
    now += 1300
    await Promise.allSettled([call(), call(), call()])
    expect([logins, failures.length]).toEqual([3, 1])
    now += 900
    await expect(call()).rejects.toThrow('authentication failed')
    expect(logins, 'the second pause is longer').toBe(3)
    isAccepted = true
    now += 60_000
    expect(await call()).toBeNull()
    vi.restoreAllMocks()
  })

  it('leaves neither the password nor a token in the printed form of a client or its `tls`', async () => {
    await using peer = await loginPeer(
      (stream) => {
        answerToken(stream, 'token-1')
      },
      () => undefined,
    )
    await using client = await connect([peer], { auth })
    const call = client.get('a').string().catch(String)
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
    const deep = { depth: Infinity, showHidden: true }
    const printed = [client, client.tls].map((each) => inspect(each, deep)).join() + JSON.stringify(client.tls)
    expect([printed.includes('secret'), printed.includes('token-1')]).toEqual([false, false])
    expect(inspect(client.tls, { ...deep, getters: true })).not.toContain("'secret'")
    client.close()
    await call
  })

  it('fails a call whose token etcd refuses after one attempt, with a cause, if there is no password', async () => {
    let calls = 0
    await using peer = await grpcPeer(pki.server, (stream) => {
      calls += 1
      // Without a limit the test would end by its memory.
      if (calls > 50) emptyAnswer(stream)
      else refuseCall(stream, 16, TOKEN_REFUSED)
    })
    await using client = await connect([peer])
    await expect(client.put('a').value('b').exec()).rejects.toMatchObject({
      cause: { code: 'ERR_ACCESS_DENIED', message: expect.stringContaining('access/token-refused') as string },
    })
    expect(calls).toBe(1)
  })

  it('ends a call if each new token is refused', async () => {
    let logins = 0
    await using peer = await loginPeer(
      (stream) => {
        logins += 1
        answerToken(stream, `t${String(logins)}`)
      },
      (stream) => {
        refuseCall(stream, 16, TOKEN_REFUSED)
      },
    )
    await using client = await connect([peer], { auth })
    await expect(client.get('a').string()).rejects.toThrow(/just issued/)
    expect(logins).toBeLessThan(5)
  })
})

/** They wait for times that pass, so they do it side by side. */
describe('what ends after a time', () => {
  it.concurrent('preflight "any" rejects with every finding if no endpoint is good', async ({ expect }) => {
    await using wrongName = await grpcPeer(elsewhere)
    await using silent = await silentPeer()
    const { details } = await refused(start([wrongName, silent], { dialTimeout: '3s' }), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(
      expect.arrayContaining(['san/host-not-covered', 'endpoint/silent']),
    )
  })

  it.concurrent.for(CALL_FORMS)(
    'tries a login that fails for another reason again within waitFor, $name',
    async (form, { expect }) => {
      let logins = 0
      await using peer = await loginPeer((stream) => {
        logins += 1
        if (logins < 3) refuseCall(stream, 13, 'not now')
        else answerToken(stream, 'token')
      })
      await using client = await start([peer], form.options({ auth, waitFor: '600s' }))
      expect(await client.get('a').string()).toBeNull()
      expect(logins).toBe(3)
    },
  )

  it.concurrent.for(CALL_FORMS)(
    'reports a login that fails until waitFor is over as ERR_UNREACHABLE, $name',
    async (form, { expect }) => {
      await using peer = await loginPeer((stream) => {
        refuseCall(stream, 13, 'not now')
      })
      const { details } = await refused(start([peer], form.options({ auth, waitFor: '2s' })), 'ERR_UNREACHABLE')
      expect(errorCodes(details.report.findings)).toEqual(['login/failed'])
    },
  )

  it.concurrent.for(CALL_FORMS)(
    'ends an unanswered login after dialTimeout, and lets the next call try again, $name',
    async (form, { expect }) => {
      let logins = 0
      await using peer = await loginPeer(() => {
        logins += 1
      })
      const error = await refused(start([peer], form.options({ auth, dialTimeout: '1s' })), 'ERR_HANDSHAKE_FAILED')
      expect(findingOf(error.details.report.findings, 'login/failed').details).toMatchObject({ refused: false })
      await using client = await start([peer], form.options({ auth, dialTimeout: '1s', preflight: 'none' }))
      await expect(client.get('a').string()).rejects.toThrow('Logging in')
      await expect
        .poll(() =>
          client
            .get('a')
            .string()
            .catch(() => logins),
        )
        .toBe(3)
    },
  )
})
