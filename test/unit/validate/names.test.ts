/** A host that no name covers: the reason and the nearest name; and the hygiene of the names themselves. */
import { describe, expect, it } from 'vitest'
import type { Finding, Usage } from '../../../src/validate/index.js'
import { codesOf, detailsOf, HOST, judge } from '../../support/judge-chain.js'
import {
  dns,
  email,
  EXTENSION,
  ip,
  subjectAltName,
  TAG,
  uri,
  type GeneralName,
  type MintLeafOptions,
} from '../../support/mint.js'

const leafOf = (leaf: Partial<MintLeafOptions>, hosts: readonly string[] = [], usage: Usage = 'server'): Finding[] =>
  judge({ leaf }, { hosts, usage })

/** The reason and the nearest name that the finding for one host gives. */
function miss(host: string, names: readonly GeneralName[], subject = 'etcd-0'): [string, string | null] | null {
  const [details] = detailsOf(leafOf({ names, subject }, [host]), 'san/host-not-covered')
  return details === undefined ? null : [details.reason, details.nearest]
}

describe('the finding about a host', () => {
  const names = [dns('a.etcd.svc'), ip('10.0.0.1'), dns('*.b.svc'), uri('spiffe://x/y')]

  it('says what was wanted, what was found, and what the names do cover', () => {
    const findings = leafOf({ names }, ['a.etcd.svc', 'A.b.svc.', '10.0.0.2', 'c.svc'])
    const found = ['a.etcd.svc', '10.0.0.1', '*.b.svc', 'spiffe://x/y']
    const covered = [
      { host: 'a.etcd.svc', name: 'a.etcd.svc' },
      { host: 'a.b.svc', name: '*.b.svc' },
    ]
    const rest = { reason: 'no-such-name', nearest: null, found, covered }
    expect(detailsOf(findings, 'san/host-not-covered')).toEqual([
      { ...rest, host: '10.0.0.2', kind: 'ip', foundOfKind: 1 },
      { ...rest, host: 'c.svc', kind: 'dns', foundOfKind: 2 },
    ])
  })

  it('is given for fifty hosts, and shows fifty names', () => {
    const many = Array.from({ length: 51 }, (_, i) => `n${String(i)}.svc`)
    const hosts = many.map((name) => `x.${name}`)
    const all = detailsOf(leafOf({ names: many.map(dns) }, hosts), 'san/host-not-covered')
    expect(all.map(({ host }) => host)).toEqual(hosts.slice(0, 50))
    expect(all[0]?.found).toEqual(many.slice(0, 50))
    expect(all[0]?.foundOfKind).toBe(51)
  })
})

describe('the reason', () => {
  it.each<[string, string, GeneralName[], string | null]>([
    ['ip-written-as-dns', '10.0.0.1', [dns('a.svc'), dns('10.0.0.1')], '10.0.0.1'],
    ['ip-written-as-dns', '::1', [dns('0:0::1')], '0:0::1'],
    ['ip-written-as-dns', 'a.svc', [uri('a.svc')], 'a.svc'],
    ['ipv4-mapped', '10.0.0.1', [ip('10.0.0.2'), ip('::ffff:10.0.0.1')], '::ffff:10.0.0.1'],
    ['ipv4-mapped', '::ffff:10.0.0.1', [ip('10.0.0.2'), ip('10.0.0.1')], '10.0.0.1'],
    ['wildcard-too-shallow', 'a.b.etcd.svc', [dns('a.svc'), dns('*.ETCD.svc')], '*.ETCD.svc'],
    ['wildcard-not-usable', 'etcd.svc', [dns('*.svc')], '*.svc'],
    ['near-miss', 'etcd-1.etcd.svc.local', [dns('etcd-1'), dns('ETCD-1.etcd.svc')], 'ETCD-1.etcd.svc'],
    ['near-miss', 'etcd-1.etcd', [dns('etcd-1.etcd.svc'), dns('etcd-1.etcd.dev')], 'etcd-1.etcd.svc'],
    ['near-miss', 'etcd-0.etcd.svc', [dns('etcd-0.etcd.svc.')], 'etcd-0.etcd.svc.'],
  ])('is %s for %s', (reason, host, names, nearest) => {
    expect(miss(host, names)).toEqual([reason, nearest])
  })

  it('is only-in-common-name where the names lack the host, also where there are none', () => {
    expect(miss('a.svc', [dns('b.svc')], 'A.svc')).toEqual(['only-in-common-name', null])
    expect(miss('10.0.0.1', [], '10.0.0.1')).toEqual(['only-in-common-name', null])
  })

  it('is no-names-at-all where neither the names nor the common name say anything', () => {
    expect(miss('a.svc', [])).toEqual(['no-names-at-all', null])
    const [details] = detailsOf(
      leafOf({ subject: [['O', 'a.svc']], names: undefined }, ['a.svc']),
      'san/host-not-covered',
    )
    expect(details?.reason).toBe('no-names-at-all')
  })

  it.each<[string, GeneralName[]]>([
    // An address that is not the mapped form of the other, and a name whose bytes would be.
    ['10.0.0.1', [ip('::fffe:10.0.0.1'), ip('::ffff:10.0.0.2'), ip('10.0.0.2')]],
    ['::ffff:97.98.99.100', [dns('abcd')]],
    ['::1', [ip('::2'), ip('0.0.0.1')]],
    // A wildcard is one in a DNS name only, and over whole labels.
    ['10.0.0.1', [dns('*.0.0.1')]],
    ['a.b.etcd.svc', [uri('*.etcd.svc')]],
    ['a.b.etcd.svc', [dns('x.etcd.svc')]],
    ['a.xetcd.svc', [dns('*.etcd.svc')]],
    // Nearest is who shares the first label.
    ['a.b.c', [dns('x.b.c'), uri('a.b.d'), email('a.b')]],
    ['spiffe://cluster/a', [uri('spiffe://cluster/b')]],
  ])('is no-such-name for %s otherwise', (host, names) => {
    expect(miss(host, names)).toEqual(['no-such-name', null])
  })
})

describe('the extension', () => {
  const names = [dns(HOST)]

  it('is critical exactly where the subject is empty (RFC 5280 section 4.2.1.6)', () => {
    const warnings = (subject: string, critical: boolean): string[] =>
      codesOf(leafOf({ subject, extensions: [subjectAltName(names, critical)] }), 'warning')
    expect(warnings('etcd-0', false)).toEqual([])
    expect(warnings('etcd-0', true)).toEqual(['certificate/criticality-unusual@0'])
    expect(warnings('', true)).toEqual([])
    expect(warnings('', false)).toEqual(['certificate/criticality-unusual@0'])
  })

  it('need not be there', () => {
    expect(leafOf({ subject: '', names: undefined, without: [EXTENSION.subjectAltName] })).toEqual([])
  })
})

describe('a DNS name', () => {
  it.each([
    ['an IP address', ['10.0.0.1', '::1']],
    ['a wide wildcard', ['*', '*.svc']],
    ['no host name', ['a b', 'a..b', 'a.*.b', '-a', 'a.svc.']],
    [null, ['*.etcd.svc', '*.a_b.svc']],
    ['an underscore', ['a_b.svc', 'a.b_c']],
  ] as const)('is told: %s', (reason, values) => {
    const code = reason === null ? 'san/wildcard' : 'san/name-unusable'
    const findings = leafOf({ names: values.map((value) => dns(value)) })
    expect(findings.map((each) => [each.code, each.details])).toEqual(
      values.map((name) => [code, reason === null ? { name } : { kind: 'DNS', name, reason }]),
    )
  })

  it('of the usual form is not, nor is a name of another kind', () => {
    expect(leafOf({ names: [dns('etcd'), dns('a-b.c'), dns('A.B'), uri('*'), email('a_b'), ip('10.0.0.1')] })).toEqual(
      [],
    )
  })

  it('is told five times for each reason', () => {
    const values = [1, 2, 3, 4, 5, 6].map((i) => `a_${String(i)}`)
    const findings = leafOf({ names: [...values.map(dns), dns('*')] })
    expect(detailsOf(findings, 'san/name-unusable', 'DNS').map(({ name }) => name)).toEqual([
      ...values.slice(0, 5),
      '*',
    ])
  })

  it('is looked at among the first 200', () => {
    const good = Array.from({ length: 199 }, (_, i) => dns(`n${String(i)}.svc`))
    expect(detailsOf(leafOf({ names: [...good, dns('a_b'), dns('c_d')] }), 'san/name-unusable', 'DNS')).toEqual([
      { name: 'a_b', reason: 'an underscore' },
    ])
  })
})

describe('the common name', () => {
  it('is wanted of a client, which is an etcd user by it', () => {
    const subject = [['O', 'Example']] as const
    expect(codesOf(leafOf({ subject }, [], 'client'), 'info')).toEqual(['identity/common-name@0'])
    for (const usage of ['server', 'peer', 'any'] as const) expect(leafOf({ subject }, [], usage)).toEqual([])
    expect(leafOf({}, [], 'client')).toEqual([])
  })

  it('of a server is no etcd user', () => {
    for (const usage of ['server', 'peer'] as const) {
      const findings = leafOf({ subject: 'root' }, [], usage)
      expect(detailsOf(findings, 'identity/common-name', 'user of etcd')).toEqual([{ commonName: 'root' }])
    }
    for (const usage of ['client', 'any'] as const) expect(leafOf({ subject: 'root' }, [], usage)).toEqual([])
    expect(leafOf({ subject: 'Root' })).toEqual([])
  })

  const unlisted = (subject: string, hosts: readonly string[] = [], usage: Usage = 'server'): unknown[] =>
    detailsOf(leafOf({ subject, names: [dns('a.svc'), ip('10.0.0.9')] }, hosts, usage), 'san/common-name-not-listed')

  it.each(['b.svc', 'bb.svc', '10.0.0.1', '::1', '0x7f', '0XAB', 'b.c.d'])(
    '%s is a host, and should be listed',
    (commonName) => {
      expect(unlisted(commonName)).toEqual([{ commonName }])
      expect(unlisted(commonName, [], 'peer')).toEqual([{ commonName }])
      expect(unlisted(commonName, [], 'client')).toEqual([])
      expect(unlisted(commonName, [], 'any')).toEqual([])
    },
  )

  it.each(['a.svc', '10.0.0.9'])('%s is listed', (commonName) => {
    expect(unlisted(commonName)).toEqual([])
  })

  it.each([
    'etcd',
    'b..svc',
    '.svc',
    'svc.',
    'b svc.c',
    'a.b c',
    'a/b.c',
    'a.b/c',
    'me@b.svc',
    'b.c@d',
    '0x',
    '0xfg',
    'x0xf',
  ])('%s is a name for people', (commonName) => {
    expect(unlisted(commonName)).toEqual([])
  })

  it('is not told twice where the host was asked for', () => {
    expect(unlisted('b.svc', ['b.svc'])).toEqual([])
    expect(unlisted('b.svc', ['c.svc'])).toEqual([{ commonName: 'b.svc' }])
  })

  it('that cannot be read is none', () => {
    const subject = [['CN', 'a_b', TAG.printableString]] as const
    expect(codesOf(leafOf({ subject }, [], 'client'), 'info')).toEqual(['identity/common-name@0'])
  })
})
