/** Names (check-names.ts): why a host is not covered, what the nearest name is, and names of no use. */
import { expect, it } from 'vitest'
import type { Usage } from '../../../src/validate/index.js'
import { detailsOf, HOST, mintChain } from '../../support/minted-chain.js'
import { dns, email, EXTENSION, ip, subjectAltName, TAG, uri, type GeneralName, type Name } from '../../support/mint.js'
import { askNode } from '../../support/oracle-node.js'
import { given, reportOn, table, tableOf, textsOf, type Row } from './rows.js'

const miss = (
  host: string,
  names: readonly GeneralName[],
  reason: string,
  nearest: string | null = null,
  subject: Name = 'etcd-0',
) => [host, names, reason, nearest, subject] as const

it.each([
  miss('10.0.0.1', [dns('a.svc'), dns('10.0.0.1')], 'ip-written-as-dns', '10.0.0.1'),
  miss('a.svc', [uri('a.svc')], 'ip-written-as-dns', 'a.svc'),
  miss('10.0.0.1', [ip('10.0.0.2'), ip('::ffff:10.0.0.1')], 'ipv4-mapped', '::ffff:10.0.0.1'),
  miss('::ffff:10.0.0.1', [ip('10.0.0.2'), ip('10.0.0.1')], 'ipv4-mapped', '10.0.0.1'),
  miss('a.b.etcd.svc', [dns('a.svc'), dns('*.ETCD.svc')], 'wildcard-too-shallow', '*.ETCD.svc'),
  miss('etcd.svc', [dns('*.svc')], 'wildcard-not-usable', '*.svc'),
  miss('etcd-1.etcd.svc.local', [dns('etcd-1'), dns('ETCD-1.etcd.svc')], 'near-miss', 'ETCD-1.etcd.svc'),
  miss('etcd-1.etcd', [dns('etcd-1.etcd.svc'), dns('etcd-1.etcd.dev')], 'near-miss', 'etcd-1.etcd.svc'),
  miss('etcd-0.etcd.svc', [dns('etcd-0.etcd.svc.')], 'near-miss', 'etcd-0.etcd.svc.'),
  miss('a.svc', [dns('b.svc')], 'only-in-common-name', null, 'A.svc'),
  miss('a.svc', [], 'no-names-at-all'),
  miss('a.svc', [], 'no-names-at-all', null, [['O', 'a.svc']]),
  // An address that is not the mapped form of the other, and a name whose bytes would be.
  miss('10.0.0.1', [ip('::fffe:10.0.0.1'), ip('::ffff:10.0.0.2'), ip('10.0.0.2')], 'no-such-name'),
  miss('::fffe:a00:1', [ip('10.0.0.1')], 'no-such-name'),
  miss('::ffff:97.98.99.100', [dns('abcd')], 'no-such-name'),
  // A wildcard is one in a DNS name only, and over whole labels.
  miss('10.0.0.1', [dns('*.0.0.1')], 'no-such-name'),
  miss('a.b.etcd.svc', [uri('*.etcd.svc')], 'no-such-name'),
  miss('a.xetcd.svc', [dns('*.etcd.svc')], 'no-such-name'),
  // The nearest name shares the first label.
  miss('a.b.c', [dns('x.b.c'), uri('a.b.d'), email('a.b')], 'no-such-name'),
  miss('spiffe://cluster/a', [uri('spiffe://cluster/b')], 'no-such-name'),
])('explains why %s is not covered (%#)', (host, names, reason, nearest, subject) => {
  const { findings } = reportOn(given({ leaf: { names, subject } }), { hosts: [host] })
  expect(detailsOf(findings, 'san/host-not-covered')).toMatchObject([{ reason, nearest }])
})

const covers = (host: string, name: GeneralName, ...found: string[]): Row => [
  `${found.length === 0 ? 'covers' : 'does not cover'} ${host}`,
  { leaf: { names: [name] } },
  found,
  { hosts: [host], ignore: ['san/wildcard'] },
]
const NOT_COVERED = 'host-not-covered@0'
const names = [dns('a.etcd.svc'), ip('10.0.0.1'), dns('*.b.svc'), uri('spiffe://x/y')]

it('says that more than 5,000 names are beyond its own limit: Node accepts them', async () => {
  const chain = mintChain({
    leaf: { names: [dns(HOST), ...Array.from({ length: 5500 }, (_, i) => dns(`n${String(i)}`))] },
  })
  const { ok, findings } = reportOn({ leaf: chain.leaf, sent: [chain.intermediate], trust: [chain.root] })
  expect([ok, textsOf(findings)]).toEqual([false, ['too-much@0 > host-not-covered@0']])
  expect(findings[0].message).toContain(
    'more than 5,000 entries in its subjectAltName extension, which is the limit of etcd-mtls',
  )
  const asked = {
    usage: 'server',
    host: HOST,
    leaf: chain.leaf,
    sent: [chain.intermediate],
    trust: [chain.root],
  } as const
  expect(await askNode({ ...asked, crls: [] })).toMatchObject({ accepts: true })
})

it('shows an empty DNS name in quotation marks', () => {
  const [found] = reportOn(given({ leaf: { names: [dns('')] } }), { hosts: ['a.svc'] }).findings
  expect(found.message).toContain('its only name is "".')
})

table('a name', [
  covers('ETCD-0.etcd.SVC.', dns('etcd-0.etcd.svc')),
  covers('etcd-9.etcd.svc', dns('*.etcd.svc')),
  covers('0:0:0:0:0:0:0:1', ip('::1')),
  covers('etcd.svc', dns('*.etcd.svc'), NOT_COVERED),
  covers('a.b.etcd.svc', dns('*.etcd.svc'), NOT_COVERED),
  covers('xn--bliss-1b3c148a.example.com', dns('xn--*-1b3c148a.example.com'), NOT_COVERED, 'warning name-unusable@0'),
  covers('ab.example.com', dns('a*.example.com'), NOT_COVERED, 'warning name-unusable@0'),
  [
    'is reported as found, with the names that it covers',
    { leaf: { names } },
    [
      'host-not-covered@0 (10.0.0.2, ip, no-such-name, -, [a.etcd.svc 10.0.0.1 *.b.svc spiffe://x/y], 1, [a.etcd.svc, a.etcd.svc a.b.svc, *.b.svc])',
      'host-not-covered@0 (c.svc, dns, no-such-name, -, [a.etcd.svc 10.0.0.1 *.b.svc spiffe://x/y], 2, [a.etcd.svc, a.etcd.svc a.b.svc, *.b.svc])',
    ],
    { hosts: ['a.etcd.svc', 'A.b.svc.', '10.0.0.2', 'c.svc'], ignore: ['san/wildcard'] },
  ],
])

it('reports fifty hosts that are not covered, and fifty names', () => {
  const many = Array.from({ length: 51 }, (_, i) => `n${String(i)}.svc`)
  const hosts = many.map((name) => `x.${name}`)
  const all = detailsOf(reportOn(given({ leaf: { names: many.map(dns) } }), { hosts }).findings, 'san/host-not-covered')
  expect(all.map(({ host }) => host)).toEqual(hosts.slice(0, 50))
  expect(all[0]).toMatchObject({ found: many.slice(0, 50), foundOfKind: 51 })
})

const listed = (reason: string, names: readonly GeneralName[], ...found: string[]): Row => [
  reason,
  { leaf: { names } },
  found,
  { hosts: [] },
]
const sixUnderscores = [1, 2, 3, 4, 5, 6].map((i) => dns(`a_${String(i)}`))
const good = Array.from({ length: 199 }, (_, i) => dns(`n${String(i)}.svc`))
const critical = (subject: string, isCritical: boolean, ...found: string[]): Row => [
  `is ${isCritical ? '' : 'not '}critical next to the subject "${subject}"`,
  { leaf: { subject, extensions: [subjectAltName([dns('a.svc')], isCritical)] } },
  found,
  { hosts: [] },
]

tableOf('the subject alternative name', 'san/name-unusable', [
  // RFC 5280 section 4.2.1.6: critical exactly if the subject is empty.
  critical('etcd-0', false),
  critical('etcd-0', true, 'warning criticality-unusual@0 (of names, subjectAltName, true)'),
  critical('', true),
  critical('', false, 'warning criticality-unusual@0 (of names, subjectAltName, false)'),
  ['may lack', { leaf: { subject: '', names: undefined, without: [EXTENSION.subjectAltName] } }, [], { hosts: [] }],
  listed('may hold names of the usual form, and others that are not DNS names', [
    dns('etcd'),
    dns('a-b.c'),
    dns('A.B'),
    uri('*'),
    uri('*.a.b'),
    email('a_b'),
    ip('10.0.0.1'),
  ]),
  listed(
    'should not hold an address as a DNS name',
    [dns('10.0.0.1'), dns('::1')],
    'warning @0 (DNS, 10.0.0.1, an IP address)',
    'warning @0 (DNS, ::1, an IP address)',
  ),
  listed(
    'should not hold a wide wildcard',
    [dns('*'), dns('*.svc')],
    'warning @0 (DNS, *, a wide wildcard)',
    'warning @0 (DNS, *.svc, a wide wildcard)',
  ),
  listed(
    'should not hold a name that is not a host name',
    [dns('a b'), dns('a..b'), dns('a.*.b'), dns('-a'), dns('a.svc.')],
    'warning @0 (DNS, a b, no host name)',
    'warning @0 (DNS, a..b, no host name)',
    'warning @0 (DNS, a.*.b, no host name)',
    'warning @0 (DNS, -a, no host name)',
    'warning @0 (DNS, a.svc., no host name)',
  ),
  listed(
    'should not hold an underscore',
    [dns('a_b.svc'), dns('a.b_c')],
    'warning @0 (DNS, a_b.svc, an underscore)',
    'warning @0 (DNS, a.b_c, an underscore)',
  ),
  listed(
    'is reported for a wildcard',
    [dns('*.etcd.svc'), dns('*.a_b.svc')],
    'info san/wildcard@0 (*.etcd.svc)',
    'info san/wildcard@0 (*.a_b.svc)',
  ),
  listed(
    'is reported five times for each reason',
    [...sixUnderscores, dns('*')],
    'warning @0 (DNS, a_1, an underscore)',
    'warning @0 (DNS, a_2, an underscore)',
    'warning @0 (DNS, a_3, an underscore)',
    'warning @0 (DNS, a_4, an underscore)',
    'warning @0 (DNS, a_5, an underscore)',
    'warning @0 (DNS, *, a wide wildcard)',
  ),
  listed('is checked up to 200 names', [...good, dns('a_b'), dns('c_d')], 'warning @0 (DNS, a_b, an underscore)'),
])

const called = (commonName: string, usage: Usage, ...found: string[]): Row => [
  `${commonName} of a ${usage} is ${found.length === 0 ? 'accepted' : 'reported'}`,
  { leaf: { subject: commonName, names: [dns('a.svc'), ip('10.0.0.9')] } },
  found,
  { usage, hosts: [] },
]
const organization = { leaf: { subject: [['O', 'Example']] } } as const
const unreadable = { leaf: { subject: [['CN', 'a_b', TAG.printableString]] } } as const

tableOf('the common name', 'identity/common-name', [
  ['should exist for a client, whose user it is', organization, ['info @0 (missing)'], { usage: 'client' }],
  ['may be missing for a server', organization, []],
  ['is missing if it cannot be read', unreadable, ['name-malformed@0', 'info @0'], { usage: 'client' }],
  called('root', 'server', 'warning @0 (user of etcd, root)'),
  called('root', 'peer', 'warning @0 (user of etcd, root)'),
  called('root', 'client'),
  called('b.svc', 'server', 'warning common-name-not-listed@0 (b.svc)'),
  called('b.svc', 'any'),
  ...['10.0.0.1', '::1', '0x7f', '0XAB'].map((host) => called(host, 'server', 'warning common-name-not-listed@0')),
  called('a.svc', 'server'),
  // Names for people.
  ...['b..svc', '.svc', 'svc.', 'b svc.c', 'a/b.c', 'a.b/c', 'me@b.svc', '0x', '0xfg', 'x0xf'].map((name) =>
    called(name, 'server'),
  ),
  [
    'is not reported twice if it is a host that is not covered',
    { leaf: { subject: 'b.svc', names: [dns('a.svc')] } },
    ['host-not-covered@0'],
    { hosts: ['b.svc'] },
  ],
  [
    'is reported next to another host that is not covered',
    { leaf: { subject: 'b.svc', names: [dns('a.svc')] } },
    ['host-not-covered@0', 'warning common-name-not-listed@0'],
    { hosts: ['c.svc'] },
  ],
])
