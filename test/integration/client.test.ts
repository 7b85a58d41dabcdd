/** The secure client against a real etcd: everything an Etcd3 can do, and every refusal that etcd itself is the cause of. */
import { once } from 'node:events'
import { createSecureContext } from 'node:tls'
import { Etcd3, type Watcher } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAuthority } from '../../src/authority/index.js'
import { prepare } from '../../src/client/validated-credentials.js'
import { dial } from '../../src/client/transport/dial.js'
import { explainFailure, NOTHING_FOUND } from '../../src/client/diagnosis/explain.js'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../src/client/index.js'
import { resolveOptions } from '../../src/client/options.js'
import type { Credentials } from '../../src/credentials/index.js'
import type { Finding, FindingCode } from '../../src/report/index.js'
import { startEtcd, startEtcdCluster, type TestEtcd } from '../../src/testing/index.js'
import { enableAuth, mintedCredentials, mintPki, threeMembers } from '../support/etcd.js'
import { ALERTS_SAY_WHY, noCertificateAlert } from '../support/etcd-version.js'
import { dns, ip, mintCa, mintLeaf, type MintLeafOptions } from '../support/mint.js'
import { proxyTo, silentPeer } from '../support/peers.js'
import { errorCodes, findingOf, refused } from '../support/refused.js'
import { OwnTime } from '../support/own-time.js'
import { heldPorts } from '../support/ports.js'

const pki = mintPki()
const { freeUrl } = heldPorts()

function connect(etcd: Pick<TestEtcd, 'endpoint'>, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client, ...options })
}

/** The value of the next key that is put. */
function nextPut(watcher: Watcher): Promise<string> {
  return new Promise((resolve) => {
    watcher.once('put', ({ value }: { value: Buffer }) => {
      resolve(value.toString())
    })
  })
}

/** Dials with credentials that our own result does not let through, and gives the finding that tells of the refusal. */
async function refusedUnjudged(
  etcd: TestEtcd,
  credentials: Credentials,
  version: 'TLSv1.2' | 'TLSv1.3',
  sendCertificate: boolean,
): Promise<Finding> {
  const { endpoints, tls, dialTimeout } = resolveOptions({ endpoints: etcd.endpoint, credentials: pki.client })
  const [endpoint] = endpoints
  const secureContext = createSecureContext({
    ca: credentials.trustAnchors.map((each) => each.toPem()),
    minVersion: version,
    maxVersion: version,
    ...(sendCertificate ? { cert: credentials.chain[0].toPem(), key: credentials.key.exportPem() } : {}),
  })
  const validated = { ...prepare(pki.client, tls), credentials, secureContext }
  const name = endpoint.host
  const onDown = (): void => undefined
  const { outcome } = dial({ endpoint, name, validated, timeout: dialTimeout, keepsProcess: true, onDown })
  const ended = await outcome
  if (ended.ok) throw new Error('It should have been refused')
  const { failure } = ended
  const attempt = { endpoint, name, validated, failure, diagnosis: NOTHING_FOUND, timeout: dialTimeout }
  // What is wrong with the credentials themselves comes before it.
  const refusal = explainFailure(attempt).find(({ code }) => code.startsWith('handshake/'))
  if (refusal === undefined) throw new Error('It should have been explained')
  return refusal
}

describe('on one member', () => {
  let etcd: TestEtcd

  beforeAll(async () => {
    etcd = await startEtcd({ server: pki.server, via: 'container' })
  })

  afterAll(async () => {
    await etcd.close()
  })

  describe('the client is an Etcd3', () => {
    let client: SecureEtcd3

    beforeAll(async () => {
      client = await connect(etcd)
    })

    afterAll(async () => {
      await client[Symbol.asyncDispose]()
    })

    it('by type and by instanceof, and has the state of its endpoint', () => {
      expect(client).toBeInstanceOf(Etcd3)
      expect(client.tls.report.ok).toBe(true)
      expect(client.tls.endpoints).toMatchObject([
        {
          endpoint: etcd.endpoint,
          state: 'ready',
          protocol: 'TLSv1.3',
          findings: [],
          path: [
            { role: 'leaf', subject: 'CN=etcd' },
            { role: 'anchor', subject: 'CN=Test root' },
          ],
        },
      ])
    })

    it('puts, gets, lists and deletes', async () => {
      await client.put('crud/a').value('1')
      await client.put('crud/b').value(Buffer.from([0, 255]))
      expect(await client.get('crud/a').string()).toBe('1')
      expect(await client.get('crud/b').buffer()).toEqual(Buffer.from([0, 255]))
      expect(await client.getAll().prefix('crud/').keys()).toEqual(['crud/a', 'crud/b'])
      await client.delete().prefix('crud/')
      expect(await client.getAll().prefix('crud/').count()).toBe(0)
    })

    it('carries values up to etcd’s own limit', async () => {
      const value = 'v'.repeat(1_400_000)
      await client.put('large').value(value)
      expect(await client.get('large').string()).toBe(value)
      await expect(client.put('larger').value('v'.repeat(2_000_000))).rejects.toThrow(/too large|larger than max/)
    })

    it('compares and swaps', async () => {
      await client.put('cas').value('1')
      const swap = client.if('cas', 'Value', '==', '1').then(client.put('cas').value('2'))
      expect((await swap.commit()).succeeded).toBe(true)
      expect((await swap.commit()).succeeded).toBe(false)
    })

    it('watches, several keys at once', async () => {
      const watcher = await client.watch().prefix('watched/').create()
      const seen: string[] = []
      watcher.on('put', ({ key, value }) => seen.push(`${key.toString()}=${value.toString()}`))
      watcher.on('delete', ({ key }) => seen.push(`${key.toString()} gone`))
      for (let i = 0; i < 20; i += 1) await client.put(`watched/${String(i)}`).value(String(i))
      await client.delete().key('watched/0')
      const expected = [...Array.from({ length: 20 }, (_, i) => `watched/${String(i)}=${String(i)}`), 'watched/0 gone']
      await expect.poll(() => seen).toEqual(expected)
      await watcher.cancel()
    })

    it('keeps leases alive and revokes them', async () => {
      const lease = client.lease(10)
      await once(lease, 'keepaliveSucceeded')
      await lease.put('leased').value('x')
      expect((await lease.keepaliveOnce()).TTL).toBe('10')
      await lease.revoke()
      expect(await client.get('leased').string()).toBeNull()
    })

    it('locks', async () => {
      const order: string[] = []
      await client.lock('lock').do(async () => {
        order.push('first')
        await expect(client.lock('lock').acquire()).rejects.toThrow('Failed to acquire a lock')
      })
      await client.lock('lock').do(() => {
        order.push('second')
      })
      expect(order).toEqual(['first', 'second'])
    })

    it('runs software transactions that conflict', async () => {
      await client.put('counter').value('0')
      const increment = (): Promise<unknown> =>
        client.stm({ retries: 50 }).transact(async (tx) => {
          await tx.put('counter').value(Number(await tx.get('counter').string()) + 1)
        })
      await Promise.all(Array.from({ length: 5 }, increment))
      expect(await client.get('counter').string()).toBe('5')
    })

    it('has namespaces and elections', async () => {
      const space = client.namespace('space/')
      await space.put('a').value('1')
      expect(await client.get('space/a').string()).toBe('1')
      const campaign = client.election('boss', 10).campaign('me')
      await once(campaign, 'elected')
      expect(await client.election('boss', 10).leader()).toBe('me')
      await campaign.resign()
    })

    it('fails as etcd3 fails, by class', async () => {
      await expect(client.role('no-such-role').delete()).rejects.toMatchObject({ name: 'Error' })
      await expect(client.role('no-such-role').delete()).rejects.toThrow('role name not found')
    })

    it('did all that over one connection, which etcd never complained about', () => {
      expect(etcd.logs().filter((line) => /rejected connection|EOF/.test(line))).toEqual([])
    })
  })

  it('serves a hundred clients after each other and holds none of their connections', async () => {
    await using proxy = await proxyTo(etcd.port)
    for (let i = 0; i < 100; i += 1) {
      await using client = await connect(proxy)
      await client.get('a').string()
    }
    expect(proxy.accepted).toBe(100)
    await expect.poll(() => proxy.open).toBe(0)
    expect(etcd.logs().filter((line) => /rejected connection|EOF/.test(line))).toEqual([])
  })

  it('takes what our own authority issues', async () => {
    const authority = await createAuthority({ name: 'Own CA' })
    const server = await authority.issue({ role: 'server', name: 'etcd', hosts: ['127.0.0.1'] })
    const credentials = await authority.issue({ role: 'client', name: 'root' })
    await using own = await startEtcd({ server })
    await using client = await connect(own, { credentials })
    await client.put('a').value('b')
    expect(await client.get('a').string()).toBe('b')
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s alone', async (version) => {
    await using client = await connect(etcd, { tls: { minVersion: version, maxVersion: version } })
    expect(client.tls.endpoints[0]?.protocol).toBe(version)
    expect(await client.get('a').string()).toBeNull()
  })

  it('expects a server name instead of the address', async () => {
    await using client = await connect(etcd, { serverName: 'localhost' })
    expect(client.tls.endpoints[0]?.state).toBe('ready')
    const { details } = await refused(connect(etcd, { serverName: 'etcd.example' }), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toContain('san/host-not-covered')
  })

  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('refused by etcd in %s', (version) => {
    const tls = { minVersion: version, maxVersion: version }
    const told = (code: FindingCode, alert: number) =>
      ALERTS_SAY_WHY
        ? ({ code, alert } as const)
        : ({ code: 'handshake/client-certificate-refused', alert: 42 } as const)
    const unknownCa = told('handshake/client-ca-unknown', 48)
    const expired = told('handshake/client-certificate-refused', 45)

    it('a client certificate of another CA', async () => {
      const other = mintPki('Other root')
      const credentials = { ...other.client, trustAnchors: pki.client.trustAnchors, chain: other.client.chain }
      const stranger = { ...credentials, trustAnchors: [...pki.client.trustAnchors, ...other.client.trustAnchors] }
      const { details } = await refused(connect(etcd, { tls, credentials: stranger }), 'ERR_HANDSHAKE_FAILED')
      expect(findingOf(details.report.findings, unknownCa.code)).toMatchObject({
        certificate: { role: 'leaf', subject: 'CN=root' },
        details: { endpoint: etcd.endpoint, alert: unknownCa.alert },
      })
    })

    it('a client certificate of a CA with the same name and another key', async () => {
      const impostor = mintCa({ subject: 'Test root' })
      const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: impostor })
      const credentials = mintedCredentials({ leaf, trust: [impostor, pki.root] })
      const { details } = await refused(connect(etcd, { tls, credentials }), 'ERR_HANDSHAKE_FAILED')
      expect(findingOf(details.report.findings, unknownCa.code).details).toMatchObject({ alert: unknownCa.alert })
    })

    it.each<[string, () => Credentials, FindingCode, number]>([
      ['none', () => pki.client, 'handshake/client-certificate-missing', noCertificateAlert(version)],
      [
        'one whose key OpenSSL does not send, because Go takes none of its kind',
        () => pki.issueClient({ key: 'ed448' }),
        'handshake/client-certificate-missing',
        noCertificateAlert(version),
      ],
      [
        'one that has expired',
        () => pki.issueClient({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }),
        expired.code,
        expired.alert,
      ],
      [
        'one that is not valid yet',
        () => pki.issueClient({ notBefore: new Date('2045-01-01'), notAfter: new Date('2046-01-01') }),
        expired.code,
        expired.alert,
      ],
      [
        'one for servers only',
        () => pki.issueClient({ usages: ['serverAuth'] }),
        'handshake/client-certificate-refused',
        42,
      ],
    ])('what our own verdict would have stopped: %s', async (what, credentials, code, alert) => {
      const failure = await refusedUnjudged(etcd, credentials(), version, what !== 'none')
      expect(failure.certificate).toMatchObject({ role: 'leaf', subject: 'CN=root' })
      expect(failure).toMatchObject({ code, details: { endpoint: etcd.endpoint, alert } })
    })

    it.each<[string, Partial<MintLeafOptions>]>([
      ['expired', { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }],
      ['for servers only', { usages: ['serverAuth'] }],
    ])('stopped by our own validation before anything is dialled: %s', async (_what, options) => {
      await using proxy = await proxyTo(etcd.port)
      await refused(connect(proxy, { tls, credentials: pki.issueClient(options) }), 'ERR_VALIDATION_FAILED')
      expect(proxy.accepted).toBe(0)
    })
  })

  it('etcd’s own metrics port among the endpoints is reported, and is given no calls', async () => {
    const free = await freeUrl()
    const args = [`--listen-metrics-urls=${free}`]
    await using both = await startEtcd({ server: pki.server, via: 'binary', args: () => args })
    const endpoints: [string, string] = [free, both.endpoint]
    await using client = await createSecureClient({ endpoints, credentials: pki.client })
    await expect
      .poll(() => client.tls.endpoints[0])
      .toMatchObject({ state: 'failed', findings: [{ code: 'endpoint/not-etcd' }] })
    for (let i = 0; i < 10; i += 1) await client.put('among').value(String(i))
    expect(both.logs().filter((line) => /rejected connection|"level":"error"/.test(line))).toEqual([])
    // This one may give up the good connection half way.
    await refused(createSecureClient({ endpoints, credentials: pki.client, preflight: 'all' }), 'ERR_HANDSHAKE_FAILED')
  })

  it('one good endpoint among bad ones is enough, and the bad ones are reported', async () => {
    await using silent = await silentPeer()
    const gone = await silentPeer()
    await gone[Symbol.asyncDispose]()
    const endpoints = [silent.endpoint, gone.endpoint, etcd.endpoint]
    await using client = await createSecureClient({ endpoints, credentials: pki.client, dialTimeout: '1s' })
    await client.put('among').value('bad ones')
    const [first, ...others] = client.tls.endpoints.map((each) => each.state)
    // On a busy machine the second of the dial time-out may be over.
    expect(['connecting', 'failed']).toContain(first)
    expect(others).toEqual(['failed', 'ready'])
    const report = await client.tls.probe()
    expect(errorCodes(report.findings).sort()).toEqual(['endpoint/silent', 'endpoint/unreachable'])
  })
})

describe('refused by the client', () => {
  const cases: [string, () => Parameters<typeof pki.issueServer>[0], string][] = [
    ['a host that is not covered', () => ({ names: [dns('etcd-0.etcd'), ip('10.0.0.1')] }), 'san/host-not-covered'],
    ['the address written as a DNS name', () => ({ names: [dns('127.0.0.1')] }), 'san/host-not-covered'],
    [
      'a server certificate that has expired',
      () => ({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }),
      'validity/expired',
    ],
    [
      'one that is not valid yet',
      () => ({ notBefore: new Date('2045-01-01'), notAfter: new Date('2046-01-01') }),
      'validity/not-yet-valid',
    ],
  ]
  let etcd: TestEtcd
  beforeAll(async () => {
    etcd = await startEtcd({ server: pki.server })
  })
  afterAll(() => etcd.close())

  it.each(cases)('%s', async (_what, options, code) => {
    await etcd.replaceServer(pki.issueServer(options()))
    const { details } = await refused(connect(etcd), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual([code, 'handshake/server-certificate-refused'])
    expect(details.report.findings[0].certificate).toMatchObject({ role: 'leaf', origin: etcd.endpoint })
    // Where the time is all that is wrong, etcd's gateway says what time it is there.
    const clocks = details.report.findings.filter((each) => each.code.startsWith('handshake/clock-'))
    const agreed = code.startsWith('validity/') ? [expect.objectContaining({ code: 'handshake/clock-compared' })] : []
    expect(clocks).toEqual(agreed)
  })

  it('a server certificate of another CA', async () => {
    await etcd.replaceServer(mintPki('Other root').server)
    const { details } = await refused(connect(etcd), 'ERR_HANDSHAKE_FAILED')
    const codes = errorCodes(details.report.findings)
    expect(codes[0]).toMatch(/^chain\//)
    expect(codes.at(-1)).toBe('handshake/server-certificate-refused')
  })

  it('a server certificate whose intermediate is not sent', async () => {
    const intermediate = mintCa({ subject: 'Intermediate', issuer: pki.root })
    const leaf = mintLeaf({ subject: 'etcd', issuer: intermediate, names: [ip('127.0.0.1')] })
    await etcd.replaceServer(mintedCredentials({ leaf, trust: [pki.root] }))
    const { details } = await refused(connect(etcd), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings).at(-1)).toBe('handshake/server-certificate-refused')
    expect(errorCodes(details.report.findings)[0]).toMatch(/^chain\//)
  })

  it('an intermediate as the only trust anchor is enough, as it is for Go', async () => {
    const intermediate = mintCa({ subject: 'Intermediate', issuer: pki.root })
    const issue = (usages?: ['clientAuth']) =>
      mintLeaf({ subject: 'etcd', issuer: intermediate, names: [ip('127.0.0.1')], usages })
    const server = mintedCredentials({ leaf: issue(), intermediates: [intermediate], trust: [intermediate] })
    await using etcd = await startEtcd({ server })
    const credentials = mintedCredentials({ leaf: issue(['clientAuth']), trust: [intermediate] })
    await using client = await connect(etcd, { credentials })
    expect(await client.get('a').string()).toBeNull()
  })
})

describe('how etcd is set up', () => {
  it('without client certificates: it serves, and the client warns', async () => {
    await using etcd = await startEtcd({ server: pki.server, clientCertAuth: false })
    await using client = await connect(etcd)
    expect(client.tls.endpoints[0]?.findings.map((each) => each.code)).toEqual([
      'handshake/client-certificate-not-asked',
    ])
  })

  it('paused: the dial ends in time, and a client that stood fails its calls instead of hanging', async () => {
    await using etcd = await startEtcd({ server: pki.server })
    await using client = await connect(etcd)
    await etcd.pause()
    using clock = new OwnTime()
    await expect(client.get('a').string()).rejects.toThrow(/stopped answering|not answer/)
    const { details } = await refused(connect(etcd, { dialTimeout: '500ms' }), 'ERR_UNREACHABLE')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/silent'])
    expect(clock.elapsed).toBeLessThan(15_000)
    await etcd.resume()
    await expect
      .poll(async () =>
        client
          .get('a')
          .string()
          .catch(() => 'failed'),
      )
      .toBeNull()
  })

  it('restarted: the client comes back automatically, its watch and its lease too', async () => {
    await using etcd = await startEtcd({ server: pki.server })
    await using client = await connect(etcd)
    const watcher = await client.watch().key('watched').create()
    const lease = client.lease(60)
    await once(lease, 'keepaliveSucceeded')
    await lease.put('leased').value('x')
    await etcd.stop()
    await etcd.start()
    // Not for `connected`: a watch that is resumed over the next connection has no such event.
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
    const value = nextPut(watcher)
    await client.put('watched').value('again')
    expect(await value).toBe('again')
    expect(await client.get('leased').string()).toBe('x')
    expect(client.tls.endpoints[0]?.state).toBe('ready')
    await lease.revoke()
    await watcher.cancel()
  })

  it('with a password: the token’s user counts, not the certificate’s', async () => {
    await using etcd = await startEtcd({ server: pki.server })
    await using admin = await connect(etcd)
    await enableAuth(admin, 'Read', 'public/')
    // The certificate's common name is root, so it counts as root without a password.
    await admin.put('public/a').value('1')
    const auth = { username: 'alice', password: 'alice-password' }
    await using alice = await connect(etcd, { auth })
    expect(await alice.get('public/a').string()).toBe('1')
    await expect(alice.put('public/a').value('2')).rejects.toThrow('permission denied')
    const watcher = await alice.watch().prefix('public/').create()
    const value = nextPut(watcher)
    await admin.put('public/b').value('2')
    expect(await value).toBe('2')
    await watcher.cancel()
    const wrong = connect(etcd, { auth: { username: 'alice', password: 'wrong' } })
    const { details } = await refused(wrong, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['login/failed'])
    await admin.auth.authDisable()
  })
})

describe('on three members', () => {
  it('goes on while one is paused and one is gone and back', async () => {
    await using cluster = await startEtcdCluster({ members: threeMembers(pki) })
    const { endpoints } = cluster
    await using client = await createSecureClient({ endpoints, credentials: pki.client, preflight: 'all' })
    await client.put('a').value('0')
    await cluster.member('m1').pause()
    using clock = new OwnTime()
    // Reads that any member answers by itself: what is measured is the client, not an election.
    await Promise.all(Array.from({ length: 9 }, () => client.get('a').serializable(true).string()))
    expect(clock.elapsed).toBeLessThan(2000)
    await expect
      .poll(async () =>
        client
          .put('a')
          .value('1')
          .then(() => 'put'),
      )
      .toBe('put')
    await cluster.member('m1').resume()
    await expect.poll(() => client.tls.endpoints.map((each) => each.state)).toEqual(['ready', 'ready', 'ready'])
    expect((await client.tls.probe()).ok).toBe(true)
    expect(await client.get('a').string()).toBe('1')
  })
})
