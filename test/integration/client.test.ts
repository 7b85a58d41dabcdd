/** The secure client against a real etcd: everything an Etcd3 can do, and what becomes of it while etcd changes. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Etcd3, type Watcher } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, SecureEtcd3 } from '../../src/client/index.js'
import { fromEnv, writeCredentials } from '../../src/credentials/index.js'
import { runTool, temporaryFolder } from '../support/openssl.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const shared = sharedEtcd()
const { pki, connect } = shared
let client: SecureEtcd3

beforeAll(async () => {
  client = await connect()
})
afterAll(() => client[Symbol.asyncDispose]())

/** The value of the next key that is put. */
function nextPut(watcher: Watcher): Promise<string> {
  return new Promise((resolve) => {
    watcher.once('put', ({ value }: { value: Buffer }) => {
      resolve(value.toString())
    })
  })
}

describe('the client is an Etcd3', () => {
  it('the client is an Etcd3 by instanceof, and has the state of its endpoint', () => {
    expect(client).toBeInstanceOf(Etcd3)
    expect(client).toBeInstanceOf(SecureEtcd3)
    expect(new Etcd3({ hosts: 'http://localhost:1' })).not.toBeInstanceOf(SecureEtcd3)
    expect(() => Reflect.construct(SecureEtcd3, []) as unknown).toThrow('Call createSecureClient instead')
    expect(client.tls.report.ok).toBe(true)
    const path = [
      { role: 'leaf', subject: 'CN=etcd' },
      { role: 'anchor', subject: 'CN=Test root' },
    ]
    const { endpoint } = shared.etcd
    expect(client.tls.endpoints).toMatchObject([
      { endpoint, state: 'ready', protocol: 'TLSv1.3', keyExchange: 'X25519', findings: [], path },
    ])
  })

  it('the client puts, gets, lists and deletes keys', async () => {
    await client.put('crud/a').value('1')
    await client.put('crud/b').value(Buffer.from([0, 255]))
    expect(await client.get('crud/a').string()).toBe('1')
    expect(await client.get('crud/b').buffer()).toEqual(Buffer.from([0, 255]))
    expect(await client.getAll().prefix('crud/').keys()).toEqual(['crud/a', 'crud/b'])
    await client.delete().prefix('crud/')
    expect(await client.getAll().prefix('crud/').count()).toBe(0)
  })

  it("the client carries values up to etcd's own limit", async () => {
    const value = 'v'.repeat(1_400_000)
    await client.put('large').value(value)
    expect(await client.get('large').string()).toBe(value)
    for (const bytes of [1_600_000, 3_000_000]) {
      const error: unknown = await client
        .put('larger')
        .value('v'.repeat(bytes))
        .exec()
        .catch((reason: unknown) => reason)
      expect(error).toMatchObject({ cause: { code: 'ERR_REQUEST_TOO_LARGE', details: { call: 'KV/Put' } } })
    }
  })

  it('the client watches several keys at once', async () => {
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

  it('the client keeps leases alive and revokes them', async () => {
    const lease = client.lease(10)
    await once(lease, 'keepaliveSucceeded')
    await lease.put('leased').value('x')
    expect((await lease.keepaliveOnce()).TTL).toBe('10')
    await lease.revoke()
    expect(await client.get('leased').string()).toBeNull()
  })

  it('a lock of etcd3 excludes another one', async () => {
    // Our types mark them as deprecated.
    const etcd3: Etcd3 = client
    await etcd3.lock('lock').do(async () => {
      await expect(etcd3.lock('lock').acquire()).rejects.toThrow('Failed to acquire a lock')
    })
    expect(await etcd3.lock('lock').do(() => 'free again')).toBe('free again')
  })

  it('the client runs transactions that conflict one after the other', async () => {
    await client.put('counter').value('0')
    const increment = (): Promise<unknown> =>
      client.stm({ retries: 50 }).transact(async (tx) => {
        await tx.put('counter').value(Number(await tx.get('counter').string()) + 1)
      })
    await Promise.all(Array.from({ length: 5 }, increment))
    expect(await client.get('counter').string()).toBe('5')
  })

  it('the client has namespaces and elections', async () => {
    await client.namespace('space/').put('a').value('1')
    expect(await client.get('space/a').string()).toBe('1')
    const etcd3: Etcd3 = client
    const campaign = etcd3.election('boss', 10).campaign('me')
    await once(campaign, 'elected')
    expect(await etcd3.election('boss', 10).leader()).toBe('me')
    await campaign.resign()
  })

  it('a call fails with the errors of etcd3', async () => {
    const failed = client.role('no-such-role').delete()
    await expect(failed).rejects.toMatchObject({ name: 'Error' })
    await expect(failed).rejects.toThrow('role name not found')
  })

  it('the client needs one connection, and etcd never complains about it', () => {
    expect(shared.etcd.logs().filter((line) => /rejected connection|EOF/.test(line))).toEqual([])
  })
})

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('in %s alone', (version) => {
  it('a client is served', async () => {
    await using own = await connect({ tls: { minVersion: version, maxVersion: version } })
    expect(own.tls.endpoints[0]?.protocol).toBe(version)
    expect(await own.get('a').string()).toBeNull()
  })
})

describe("settings that all come from etcdctl's variables", () => {
  const folder = temporaryFolder()
  let env: Record<string, string>
  beforeAll(async () => {
    const { ca, cert, key } = await writeCredentials(folder.file('client'), pki.client)
    const endpoint = shared.etcd.endpoint.replace('https://', '')
    env = { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key, ETCDCTL_ENDPOINTS: endpoint }
  })
  const fromVariables = (more: Record<string, string> = {}): Promise<SecureEtcd3> =>
    createSecureClient({ credentials: fromEnv({ ...env, ...more }) })

  it('a client connects without any option but the source', async () => {
    await using own = await fromVariables()
    await own.put('env').value('1')
    expect(await own.get('env').string()).toBe('1')
    expect(own.tls.endpoints.map(({ endpoint }) => endpoint)).toEqual([shared.etcd.endpoint])
  })

  it('the guide has a row for each global flag of this etcdctl', () => {
    const help = runTool('etcdctl', ['--help'])
    const flags = [...help.matchAll(/^ +(?:-\w, )?--([a-z-]+)/gm)].map(([, flag = '']) => flag)
    const names = flags
      .filter((flag) => flag !== 'help' && flag !== 'version')
      .map((flag) => `ETCDCTL_${flag.toUpperCase().replaceAll('-', '_')}`)
    expect(names.length).toBeGreaterThan(10)
    const page = readFileSync(new URL('../../docs/credentials.md', import.meta.url), 'utf8')
    const documented: string[] = page.match(/ETCDCTL_[A-Z_]+/g) ?? []
    expect(names.filter((name) => !documented.includes(name))).toEqual([])
  })
})

it('a client comes back with its watch and its lease after a restart of etcd', async () => {
  const watcher = await client.watch().key('watched').create()
  const lease = client.lease(60)
  await once(lease, 'keepaliveSucceeded')
  await lease.put('leased').value('x')
  await shared.etcd.stop()
  await shared.etcd.start()
  // A watch that is resumed over the next connection has no event `connected`.
  await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
  const value = nextPut(watcher)
  await client.put('watched').value('again')
  expect(await value).toBe('again')
  expect(await client.get('leased').string()).toBe('x')
  await lease.revoke()
  await watcher.cancel()
})
