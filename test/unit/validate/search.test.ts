/** The search (search.ts, check-path.ts): a valid path if there is one, else the failing path that came furthest, correctly explained. */
import { describe, expect, it } from 'vitest'
import { Certificate, type Report } from '../../../src/validate/index.js'
import { detailsOf, HOST } from '../../support/minted-chain.js'
import {
  basicConstraints,
  dns,
  EXTENSION,
  extendedKeyUsage,
  ip,
  ipRange,
  mintCa,
  nameConstraints,
  newKey,
  type MintCaOptions,
  type Minted,
} from '../../support/mint.js'
import { EXPIRED, future, given, leafOf, past, reportOn, textsOf, type Options } from './rows.js'

/** An older and a newer one of the same CA: of two candidates alike, the search tries the newer first. */
const [OLDER, NEWER] = [2, 1].map((hours) => ({ notBefore: past(hours / 24) })) as [MintCaOptions, MintCaOptions]
const ORDERS = [
  [NEWER, OLDER],
  [OLDER, NEWER],
] as const
const R = mintCa({ subject: 'R', notAfter: future(4000), serial: 1 })
const S = mintCa({ subject: 'S' })
const key = newKey()
const issuer = mintCa({ subject: 'A', key })
const L = leafOf(issuer, { names: [dns(HOST), ip('127.0.0.1')] })
const expiredLeaf = leafOf(issuer, EXPIRED)
/** A certificate of the issuer of the leaf. */
const A = (options: Partial<MintCaOptions> = {}): Minted => mintCa({ subject: 'A', key, issuer: R, ...options })
const mute = { keyUsages: ['cRLSign'] } as const
/** Constraints that the DNS name of the leaf breaks, and such that its address breaks as well. */
const one = { extensions: [nameConstraints({ permitted: [dns('x')] })] }
const two = { extensions: [nameConstraints({ permitted: [dns('x'), ipRange('10.0.0.0/8')] })] }
const sameKey = (count: number, options: Partial<MintCaOptions>): Minted[] =>
  Array.from({ length: count }, (_, i) => A({ ...options, serial: i + 1 }))

const validate = (sent: readonly Minted[], options: Options = {}, leaf = L, trust: readonly Minted[] = [R]): Report =>
  reportOn({ leaf, sent, trust }, { hosts: [], ...options })
const serials = ({ path }: Report): string =>
  (path ?? [])
    .slice(1)
    .map(({ serialNumber }) => serialNumber.replace(/^0/, ''))
    .join(' ')
const others = ({ findings }: Report): unknown[] => detailsOf(findings, 'chain/others-tried').map(({ paths }) => paths)

describe('a valid path', () => {
  const expired = A({ ...EXPIRED, serial: 2 })

  it.each<[what: string, sent: Minted[], path: string, leaf?: Minted, found?: string[]]>([
    ['behind faulty ones', [expired, A({ ...NEWER, ...mute, serial: 3 }), A({ ...OLDER, serial: 4 })], '4 1'],
    ['behind one that breaks the constraints', [A({ ...NEWER, ...one, serial: 2 }), A({ ...OLDER, serial: 3 })], '3 1'],
    ['around an expired one', [expired, A({ serial: 3 })], '3 1', L, []],
    ['of a faulty leaf', [A({ serial: 2 })], '2 1', expiredLeaf, ['validity/expired@0']],
  ])('a valid path is found %s', (_, sent, path, leaf, found = ['openssl-picks-other-path@0']) => {
    const report = validate(sent, {}, leaf)
    expect(textsOf(report.findings)).toEqual(found)
    expect(serials(report)).toBe(path)
  })

  it('a valid path is found past a root that it leads around, and through CAs that sign each other (CVE-2024-0567)', () => {
    const [other, root, b, c] = ['Other', 'Root', 'B', 'C'].map((subject) => mintCa({ subject })) as [
      Minted,
      Minted,
      Minted,
      Minted,
    ]
    const around = mintCa({ subject: 'Root', key: root.key, issuer: other, ...EXPIRED })
    expect(validate([around], {}, leafOf(root), [other, root]).ok).toBe(true)
    const cross = (subject: string, { key }: Minted, issuer: Minted): Minted => mintCa({ subject, key, issuer })
    const mesh = [cross('Root', root, b), cross('B', b, root), cross('B', b, c), cross('C', c, b)]
    const below = mintCa({ subject: 'Below', issuer: root })
    expect(validate([below, ...mesh], {}, leafOf(below), [root]).ok).toBe(true)
  })

  it('does not depend on certificates that are not part of it', () => {
    const unused = mintCa({ subject: 'Unused', extensions: [nameConstraints({ permitted: [dns('*.x')] })] })
    expect(validate([A(), unused], { usage: 'any' }, L, [R, mintCa({ subject: 'Unused', ...EXPIRED })]).ok).toBe(true)
  })

  it('a valid path is reported with the places of its own certificates, wherever others had them', () => {
    const weak = mintCa({ subject: 'Weak', signature: 'ecdsa-sha1', notAfter: future(4000) })
    const B = mintCa({ subject: 'B', issuer: weak })
    const sent = [A({ ...NEWER, ...one, issuer: B }), B, A({ ...OLDER, issuer: weak })]
    const found = textsOf(validate(sent, {}, L, [weak]).findings)
    expect(found).toEqual(['openssl-picks-other-path@0', 'warning algorithm-refused@2'])
  })

  it('a path is explained if its errors come from other programs, and another path is refused', () => {
    // Go accepts the trusted twin, whose list of purposes is empty, and counts the self-issued CA below the root.
    const low = mintCa({ subject: 'A', issuer: A() })
    const root = mintCa({
      subject: 'R',
      key: R.key,
      notAfter: future(4000),
      extensions: [basicConstraints({ ca: true, pathLength: 1 })],
    })
    const twin = A({ issuer: root, extensions: [extendedKeyUsage([])] })
    const report = validate([low, A({ issuer: root })], { usage: 'client' }, leafOf(low), [root, twin])
    expect(textsOf(report.findings)).toEqual(['extension-refused@2', 'info others-tried'])
  })

  it('a valid path may be a leaf that is trusted itself', () => {
    const own = leafOf()
    expect(validate([], {}, own, [own])).toMatchObject({ path: [{}], findings: [] })
  })
})

describe('of failing paths', () => {
  it.each<[what: string, first: Partial<MintCaOptions>, second: Partial<MintCaOptions>, found: string[]]>([
    ['the path with fewer errors is reported', one, two, ['name-refused@0']],
    ['a path that reaches an anchor is reported', mute, { issuer: S }, ['key-usage-missing@1']],
    [
      'a path that reaches an anchor is reported although it has more errors and is shorter',
      { ...EXPIRED, ...mute },
      { issuer: S },
      ['validity/expired@1 > outlives-issuer@0', 'key-usage-missing@1'],
    ],
  ])('%s, whichever comes first', (_, better, worse, found) => {
    for (const [first, second] of ORDERS) {
      const report = validate([A({ ...first, ...better, serial: 1 }), A({ ...second, ...worse, serial: 2 })])
      expect(textsOf(report.findings)).toEqual([...found, 'info others-tried'])
      expect([serials(report)[0], others(report)]).toEqual(['1', [1]])
    }
  })

  it('the one with fewer errors of faulty issuers is reported', () => {
    for (const [days, others] of [
      [9, 10],
      [10, 9],
    ] as const) {
      const both = A({ ...EXPIRED, ...mute, notBefore: past(days), serial: 2 })
      expect(serials(validate([both, A({ ...EXPIRED, notBefore: past(others), serial: 3 })]))).toBe('3 1')
    }
  })

  it('the longer of two dead ends is reported, however faulty', () => {
    const B = mintCa({ subject: 'B', issuer: S, ...mute })
    for (const [longer, shorter] of ORDERS) {
      const report = validate([A({ ...longer, issuer: B }), B, A({ ...shorter, issuer: S })])
      expect(textsOf(report.findings)).toEqual(['issuer-not-found@2', 'key-usage-missing@2', 'info others-tried'])
    }
  })

  it('the first of similar paths is reported', () => {
    const B = mintCa({ subject: 'B', issuer: R })
    expect(serials(validate([A({ ...OLDER, ...one, serial: 3 }), A({ ...NEWER, ...one, serial: 2 })]))).toBe('2 1')
    expect(serials(validate([A({ ...OLDER, issuer: S, serial: 3 }), A({ ...NEWER, issuer: S, serial: 2 })]))).toBe('2')
    for (const [long, short] of ORDERS) {
      const report = validate([A({ ...mute, ...long, issuer: B }), B, A({ ...mute, ...short })])
      expect(report.path).toHaveLength(long === NEWER ? 4 : 3)
    }
  })

  it('a single one is reported without others', () => {
    expect([others(validate([A(one)])), others(validate([A({ issuer: S })]))]).toEqual([[], []])
  })

  it('each costs 16 steps for each certificate, and 8 for each finding', () => {
    const anchored = sameKey(40, one)
    expect(others(validate(anchored))).toEqual([39])
    // Three certificates, one finding, and two candidates.
    const steps = 3 * (3 * 16 + 8 + 2)
    const three = validate(anchored, { budget: { steps } })
    expect(others(three)).toEqual([2])
    expect(textsOf(three.findings)).toEqual(['name-refused@0', 'limit-exceeded', 'info others-tried'])
    expect(others(validate(anchored, { budget: { steps: steps + 3 } }))).toEqual([3])
    // Of dead ends, 32 are checked: two certificates, one finding, one candidate.
    const deadEnds = sameKey(40, { issuer: S })
    expect(others(validate(deadEnds))).toEqual([31])
    expect(others(validate(deadEnds, { budget: { steps: 3 * (2 * 16 + 8 + 1) } }))).toEqual([2])
  })

  it('a link that cannot be verified is followed, and one of another key is not', () => {
    const ed448 = mintCa({ subject: 'A', key: 'ed448', issuer: R })
    const report = validate([ed448], {}, leafOf(ed448))
    expect(report.path).toHaveLength(3)
    expect(textsOf(report.findings)).toEqual(['key/unsupported@1 > algorithm-refused@0'])
    expect(validate([mintCa({ subject: 'A', issuer: R })]).path).toHaveLength(1)
  })
})

describe('the limits', () => {
  const C = mintCa({ subject: 'C', issuer: R })
  const B = mintCa({ subject: 'B', issuer: C })
  const long = [A({ issuer: B }), B, C]

  it.each([{ signatures: 1 }, { steps: 1 }, { steps: 3 }])(
    'limits that end the search are reported without a certificate: %j',
    (budget) => {
      const { findings } = validate(long, { budget })
      expect(textsOf(findings)).toEqual(['limit-exceeded'])
      expect(detailsOf(findings, 'chain/limit-exceeded', 'search')).toEqual([
        { signatures: 100, steps: 3000, ...budget },
      ])
      const ofLeaf = validate(long, { budget }, expiredLeaf)
      expect(textsOf(ofLeaf.findings)).toEqual(['validity/expired@0', 'limit-exceeded'])
      expect(ofLeaf.path).toHaveLength(1)
    },
  )

  it('the limits suffice exactly for a signature and a step of each link', () => {
    expect(validate(long, { budget: { signatures: 4, steps: 4 } }).findings).toEqual([])
    expect(textsOf(validate(long, { budget: { signatures: 3 } }).findings)).toEqual(['limit-exceeded'])
  })

  it('the limits of an explanation are 25 signatures in addition to the search', () => {
    const faulty = A({ ...EXPIRED, without: [EXTENSION.authorityKeyIdentifier] })
    const namesakes = (count: number): Minted[] =>
      Array.from({ length: count }, (_, i) =>
        mintCa({ subject: 'R', notBefore: new Date(Date.now() - i - 1), notAfter: future(1) }),
      )
    const errors = (count: number): string[] => {
      const { findings } = validate([faulty], {}, L, [R, ...namesakes(count)])
      return findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)
    }
    expect([errors(24), errors(25)]).toEqual([['validity/expired'], ['chain/limit-exceeded']])
  })

  it('the limits of length allow four self-issued certificates next to the intermediates', () => {
    const passes = (count: number): boolean => {
      const cas = [R]
      for (let i = 0; i < count; i++) cas.unshift(mintCa({ subject: 'R', issuer: cas[0] }))
      return validate(cas.slice(0, -1), { maxIntermediates: 0 }, leafOf(cas[0])).ok
    }
    expect([passes(4), passes(5)]).toEqual([true, false])
  })
})

it('lists every fault, with the certificate and its place', () => {
  const minted = given({
    leaf: { ...EXPIRED, names: [dns('x.svc')], usages: ['clientAuth'] },
    intermediate: { ...EXPIRED, ...mute },
  })
  const report = reportOn(minted)
  expect(textsOf(report.findings)).toEqual([
    'validity/expired@0',
    'extended-key-usage-missing@0',
    'host-not-covered@0',
    'validity/expired@1',
    'key-usage-missing@1',
  ])
  const { serialNumber, fingerprint256, notBefore, notAfter, subject } = Certificate.parse(
    minted.sent[0]?.der ?? Buffer.of(),
  )
  const place = { role: 'intermediate', index: 1, origin: 'intermediates', serialNumber, fingerprint256 }
  expect(report.findings[3]?.certificate).toEqual({ ...place, notBefore, notAfter, subject: subject.toString() })
  expect(report.path?.map(({ role }) => role)).toEqual(['leaf', 'intermediate', 'anchor'])
})

it('the explanation says that the CA file holds no CA, if each certificate in it declares that', () => {
  const own = leafOf(issuer, { subject: 'my-client', extensions: [basicConstraints({ ca: false })] })
  const explained = (...trusted: readonly Minted[]) => {
    const [first] = reportOn({ leaf: L, trust: trusted }).findings
    return [first.code, first.message.includes('which is not a CA'), first.remedy.includes('SelfSigned')]
  }
  expect(explained(own)).toEqual(['chain/issuer-not-found', true, true])
  expect(explained(own, S)).toEqual(['chain/issuer-not-found', false, false])
})
