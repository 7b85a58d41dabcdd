/** Faults of running clusters that the processes, the files and the configurations show only together. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it as every } from 'vitest'
import type { Credentials } from '../../../src/credentials/credentials.js'
import type { ClusterReport } from '../../../src/doctor/index.js'
import {
  afterStart,
  type DoctorCluster,
  type DoctorMember,
  editConfig,
  faultsOf,
  memberOf,
  nameOf,
  onePki,
  startDoctorCluster,
} from '../../support/doctor-cluster.js'
import { pemOf, pemsOf } from '../../support/etcd.js'
import { oneIn } from '../../support/long.js'
import { type Minted, mintCa } from '../../support/mint.js'
import { startNginx } from '../../support/proxies.js'

const it = oneIn(3, every)

function pem(...cas: readonly Minted[]): string {
  return cas.map((ca) => pemOf(memberOf(ca, 'any').trustAnchors)).join('')
}

function first(cluster: DoctorCluster): DoctorMember {
  const [member] = cluster.members
  if (member === undefined) throw new Error('A cluster without members')
  return member
}

/** Consequences included: one replaced file is one finding. */
function detailsOf({ findings }: ClusterReport, name: string): object[] {
  const all = findings.flatMap((each) => [each, ...each.consequences])
  return all.filter((each) => nameOf(each) === name).map(({ details }) => details)
}

it('reports a key that does not match before the refused handshake, which is a consequence of the pair of this port', async () => {
  const pki = onePki()
  await using cluster = await startDoctorCluster(pki)
  const member = first(cluster)
  const { folder, clientUrl } = member
  for (const side of ['server', 'peer'])
    writeFileSync(join(folder, `${side}.key`), pemsOf(memberOf(pki.ca, 'other')).key)
  const { findings } = await cluster.examine()
  expect(findings.filter(({ code }) => code === 'handshake/failed')).toEqual([])
  const ofPairs = findings.filter(({ code }) => code === 'key/mismatch')
  const consequencesOf = (subject: string): unknown[] =>
    ofPairs.flatMap(({ certificate, consequences }) => (certificate?.subject === subject ? consequences : []))
  expect(consequencesOf('CN=m1')).toMatchObject([
    { code: 'handshake/failed', details: { endpoint: clientUrl, alert: 80 } },
  ])

  // The configuration names another pair than the process has: its pair for members is not the cause.
  editConfig(member, (text) => text.replaceAll(join(folder, 'server.'), join(folder, '../m2/server.')))
  const again = (await cluster.examine()).findings
  expect(again.map(({ code }) => code)).toContain('handshake/failed')
  expect(again.find(({ code }) => code === 'key/mismatch')).toMatchObject({
    certificate: { subject: 'CN=m1 peer' },
    consequences: [],
  })
})

describe('a CA file that was replaced without a restart', () => {
  it('reports a CA file that was replaced by the names that the process accepts, and which members and clients the next restart refuses', async () => {
    const pki = onePki()
    await using cluster = await startDoctorCluster(pki)
    const member = first(cluster)
    const other = mintCa({ subject: 'Other CA' })
    for (const name of ['ca.crt', 'peer-ca.crt']) writeFileSync(join(member.folder, name), pem(other))
    const report = await cluster.examine()
    expect(detailsOf(report, 'cluster/ca-not-reloaded names')).toMatchObject([
      { member: 'm1', port: 'peer', accepts: ['CN=Cluster CA'], names: ['CN=Other CA'] },
      { member: 'm1', port: 'client', accepts: ['CN=Cluster CA'], names: ['CN=Other CA'] },
    ])
    expect(detailsOf(report, 'cluster/refused-after-restart members')).toMatchObject([
      { member: 'm1', refused: ['m2', 'm3'], file: join(member.folder, 'peer-ca.crt') },
    ])
    expect(detailsOf(report, 'cluster/refused-after-restart clients')).toMatchObject([
      { member: 'm1', subject: 'CN=root', file: join(member.folder, 'ca.crt') },
    ])
    expect(report.forecast.hasQuorum).toBe(true)
    // What was foretold comes true.
    await member.stop()
    await member.start()
    const after = await cluster.examine()
    expect(detailsOf(after, 'cluster/peer-refused CA file')).toMatchObject([
      {
        refusals: [{ by: ['m1'], of: ['m2', 'm3'] }],
        caFile: { member: 'm1', file: join(member.folder, 'peer-ca.crt') },
      },
    ])
  })

  it('reports that a CA may differ if the names are the same, also after "cp -p"', async () => {
    const pki = onePki()
    await using cluster = await startDoctorCluster(pki)
    await afterStart(cluster)
    const member = first(cluster)
    const [source, target] = [join(member.folder, 'new.crt'), join(member.folder, 'peer-ca.crt')]
    writeFileSync(source, pem(mintCa({ subject: 'Cluster CA' })))
    execFileSync('touch', ['-d', '2020-01-01', source], { stdio: 'pipe' })
    execFileSync('cp', ['-p', source, target], { stdio: 'pipe' })
    const report = await cluster.examine()
    expect(detailsOf(report, 'cluster/ca-not-reloaded same names')).toMatchObject([{ member: 'm1', port: 'peer' }])
    expect(detailsOf(report, 'cluster/refused-after-restart members')).toMatchObject([
      { member: 'm1', refused: ['m2', 'm3'] },
    ])
  })

  it('reports nothing about a CA file that was touched, if etcd has accepted a certificate of its CA', async () => {
    await using cluster = await startDoctorCluster(onePki())
    await afterStart(cluster)
    execFileSync('touch', [join(first(cluster).folder, 'ca.crt')], { stdio: 'pipe' })
    expect(faultsOf(await cluster.examine())).toEqual([])
  })
})

/** Starts etcd in a mount namespace in which its folder is new, and each file in it is a mount of its own, as in a container. */
function mounted({ folder }: DoctorMember): string[] {
  const files = [
    'etcd.yaml',
    ...['server', 'peer'].flatMap((each) => [`${each}.crt`, `${each}.key`]),
    'ca.crt',
    'peer-ca.crt',
  ]
  const disk = `${folder}-disk`
  const steps = [
    ...[`mkdir ${disk}`, `mount --bind ${folder} ${disk}`, `mount -t tmpfs none ${folder}`],
    ...files.flatMap((file) => [`touch ${folder}/${file}`, `mount --bind ${disk}/${file} ${folder}/${file}`]),
    `cd ${folder}`,
  ]
  return ['unshare', '-m', 'sh', '-c', `${steps.join(' && ')} && exec "$@"`, 'sh']
}

describe('a certificate that is not the one of its file', () => {
  it('reports the mount of a single file that was renamed over', async () => {
    const pki = onePki()
    await using cluster = await startDoctorCluster({ ...pki, names: ['m1'], before: mounted })
    await afterStart(cluster)
    const member = first(cluster)
    member.write({ server: memberOf(pki.ca, 'm1') })
    // The disk as the process sees it has the old file, as a mount whose source was removed.
    const found = await cluster.examine({ configs: undefined })
    expect(detailsOf(found, 'cluster/served-differs-from-file mount')).toMatchObject([
      { member: 'm1', port: 'client', inFile: null },
    ])
    expect(found.members[0]?.config).toMatch(new RegExp(`^process ${String(member.pid())} \\(`))
  })

  it('reports a proxy that terminates TLS, as a warning if the member has its URL', async () => {
    const pki = onePki()
    await using cluster = await startDoctorCluster({ ...pki, names: ['m1'] })
    const port = Number(new URL(first(cluster).clientUrl).port)
    await using proxy = await startNginx(port, { server: memberOf(pki.ca, 'proxy'), client: pki.client })
    const report = await cluster.examine({ endpoints: proxy.endpoints.nginx })
    expect(detailsOf(report, 'cluster/served-differs-from-file unknown')).toMatchObject([
      { member: 'm1', port: 'client', isOwn: false },
    ])
    expect(faultsOf(report).filter((each) => each.startsWith('cluster/'))).toEqual([])
    editConfig(first(cluster), (text) =>
      text.replace(/^("?advertise-client-urls"?: ).*$/m, `$1${proxy.endpoints.nginx}`),
    )
    const own = await cluster.examine({ endpoints: proxy.endpoints.nginx })
    const faults = faultsOf(own).filter((each) => each.startsWith('cluster/served'))
    expect(faults).toEqual(['cluster/served-differs-from-file unknown'])
  })

  it('reports a configuration that was edited after the start', async () => {
    const pki = onePki()
    await using cluster = await startDoctorCluster({ ...pki, names: ['m1'] })
    await afterStart(cluster)
    const member = first(cluster)
    const { cert, key } = pemsOf(memberOf(pki.ca, 'm1'))
    writeFileSync(join(member.folder, 'next.crt'), cert)
    writeFileSync(join(member.folder, 'next.key'), key, { mode: 0o600 })
    editConfig(member, (text) => text.replaceAll(/server\.(crt|key)/g, 'next.$1'))
    const report = await cluster.examine()
    expect(faultsOf(report)).toEqual(['cluster/served-differs-from-file unknown'])
  })

  it('reports the other member whose certificate is served', async () => {
    const pki = onePki()
    await using cluster = await startDoctorCluster({ ...pki, names: ['m1', 'm2'] })
    // Each process has its own files, and each configuration names those of the other member.
    const folders = cluster.members.map(({ folder }) => folder)
    for (const member of cluster.members) {
      const other = folders.find((each) => each !== member.folder) ?? ''
      editConfig(member, (text) => text.replaceAll(`${member.folder}/server.`, `${other}/server.`))
    }
    const report = await cluster.examine()
    expect(detailsOf(report, 'cluster/served-differs-from-file other member')).toMatchObject([
      { member: 'm1', other: 'm2' },
      { member: 'm2', other: 'm1' },
    ])
  })
})

it('reports a configuration with which a running member does not start again', async () => {
  await using cluster = await startDoctorCluster({ ...onePki(), names: ['m1'] })
  const member = first(cluster)
  editConfig(member, (text) => text.replace('peer-ca.crt', 'missing.crt'))
  const report = await cluster.examine()
  expect(faultsOf(report)).toEqual(['cluster/refused-after-restart start'])
  await member.stop()
  await expect(member.start()).rejects.toThrow('missing.crt')
})

it('warns about a member without clientAuth, which is connected by the other direction', async () => {
  const pki = onePki()
  const serverOnly = (name: string): Credentials =>
    memberOf(pki.ca, name, name === 'm1' ? { usages: ['serverAuth'] } : {})
  const member = (name: string) => ({ server: memberOf(pki.ca, name), peer: serverOnly(name) })
  await using cluster = await startDoctorCluster({ ...pki, member })
  const report = await cluster.examine()
  expect(report.findings.filter(({ code }) => code === 'cluster/peer-refused')).toMatchObject([
    {
      severity: 'warning',
      details: { kind: 'certificate', refusals: [{ by: ['m2', 'm3'], of: ['m1'] }], isConnected: true },
    },
  ])
  expect(report.forecast.hasQuorum).toBe(true)
})

it('reports a member with another CA, and that the others still have a quorum', async () => {
  const pki = onePki()
  await using cluster = await startDoctorCluster(pki)
  const member = first(cluster)
  await member.stop()
  member.write({ peer: memberOf(mintCa({ subject: 'Other CA' }), 'm1') })
  await member.start()
  const report = await cluster.examine()
  expect(detailsOf(report, 'cluster/peer-refused CA file')).toMatchObject([
    {
      refusals: expect.arrayContaining([{ by: ['m2', 'm3'], of: ['m1'] }]) as object[],
      caFile: { member: 'm1', source: { member: 'm2' } },
      reissue: { members: ['m1'], authorities: ['CN=Cluster CA'] },
    },
  ])
  expect(report.ok).toBe(false)
  expect(report.forecast.hasQuorum).toBe(true)
  expect(faultsOf(report).filter((each) => each.startsWith('config/'))).toEqual([])
})
