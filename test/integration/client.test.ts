/** The secure client against a real etcd: everything an Etcd3 can do, and what becomes of it while etcd changes. */
import { once } from 'node:events'
import { createSecureContext } from 'node:tls'
import { Etcd3, type Watcher } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainFailure, NOTHING_FOUND } from '../../src/client/diagnosis/explain.js'
import { createSecureClient, type SecureClientOptions, SecureEtcd3 } from '../../src/client/index.js'
import { resolveOptions } from '../../src/client/options.js'
import { dial } from '../../src/client/transport/dial.js'
import { prepare } from '../../src/client/validated-credentials.js'
import type { Credentials } from '../../src/credentials/index.js'
import type { Finding, FindingCode } from '../../src/report/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { enableAuth, mintPki, pemsOf } from '../support/etcd.js'
import { ALERTS_SAY_WHY, noCertificateAlert } from '../support/etcd-version.js'
import { OwnTime } from '../support/own-time.js'
import { errorCodes, refused } from '../support/refused.js'

const pki = mintPki()
let etcd: TestEtcd
let client: SecureEtcd3

function connect(options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client, ...options })
}

beforeAll(async () => {
  etcd = await startEtcd({ server: pki.server })
  client = await connect()
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await etcd.close()
})

/** The value of the next key that is put. */
function nextPut(watcher: Watcher): Promise<string> {
  return new Promise((resolve) => {
    watcher.once('put', ({ value }: { value: Buffer }) => {
      resolve(value.toString())
    })
  })
}

describe('the client is an Etcd3', () => {
  it('by type and by instanceof, and has the state of its endpoint', () => {
    expect(client).toBeInstanceOf(Etcd3)
    expect(client).toBeInstanceOf(SecureEtcd3)
    expect(new Etcd3({ hosts: 'http://localhost:1' })).not.toBeInstanceOf(SecureEtcd3)
    expect(() => Reflect.construct(SecureEtcd3, []) as unknown).toThrow('Call createSecureClient instead')
    expect(client.tls.report.ok).toBe(true)
    const path = [
      { role: 'leaf', subject: 'CN=etcd' },
      { role: 'anchor', subject: 'CN=Test root' },
    ]
    const { endpoint } = etcd
    expect(client.tls.endpoints).toMatchObject([{ endpoint, state: 'ready', protocol: 'TLSv1.3', findings: [], path }])
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
    await client.lock('lock').do(async () => {
      await expect(client.lock('lock').acquire()).rejects.toThrow('Failed to acquire a lock')
    })
    expect(await client.lock('lock').do(() => 'free again')).toBe('free again')
  })

  it('runs transactions that conflict, one after the other', async () => {
    await client.put('counter').value('0')
    const increment = (): Promise<unknown> =>
      client.stm({ retries: 50 }).transact(async (tx) => {
        await tx.put('counter').value(Number(await tx.get('counter').string()) + 1)
      })
    await Promise.all(Array.from({ length: 5 }, increment))
    expect(await client.get('counter').string()).toBe('5')
  })

  it('has namespaces and elections', async () => {
    await client.namespace('space/').put('a').value('1')
    expect(await client.get('space/a').string()).toBe('1')
    const campaign = client.election('boss', 10).campaign('me')
    await once(campaign, 'elected')
    expect(await client.election('boss', 10).leader()).toBe('me')
    await campaign.resign()
  })

  it('fails with the errors of etcd3', async () => {
    const failed = client.role('no-such-role').delete()
    await expect(failed).rejects.toMatchObject({ name: 'Error' })
    await expect(failed).rejects.toThrow('role name not found')
  })

  it('did all that over one connection, which etcd never complained about', () => {
    expect(etcd.logs().filter((line) => /rejected connection|EOF/.test(line))).toEqual([])
  })
})

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('in %s alone', (version) => {
  it('is served', async () => {
    await using own = await connect({ tls: { minVersion: version, maxVersion: version } })
    expect(own.tls.endpoints[0]?.protocol).toBe(version)
    expect(await own.get('a').string()).toBeNull()
  })

  /** Dials with credentials that our own validation refuses; returns the finding about the refusal of etcd. */
  async function refusal(credentials: Credentials, isSent: boolean): Promise<Finding | undefined> {
    const { endpoints, tls, dialTimeout } = resolveOptions({ endpoints: etcd.endpoint, credentials: pki.client })
    const [endpoint] = endpoints
    const { ca, cert, key } = pemsOf(credentials)
    const versions = { minVersion: version, maxVersion: version }
    const secureContext = createSecureContext({ ca, ...versions, ...(isSent ? { cert, key } : {}) })
    const validated = { ...prepare(pki.client, tls), credentials, secureContext }
    const name = endpoint.host
    const attempt = { endpoint, name, validated, timeout: dialTimeout }
    const ended = await dial({ ...attempt, keepsProcess: true, onDown: () => undefined }).outcome
    if (ended.ok) throw new Error('It should have been refused')
    return explainFailure({ ...attempt, failure: ended.failure, diagnosis: NOTHING_FOUND }).find(({ code }) =>
      code.startsWith('handshake/'),
    )
  }

  const missing = 'handshake/client-certificate-missing'
  const refusedCode = 'handshake/client-certificate-refused'
  it.each<[string, () => Credentials, FindingCode, number]>([
    ['none', () => pki.client, missing, noCertificateAlert(version)],
    ['one whose key Go does not accept', () => pki.issueClient({ key: 'ed448' }), missing, noCertificateAlert(version)],
    [
      'one that has expired',
      () => pki.issueClient({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }),
      refusedCode,
      ALERTS_SAY_WHY ? 45 : 42,
    ],
    ['one for servers only', () => pki.issueClient({ usages: ['serverAuth'] }), refusedCode, 42],
  ])(
    'explains why etcd refuses a client certificate that our validation stops: %s',
    async (what, make, code, alert) => {
      expect(await refusal(make(), what !== 'none')).toMatchObject({
        code,
        certificate: { role: 'leaf', subject: 'CN=root' },
        details: { endpoint: etcd.endpoint, alert },
      })
    },
  )
})

it('with a password, the user of the token counts and not the one of the certificate', async () => {
  await using own = await startEtcd({ server: pki.server })
  const { endpoint: endpoints } = own
  await using admin = await connect({ endpoints })
  await enableAuth(admin, 'Read', 'public/')
  // The certificate's common name is root, so it counts as root without a password.
  await admin.put('public/a').value('1')
  const auth = { username: 'alice', password: 'alice-password' }
  await using alice = await connect({ endpoints, auth })
  expect(await alice.get('public/a').string()).toBe('1')
  await expect(alice.put('public/a').value('2')).rejects.toThrow('permission denied')
  const watcher = await alice.watch().prefix('public/').create()
  const value = nextPut(watcher)
  await admin.put('public/b').value('2')
  expect(await value).toBe('2')
})

// The last two stop the etcd that all share.
it('ends its dial and its calls in time while etcd is paused, and serves again afterwards', async () => {
  await using own = await connect({ dialTimeout: '1s' })
  await etcd.pause()
  using clock = new OwnTime()
  await expect(own.get('a').string()).rejects.toThrow(/stopped answering|not answer/)
  const { details } = await refused(connect({ dialTimeout: '500ms' }), 'ERR_UNREACHABLE')
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/silent'])
  expect(clock.elapsed).toBeLessThan(15_000)
  await etcd.resume()
  const get = () => own.get('a').string()
  await expect.poll(() => get().catch(() => 'failed')).toBeNull()
})

it('comes back with its watch and its lease after a restart of etcd', async () => {
  const watcher = await client.watch().key('watched').create()
  const lease = client.lease(60)
  await once(lease, 'keepaliveSucceeded')
  await lease.put('leased').value('x')
  await etcd.stop()
  await etcd.start()
  // A watch that is resumed over the next connection has no event `connected`.
  await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
  const value = nextPut(watcher)
  await client.put('watched').value('again')
  expect(await value).toBe('again')
  expect(await client.get('leased').string()).toBe('x')
  await lease.revoke()
  await watcher.cancel()
})
