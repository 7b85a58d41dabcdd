/** Members that do not answer, certificates that end and credentials that have expired, in clusters of real processes. */
import { expect, it as every } from 'vitest'
import { examineCluster } from '../../../src/doctor/index.js'
import { faultsOf, memberOf, onePki, startDoctorCluster } from '../../support/doctor-cluster.js'
import { oneIn } from '../../support/long.js'

const it = oneIn(2, every)

const DAY = 86_400_000

it('names a member that was stopped, then the members without which the cluster has no quorum', async () => {
  await using cluster = await startDoctorCluster(onePki())
  const [, second, third] = cluster.members
  await third?.stop()
  const report = await cluster.examine()
  expect(faultsOf(report)).toEqual(['cluster/member-down one'])
  expect(report.findings[0]).toMatchObject({
    severity: 'warning',
    details: { member: 'm3', state: 'refused', endpoint: third?.clientUrl, spare: 0 },
  })
  expect([report.ok, report.complete, report.unchecked.length]).toEqual([true, false, 1])
  await second?.stop()
  const lost = await cluster.examine()
  expect(faultsOf(lost)).toEqual(['cluster/member-down no quorum'])
  expect(lost.ok).toBe(false)
  expect(lost.findings[0]?.details).toMatchObject({ voters: 3, down: [{ member: 'm2' }, { member: 'm3' }] })
}, 60_000)

it('names a member whose process was halted, which accepts connections and does not answer', async () => {
  await using cluster = await startDoctorCluster(onePki())
  const [, , third] = cluster.members
  const pid = third?.pid() ?? 0
  process.kill(pid, 'SIGSTOP')
  const report = await cluster.examine({ dialTimeout: '1s' })
  process.kill(pid, 'SIGCONT')
  expect(faultsOf(report)).toEqual(['cluster/member-down one'])
  expect(report.findings[0]?.details).toMatchObject({ member: 'm3', state: 'silent' })
}, 60_000)

it('warns of the server certificates of a majority that end soon, and of each of them by its file', async () => {
  const pki = onePki()
  const notAfter = new Date(Date.now() + 3 * DAY)
  const member = (name: string) => ({
    server: memberOf(pki.ca, name, name === 'm3' ? {} : { notAfter }),
    peer: memberOf(pki.ca, `${name} peer`),
  })
  await using cluster = await startDoctorCluster({ ...pki, member })
  const { findings, forecast } = await cluster.examine()
  const ofServers = findings.find(({ code }) => code === 'validity/expires-soon')
  const files = [ofServers, ...(ofServers?.repeats ?? [])].map((each) => each?.certificate?.origin.split(' ')[0])
  expect(files).toEqual(cluster.members.slice(0, 2).map(({ folder }) => `${folder}/server.crt`))
  expect(
    findings.find(({ code, severity }) => code === 'cluster/quorum-expires' && severity === 'warning'),
  ).toMatchObject({ details: { kind: 'clients soon', members: ['m1', 'm2'] } })
  expect(Math.abs((forecast.clients.until?.getTime() ?? 0) - notAfter.getTime())).toBeLessThan(1000)
  const { findings: none } = await cluster.examine({ lead: '1h', expiryWarning: '1h' })
  expect(none.filter(({ severity }) => severity !== 'info')).toEqual([])
})

it('connects with the certificate of the next member if that of the first one has expired', async () => {
  const pki = onePki()
  await using cluster = await startDoctorCluster(pki)
  const [first] = cluster.members
  const dates = { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) }
  first?.write({ server: memberOf(pki.ca, 'm1', dates) })
  const { members, findings } = await examineCluster({ configs: cluster.configs })
  expect(members.map(({ name, isReached }) => [name, isReached])).toEqual([
    ['m1', false],
    ['m2', true],
    ['m3', true],
  ])
  expect(findings.filter(({ severity }) => severity === 'error')).toMatchObject([
    { code: 'validity/expired', certificate: { subject: 'CN=m1' } },
  ])
})
