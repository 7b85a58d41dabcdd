/** Wrong clocks: of this machine, which libfaketime makes for the command, and of a member, which a proxy makes for its answers. */
import { connect as connectTls } from 'node:tls'
import { expect, it as every } from 'vitest'
import type { Credentials } from '../../../src/credentials/credentials.js'
import type { ClusterReport, MachineReport } from '../../../src/doctor/index.js'
import { documentComplaints, runCommand } from '../../support/command.js'
import { type DoctorCluster, faultsOf, memberOf, nameOf, startDoctorCluster } from '../../support/doctor-cluster.js'
import { pemsOf, writePems } from '../../support/etcd.js'
import { oneIn } from '../../support/long.js'
import { mintCa } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { type Peer, serverTls, tlsPeer } from '../../support/peers.js'

const it = oneIn(3, every)

const DAY = 86_400_000
const folder = temporaryFolder()
const ca = mintCa({ subject: 'Cluster CA' })
const inDays = (days: number): Date => new Date(Date.now() + days * DAY)

/** Certificates that are valid now, and neither 400 days earlier nor later. */
function pkiFor(clientDays = 300) {
  const dates = { notBefore: inDays(-30), notAfter: inDays(300) }
  return {
    client: memberOf(ca, 'root', { usages: ['clientAuth'], ...dates, notAfter: inDays(clientDays) }),
    member: (name: string) => ({ server: memberOf(ca, name, dates), peer: memberOf(ca, `${name} peer`, dates) }),
  }
}

/** What the command reports if the clock of this machine is wrong. */
async function examineAt(offset: string, cluster: DoctorCluster, client: Credentials): Promise<ClusterReport> {
  const files = writePems(folder.file('.'), 'client', client)
  const flags = ['--endpoints', cluster.members.map(({ clientUrl }) => clientUrl).join(), '--dial-timeout', '10s']
  const configs = cluster.configs.flatMap(({ file }) => ['--config', file])
  const credentials = ['--cacert', files.ca, '--cert', files.cert, '--key', files.key]
  const before = ['faketime', '--exclude-monotonic', '-f', offset]
  const { stdout, stderr } = await runCommand(['doctor', '--json', ...flags, ...configs, ...credentials], { before })
  const document = JSON.parse(stdout) as MachineReport
  expect([stderr, documentComplaints('doctor', document)]).toEqual(['', []])
  const { clusters, findings, unchecked } = document
  const [report] = clusters as [ClusterReport]
  return { ...report, findings: [...findings, ...report.findings], unchecked: [...unchecked, ...report.unchecked] }
}

it.each([
  ['fast', '+400d'],
  ['slow', '-400d'],
])(
  'reports the clock of this machine if it is %s, and blames no certificate of a healthy cluster',
  async (state, offset) => {
    const { client, member } = pkiFor()
    await using cluster = await startDoctorCluster({ client, member })
    const report = await examineAt(offset, cluster, client)
    const [clock, ...others] = report.findings
    expect(clock).toMatchObject({
      ...{ code: 'cluster/clock-differs', severity: 'error' },
      message: expect.stringContaining(`The clock of this machine is 400 days ${state}`) as string,
      details: { kind: 'this machine', members: ['m1', 'm2', 'm3'], refused: ['m1', 'm2', 'm3'] },
    })
    expect(clock?.consequences.map(nameOf)).toEqual(Array(3).fill('cluster/clock-differs would refuse'))
    expect(others.filter(({ severity }) => severity !== 'info')).toEqual([])
    expect(JSON.stringify(clock)).not.toMatch(/Reissue|dial|majority/)
    expect(report).toMatchObject({ ok: false, complete: false, forecast: { hasQuorum: true } })
    expect(Math.abs(new Date(report.checkedAt).getTime() - Date.now())).toBeLessThan(60_000)
  },
  60_000,
)

it('reports both clocks if there is one member, also if the certificate of the client has expired by the wrong one', async () => {
  const { client } = pkiFor()
  const member = (name: string) => ({ server: memberOf(ca, name), peer: memberOf(ca, name) })
  await using cluster = await startDoctorCluster({ client, member, names: ['m1'] })
  const { findings } = await examineAt('+400d', cluster, client)
  expect(findings.filter(({ severity }) => severity !== 'info')).toMatchObject([
    { severity: 'error', details: { kind: 'unclear', members: ['m1'], refused: ['m1'] } },
  ])
}, 60_000)

it('reports certificates that have expired if the clocks agree', async () => {
  const { client } = pkiFor()
  const expiring = { notBefore: inDays(-30), notAfter: inDays(-1) }
  const member = (name: string) => ({ server: memberOf(ca, name), peer: memberOf(ca, `${name} peer`) })
  await using cluster = await startDoctorCluster({ client, member, names: ['m1'] })
  cluster.members[0]?.write({ server: memberOf(ca, 'm1', expiring) })
  expect(faultsOf(await cluster.examine())).toContain('validity/expired')
  expect(faultsOf(await cluster.examine())).not.toContain('cluster/clock-differs unclear')
})

it('reports as not checked whose clock is wrong if no member returns its time', async () => {
  const { client, member } = pkiFor()
  await using cluster = await startDoctorCluster({ client, member, names: ['m1'] })
  // etcd refuses this client.
  const stranger = memberOf(mintCa({ subject: 'Other CA' }), 'root', { usages: ['clientAuth'] })
  const unknown = { ...stranger, trustAnchors: client.trustAnchors }
  const { unchecked, findings } = await examineAt('+400d', cluster, unknown)
  expect(unchecked.map(({ message }) => message)).toContainEqual(expect.stringContaining('No member returned its time'))
  expect(findings.filter(({ code }) => code === 'cluster/clock-differs')).toEqual([])
}, 60_000)

/** A proxy in front of a member, whose answers over HTTP/1.1 have a date of another time. */
function proxyWithDate(
  { server, client }: { server: Credentials; client: Credentials },
  target: URL,
  days: number,
): Promise<Peer> {
  const tls = serverTls(server, { ALPNProtocols: ['h2', 'http/1.1'] })
  const onConnection = (socket: Parameters<NonNullable<Parameters<typeof tlsPeer>[1]>>[0]): void => {
    const ALPNProtocols = [socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1']
    const upstream = connectTls({ host: target.hostname, port: Number(target.port), ...pemsOf(client), ALPNProtocols })
    upstream.on('data', (bytes: Buffer) => {
      const text = bytes
        .toString('latin1')
        .replace(/^(date: ?)[^\r]*/im, (_, name: string) => `${name}${inDays(days).toUTCString()}`)
      socket.write(ALPNProtocols[0] === 'h2' ? bytes : Buffer.from(text, 'latin1'))
    })
    upstream.on('error', () => socket.destroy()).on('close', () => socket.end())
    socket.on('close', () => upstream.destroy()).pipe(upstream)
  }
  return tlsPeer(tls, onConnection)
}

it.each([
  ['fast', 400],
  ['slow', -400],
])('reports the clock of one member that is %s, and which peers it would refuse', async (state, days) => {
  const { client, member } = pkiFor()
  await using cluster = await startDoctorCluster({ client, member })
  const [, m2] = cluster.members
  const target = new URL(m2?.clientUrl ?? '')
  await using proxy = await proxyWithDate({ server: member('m2').server, client }, target, days)
  const endpoints = cluster.members.map((each) => (each === m2 ? proxy.endpoint : each.clientUrl))
  const { findings } = await cluster.examine({ endpoints, configs: [] })
  expect(findings.filter(({ severity }) => severity !== 'info')).toMatchObject([
    {
      ...{ severity: 'error', code: 'cluster/clock-differs' },
      message: expect.stringContaining(`The clock of m2 is 400 days ${state}`) as string,
      details: { kind: 'member', member: 'm2', refused: ['m1', 'm3'] },
    },
  ])
})
