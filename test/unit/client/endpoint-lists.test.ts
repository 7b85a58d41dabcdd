/** Endpoints from DNS and from the member list, and their replacement while the client lives. */
import { describe, expect, it, vi } from 'vitest'
import { createSecureClient } from '../../../src/client/create-secure-client.js'
import { endpointsOf, locate } from '../../../src/client/discovery.js'
import { parseEndpoints, readEndpoints } from '../../../src/client/base/endpoints.js'
import type { SecureClientOptions, SecureEtcd3, TlsEvent } from '../../../src/client/index.js'
import { connector } from '../../support/connector.js'
import { type DnsAnswer, dnsServer } from '../../support/dns-server.js'
import { mintPki } from '../../support/etcd.js'
import { dns } from '../../support/mint.js'
import { OwnTime } from '../../support/own-time.js'
import { answerWith, emptyAnswer, gonePeer, grpcPeer, type Peer, silentPeer } from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'
import { recordingPeer } from '../../support/recording-peer.js'

const pki = mintPki()
const SECURE = '_etcd-client-ssl._tcp.etcd.test'
const INSECURE = '_etcd-client._tcp.etcd.test'
const connect = connector({ credentials: pki.client })
const OPTIONS = { endpoints: { srv: 'etcd.test' }, credentials: pki.client } satisfies SecureClientOptions

function peerFor(...names: string[]): Promise<Peer> {
  return grpcPeer(pki.issueServer({ names: names.map(dns) }))
}

describe('endpoints from DNS', () => {
  it('dials the endpoints of SRV records by priority, and requires certificates for the domain', async () => {
    await using first = await peerFor('etcd.test')
    await using second = await peerFor('etcd.test')
    const records = [
      { target: 'localhost', port: second.port, priority: 2 },
      { target: 'localhost', port: first.port, priority: 1 },
    ]
    await using server = await dnsServer({ [SECURE]: records })
    await using client = await createSecureClient({ ...OPTIONS, preflight: 'all' }, server.lookup)
    const expected = [first, second].map(({ port }) => ({
      endpoint: `https://localhost:${String(port)}`,
      state: 'ready',
    }))
    expect(client.tls.endpoints).toMatchObject(expected)
    expect([...server.asked].sort()).toEqual([SECURE, INSECURE].sort())
  })

  it.each<[string, string[], string, object, 'ready' | null]>([
    [
      'servers of DNS endpoints must cover the domain, not their own host',
      ['localhost', '*.etcd.test'],
      SECURE,
      {},
      null,
    ],
    [
      'servers of DNS endpoints must cover the server name that is given',
      ['localhost'],
      SECURE,
      { serverName: 'localhost' },
      'ready',
    ],
    [
      'DNS gives the endpoints of a named service',
      ['etcd.test'],
      '_etcd-client-ssl-blue._tcp.etcd.test',
      { endpoints: { srv: 'ETCD.test', name: 'blue' } },
      'ready',
    ],
  ])('%s', async (_what, names, record, options, state) => {
    await using peer = await peerFor(...names)
    await using server = await dnsServer({ [record]: [{ target: 'localhost', port: peer.port }] })
    const connecting = createSecureClient({ ...OPTIONS, ...options }, server.lookup)
    if (state === null) {
      const { details } = await refused(connecting, 'ERR_HANDSHAKE_FAILED')
      const found = findingOf(details.report.findings, 'san/host-not-covered')
      expect(found.details).toMatchObject({ host: 'etcd.test' })
      return
    }
    await using client = await connecting
    expect(client.tls.endpoints[0]?.state).toBe(state)
  })

  it('uses the first 100 SRV records and reports the next one', async () => {
    const records = Array.from({ length: 150 }, (_, index) => ({
      name: `etcd-${String(index)}.etcd.test`,
      port: 2379,
      priority: index,
      weight: 0,
    }))
    const options = {
      ...readEndpoints({ srv: 'etcd.test' }),
      dialTimeout: 10_000,
      signal: null,
    }
    const lookup = (record: string) => Promise.resolve(record === SECURE ? records : [])
    const { endpoints, findings } = await locate(options, lookup)
    expect(endpoints).toHaveLength(100)
    expect(findings.map(({ code, details }) => [code, details])).toMatchObject([
      ['discovery/record-ignored', { targets: ['etcd-100.etcd.test:2379'], reason: 'too-many' }],
    ])
  })

  it('ignores and reports SRV records without TLS', async () => {
    await using peer = await peerFor('etcd.test')
    await using server = await dnsServer({
      [SECURE]: [{ target: 'localhost', port: peer.port }],
      [INSECURE]: [{ target: 'plain.etcd.test', port: 2379 }],
    })
    await using client = await createSecureClient(OPTIONS, server.lookup)
    expect(client.tls.endpoints).toHaveLength(1)
    expect(findingOf(client.tls.report.findings, 'discovery/record-ignored').details).toMatchObject({
      targets: ['plain.etcd.test:2379'],
      reason: 'insecure',
    })
  })
})

describe('domains without records', () => {
  it.each<[string, Record<string, DnsAnswer>, string | null]>([
    ['no such name', {}, null],
    ['a name without records', { [SECURE]: [] }, null],
    ['a service that is not available (RFC 2782)', { [SECURE]: [{ target: '.', port: 1 }] }, null],
    ['records without TLS alone', { [INSECURE]: [{ target: 'plain.etcd.test', port: 2379 }] }, null],
    ['a name server that fails', { [SECURE]: 'servfail', [INSECURE]: 'servfail' }, 'ESERVFAIL'],
    ['a name server that is silent', { [SECURE]: 'silent', [INSECURE]: 'silent' }, 'TIMEOUT'],
  ])('reports missing SRV records for %s', async (_what, zone, errorCode) => {
    await using server = await dnsServer(zone)
    using clock = new OwnTime()
    const attempt = createSecureClient({ ...OPTIONS, dialTimeout: '1s' }, server.lookup)
    const { details } = await refused(attempt, 'ERR_UNREACHABLE')
    expect(errorCodes(details.report.findings)).toEqual(['discovery/no-records'])
    expect(details.report.findings[0].details).toMatchObject({ domain: 'etcd.test', record: SECURE, errorCode })
    expect(details.report.findings[0].remedy).toMatch(/dig|_etcd-client-ssl/)
    expect(clock.elapsed).toBeLessThan(2000)
  })

  it('asks again within waitFor until DNS has records, and reports each failure', async () => {
    await using peer = await peerFor('etcd.test')
    const zone: Record<string, DnsAnswer> = {}
    await using server = await dnsServer(zone)
    const failures: TlsEvent[] = []
    const onEvent = (event: TlsEvent): void => {
      if (event.type === 'refresh-failed') failures.push(event)
    }
    const connecting = createSecureClient({ ...OPTIONS, waitFor: '600s', onEvent }, server.lookup)
    await expect.poll(() => failures.length).toBeGreaterThan(1)
    expect(failures[0]).toMatchObject({ error: { code: 'ERR_UNREACHABLE' } })
    zone[SECURE] = [{ target: 'localhost', port: peer.port }]
    await using client = await connecting
    expect(client.tls.endpoints[0]?.state).toBe('ready')
  })

  it('rejects on expiry of waitFor if DNS has no records', async () => {
    await using server = await dnsServer({})
    const { details } = await refused(
      createSecureClient({ ...OPTIONS, waitFor: '300ms' }, server.lookup),
      'ERR_UNREACHABLE',
    )
    expect(errorCodes(details.report.findings)).toEqual(['discovery/no-records'])
  })

  it('ends a look-up at once when the signal aborts', async () => {
    await using server = await dnsServer({ [SECURE]: 'silent' })
    const give = new AbortController()
    const attempt = createSecureClient({ ...OPTIONS, dialTimeout: '60s', signal: give.signal }, server.lookup)
    await expect.poll(() => server.asked.length).toBeGreaterThan(1)
    give.abort(new Error('enough'))
    await expect(attempt).rejects.toThrow('enough')
  })
})

it('applies the dial time-out to the look-up and the dial together', async () => {
  await using silent = await silentPeer()
  await using server = await dnsServer({ [SECURE]: [{ target: 'localhost', port: silent.port }] })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  try {
    let asked = 0
    const slow: typeof server.lookup = async (record, signal) => {
      asked += 1
      await new Promise((resolve) => setTimeout(resolve, 2000))
      return server.lookup(record, signal)
    }
    const outcome = refused(createSecureClient({ ...OPTIONS, dialTimeout: '3s' }, slow), 'ERR_UNREACHABLE')
    await expect.poll(() => asked).toBeGreaterThan(0)
    await vi.advanceTimersByTimeAsync(2000)
    await expect.poll(() => silent.accepted).toBe(1)
    // With a time-out of its own, the dial would go on for two more seconds, which do not pass here.
    await vi.advanceTimersByTimeAsync(1000)
    await outcome
  } finally {
    vi.useRealTimers()
  }
})

function urlsOf({ tls }: SecureEtcd3): string[] {
  return tls.endpoints.map(({ endpoint }) => endpoint)
}

/** A MemberListResponse (etcd's rpc.proto) with one member in a message of gRPC. */
function memberList(name: string, urls: readonly string[]): Buffer {
  const field = (number: number, content: Buffer): Buffer =>
    Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content])
  const member = Buffer.concat([field(2, Buffer.from(name)), ...urls.map((url) => field(4, Buffer.from(url)))])
  const message = field(2, member)
  return Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])
}

/** The failed look-ups from now on. */
function failuresOf({ tls }: SecureEtcd3): TlsEvent[] {
  const failures: TlsEvent[] = []
  void (async () => {
    for await (const event of tls.events()) if (event.type === 'refresh-failed') failures.push(event)
  })()
  return failures
}

describe('refreshEndpoints', () => {
  it('follows changes in DNS, and keeps its endpoints while DNS has none', async () => {
    await using one = await grpcPeer(pki.server)
    await using two = await grpcPeer(pki.server)
    let ports = [one.port]
    const lookup = (record: string) => {
      const found = record.includes('-ssl') ? ports : []
      return Promise.resolve(found.map((port) => ({ name: 'localhost', port, priority: 0, weight: 0 })))
    }
    await using client = await createSecureClient(
      { endpoints: { srv: 'localhost' }, credentials: pki.client, refreshEndpoints: '1s' },
      lookup,
    )
    const [first] = urlsOf(client)
    const failures = failuresOf(client)
    ports = []
    await expect
      .poll(() => failures[0], { timeout: 20_000 })
      .toMatchObject({ retryIn: 1000, error: { code: 'ERR_UNREACHABLE' } })
    expect(urlsOf(client)).toEqual([first])
    ports = [two.port]
    await expect.poll(() => urlsOf(client), { timeout: 20_000 }).toEqual([`https://localhost:${String(two.port)}`])
    await expect.poll(() => one.open).toBe(0)
    expect(await client.get('a').string()).toBeNull()
  })

  it('reports a cluster that never answers, and keeps its endpoints', async () => {
    await using one = await grpcPeer(pki.server, (stream, headers) => {
      if (headers[':path'] !== '/etcdserverpb.Cluster/MemberList') emptyAnswer(stream)
    })
    await using client = await connect([one], { refreshEndpoints: '1s', dialTimeout: '3s' })
    const failures = failuresOf(client)
    await expect.poll(() => failures.length).toBeGreaterThan(0)
    expect(urlsOf(client)).toEqual([one.endpoint])
  })

  it('uses only voting members with TLS', () => {
    const members = [
      { name: 'a', ID: '1', clientURLs: ['https://a:2379', 'http://a:2378'], isLearner: false },
      { name: 'b', ID: '2', clientURLs: ['https://b:2379'], isLearner: true },
      { name: '', ID: '3', clientURLs: [], isLearner: false },
    ]
    expect(endpointsOf(members).map(({ url }) => url)).toEqual(['https://a:2379'])
    expect(endpointsOf([])).toEqual([])
    const many = Array.from({ length: 1000 }, (_, index) => `https://a:${String(index + 1)}`)
    expect(endpointsOf([{ name: 'a', ID: '1', clientURLs: many, isLearner: false }])).toHaveLength(100)
  })

  it('keeps which member advertises an address, also one that no client can use', () => {
    const members = [
      {
        name: 'etcd-0',
        ID: '8e9e05c52164694d',
        clientURLs: ['https://0.0.0.0:2379', 'https://[::]:2379'],
        isLearner: false,
      },
      { name: '', ID: '91bc3c398fb3c146', clientURLs: ['https://etcd-1:2379'], isLearner: false },
    ]
    expect(endpointsOf(members)).toMatchObject([
      { url: 'https://0.0.0.0:2379', advertisedBy: 'etcd-0' },
      { url: 'https://[::]:2379', advertisedBy: 'etcd-0' },
      { url: 'https://etcd-1:2379', advertisedBy: '91bc3c398fb3c146' },
    ])
    expect(parseEndpoints('https://etcd-1:2379')).toMatchObject([{ advertisedBy: null }])
  })

  it('reports which member advertises an endpoint that cannot be reached', async () => {
    const gone = await gonePeer()
    const urls = [gone.endpoint]
    await using one = await grpcPeer(pki.server, (stream, headers) => {
      if (headers[':path'] === '/etcdserverpb.Cluster/MemberList') answerWith(stream, memberList('etcd-7', urls))
      else emptyAnswer(stream)
    })
    urls.push(one.endpoint)
    await using client = await connect([one], { refreshEndpoints: '1s', dialTimeout: '2s' })
    const found = (): unknown => client.tls.endpoints.find(({ endpoint }) => endpoint === gone.endpoint)?.findings
    await expect
      .poll(found, { timeout: 20_000 })
      .toMatchObject([
        { code: 'endpoint/unreachable' },
        { code: 'discovery/advertised', severity: 'info', details: { member: 'etcd-7' } },
      ])
  })
})

describe('setEndpoints', () => {
  it('removes an endpoint whose call ends with the client, at the latest a second after it was closed', async () => {
    let calls = 0
    await using slow = await grpcPeer(pki.server, () => {
      calls += 1
    })
    await using other = await grpcPeer(pki.server, emptyAnswer)
    const client = await connect([slow])
    const call = client.get('a').string()
    const ended = expect(call).rejects.toThrow('The client was closed')
    await expect.poll(() => calls).toBe(1)
    await client.tls.setEndpoints(other.endpoint)
    await client[Symbol.asyncDispose]()
    await ended
    expect([slow.open, other.open]).toEqual([0, 0])
  })

  it('dials new endpoints, keeps the connection of endpoints that stay, and leaves the others', async () => {
    await using one = await recordingPeer(pki.server)
    await using two = await recordingPeer(pki.server)
    await using three = await recordingPeer(pki.server)
    const { endpoint } = one
    await using client = await connect([one, two], { preflight: 'all' })
    const report = await client.tls.setEndpoints([endpoint, three.endpoint])
    expect(report).toMatchObject({ ok: true, findings: [] })
    expect(client.tls.endpoints.map((each) => [each.endpoint, each.state])).toEqual([
      [endpoint, 'ready'],
      [three.endpoint, 'ready'],
    ])
    await expect.poll(() => two.open).toBe(0)
    expect([one.accepted, two.accepted, three.accepted]).toEqual([1, 1, 1])
    await Promise.all([1, 2, 3, 4].map(() => client.get('a').string()))
    expect([one.names.length > 0, two.names.length, three.names.length > 0]).toEqual([true, 0, true])
    // A new server name is another endpoint, with a connection of its own.
    await client.tls.setEndpoints([{ url: endpoint, serverName: 'localhost' }, three.endpoint])
    await expect.poll(() => [one.accepted, one.open]).toEqual([2, 1])
  })

  it('keeps its endpoints, and reports why, if none of the new ones is ready', async () => {
    await using one = await recordingPeer(pki.server)
    const gone = await gonePeer()
    await using client = await connect([one])
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const report = await client.tls.setEndpoints(gone.endpoint)
      expect(report.findings.map(({ code }) => code)).toEqual(['endpoint/unreachable'])
    }
    expect(client.tls.endpoints.map((each) => [each.endpoint, each.state])).toEqual([[one.endpoint, 'ready']])
    expect(await client.get('a').string()).toBeNull()
    expect(one.accepted).toBe(1)
  })

  it('switches to the new endpoints if all current ones are down', async () => {
    const one = await recordingPeer(pki.server)
    await using two = await recordingPeer(pki.server)
    await using client = await connect([one])
    await one[Symbol.asyncDispose]()
    await expect.poll(() => client.tls.endpoints[0]?.state).not.toBe('ready')
    expect((await client.tls.setEndpoints([two.endpoint])).ok).toBe(true)
    expect(await client.get('a').string()).toBeNull()
    // Rotations go on with the new list.
    expect((await client.tls.rotate(pki.issueClient({ subject: 'bob' }))).ok).toBe(true)
    await client.get('a').string()
    expect(two.names.at(-1)).toBe('bob')
  })

  it('refuses a wrong call, and one after the client was closed', async () => {
    await using one = await recordingPeer(pki.server)
    const client = await connect([one])
    await expect(client.tls.setEndpoints([])).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    await expect(client.tls.setEndpoints('http://a')).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    await client[Symbol.asyncDispose]()
    await expect(client.tls.setEndpoints(one.endpoint)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
