/** Servers that speak TLS and HTTP/2, accept our certificate, and are not etcd: reported before the client is returned. */
import { constants } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { isEtcdMtlsError, type SecureEtcd3, type TlsEvent } from '../../../src/client/index.js'
import type { FindingCode } from '../../../src/report/index.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import {
  answerHealthCheck,
  type CallHandler,
  emptyAnswer,
  grpcPeer,
  leaveOpen,
  type Peer,
  refuseCall,
} from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()

/** A server of another kind, which answers every call alike. */
function stranger(answer: CallHandler): Promise<Peer> {
  return grpcPeer(pki.server, answer, answer)
}

function page(status: number): CallHandler {
  return (stream) => {
    stream.respond({ ':status': status, 'content-type': 'text/html' })
    stream.end('<html>a page</html>')
  }
}

const connect = connector({ credentials: pki.client })

/** The codes of the errors that the cause of a rejected call reports. */
async function causesOf(call: Promise<unknown>): Promise<FindingCode[]> {
  const error: unknown = await call.catch((reason: unknown) => reason)
  const cause = error instanceof Error ? error.cause : undefined
  if (!isEtcdMtlsError(cause) || !('report' in cause.details)) throw error
  return errorCodes(cause.details.report.findings)
}

/** The causes of a read that is repeated until its deadline: none if no attempt had an answer until then. */
async function causesBeforeDeadline(client: SecureEtcd3): Promise<FindingCode[]> {
  const get = client.get('a').options({ deadline: Date.now() + 500 })
  const call = get.string()
  const error: unknown = await call.catch((reason: unknown) => reason)
  return error instanceof Error && error.cause === undefined ? [] : await causesOf(call)
}

describe('an answer to the first call', () => {
  it.each<[string, CallHandler, FindingCode, object, RegExp]>([
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
    [
      'a call that is ended without an answer',
      (stream) => {
        stream.close(constants.NGHTTP2_REFUSED_STREAM)
      },
      'endpoint/lost',
      {},
      /REFUSED_STREAM/,
    ],
  ])(
    'refuses to create a client after this answer to the health check: %s',
    async (_what, answer, code, details, message) => {
      await using peer = await stranger(answer)
      const errorCode = code === 'endpoint/unavailable' ? 'ERR_UNREACHABLE' : 'ERR_HANDSHAKE_FAILED'
      const { findings } = (await refused(connect([peer]), errorCode)).details.report
      expect(errorCodes(findings)).toEqual([code])
      const found = findingOf(findings, code)
      expect(found.details).toMatchObject({ endpoint: peer.endpoint, ...details })
      expect(found.message).toMatch(message)
      expect(peer.accepted, 'no second connection is needed').toBe(1)
    },
  )

  it.each<[number, string]>([
    [3, 'etcdserver: key is not provided'],
    [2, 'rpc error: code = InvalidArgument desc = etcdserver: key is not provided'],
    [7, 'etcdserver: permission denied'],
    [16, 'auth: invalid auth token'],
  ])('recognizes etcd by the gRPC status %i with the message "%s"', async (status, message) => {
    await using peer = await grpcPeer(pki.server, emptyAnswer, (stream) => {
      refuseCall(stream, status, message)
    })
    await using client = await connect([peer])
    expect(await client.get('a').string()).toBeNull()
  })

  it('takes no other status of gRPC for an answer of etcd', async () => {
    const statuses = Array.from({ length: 18 }, (_, status) => status)
    const results = await Promise.all(
      statuses.map(async (status) => {
        await using peer = await stranger((stream) => {
          refuseCall(stream, status, status === 3 ? 'key is missing' : '')
        })
        const error = await connect([peer]).then(
          () => null,
          (reason: unknown) => reason,
        )
        const found =
          isEtcdMtlsError(error) && 'report' in error.details ? errorCodes(error.details.report.findings) : []
        return [status, ...found]
      }),
    )
    const temporary = [1, 4, 8, 10, 14]
    const wanted = statuses.map((each) => [
      each,
      temporary.includes(each) ? 'endpoint/unavailable' : 'endpoint/not-etcd',
    ])
    expect(results).toEqual(wanted)
  })

  it('takes an empty message with the status OK for an answer of another gRPC server', async () => {
    await using peer = await stranger(emptyAnswer)
    const { findings } = (await refused(connect([peer]), 'ERR_HANDSHAKE_FAILED')).details.report
    expect(findingOf(findings, 'endpoint/not-etcd').message).toContain('gRPC status 0 (no text)')
  })
})

it('reports a member that stops, and no other server, for a call that ends with the HTTP status 200 and nothing else', async () => {
  const cutOff: CallHandler = (stream) => {
    stream.respond({ ':status': 200 }, { endStream: true })
  }
  await using peer = await grpcPeer(pki.server, cutOff)
  await using client = await connect([peer])
  const put: unknown = await client
    .put('a')
    .value('b')
    .exec()
    .catch((error: unknown) => error)
  expect(put).toMatchObject({
    cause: {
      code: 'ERR_OUTCOME_UNKNOWN',
      cause: { details: { report: { findings: [{ code: 'endpoint/lost', details: { reason: 'stopped' } }] } } },
    },
  })
  await expect.poll(() => causesBeforeDeadline(client)).toEqual(['endpoint/lost'])
  await using starting = await stranger(cutOff)
  const { findings } = (await refused(connect([starting]), 'ERR_UNREACHABLE')).details.report
  expect(findingOf(findings, 'endpoint/lost').details).toMatchObject({ reason: 'stopped' })
})

it('fails only the request that is larger than a proxy accepts, with the limit as its cause', async () => {
  await using proxy = await grpcPeer(pki.server, (stream, headers) => {
    if (String(headers[':path']).endsWith('/Put')) page(413)(stream, headers)
    else emptyAnswer(stream)
  })
  await using client = await connect([proxy])
  for (let attempt = 0; attempt < 2; attempt += 1) {
    expect(await causesOf(client.put('a').value('b').exec())).toEqual(['endpoint/not-etcd'])
    expect(await client.get('a').string()).toBeNull()
  }
  expect(proxy.accepted).toBe(1)
})

it('does not delay a probe for a member that sends its status byte by byte', async () => {
  await using peer = await grpcPeer(pki.server, (stream, headers) => {
    if (headers[':path'] !== '/etcdserverpb.Maintenance/Status') {
      emptyAnswer(stream)
      return
    }
    leaveOpen(stream)
    // The length of a message that never ends.
    stream.write(Buffer.from([0, 0, 0, 255, 255]))
    const drip = setInterval(() => stream.write(Buffer.alloc(1)), 100)
    stream.on('close', () => {
      clearInterval(drip)
    })
  })
  await using client = await connect([peer], { dialTimeout: '1s' })
  expect((await client.tls.probe()).ok).toBe(true)
})

it('reports a server that is not etcd next to ready members, and sends it no call', async () => {
  let strayed = 0
  await using web = await stranger((stream, headers) => {
    if (headers['user-agent'] === 'etcd-mtls') strayed += 1
    page(200)(stream, headers)
  })
  await using etcd = await grpcPeer(pki.server)
  await using client = await connect([web, etcd])
  expect(client.tls.endpoints.map(({ state }) => state)).toEqual(['failed', 'ready'])
  expect(client.tls.endpoints[0]?.findings.map(({ code }) => code)).toEqual(['endpoint/not-etcd'])
  for (let i = 0; i < 10; i += 1) expect(await client.get('a').string()).toBeNull()
  expect(strayed).toBe(0)
  await refused(connect([web, etcd], { preflight: 'all' }), 'ERR_HANDSHAKE_FAILED')
})

describe('an endpoint that becomes something else while the client lives', () => {
  /** A proxy whose etcd goes away and comes back. */
  async function proxyWithEtcd(): Promise<{ proxy: Peer; shows: (answer: CallHandler | null) => void }> {
    let shown: CallHandler | null = null
    const handle =
      (good: CallHandler): CallHandler =>
      (stream, headers) => {
        ;(shown ?? good)(stream, headers)
      }
    const proxy = await grpcPeer(pki.server, handle(emptyAnswer), handle(answerHealthCheck))
    return { proxy, shows: (answer) => (shown = answer) }
  }

  it.each<[string, number, FindingCode]>([
    ['a page', 200, 'endpoint/not-etcd'],
    ['a bad gateway', 502, 'endpoint/unavailable'],
  ])('reports for each call that the endpoint is no longer etcd: %s', async (_what, status, code) => {
    const { proxy, shows } = await proxyWithEtcd()
    await using _proxy = proxy
    await using client = await connect([proxy])
    expect(await client.get('a').string()).toBeNull()
    shows(page(status))
    for (let i = 0; i < 3; i += 1) await expect.poll(() => causesBeforeDeadline(client)).toEqual([code])
    await expect.poll(() => client.tls.endpoints[0]?.findings.map((each) => each.code)).toEqual([code])
    shows(null)
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
    expect(await client.get('a').string()).toBeNull()
  })

  it('sends no calls to an endpoint that is no longer etcd while others are ready, and reports it', async () => {
    const { proxy, shows } = await proxyWithEtcd()
    await using _proxy = proxy
    await using etcd = await grpcPeer(pki.server)
    await using client = await connect([proxy, etcd], { preflight: 'all' })
    const events: TlsEvent[] = []
    void (async () => {
      for await (const event of client.tls.events()) events.push(event)
    })()
    shows(page(404))
    const outcomes: string[] = []
    for (let i = 0; i < 20; i += 1) {
      const [{ status }] = await Promise.allSettled([client.get('a').string()])
      outcomes.push(status)
    }
    expect(outcomes.filter((each) => each === 'rejected').length, 'calls that met it').toBeLessThanOrEqual(1)
    expect(outcomes.slice(2)).not.toContain('rejected')
    await expect
      .poll(() => events.flatMap((event) => (event.type === 'endpoint-changed' ? event.status.findings : [])))
      .toContainEqual(expect.objectContaining({ code: 'endpoint/not-etcd' }))
  })

  it('resumes watches over another member if an endpoint is no longer etcd', async () => {
    const { proxy, shows } = await proxyWithEtcd()
    await using _proxy = proxy
    let watches = 0
    await using etcd = await grpcPeer(pki.server, (stream) => {
      watches += 1
      leaveOpen(stream)
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
