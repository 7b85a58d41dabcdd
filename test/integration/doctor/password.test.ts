/** An etcd with passwords that requests no client certificate, examined with its CA alone. And a learner, which is no fault. */
import { execFileSync } from 'node:child_process'
import { expect, it as every } from 'vitest'
import { type ExamineOptions, examineCluster } from '../../../src/doctor/index.js'
import { runCommand } from '../../support/command.js'
import { faultsOf } from '../../support/doctor-cluster.js'
import { mintPki, writePems } from '../../support/etcd.js'
import { type EtcdProcess, serving, startEtcdProcess } from '../../support/etcd-process.js'
import { startLearner } from '../../support/learner.js'
import { oneIn } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'

const it = oneIn(2, every)

const folder = temporaryFolder()
const { freeUrl } = heldPorts()
const pki = mintPki()

async function startWithPasswords(): Promise<{ etcd: EtcdProcess; endpoint: string; ca: string }> {
  const { ca, cert, key } = writePems(folder.file('.'), 'server', pki.server)
  const [endpoint, peer] = [await freeUrl('https'), await freeUrl('http')]
  const args = [
    ...[`--data-dir=${folder.file('data')}`, `--cert-file=${cert}`, `--key-file=${key}`],
    ...[`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`],
    ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=default=${peer}`],
  ]
  const etcd = startEtcdProcess(args, { cwd: folder.file('.') })
  await serving(etcd)
  for (const command of ['user add root:s3cret', 'user grant-role root root', 'auth enable'])
    execFileSync('etcdctl', ['--endpoints', endpoint, '--cacert', ca, ...command.split(' ')], { stdio: 'pipe' })
  return { etcd, endpoint, ca }
}

it('examines an etcd that has passwords and no client certificates by --cacert and --user', async () => {
  const { etcd, endpoint, ca } = await startWithPasswords()
  await using _ = etcd
  const args = ['doctor', '--endpoints', endpoint, '--cacert', ca, '--dial-timeout', '30s', '--json']
  const { code, stdout, stderr } = await runCommand([...args, '--user', 'root:s3cret'])
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({
    ok: true,
    clusters: [{ members: [{ isReached: true, role: 'leader' }] }],
  })
  const auth = { username: 'root', password: 's3cret' }
  const report = await examineCluster({ endpoints: endpoint, ca, auth, configs: [] })
  // etcd 3.5.16 has advisories that count if authentication is enabled.
  expect(faultsOf(report).filter((each) => each !== 'cluster/release-outdated')).toEqual([])
  expect(report.members).toMatchObject([{ isReached: true, startedAt: expect.any(Date) as Date }])
  const wrong = await examineCluster({ endpoints: endpoint, ca, auth: { ...auth, password: 'x' }, configs: [] })
  expect(faultsOf(wrong)).toEqual(['login/failed'])
})

it('reports a CA file that cannot be read, and an option "ca" next to "credentials"', async () => {
  const wrong: ExamineOptions = { endpoints: 'https://127.0.0.1:1', configs: [] }
  expect(faultsOf(await examineCluster({ ...wrong, ca: folder.file('absent.crt') }))).toContain('file/missing')
  const both = examineCluster({ ...wrong, ca: 'ca.crt', credentials: pki.client })
  await expect(both).rejects.toThrow('Option "ca" must not be set next to "credentials"')
})

it('finds nothing above info in a cluster with a learner that has not been promoted', async () => {
  const { voter, learner } = await startLearner(pki)
  try {
    const report = await examineCluster({ endpoints: voter.endpoint, credentials: pki.client, configs: [] })
    expect(report.members.map(({ role }) => role)).toEqual(expect.arrayContaining(['leader', 'learner']))
    expect([faultsOf(report), report.unchecked.filter(({ kind }) => kind === 'server')]).toEqual([[], []])
  } finally {
    await Promise.all([voter.close(), learner.close()])
  }
})
