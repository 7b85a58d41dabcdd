/** What a client leaves behind, how it moves between endpoints, and what it says meanwhile. */
import { once } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'
import { circuitBreaker, ConsecutiveBreaker, handleAll } from 'cockatiel'
import { describe, expect, it, vi } from 'vitest'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { dns } from '../../support/mint.js'
import {
  answerWith,
  emptyAnswer,
  grpcPeer,
  type Peer,
  proxyTo,
  refuseCall,
  serverTls,
  silentPeer,
  tlsPeer,
} from '../../support/peers.js'
import { heldPorts } from '../../support/ports.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const { freePort } = heldPorts()
const pki = mintPki()

/** A good certificate for another host. */
const elsewhere = pki.issueServer({ names: [dns('elsewhere')] })

function goodPeer(server = pki.server): Promise<Peer> {
  return grpcPeer(serverTls(server), emptyAnswer)
}

const connect = connector({ credentials: pki.client, dialTimeout: '2s' })

describe('what is handed on to etcd3', () => {
  it('call options, interceptors and fault handling have their effect', async () => {
    const paths: string[] = []
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      if (headers[':path'] === '/etcdserverpb.KV/Put')
        refuseCall(stream, 8, 'etcdserver: mvcc: database space exceeded')
      else if (headers['grpc-timeout'] !== undefined) emptyAnswer(stream)
    })
    const interceptor: Interceptor = (options, next) => {
      paths.push(options.method_definition.path)
      return new InterceptingCall(next(options))
    }
    let attempts = 0
    const client = await connect([peer], {
      etcd3: {
        defaultCallOptions: () => ({ deadline: Date.now() + 5000 }),
        grpcOptions: { interceptors: [interceptor] },
        faultHandling: {
          host: () => {
            const policy = circuitBreaker(handleAll, { breaker: new ConsecutiveBreaker(2), halfOpenAfter: 60_000 })
            policy.onFailure(() => (attempts += 1))
            return policy
          },
        },
      },
    })
    expect(await client.get('a').string()).toBeNull()
    expect(paths).toEqual(['/etcdserverpb.KV/Range'])
    for (let i = 0; i < 2; i += 1) await expect(client.put('a').value('b')).rejects.toThrow('space exceeded')
    expect(attempts).toBe(2)
    await expect(client.get('a').string(), 'the breaker that was asked for').rejects.toThrow(/circuit breaker is open/)
    client.close()
  })
})

describe('one connection per endpoint', () => {
  it('the proof, every service and every later call share it', async () => {
    await using peer = await goodPeer()
    await using client = await connect([peer])
    await client.get('a').string()
    await client.put('a').value('b')
    await client.getRoles().catch(() => undefined)
    await client.tls.probe()
    expect(peer.accepted).toBe(1)
  })

  it('calls go round', async () => {
    const counts = [0, 0, 0]
    const peers = await Promise.all(
      counts.map((_, i) =>
        grpcPeer(serverTls(pki.server), (stream) => {
          counts[i] = (counts[i] ?? 0) + 1
          emptyAnswer(stream)
        }),
      ),
    )
    try {
      await using client = await connect(peers, { preflight: 'all' })
      for (let i = 0; i < 9; i += 1) await client.get('a').string()
      expect(counts).toEqual([3, 3, 3])
    } finally {
      await Promise.all(peers.map((each) => each[Symbol.asyncDispose]()))
    }
  })
})

it('calls wait for a member that served for more than a second each time before its connection was lost', async () => {
  const now = performance.now.bind(performance)
  let later = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + later)
  try {
    await using peer = await goodPeer()
    await using client = await connect([peer])
    for (let lost = 0; lost < 8; lost += 1) {
      later += 2000
      peer.cut()
      await client.get('a').string()
    }
  } finally {
    clock.mockRestore()
  }
})

describe('preflight', () => {
  it('any: all bad is one error with every finding', async () => {
    await using wrongName = await goodPeer(elsewhere)
    await using silent = await silentPeer()
    const { details } = await refused(connect([wrongName, silent], { dialTimeout: '3s' }), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(
      expect.arrayContaining(['san/host-not-covered', 'endpoint/silent']),
    )
  })

  it('all: one bad endpoint is too many', async () => {
    await using good = await goodPeer()
    await using wrongName = await goodPeer(elsewhere)
    await refused(connect([good, wrongName], { preflight: 'all' }), 'ERR_HANDSHAKE_FAILED')
    await expect.poll(() => good.open).toBe(0)
  })

  it('none: the client is there at once, and the first call reports why it cannot be carried', async () => {
    await using wrongName = await goodPeer(elsewhere)
    await using client = await connect([wrongName], { preflight: 'none' })
    await expect(client.get('a').string()).rejects.toThrow(/san\/host-not-covered/)
  })
})

describe('a server name', () => {
  it('is expected instead of the host, and sent as SNI; an IP address never is', async () => {
    const names: (string | false | undefined)[] = []
    const tls = serverTls(pki.server)
    await using peer = await tlsPeer(tls, (socket) => {
      names.push((socket as { servername?: string | false }).servername)
      socket.destroy()
    })
    await refused(connect([peer]), 'ERR_HANDSHAKE_FAILED')
    await refused(connect([peer], { serverName: 'localhost' }), 'ERR_HANDSHAKE_FAILED')
    expect(names).toEqual([false, 'localhost'])
  })
})

describe('a member that goes away', () => {
  it('says goodbye (GOAWAY): running calls end well, new ones go over a new connection, and closing ends both', async () => {
    const waiting: ServerHttp2Stream[] = []
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      if (headers[':path'] === '/etcdserverpb.KV/Put') waiting.push(stream)
      else if (headers[':path'] === '/etcdserverpb.Watch/Watch') {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      } else emptyAnswer(stream)
    })
    const client = await connect([peer])
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

  it('the only one: calls fail with the cause, every time, and succeed once it is back', async () => {
    await using behind = await goodPeer()
    const port = await freePort()
    let proxy = await proxyTo(behind.port, port)
    await using client = await connect([proxy])
    await proxy[Symbol.asyncDispose]()
    for (let i = 0; i < 5; i += 1) {
      await expect(client.get('a').string()).rejects.toThrow(/was refused|Connection dropped|was lost/)
    }
    await expect.poll(() => errorCodes(client.tls.endpoints[0]?.findings ?? [])).toEqual(['endpoint/unreachable'])
    proxy = await proxyTo(behind.port, port)
    await expect
      .poll(async () =>
        client
          .get('a')
          .string()
          .catch(() => 'failed'),
      )
      .toBeNull()
    await proxy[Symbol.asyncDispose]()
  })
})

describe('a server that asks for no client certificate', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is served and warned of, in %s', async (version) => {
    const tls = serverTls(pki.server, { requestCert: false, rejectUnauthorized: false, maxVersion: version })
    await using peer = await grpcPeer(tls, emptyAnswer)
    await using client = await connect([peer])
    const [status] = client.tls.endpoints
    expect(status).toMatchObject({ state: 'ready', protocol: version })
    expect(status?.findings.map((each) => each.code)).toEqual(['handshake/client-certificate-not-asked'])
    expect((await client.tls.probe()).ok).toBe(true)
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('one that asks is not warned of, in %s', async (version) => {
    await using peer = await grpcPeer(serverTls(pki.server, { maxVersion: version }), emptyAnswer)
    await using client = await connect([peer])
    expect(client.tls.endpoints[0]?.findings).toEqual([])
  })
})

describe('logging in with a password', () => {
  const AUTHENTICATE = '/etcdserverpb.Auth/Authenticate'
  /** An AuthenticateResponse with this token (field 2). */
  const tokenAnswer = (token: string): Buffer =>
    Buffer.concat([Buffer.from([0, 0, 0, 0, token.length + 2, 0x12, token.length]), Buffer.from(token)])

  it('puts the token on every call, asks once for many, and again when etcd no longer takes it', async () => {
    let logins = 0
    let valid = 'token-1'
    const seen: unknown[] = []
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      if (headers[':path'] === AUTHENTICATE) {
        logins += 1
        expect(headers['token']).toBeUndefined()
        answerWith(stream, tokenAnswer(valid))
        return
      }
      seen.push(headers['token'])
      if (headers['token'] === valid) emptyAnswer(stream)
      else refuseCall(stream, 16, 'etcdserver: invalid auth token')
    })
    await using client = await connect([peer], { auth: { username: 'root', password: 'secret' } })
    expect(logins).toBe(1)
    await Promise.all(Array.from({ length: 5 }, () => client.get('a').string()))
    expect(seen).toEqual(Array.from({ length: 5 }, () => 'token-1'))
    valid = 'token-2'
    await Promise.all(Array.from({ length: 5 }, () => client.get('a').string()))
    expect(logins).toBe(2)
    expect(peer.accepted).toBe(1)
  })

  it('refused: one finding, no password in it', async () => {
    await using peer = await grpcPeer(serverTls(pki.server), (stream) => {
      refuseCall(stream, 3, 'etcdserver: authentication failed, invalid user ID or password')
    })
    const attempt = connect([peer], { auth: { username: 'alice', password: 'secret' } })
    const error = await refused(attempt, 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(error.details.report.findings, 'login/failed').details).toMatchObject({ username: 'alice' })
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('secret')
    await expect.poll(() => peer.open).toBe(0)
  })

  it('with authentication switched off in etcd: a warning, and calls without a token', async () => {
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      if (headers[':path'] === AUTHENTICATE) refuseCall(stream, 9, 'etcdserver: authentication is not enabled')
      else emptyAnswer(stream)
    })
    await using client = await connect([peer], { auth: { username: 'alice', password: 'secret' } })
    expect(client.tls.report.findings.map((each) => each.code)).toContain('login/not-enabled')
    expect(await client.get('a').string()).toBeNull()
  })

  it('is impossible without one: a call whose token etcd refuses fails after one attempt, with a cause', async () => {
    let calls = 0
    await using peer = await grpcPeer(serverTls(pki.server), (stream) => {
      calls += 1
      // Without a limit the test would end by its memory.
      if (calls > 50) emptyAnswer(stream)
      else refuseCall(stream, 16, 'etcdserver: invalid auth token')
    })
    await using client = await connect([peer])
    await expect(client.put('a').value('b').exec()).rejects.toMatchObject({
      cause: { code: 'ERR_ACCESS_DENIED', message: expect.stringContaining('access/token-refused') as string },
    })
    expect(calls).toBe(1)
  })

  it('whose tokens are always refused does not go round for ever', async () => {
    let logins = 0
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      if (headers[':path'] !== AUTHENTICATE) {
        refuseCall(stream, 16, 'etcdserver: invalid auth token')
        return
      }
      logins += 1
      answerWith(stream, tokenAnswer(`t${String(logins)}`))
    })
    await using client = await connect([peer], { auth: { username: 'alice', password: 'secret' } })
    await expect(client.get('a').string()).rejects.toThrow(/just issued/)
    expect(logins).toBeLessThan(5)
  })
})
