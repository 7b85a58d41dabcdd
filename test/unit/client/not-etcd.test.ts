/** Servers that speak TLS and HTTP/2, take our certificate, and are not etcd: told before the client is returned. */
import { constants } from 'node:http2'
import { describe, expect, it, vi } from 'vitest'
import { createSecureClient, isEtcdMtlsError, type SecureEtcd3, type TlsEvent } from '../../../src/client/index.js'
import { hasAnswered } from '../../../src/client/diagnosis/explain.js'
import { type Answer, answerFinding } from '../../../src/client/transport/health-check.js'
import type { FindingCode } from '../../../src/report/index.js'
import { mintPki } from '../../support/etcd.js'
import {
  answerHealthCheck,
  type CallHandler,
  emptyAnswer,
  grpcPeer,
  type Peer,
  refuseCall,
  serverTls,
} from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()

/** A server of another kind, which answers every call alike. */
function stranger(answer: CallHandler): Promise<Peer> {
  return grpcPeer(serverTls(pki.server), answer, answer)
}

function page(status: number): CallHandler {
  return (stream) => {
    stream.respond({ ':status': status, 'content-type': 'text/html' })
    stream.end('<html>a page</html>')
  }
}

const NO_ANSWER: Answer = {
  httpStatus: 0,
  contentType: null,
  server: null,
  grpcStatus: null,
  grpcMessage: '',
  location: null,
  title: null,
  date: null,
}

function connect(peers: readonly Peer[], options: object = {}): Promise<SecureEtcd3> {
  const endpoints = peers.map((each) => each.endpoint)
  return createSecureClient({ endpoints: endpoints as [string], credentials: pki.client, ...options })
}

describe('an answer to the first call', () => {
  const html = { contentType: 'text/html' }
  const grpc = { httpStatus: 200, contentType: 'application/grpc' }
  it.each<[string, Partial<Answer>, FindingCode, RegExp]>([
    ['a page that is missing', { httpStatus: 404, ...html }, 'endpoint/not-etcd', /HTTP status 404.*is not how etcd/],
    ['a page of no type', { httpStatus: 200 }, 'endpoint/not-etcd', /without gRPC \(no content type\)/],
    ['a redirect to nowhere', { httpStatus: 301 }, 'endpoint/not-etcd', /301.*is not how etcd/],
    [
      'a redirect',
      { httpStatus: 301, location: 'https://a.example/' },
      'endpoint/not-etcd',
      /redirects to https:\/\/a\.ex/,
    ],
    ['a refusal by a proxy', { httpStatus: 403, ...html }, 'endpoint/not-etcd', /403.*may be a proxy in front of it/],
    ['a refusal by nginx', { httpStatus: 403, server: 'nginx' }, 'endpoint/not-etcd', /"nginx" refuses the client/],
    ['a log-in of HTTP', { httpStatus: 401, ...html }, 'endpoint/not-etcd', /401.*may be a proxy/],
    ['Kubernetes', { httpStatus: 403, contentType: 'application/json' }, 'endpoint/not-etcd', /Kubernetes/],
    ['gRPC that does not know etcd', { ...grpc, grpcStatus: 12 }, 'endpoint/not-etcd', /gRPC status 12.*not how etcd/],
    [
      'a service mesh',
      { ...grpc, grpcStatus: 7, grpcMessage: 'RBAC: no' },
      'endpoint/not-etcd',
      /"RBAC: no"\): it is not etcd/,
    ],
    [
      'nginx without etcd',
      { httpStatus: 502, server: 'nginx' },
      'endpoint/unavailable',
      /502.*server "nginx".*does not reach/,
    ],
    ['no back end', { httpStatus: 503 }, 'endpoint/unavailable', /503/],
    ['a limit of the rate', { httpStatus: 429 }, 'endpoint/unavailable', /rate of calls/],
    [
      'gRPC without a back end',
      { ...grpc, grpcStatus: 14, grpcMessage: 'no upstream' },
      'endpoint/unavailable',
      /"no upstream"/,
    ],
  ])('%s is reported', (_what, parts, code, message) => {
    const found = answerFinding('https://a:2379', 'KV/Range', { ...NO_ANSWER, ...parts })
    expect(found.code).toBe(code)
    expect(found.message).toMatch(message)
    expect(found.remedy).toContain('https://a:2379')
    expect(hasAnswered([found])).toBe(code === 'endpoint/not-etcd')
  })

  const connected: [string, CallHandler, FindingCode, object, RegExp][] = [
    ['a good page', page(200), 'endpoint/not-etcd', { httpStatus: 200 }, /HTTP status 200 and without gRPC/],
    [
      'a page that never ends, with a terminal sequence in its title',
      (stream) => {
        stream.respond({ ':status': 403, 'content-type': 'text/html' })
        const write = (): void => {
          while (!stream.destroyed && stream.write(`<title>\u001b[2J\u202e403</title>${' '.repeat(1000)}`));
        }
        stream.on('drain', write)
        write()
      },
      'endpoint/not-etcd',
      { httpStatus: 403, title: '\\u{1b}[2J\\u{202e}403' },
      /^[^\u0000-\u001f\u202e]*$/,
    ],
    [
      'gRPC whose status comes later',
      (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => {
          stream.sendTrailers({ 'grpc-status': '14', 'grpc-message': 'etcdserver: not capable' })
        })
        stream.end()
      },
      'endpoint/unavailable',
      { grpcStatus: 14 },
      /not capable/,
    ],
  ]

  it.each(connected)('%s fails the creation of a client', async (_what, answer, code, details, message) => {
    await using peer = await stranger(answer)
    const errorCode = code === 'endpoint/unavailable' ? 'ERR_UNREACHABLE' : 'ERR_HANDSHAKE_FAILED'
    const { findings } = (await refused(connect([peer]), errorCode)).details.report
    expect(errorCodes(findings)).toEqual([code])
    const found = findingOf(findings, code)
    expect(found.details).toMatchObject({ endpoint: peer.endpoint, method: 'KV/Range', ...details })
    expect(found.message).toMatch(message)
    expect(peer.accepted, 'no second look is needed').toBe(1)
  })

  it('a learner is named as what it is', async () => {
    await using peer = await stranger((stream) => {
      refuseCall(stream, 14, 'etcdserver: rpc not supported for learner')
    })
    const { findings } = (await refused(connect([peer]), 'ERR_UNREACHABLE')).details.report
    expect(errorCodes(findings)).toEqual(['endpoint/unavailable'])
  })

  it('a server that answers no call is reported within the dial time-out', async () => {
    let calls = 0
    await using peer = await stranger((stream) => {
      calls += 1
      stream.resume()
    })
    // On a busy machine the handshake alone may take that long: the time passes once the call is there.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    try {
      const outcome = refused(connect([peer], { dialTimeout: '300ms' }), 'ERR_UNREACHABLE')
      await expect.poll(() => calls).toBe(1)
      await vi.advanceTimersByTimeAsync(300)
      const { details } = await outcome
      expect(findingOf(details.report.findings, 'endpoint/silent').details).toMatchObject({ after: 'settings' })
    } finally {
      vi.useRealTimers()
    }
  })

  it('a server that ends the first call without an answer is reported at once', async () => {
    await using peer = await stranger((stream) => {
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
    })
    const { details } = await refused(connect([peer]), 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(details.report.findings, 'endpoint/lost').details).toMatchObject({
      detail: expect.stringContaining('REFUSED_STREAM') as string,
    })
  })

  it.each<[string, CallHandler]>([
    ['a status', answerHealthCheck],
    ['an empty answer', emptyAnswer],
    [
      'a permission that is missing',
      (stream) => {
        refuseCall(stream, 7, 'etcdserver: permission denied')
      },
    ],
  ])('etcd is known by %s', async (_what, greeting) => {
    await using peer = await grpcPeer(serverTls(pki.server), emptyAnswer, greeting)
    await using client = await connect([peer])
    expect(await client.get('a').string()).toBeNull()
  })
})

describe('a request that is longer than a proxy takes', () => {
  it('fails alone, with the limit as its cause, and the connection stays', async () => {
    await using proxy = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      if (String(headers[':path']).endsWith('/Put')) page(413)(stream, headers)
      else emptyAnswer(stream)
    })
    await using client = await connect([proxy])
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const error: unknown = await client
        .put('a')
        .value('b')
        .exec()
        .catch((reason: unknown) => reason)
      const { cause } = error as Error
      if (!isEtcdMtlsError(cause) || !('report' in cause.details)) throw error
      expect(errorCodes(cause.details.report.findings)).toEqual(['endpoint/not-etcd'])
      expect(await client.get('a').string()).toBeNull()
    }
    expect(proxy.accepted).toBe(1)
  })
})

it('a member that sends its status byte by byte does not hold up a probe', async () => {
  await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
    if (headers[':path'] !== '/etcdserverpb.Maintenance/Status') {
      emptyAnswer(stream)
      return
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    // The length of a message that never ends.
    stream.write(Buffer.from([0, 0, 0, 255, 255]))
    const drip = setInterval(() => stream.write(Buffer.alloc(1)), 100)
    stream.on('close', () => {
      clearInterval(drip)
    })
  })
  await using client = await connect([peer], { dialTimeout: '3s' })
  expect((await client.tls.probe()).ok).toBe(true)
})

describe('among members that serve', () => {
  it('is reported, and is given no call', async () => {
    let strayed = 0
    await using web = await stranger((stream, headers) => {
      if (headers['user-agent'] === 'etcd-mtls') strayed += 1
      page(200)(stream, headers)
    })
    await using etcd = await grpcPeer(serverTls(pki.server), emptyAnswer)
    await using client = await connect([web, etcd])
    expect(client.tls.endpoints.map(({ state }) => state)).toEqual(['failed', 'ready'])
    expect(client.tls.endpoints[0]?.findings.map(({ code }) => code)).toEqual(['endpoint/not-etcd'])
    for (let i = 0; i < 10; i += 1) expect(await client.get('a').string()).toBeNull()
    expect(strayed).toBe(0)
    await refused(connect([web, etcd], { preflight: 'all' }), 'ERR_HANDSHAKE_FAILED')
  })
})

describe('an endpoint that becomes something else while the client lives', () => {
  /** A proxy whose etcd goes away and comes back. */
  async function proxyWithEtcd(): Promise<{ proxy: Peer; shows: (answer: CallHandler | null) => void }> {
    const state: { answer: CallHandler | null } = { answer: null }
    const handle =
      (good: CallHandler): CallHandler =>
      (stream, headers) => {
        const answer = state.answer ?? good
        answer(stream, headers)
      }
    const proxy = await grpcPeer(serverTls(pki.server), handle(emptyAnswer), handle(answerHealthCheck))
    return {
      proxy,
      shows: (answer) => {
        state.answer = answer
      },
    }
  }

  it.each<[string, number, FindingCode]>([
    ['a page', 200, 'endpoint/not-etcd'],
    ['a bad gateway', 502, 'endpoint/unavailable'],
  ])('%s: the call says so, and so do the next ones', async (_what, status, code) => {
    const { proxy, shows } = await proxyWithEtcd()
    await using _proxy = proxy
    await using client = await connect([proxy])
    expect(await client.get('a').string()).toBeNull()
    shows(page(status))
    for (let i = 0; i < 3; i += 1) {
      const error: unknown = await client
        .get('a')
        .string()
        .catch((reason: unknown) => reason)
      const cause = error instanceof Error ? error.cause : undefined
      if (!isEtcdMtlsError(cause) || !('report' in cause.details)) throw error
      expect(errorCodes(cause.details.report.findings)).toEqual([code])
    }
    await expect.poll(() => client.tls.endpoints[0]?.findings.map((each) => each.code)).toEqual([code])
    shows(null)
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
    expect(await client.get('a').string()).toBeNull()
  })

  it('is left out while others serve, and is reported', async () => {
    const { proxy, shows } = await proxyWithEtcd()
    await using _proxy = proxy
    await using etcd = await grpcPeer(serverTls(pki.server), emptyAnswer)
    await using client = await connect([proxy, etcd], { preflight: 'all' })
    const told: TlsEvent[] = []
    void (async () => {
      for await (const event of client.tls.events()) told.push(event)
    })()
    shows(page(404))
    const outcomes: boolean[] = []
    for (let i = 0; i < 20; i += 1) {
      outcomes.push(
        await client
          .get('a')
          .string()
          .then(
            () => true,
            () => false,
          ),
      )
    }
    expect(outcomes.filter((good) => !good).length, 'calls that met it').toBeLessThanOrEqual(1)
    expect(outcomes.slice(2)).not.toContain(false)
    await expect
      .poll(() => told.flatMap((event) => (event.type === 'endpoint-changed' ? event.status.findings : [])))
      .toContainEqual(expect.objectContaining({ code: 'endpoint/not-etcd' }))
  })

  it('watches that meet it go on over another member, unseen by etcd3', async () => {
    const { proxy, shows } = await proxyWithEtcd()
    await using _proxy = proxy
    let watches = 0
    await using etcd = await grpcPeer(serverTls(pki.server), (stream) => {
      watches += 1
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    })
    await using client = await connect([proxy, etcd], { preflight: 'all' })
    let strayed = 0
    shows((stream, headers) => {
      strayed += 1
      page(404)(stream, headers)
    })
    // Two streams: calls go round, so one of them meets it.
    const disconnected: Error[] = []
    for (const prefix of ['a/', 'b/']) {
      const watcher = client.namespace(prefix).watch().key('x').watcher()
      watcher.on('disconnected', (error) => disconnected.push(error))
    }
    await expect.poll(() => [watches, strayed > 0]).toEqual([2, true])
    expect(disconnected).toEqual([])
  })
})
