/** Name constraints along a path (check-name-constraints.ts, RFC 5280 section 6.1.3): which constraints apply to which names. */
import { describe, expect, it } from 'vitest'
import { checkNameConstraints } from '../../../src/validate/checks/check-name-constraints.js'
import { FindingCollector, resolveContext, rulesOf } from '../../../src/validate/context.js'
import { unreadableAnchors } from '../../../src/validate/checks/check-unused.js'
import { Certificate } from '../../../src/validate/index.js'
import { MAX_WORK, WorkBudget } from '../../../src/validate/work.js'
import { placesOf } from '../../../src/validate/check-path.js'
import { nullValue } from '../../support/der-writer.js'
import { HOST } from '../../support/minted-chain.js'
import {
  directoryName,
  dns,
  email,
  ip,
  ipRange,
  mintCa,
  mintLeaf,
  nameConstraints,
  otherName,
  subjectAltName,
  TAG,
  uri,
  type GeneralName,
  type Minted,
} from '../../support/mint.js'
import { given, leafOf, reportOn, table, tableOf, textsOf, type Parts, type Row, type Ca, type Leaf } from './rows.js'

type Subtrees = Parameters<typeof nameConstraints>[0]
const quiet = [
  ...(['certificate/criticality-unusual', 'constraints/only-for-cas', 'san/wildcard'] as const),
  ...(['san/name-unusable', 'san/common-name-not-listed'] as const),
]
const hosts = { hosts: [], ignore: quiet } as const

const constrain = (subtrees: Subtrees, isCritical = true): { extensions: ReturnType<typeof nameConstraints>[] } => ({
  extensions: [nameConstraints(subtrees, isCritical)],
})
const only = (...permitted: GeneralName[]): Subtrees => ({ permitted })
const not = (...excluded: GeneralName[]): Subtrees => ({ excluded })
/** A leaf below a root R of these constraints. */
const under = (what: string, subtrees: Subtrees, leaf: Leaf, ...found: string[]): Row => [
  what,
  { root: { subject: 'R', ...constrain(subtrees, false) }, leaf: { names: undefined, ...leaf } },
  found,
  hosts,
]
/** The same, of these names. */
const below = (what: string, subtrees: Subtrees, names: readonly GeneralName[], ...found: string[]): Row =>
  under(what, subtrees, { names }, ...found)
const [a, b, c] = ['a.test', 'b.test', 'c.test'].map(dns) as [Buffer, Buffer, Buffer]
const UNREADABLE = 'name-unreadable@0'
const urn = uri('urn:x')
const other = otherName('1.2.3', nullValue())
const zones = Array.from({ length: 21 }, (_, i) => dns(`z${String(i)}`))
const twenty = Array.from({ length: 20 }, (_, i) => `z${String(i)}`).join(' ')

tableOf('a name', 'name-constraints/name-refused', [
  below(
    'is refused if not permitted',
    only(a, c),
    [b, dns('x.c.test')],
    '@0 (not permitted, b.test, dns, CN=R, [a.test c.test])',
  ),
  below('is refused if it is excluded', not(a, b), [dns('x.b.test'), c], '@0 (excluded, x.b.test, dns, CN=R, b.test)'),
  below('is refused if all are excluded', not(dns('')), [a], '@0 (excluded, a.test, dns, CN=R, (all))'),
  below('is refused twice', { permitted: [a], excluded: [b] }, [b], '@0 (excluded, b.test, dns, CN=R, b.test)', '@0'),
  below('is refused with twenty subtrees', only(...zones), [a], `@0 (not permitted, a.test, dns, CN=R, [${twenty}])`),
  below(
    'is refused if not compared',
    only(other),
    [other],
    `${UNREADABLE} (not compared, 06022a03a0020500, otherName, CN=R)`,
  ),
  below('is refused if unreadable', only(uri('x')), [urn, uri('a://x')], `${UNREADABLE} (malformed, urn:x, uri, CN=R)`),
  below('is accepted if no subtree is of its kind', only(a), [a, uri('a://x'), email('a@b.c')]),
])

const MALFORMED = 'name-constraints/malformed@2 (malformed, *.b, dns, is not a DNS name)'
const twoMalformed = { permitted: [a, dns('*.b')], excluded: [dns('*.c')] }

table('a constraint', [below('is checked before all others', twoMalformed, [b], MALFORMED)])

const [inA, inB] = [email('a.test'), email('b.test')]
const mailbox = [
  ['CN', 'a@b.test'],
  ['emailAddress', 'me@a.test'],
] as const
const badMailbox = [['emailAddress', 'me_@a.test', TAG.printableString]] as const
const [middle, x, etcd] = ['Test Intermediate', 'x', 'etcd-0'].map(directoryName) as [Buffer, Buffer, Buffer]
const REFUSED = '@0 (not permitted, CN=etcd-0, dirName, CN=R, [CN=x CN=Test Intermediate])'
const BY_NODE = 'warning common-name-refused@0'

tableOf('a subject', 'name-constraints/name-refused', [
  under('is refused as a directory name', only(x, middle), {}, REFUSED),
  under('is accepted as the permitted directory name', only(etcd, middle), {}),
  under('is refused next to a permitted directory name', only(x, middle), { names: [x] }, REFUSED),
  under('is accepted if it is empty', only(middle), { subject: '', names: [a] }),
  under(
    'is refused for its mailbox',
    not(inA, inB),
    { subject: mailbox },
    '@0 (excluded, me@a.test, email, CN=R, a.test)',
  ),
  under('is not refused for its mailbox next to a SAN', not(inA), { subject: mailbox, names: [c] }),
  under(
    'is refused for an unreadable mailbox',
    not(inB),
    { subject: badMailbox },
    'name-malformed@0',
    `${UNREADABLE} (malformed, , email, CN=R)`,
  ),
  under('is not refused for a mailbox that Go does not read', not(inB), { subject: [['emailAddress', '.me@a.test']] }),
  // crypto/x509 NAME_CONSTRAINTS_check_CN
  under(
    'is refused by Node for its common name',
    only(a),
    { subject: 'x.b.test', names: [ip('10.0.0.1')] },
    `${BY_NODE} (x.b.test, CN=R, false, server)`,
  ),
  under(
    'is refused by Node for an excluded common name',
    not(b),
    { subject: 'x.b.test' },
    `${BY_NODE} (x.b.test, CN=R, true, server)`,
  ),
  under('is not refused for a permitted common name', only(a), { subject: 'etcd.a.test' }),
  under('is not refused for a common name that is not excluded', not(b), { subject: 'etcd.a.test' }),
  under('is not refused for its common name next to a DNS name', only(a), { subject: 'etcd.b.test', names: [a] }),
  under('is not refused for a common name without a dot', only(a), { subject: 'etcd' }),
  under('is not refused for a common name that is not a DNS name', only(a), { subject: 'etcd b.test' }),
])

const wild = constrain(only(dns('*.x')))
/** A leaf of these names, or of the name of the root and none, below an intermediate M, below a root R. */
const path = (what: string, root: Ca, ca: Ca, names?: readonly GeneralName[] | null, ...found: string[]): Row => {
  const leaf = { subject: names === null ? 'R' : 'L', names: names ?? undefined }
  const cas = { root: { subject: 'R', ...root }, intermediate: { subject: 'M', pathLength: undefined, ...ca } }
  return [what, { ...cas, leaf }, found, hosts]
}
const without = (...names: string[]): Ca => constrain(not(...names.map(directoryName)), false)

tableOf('a path', 'name-constraints/name-refused', [
  path(
    'applies the constraints of every CA to all certificates below',
    without('M', 'L'),
    constrain(only(a)),
    [b],
    '@0',
    '@0',
    '@1',
  ),
  path('does not apply them to the CA itself and to the CAs above', {}, without('M', 'R')),
  path(
    'applies constraints next to malformed ones',
    constrain(only(a)),
    wild,
    [b],
    'name-constraints/malformed@1',
    '@0',
  ),
  path('does not apply constraints to a self-issued CA', without('R'), { subject: 'R' }),
  path('does not apply constraints to the common name of a CA', constrain(only(a)), { subject: 'm.b.test' }, [a]),
  path('is narrowed by a lower CA', constrain(only(dns('test'))), constrain(only(a)), [a, b], '@0'),
  path('is not widened by a lower CA', constrain(only(a)), constrain(only(dns('test'))), [a, b], '@0'),
  path('applies constraints to a self-issued leaf', without('R'), { subject: 'R' }, null, '@0'),
  ['does not apply constraints of a leaf', { leaf: wild }, [], hosts],
])

const ofGo = (what: string, subtrees: Subtrees, name: GeneralName, ...found: string[]): Row => [
  what,
  { root: { subject: 'R', ...constrain(subtrees) }, leaf: { names: [dns(HOST), name] } },
  found,
  { usage: 'peer', ...hosts },
]
const asPeer = { usage: 'peer' } as const
const anyKind = not(ipRange('10.0.0.0/8'))
const ofCa = (...names: GeneralName[]): Parts => ({
  root: { subject: 'R', ...constrain(not(b)) },
  intermediate: { subject: 'R', pathLength: undefined, extensions: [subjectAltName(names)] },
})

tableOf('Go, next to a constraint of any kind,', 'name-constraints/name-unreadable', [
  ofGo(
    'refuses a mailbox without a host',
    anyKind,
    email('nobody'),
    '@0 (malformed for Go, nobody, email, CN=R, peer)',
  ),
  ofGo('reads the DNS name a_b', anyKind, dns('a_b')),
  ofGo(
    'refuses a URI below an excluded host',
    not(uri('a.test')),
    uri('a://x.a.test'),
    'name-refused@0 (excluded by Go, a://x.a.test, uri, CN=R, peer, a.test)',
  ),
  ofGo('accepts a URI of another host', not(uri('a.test')), uri('a://xa.test')),
  ['refuses a name of a self-issued CA', ofCa(b, a, x), ['name-refused@1 (self-issued, [b.test], CN=R, peer)'], asPeer],
  ['accepts another name of a self-issued CA', ofCa(a), [], asPeer],
])

describe('the budget', () => {
  /** What is left of so many bytes of work. */
  function check(remaining: number, subtrees: Subtrees, names: readonly GeneralName[]): [string[], number] {
    const root = mintCa({ subject: 'Root', ...constrain(subtrees) })
    const path = [mintLeaf({ subject: 'L', issuer: root, names }), root].map(({ der }) => Certificate.parse(der))
    const budget = new WorkBudget(remaining)
    const notes = new FindingCollector(rulesOf(resolveContext({ usage: 'server' })))
    checkNameConstraints(placesOf({ certificates: path, anchored: true }), { budget, known: new Map() }, notes)
    return [textsOf(notes.toFindings(), true), budget.remaining]
  }
  const names = [a, b, uri('spiffe://x')]
  const subtrees = { permitted: [dns('test')], excluded: [c, dns('d.test'), uri('y')] }
  const EXCEEDED = 'limit-exceeded@1 (comparisons of names, 262144)'

  // The subject is a name, too. Its common name counts as a DNS name, because OpenSSL reads it as one.
  it('counts 40 for each subtree, 10 for each name, and each pair of one kind, before anything is compared', () => {
    const needed = 4 * 40 + 4 * 10 + 2 * 3 + 1 + 3
    expect(check(needed, subtrees, names)).toEqual([[], 0])
    expect(check(needed - 1, subtrees, names)[0]).toEqual([EXCEEDED])
    expect(check(40, { excluded: [a] }, [a])[0]).toEqual([EXCEEDED])
  })

  it('counts the common names that OpenSSL reads as DNS names', () => {
    const left = (commonNames: number): number => {
      const root = mintCa({ subject: 'Root', ...constrain({ excluded: [a, b, c] }) })
      const subject = Array.from({ length: commonNames }, () => ['CN', 'x'] as const)
      const path = [mintLeaf({ subject, issuer: root }), root].map(({ der }) => Certificate.parse(der))
      const budget = new WorkBudget(1000)
      const notes = new FindingCollector(rulesOf(resolveContext({ usage: 'server' })))
      checkNameConstraints(placesOf({ certificates: path, anchored: true }), { budget, known: new Map() }, notes)
      return budget.remaining
    }
    expect(left(1) - left(5)).toBe(4 * 3)
  })

  it('counts two for each byte of a directory name', () => {
    const left = (constraint: string, name: string): number =>
      check(10_000, { excluded: [directoryName(constraint)] }, [directoryName(name)])[1]
    expect(left('y', 'x') - left('yyyyyyyyyyy', 'x')).toBe(20)
    expect(left('y', 'x') - left('y', 'xxxxxxxxxxx')).toBe(20)
  })

  it('the budget is 256 KiB for the extensions of all certificates and the comparisons on all paths', () => {
    const extensionBytes = (...all: readonly { der: Buffer }[]): number =>
      all.flatMap(({ der }) => Certificate.parse(der).extensionList).reduce((sum, { value }) => sum + value.length, 0)
    const many = (count: number): GeneralName[] =>
      Array.from({ length: count }, (_, i) => dns(`z${String(100 + i)}.test`))
    const root = mintCa({ subject: 'Root', ...constrain({ permitted: many(500) }) })
    /** What is left of the budget, by the sizes of the certificates; and whether it is exceeded. */
    const outcome = (count: number): [left: number, exceeded: boolean] => {
      const leaf = mintLeaf({ subject: 'L', issuer: root, names: many(count) })
      const { findings } = reportOn({ leaf, sent: [], trust: [root] })
      const work = extensionBytes(leaf, root) + 500 * 40 + count * (500 + 10) + 10 + 500
      return [MAX_WORK - work, textsOf(findings).includes('limit-exceeded@1')]
    }
    const outcomes = Array.from({ length: 20 }, (_, i) => outcome(440 + i))
    expect(outcomes.map(([left]) => left < 0)).toEqual(outcomes.map(([, exceeded]) => exceeded))
    expect(new Set(outcomes.map(([, exceeded]) => exceeded)).size).toBe(2)
  })

  it('reads nothing of certificates whose extensions exceed it, and names the largest', () => {
    const more = (size: number): Ca => ({ extensions: [subjectAltName([dns('a'.repeat(size))])] })
    const [small, large] = [100_000, 150_000].map((size) => mintCa({ subject: 'Unused', ...more(size) })) as [
      Minted,
      Minted,
    ]
    const root = mintCa({ subject: 'Root' })
    const leaf = leafOf(root, { names: [dns('a'.repeat(20_000))], notAfter: new Date(0) })
    for (const [sent, trust, place] of [
      [[small, large], [root], 'intermediate 1'],
      [[], [small, root, large], 'anchor 2'],
    ] as const) {
      const { findings } = reportOn({ leaf, sent: [...sent], trust: [...trust] })
      const [finding] = findings
      expect(findings.map(({ code }) => code)).toEqual(['chain/limit-exceeded'])
      expect(finding.details).toMatchObject({ kind: 'extensions', limit: MAX_WORK })
      expect(`${finding.certificate?.role ?? ''} ${String(finding.certificate?.index)}`).toBe(place)
    }
    expect(reportOn({ leaf: leafOf(root), sent: [large, small], trust: [root] }).ok).toBe(true)
    const [refused] = unreadableAnchors(
      [small, large, leaf].map(({ der }) => Certificate.parse(der)),
      'client',
    )
    expect(refused?.code).toBe('chain/limit-exceeded')
  })

  it('ends at the first CA that exceeds it', () => {
    const zones = (from: number): Subtrees => ({
      excluded: Array.from({ length: 499 }, (_, i) => dns(`z${String(from + i)}`)),
    })
    const root = mintCa({ subject: 'Root', ...constrain(zones(0)) })
    const middle = mintCa({ subject: 'Middle', issuer: root, ...constrain(zones(500)) })
    const leaf = leafOf(middle, { names: Array.from({ length: 500 }, (_, i) => dns(`n${String(i)}`)) })
    expect(textsOf(reportOn({ leaf, sent: [middle], trust: [root] }, hosts).findings)).toEqual(['limit-exceeded@1'])
  })

  it('the budget of findings is 21 names, whatever else was found', () => {
    const many = Array.from({ length: 150 }, (_, i) => dns(`n${String(i)}.a.test`))
    const { findings } = reportOn(given({ root: constrain({ excluded: [a] }), leaf: { names: many } }), hosts)
    expect(textsOf(findings)).toEqual(Array<string>(21).fill('name-refused@0'))
  })
})
