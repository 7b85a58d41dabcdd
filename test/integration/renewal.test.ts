/** Renewal on a real etcd: files under a cluster at work, and a client whose credentials last for seconds. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  createAuthority,
  fromAuthority,
  issueCluster,
  renewDirectory,
  writeCluster,
} from '../../src/authority/index.js'
import { memoryLedger } from '../../src/authority/ledger.js'
import { createSecureClient } from '../../src/client/index.js'
import { fromFiles } from '../../src/credentials/index.js'
import { examineCluster } from '../../src/doctor/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { serving, startEtcdProcess } from '../support/etcd-process.js'
import { ask } from '../support/https.js'
import { FLAWLESS, startLoad } from '../support/load.js'
import { scaled } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { heldPorts } from '../support/ports.js'
import { PLAN, startWrittenCluster } from '../support/written-cluster.js'

const folder = temporaryFolder()
const { freePort } = heldPorts()
/** Renewals of all files, and requests a second meanwhile. */
const [ROUNDS, RATE] = scaled({ short: [2, 20], long: [5, 50] })

describe('the files of a cluster at work', () => {
  it('the files of a cluster are renewed again and again: no call fails, new connections carry the new ones', async () => {
    const directory = folder.file('cluster')
    const ledger = memoryLedger()
    const authority = await createAuthority({ name: 'etcd CA', ledger })
    const issued = await issueCluster(authority, PLAN)
    await using written = await startWrittenCluster(directory, issued)
    const { cluster, files } = written
    await using client = await createSecureClient({
      endpoints: cluster.endpoints,
      credentials: fromFiles({ ...files.clients.app, watch: { pollInterval: '1s' } }),
      preflight: 'all',
    })
    const load = await startLoad(client, { rate: RATE, watchers: 5, leases: 2, locks: 1 })
    // So the files change seconds after the start of etcd.
    await expect.poll(() => load.account.requests, { timeout: 30_000 }).toBeGreaterThan(100)
    for (let round = 0; round < ROUNDS; round++) {
      const renewal = await renewDirectory(authority, directory, { layout: 'etcd', force: true })
      expect(renewal.kept).toEqual([])
      const serialOf = (what: string): string | undefined =>
        renewal.renewed.find((each) => each.what === what)?.certificate.serialNumber
      for (const { name, endpoint } of cluster.members) {
        const { server } = await ask(endpoint, await fromFiles(files.clients.app).load())
        expect(server?.serial).toBe(serialOf(`members/${name}/server`))
      }
      await expect.poll(() => client.tls.report.path[0]?.serialNumber).toBe(serialOf('clients/app/tls'))
    }
    expect(await load.end()).toMatchObject(FLAWLESS)
    expect((await ledger.read()).length).toBe(1 + (ROUNDS + 1) * 7)
    // Each renewal writes a complete new set, and the CAs in it are those that etcd has read.
    const seen = await examineCluster({ endpoints: cluster.endpoints, credentials: issued.clients.app })
    expect(seen.members.map(({ config }) => config)).not.toContain(null)
    expect([seen.findings.filter(({ code }) => code === 'cluster/ca-not-reloaded'), seen.forecast.assumed]).toEqual([
      [],
      [],
    ])
    // A member that starts again does so with what is there, and the others take its peer certificate.
    await cluster.member('m2').stop()
    await cluster.member('m2').start()
    await client.put('after').value('all')
    const { stdout } = await cluster.member('m2').etcdctl(['get', 'after', '--print-value-only'], issued.clients.app)
    expect(stdout.trim()).toBe('all')
  })
})

it('An etcd that reads its keys as their group serves new certificates after each call that writes them', async () => {
  const etcdUser = 54_330
  const place = mkdtempSync(join(tmpdir(), 'group-'))
  try {
    chmodSync(place, 0o755)
    const [pki, data] = [join(place, 'pki'), join(place, 'data')]
    mkdirSync(data)
    chownSync(data, etcdUser, etcdUser)
    const authority = await createAuthority({ name: 'etcd CA' })
    const issue = async () =>
      issueCluster(authority, { members: [{ name: 'm1', hosts: ['127.0.0.1'] }], clients: ['app'] })
    const written = await writeCluster(pki, await issue(), { layout: 'etcd', caKey: false, group: etcdUser })
    const { server } = written.members.m1
    const url = `https://127.0.0.1:${String(await freePort())}`
    const args = [
      ...['--data-dir', data, `--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
      ...[`--listen-peer-urls=http://127.0.0.1:${String(await freePort())}`, `--trusted-ca-file=${server.ca}`],
      ...[`--cert-file=${server.cert}`, `--key-file=${server.key}`, '--client-cert-auth'],
    ]
    await using etcd = startEtcdProcess(args, { cwd: data, uid: etcdUser })
    await serving(etcd)
    const shown = async (): Promise<string | undefined> =>
      (await ask(url, await fromFiles(written.clients.app).load())).server?.serial
    const first = await shown()
    await writeCluster(pki, await issue(), { layout: 'etcd', caKey: false })
    const second = await shown()
    await renewDirectory(authority, pki, { layout: 'etcd', force: true })
    expect(new Set([first, second, await shown(), undefined]).size).toBe(4)
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
})

describe('a client of fromAuthority', () => {
  it('goes over to new credentials every two seconds, while calls go on', async () => {
    const entries = memoryLedger()
    const authority = await createAuthority({ name: 'etcd CA', ledger: entries })
    const server = await authority.issue({ role: 'server', name: 'etcd', hosts: ['127.0.0.1', 'localhost'] })
    await using etcd = await startEtcd({ server })
    const source = fromAuthority(authority, { role: 'client', name: 'app', validity: '6s' }, { fraction: 1 / 3 })
    const client = await createSecureClient({ endpoints: etcd.endpoints, credentials: source })
    const events: string[] = []
    const listening = (async () => {
      for await (const event of client.tls.events()) events.push(event.type)
    })()
    const used = new Set<string | undefined>()
    const inUse = (): number => used.add(client.tls.report.path[0]?.serialNumber).size
    const load = await startLoad(client, { rate: RATE, watchers: 5, leases: 1, locks: 1 })
    await expect.poll(inUse, { timeout: 30_000 }).toBe(3)
    await expect.poll(() => load.account.requests, { timeout: 30_000 }).toBeGreaterThan(100)
    expect(await load.end()).toMatchObject(FLAWLESS)
    expect(events).not.toContain('credentials-expired')
    client.close()
    await listening
    // Nobody follows any more, so nothing is issued any more: the CA, the server, the first credentials, and each renewal.
    const renewals = events.filter((each) => each === 'rotated').length
    expect([renewals, renewals + 1]).toContain((await entries.read()).length - 3)
  })
})
