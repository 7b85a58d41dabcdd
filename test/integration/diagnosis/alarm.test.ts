/** The alarms of a real etcd: what it applies although it refuses the call, and their remedy. */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../src/client/index.js'
import { lock } from '../../../src/coordination/index.js'
import { startEtcdCluster } from '../../../src/testing/index.js'
import { mintPki, threeMembers, writePems } from '../../support/etcd.js'
import { serving, startEtcdProcess } from '../../support/etcd-process.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'
import { errorCodes, findingOf } from '../../support/refused.js'

const pki = mintPki()
const { freePort } = heldPorts()
const { file } = temporaryFolder()

interface Member extends AsyncDisposable {
  readonly url: string
  readonly flags: readonly string[]
}

async function start(quota: string): Promise<Member> {
  const [port, peerPort] = [await freePort(), await freePort()]
  const folder = file(String(port))
  mkdirSync(folder)
  const [server, client] = [writePems(folder, 'server', pki.server), writePems(folder, 'client', pki.client)]
  const [url, peer] = [`https://127.0.0.1:${String(port)}`, `http://127.0.0.1:${String(peerPort)}`]
  const etcd = startEtcdProcess(
    [
      ...['--name=m', `--data-dir=${join(folder, 'data')}`, '--unsafe-no-fsync', `--initial-cluster=m=${peer}`],
      ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, `--quota-backend-bytes=${quota}`],
      ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
      ...[
        '--client-cert-auth',
        `--cert-file=${server.cert}`,
        `--key-file=${server.key}`,
        `--trusted-ca-file=${server.ca}`,
      ],
    ],
    { cwd: folder },
  )
  await serving(etcd)
  const flags = [`--endpoints=${url}`, `--cacert=${client.ca}`, `--cert=${client.cert}`, `--key=${client.key}`]
  return { url, flags, [Symbol.asyncDispose]: () => etcd[Symbol.asyncDispose]() }
}

const connect = (endpoints: string): Promise<SecureEtcd3> =>
  createSecureClient({ endpoints, credentials: pki.client, dialTimeout: '30s' })
const reason = (error: unknown): unknown => error

it('reports that a write may be applied if it meets the end of the space, because etcd applies some of them', async () => {
  // The size of the database is exact after each write, and no member calls an election while two are paused.
  const args = ['--backend-batch-limit=1', '--quota-backend-bytes=3000000', '--election-timeout=5000']
  await using cluster = await startEtcdCluster({ members: threeMembers(pki), args })
  const others = cluster.members.slice(1)
  await using client = await connect(cluster.endpoints[0] ?? '')
  const value = 'x'.repeat(100_000)
  const keys = Array.from({ length: 40 }, (_, i) => `k${String(i)}`)
  const put = (key: string): Promise<unknown> =>
    client
      .put(key)
      .value(value)
      .exec()
      .then(() => null, reason)
  // etcd checks the space before it proposes a write: all of these are proposed before the first is applied.
  await Promise.all(others.map((each) => each.pause()))
  const writes = Promise.all(keys.map(put))
  await delay(1500)
  await Promise.all(others.map((each) => each.resume()))
  const ends = await writes
  const refused = keys.filter((_, i) => ends[i] !== null)
  const applied = await client.getAll().prefix('k').options({}).keys()
  expect(refused.filter((key) => applied.includes(key))).not.toEqual([])
  for (const end of ends.filter((each) => each !== null)) {
    expect(end).toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN', cause: { code: 'ERR_CLUSTER_ALARM' } } })
  }
})

it('reports that a write is refused because of the alarm CORRUPT, and etcd does not apply it', async () => {
  await using member = await start('10000000')
  await using client = await connect(member.url)
  await client.put('a').value('before').exec()
  const { header } = await client.maintenance.status()
  const set = (action: 'Activate' | 'Deactivate') =>
    client.maintenance.alarm({ action, memberID: header.member_id, alarm: 'Corrupt' } as never)
  await set('Activate')
  const writes = [
    () => client.put('a').value('after').exec(),
    () => client.lease(60, { autoKeepAlive: false }).grant(),
    () => lock(client, 'a', { ttl: '3s' }),
  ]
  for (const write of writes) {
    await expect(write()).rejects.toMatchObject({ cause: { code: 'ERR_CLUSTER_ALARM' } })
  }
  await set('Deactivate')
  expect(await client.get('a').string()).toBe('before')
})

it('reports that the database is full at the first refused write and in a probe, with a remedy that works', async () => {
  await using member = await start('1000000')
  const { url, flags } = member
  await using etcd3 = await connect(url)
  const put = (): Promise<unknown> => etcd3.put('a').value('x'.repeat(100_000)).exec()
  const filled = async (): Promise<void> => {
    for (let writes = 0; writes < 100; writes += 1) await put()
  }
  const { cause } = await filled().then(
    () => ({ cause: null }),
    (error: unknown) => error as Error,
  )
  expect(cause).toMatchObject({ cause: { code: 'ERR_CLUSTER_ALARM' } })
  const { findings = [] } = etcd3.tls.endpoints[0] ?? {}
  expect(findingOf(findings, 'endpoint/alarm').details).toEqual({ endpoint: url, alarm: 'NOSPACE' })

  await using other = await connect(url)
  expect(errorCodes((await other.tls.probe()).findings)).toEqual(['endpoint/alarm'])

  const etcdctl = async (...args: string[]): Promise<string> => {
    return (await promisify(execFile)('etcdctl', [...flags, ...args])).stdout
  }
  const [, revision = ''] = /"revision":(\d+)/.exec(await etcdctl('endpoint', 'status', '-w', 'json')) ?? []
  await etcdctl('compact', revision)
  await etcdctl('defrag', '--cluster')
  await etcdctl('alarm', 'disarm')
  expect(errorCodes((await other.tls.probe()).findings)).toEqual([])
  await put()
  expect(errorCodes(etcd3.tls.endpoints[0]?.findings ?? [])).toEqual([])
})
