/** The text of `etcd-mtls doctor`, for reports that are made up. */
import { expect, it } from 'vitest'
import { reportText } from '../../../src/cli/doctor.js'
import { type Column, tableLines } from '../../../src/cli/table.js'
import type { ClusterMember, ClusterReport } from '../../../src/doctor/index.js'
import { cluster } from '../../../src/report/catalogue/cluster.js'
import { findingMaker } from '../../../src/report/finding.js'
import { certificateRef, Certificate } from '../../../src/x509/certificate.js'
import { startChild } from '../../support/child.js'
import { runInProcess } from '../../support/call-command.js'
import { runCommand } from '../../support/command.js'
import { mintCa } from '../../support/mint.js'

const NOW = new Date('2026-03-01T12:00:00Z')
const DAY = 86_400_000
const PLAIN = { color: false, width: 80, oneLine: false }
const served = (subject: string, days: number) => {
  const minted = mintCa({ subject, notAfter: new Date(NOW.getTime() + days * DAY), notBefore: new Date('2026-01-01') })
  return certificateRef(Certificate.parse(minted.der, 'server.crt'), 'leaf', 0)
}

const NO_CLIENTS = { until: null, certificate: null, members: [] }

const MEMBER: ClusterMember = {
  name: 'etcd-0',
  id: '1',
  clientUrls: ['https://10.0.0.1:2379'],
  peerUrls: [],
  version: '3.5.16',
  role: 'leader',
  startedAt: null,
  latency: 2.6,
  served: served('etcd-0', 42),
  peerServed: null,
  acceptedAuthorities: ['CN=etcd-ca', 'CN=old-ca'],
  peerAcceptedAuthorities: null,
  config: null,
  isDialled: true,
  isReached: true,
}

function report(members: readonly Partial<ClusterMember>[], changes: Partial<ClusterReport> = {}): ClusterReport {
  return {
    ok: true,
    complete: true,
    isTrustedUser: true,
    clusterId: 'abc',
    checkedAt: NOW,
    path: null,
    members: members.map((each) => ({ ...MEMBER, ...each })),
    findings: [],
    forecast: { until: null, certificate: null, hasQuorum: true, pairs: [], assumed: [], clients: NO_CLIENTS },
    unchecked: [],
    sources: ['process 812'],
    ...changes,
  }
}

it('prints the result, the members, the forecast and where the evidence comes from', () => {
  expect(reportText(report([{}]), PLAIN).split('\n')).toEqual([
    'Passed: no findings, as of 2026-03-01 12:00:00 UTC',
    '',
    'MEMBER  ADDRESS        VERSION  ROLE    SERVES  LEFT  ACCEPTS     LATENCY',
    'etcd-0  10.0.0.1:2379  3.5.16   leader  etcd-0  42 d  etcd-ca +1  3 ms',
    '',
    'Forecast: one member needs no connection to another one for its quorum.',
    '',
    'Evidence: process 812.',
  ])
})

it('prints a dash for each unknown value of a member that did not answer', () => {
  const nothing = {
    version: null,
    role: null,
    latency: null,
    served: null,
    acceptedAuthorities: null,
    isReached: false,
  }
  const [, , , line] = reportText(report([nothing]), PLAIN).split('\n')
  expect(line).toBe('etcd-0  10.0.0.1:2379  -        no answer  -       -     -        -')
})

it('prints expired certificates, hours, and a port that accepts the CAs of the system', () => {
  const text = reportText(
    report([{ served: served('a', -1) }, { served: served('b', 1), acceptedAuthorities: [] }, { role: null }]),
    PLAIN,
  )
  for (const part of ['expired', '24 h', 'system CAs', 'no leader']) expect(text).toContain(part)
})

it('prints the forecast with the certificate that ends first, and the pairs that refuse each other', () => {
  const until = new Date('2026-06-01T00:00:00Z')
  const refusals = [{ from: 'm1', to: 'm2', by: 'm2', reason: 'It is not trusted.', code: null }]
  const pairs = [{ members: ['m1', 'm2'] as const, until: null, isKnown: true, refusals }]
  const forecast = {
    until,
    certificate: served('m1 peer', 92),
    hasQuorum: true,
    pairs,
    assumed: ['m3'],
    clients: NO_CLIENTS,
  }
  const text = reportText(report([{}], { forecast }), { ...PLAIN, width: 200 })
  expect(text).toContain(
    'can connect to each other until 2026-06-01 00:00 UTC, when CN=m1 peer ends, if nothing is renewed.',
  )
  expect(text).toContain('Pairs of which one refuses the other: m1 and m2.')
  expect(text).toContain('The CAs that m3 has for other members are not known')
  const more = {
    ...forecast,
    assumed: ['m2', 'm3'],
    clients: { until, certificate: served('m1', 92), members: ['m1'] },
  }
  const down = findingMaker(cluster)('cluster/member-down', {
    ...{
      kind: 'one',
      member: 'm3',
      endpoint: 'https://10.0.0.3:2379',
      state: 'silent',
      detail: '',
      spare: 0,
      role: 'voter',
    },
  })
  const two = reportText(report([{}, {}], { forecast: more, findings: [down] }), { ...PLAIN, width: 200 })
  expect(two).toContain('The CAs that m2 and m3 have for other members')
  expect(two).toContain('Clients can connect to a majority of the members until 2026-06-01 00:00 UTC, when CN=m1 ends.')
  expect(two).toContain('m3 did not answer: the dates assume that it runs.')
  const unknown = { ...forecast, until: null }
  expect(reportText(report([{}], { forecast: unknown }), PLAIN)).toContain('Forecast: no date is known after which')
  const lost = { ...forecast, hasQuorum: false }
  expect(reportText(report([{}], { forecast: lost }), PLAIN)).toContain('no majority of the members can make new')
})

it('prints no control characters of names, and no line that is longer than the terminal', () => {
  const long = 'x'.repeat(70)
  const members = [
    { name: `m\u001b[31m${long}`, clientUrls: [`https://${long}.example:2379`], acceptedAuthorities: [`CN=${long}`] },
  ]
  const text = reportText(report(members, { sources: ['a\nb'] }), PLAIN)
  expect(text).not.toContain('\u001b')
  expect(text).not.toContain('a\nb')
  const [, , title = '', row = ''] = text.split('\n')
  expect([title.length <= 80, Array.from(row).length <= 80, row.includes('…')]).toEqual([true, true, true])
})

it('prints the whole values of a table that fits, and the titles in bold on a terminal with colours', () => {
  const long: Column = { title: 'A', shrinks: 'first', values: ['abcdefghij'] }
  const fixed: Column = { title: 'BB', shrinks: 'never', values: ['0123456789'] }
  expect(tableLines([long, fixed], 80)).toEqual(['A           BB', 'abcdefghij  0123456789'])
  expect(tableLines([long, fixed], 20)).toEqual(['A         BB', 'abcdefg…  0123456789'].map((line) => line))
  expect(tableLines([long, fixed], 5)).toEqual(['A       BB', 'abcde…  0123456789'])
  expect(reportText(report([{}]), { ...PLAIN, color: true })).toContain('\u001b[1mMEMBER')
})

it('names the etcd that this user may not read if it finds no other one, and ends with 2', async () => {
  await using etcd = startChild(['sleep', '300'], { argv0: 'etcd' })
  // The machine that runs the test may have an enabled unit of etcd, which the doctor would examine.
  const hide = 'if [ -d /etc/systemd/system ]; then mount -t tmpfs none /etc/systemd/system; fi'
  const user = 'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
  const before = ['unshare', '--mount', 'sh', '-ec', `${hide}; ${user}`, 'sh']
  const { code, stdout, stderr } = await runCommand(['doctor'], { before })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(`\nAn etcd runs as process ${String(etcd.process.pid)} (user `)
})

it.each([
  [['--endpoints', 'http://a:1'], 'Option "--endpoints" must start with https://'],
  [['--discovery-srv', '-'], 'Option "--discovery-srv" must consist of'],
  [['--endpoints', 'a:1', '--lead', '7'], 'Option "--lead" '],
  [['--endpoints', 'a:1', '--dial-timeout', '-1s'], 'Option "--dial-timeout" '],
  [['--endpoints', 'a:1', '--user', 'root:s3cret'], 'A user needs --cacert:'],
])('a wrong value is an error of two lines with the name of its flag: %s', async (args, message) => {
  const { code, stdout, stderr } = await runInProcess(['doctor', ...args])
  expect([code, stdout, stderr.trimEnd().split('\n').length]).toEqual([2, '', 2])
  expect(stderr).toContain(`etcd-mtls: ${message}`)
  expect(stderr).not.toContain('s3cret')
})
