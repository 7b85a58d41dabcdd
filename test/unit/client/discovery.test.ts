/** SRV discovery against a name server of the tests: what etcdctl does with --insecure-discovery=false. */
import { describe, expect, it, vi } from 'vitest'
import { connectSecurely } from '../../../src/client/create-secure-client.js'
import { discover } from '../../../src/client/discovery.js'
import { readDiscovery } from '../../../src/client/options.js'
import { type ClientOptions, createSecureClient } from '../../../src/client/index.js'
import { type DnsAnswer, dnsServer } from '../../support/dns-server.js'
import { mintPki } from '../../support/etcd.js'
import { dns } from '../../support/mint.js'
import { emptyAnswer, grpcPeer, type Peer, serverTls, silentPeer } from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'
import { OwnTime } from '../../support/own-time.js'

const pki = mintPki()
const SECURE = '_etcd-client-ssl._tcp.etcd.test'
const INSECURE = '_etcd-client._tcp.etcd.test'
const OPTIONS = { discovery: { domain: 'etcd.test' }, credentials: pki.client } satisfies ClientOptions

function peerFor(...names: string[]): Promise<Peer> {
  return grpcPeer(serverTls(pki.issueServer({ names: names.map(dns) })), emptyAnswer)
}

describe('endpoints from DNS', () => {
  it('are those of the records, by priority, and have to cover the domain', async () => {
    await using first = await peerFor('etcd.test')
    await using second = await peerFor('etcd.test')
    const records = [
      { target: 'localhost', port: second.port, priority: 2 },
      { target: 'localhost', port: first.port, priority: 1 },
    ]
    await using server = await dnsServer({ [SECURE]: records })
    await using client = await connectSecurely({ ...OPTIONS, preflight: 'all' }, server.lookup)
    const expected = [first, second].map(({ port }) => ({
      endpoint: `https://localhost:${String(port)}`,
      state: 'ready',
    }))
    expect(client.tls.endpoints).toMatchObject(expected)
    expect([...server.asked].sort()).toEqual([SECURE, INSECURE].sort())
  })

  it('are not trusted for covering their own host', async () => {
    await using peer = await peerFor('localhost', '*.etcd.test')
    await using server = await dnsServer({ [SECURE]: [{ target: 'localhost', port: peer.port }] })
    const { details } = await refused(connectSecurely(OPTIONS, server.lookup), 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(details.report.findings, 'san/host-not-covered').details).toMatchObject({ host: 'etcd.test' })
  })

  it('may be expected to have another name', async () => {
    await using peer = await peerFor('localhost')
    await using server = await dnsServer({ [SECURE]: [{ target: 'localhost', port: peer.port }] })
    await using client = await connectSecurely({ ...OPTIONS, serverName: 'localhost' }, server.lookup)
    expect(client.tls.endpoints[0]?.state).toBe('ready')
  })

  it('are looked for under a name', async () => {
    await using peer = await peerFor('etcd.test')
    const named = '_etcd-client-ssl-blue._tcp.etcd.test'
    await using server = await dnsServer({ [named]: [{ target: 'localhost', port: peer.port }] })
    const discovery = { domain: 'ETCD.test', name: 'blue' }
    await using client = await connectSecurely({ ...OPTIONS, discovery }, server.lookup)
    expect(client.tls.endpoints[0]?.state).toBe('ready')
  })

  it('are the first 100 records, and the report names the next one', async () => {
    const records = Array.from({ length: 150 }, (_, index) => ({
      name: `etcd-${String(index)}.etcd.test`,
      port: 2379,
      priority: index,
      weight: 0,
    }))
    const { endpoints, findings } = await discover({
      discovery: readDiscovery({ domain: 'etcd.test' }),
      timeout: 10_000,
      signal: null,
      lookup: (record) => Promise.resolve(record === SECURE ? records : []),
    })
    expect(endpoints).toHaveLength(100)
    expect(findings.map(({ code, details }) => [code, details])).toMatchObject([
      ['discovery/record-ignored', { targets: ['etcd-100.etcd.test:2379'], reason: 'too-many' }],
    ])
  })

  it('without TLS are dropped, and reported', async () => {
    await using peer = await peerFor('etcd.test')
    await using server = await dnsServer({
      [SECURE]: [{ target: 'localhost', port: peer.port }],
      [INSECURE]: [{ target: 'plain.etcd.test', port: 2379 }],
    })
    await using client = await connectSecurely(OPTIONS, server.lookup)
    expect(client.tls.endpoints).toHaveLength(1)
    expect(findingOf(client.tls.report.findings, 'discovery/record-ignored').details).toMatchObject({
      targets: ['plain.etcd.test:2379'],
      reason: 'insecure',
    })
  })
})

describe('what DNS does not know', () => {
  it.each<[string, Record<string, DnsAnswer>, string | null]>([
    ['no such name', {}, null],
    ['a name without records', { [SECURE]: [] }, null],
    ['a service that is not available (RFC 2782)', { [SECURE]: [{ target: '.', port: 1 }] }, null],
    ['records without TLS alone', { [INSECURE]: [{ target: 'plain.etcd.test', port: 2379 }] }, null],
    ['a name server that fails', { [SECURE]: 'servfail', [INSECURE]: 'servfail' }, 'ESERVFAIL'],
    ['a name server that is silent', { [SECURE]: 'silent', [INSECURE]: 'silent' }, 'TIMEOUT'],
  ])('%s', async (_what, zone, errorCode) => {
    await using server = await dnsServer(zone)
    using clock = new OwnTime()
    const attempt = connectSecurely({ ...OPTIONS, dialTimeout: '1s' }, server.lookup)
    const { details } = await refused(attempt, 'ERR_UNREACHABLE')
    expect(errorCodes(details.report.findings)).toEqual(['discovery/no-records'])
    expect(details.report.findings[0].details).toMatchObject({ domain: 'etcd.test', record: SECURE, errorCode })
    expect(details.report.findings[0].remedy).toMatch(/dig|_etcd-client-ssl/)
    expect(clock.elapsed).toBeLessThan(2000)
  })

  it('ends at once on the signal', async () => {
    await using server = await dnsServer({ [SECURE]: 'silent' })
    const give = new AbortController()
    const attempt = connectSecurely({ ...OPTIONS, dialTimeout: '60s', signal: give.signal }, server.lookup)
    await expect.poll(() => server.asked.length).toBeGreaterThan(1)
    give.abort(new Error('enough'))
    await expect(attempt).rejects.toThrow('enough')
  })
})

it('looking up and dialling share the dial time-out', async () => {
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
    const outcome = refused(connectSecurely({ ...OPTIONS, dialTimeout: '3s' }, slow), 'ERR_UNREACHABLE')
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

describe('options that are refused', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no domain', { discovery: {} }, /discovery.domain/],
    ['an address', { discovery: { domain: '10.0.0.1' } }, /discovery.domain.*DNS name/],
    ['a pattern', { discovery: { domain: '*.etcd.test' } }, /discovery.domain/],
    ['a name that is no label', { discovery: { domain: 'etcd.test', name: 'a.b' } }, /discovery.name/],
    ['no object', { discovery: 'etcd.test' }, /discovery.*must be an object/],
    ['an unknown key', { discovery: { domain: 'etcd.test', srv: 1 } }, /discovery.srv/],
  ])('%s', async (_what, options, reason) => {
    const attempt = createSecureClient({ ...OPTIONS, ...options })
    const { message } = await refused(attempt, 'ERR_OPTION_INVALID')
    expect(message).toMatch(reason)
  })
})
