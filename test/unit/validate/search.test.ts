/** The search for a path: a valid one where there is one, else the failing one that came furthest, rightly explained. */
import { describe, expect, it } from 'vitest'
import { validateChain, type Report, type ValidateChainOptions } from '../../../src/validate/index.js'
import { codesOf, detailsOf, HOST } from '../../support/judge-chain.js'
import {
  dns,
  EXTENSION,
  ip,
  ipRange,
  mintCa,
  mintLeaf,
  nameConstraints,
  newKey,
  type MintCaOptions,
  type Minted,
} from '../../support/mint.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const ago = (milliseconds: number): Date => new Date(Date.now() - milliseconds)
const expired = { notBefore: ago(9 * DAY), notAfter: ago(DAY) }

/** An older and a newer one of the same CA: of two candidates alike, the search tries the newer first. */
const OLDER = { notBefore: ago(2 * HOUR) }
const NEWER = { notBefore: ago(HOUR) }

/** Longer than what is issued below it, also where a second passes between two mintings. */
const LONGER = { notAfter: new Date(Date.now() + 4000 * DAY) }
const R = mintCa({ subject: 'R', ...LONGER })
const key = newKey()
const issuerOfLeaf = mintCa({ subject: 'A', key })
const L = mintLeaf({ subject: 'L', issuer: issuerOfLeaf, names: [dns(HOST), ip('127.0.0.1')] })
/** A certificate of the leaf's issuer. */
const A = (options: Partial<MintCaOptions> = {}): Minted => mintCa({ subject: 'A', key, issuer: R, ...options })

function judge(
  between: readonly Minted[],
  anchors: readonly Minted[],
  options: Partial<ValidateChainOptions> = {},
  leaf = L,
): Report {
  const input = {
    leaf: leaf.der,
    intermediates: between.map(({ der }) => der),
    trustAnchors: anchors.map(({ der }) => der),
  }
  return validateChain(input, { usage: 'server', ...options })
}

const serials = (report: Report): string[] | undefined =>
  report.path?.slice(1).map(({ serialNumber }) => serialNumber.replace(/^0/, ''))
const others = (report: Report): unknown[] => detailsOf(report.findings, 'chain/others-tried')
/** Constraints that the leaf's DNS name breaks, and such that its address breaks, too. */
const one = { extensions: [nameConstraints({ permitted: [dns('x')] })] }
const two = { extensions: [nameConstraints({ permitted: [dns('x'), ipRange('10.0.0.0/8')] })] }

describe('a valid path', () => {
  const root = mintCa({ subject: 'R', key: R.key, serial: 1, ...LONGER })

  it('is found behind failing ones, of which OpenSSL’s choice alone is told', () => {
    const ways = [
      A({ ...expired, serial: 2 }),
      A({ ...NEWER, keyUsages: ['cRLSign'], serial: 3 }),
      A({ ...OLDER, serial: 4 }),
    ]
    const report = judge(ways, [root])
    expect(report.findings.map(({ code }) => code)).toEqual(['chain/openssl-picks-other-path'])
    expect(serials(report)).toEqual(['4', '1'])
  })

  it('is found where the first one breaks the constraints of the path as a whole', () => {
    const report = judge([A({ ...NEWER, ...one, serial: 2 }), A({ ...OLDER, serial: 3 })], [root])
    expect(report.findings.map(({ code }) => code)).toEqual(['chain/openssl-picks-other-path'])
    expect(serials(report)).toEqual(['3', '1'])
  })

  it('is found where the leaf itself is faulty', () => {
    const leaf = mintLeaf({ subject: 'L', issuer: issuerOfLeaf, ...expired })
    const report = judge([A({ serial: 2 })], [root], {}, leaf)
    expect(codesOf(report.findings)).toEqual(['validity/expired@0'])
    expect(serials(report)).toEqual(['2', '1'])
  })
})

describe('of failing paths that reach an anchor by sound links', () => {
  it('the one with fewer errors is told, whichever comes first', () => {
    for (const [first, second] of [
      [two, one],
      [one, two],
    ] as const) {
      const ways = [
        A({ ...NEWER, ...first, serial: first === one ? 1 : 2 }),
        A({ ...OLDER, ...second, serial: second === one ? 1 : 2 }),
      ]
      const report = judge(ways, [R])
      expect(codesOf(report.findings)).toEqual(['name-constraints/name-refused@0'])
      expect(serials(report)?.[0]).toBe('1')
      expect(others(report)).toEqual([{ paths: 1 }])
    }
  })

  it('the first of those alike is told', () => {
    const report = judge([A({ ...NEWER, ...one, serial: 1 }), A({ ...OLDER, ...one, serial: 2 })], [R])
    expect(serials(report)?.[0]).toBe('1')
  })

  it('a single one is told without a word of others', () => {
    expect(others(judge([A(one)], [R]))).toEqual([])
  })

  it('all are judged that the steps suffice for: 16 for each certificate of a path, 8 for each finding', () => {
    const ways = Array.from({ length: 40 }, (_, i) => A({ ...one, serial: i + 1 }))
    const all = judge(ways, [R])
    expect(codesOf(all.findings)).toEqual(['name-constraints/name-refused@0'])
    expect(others(all)).toEqual([{ paths: 39 }])
    // Three certificates, one finding, and two candidates that were looked at.
    const steps = 3 * (3 * 16 + 8 + 2)
    const three = judge(ways, [R], { budget: { steps } })
    expect(others(three)).toEqual([{ paths: 2 }])
    expect(codesOf(three.findings)).toContain('chain/limit-exceeded')
    expect(others(judge(ways, [R], { budget: { steps: steps + 3 } }))).toEqual([{ paths: 3 }])
  })
})

describe('of failing paths', () => {
  const S = mintCa({ subject: 'S' })

  it('one that reaches an anchor comes before a dead end, whichever comes first', () => {
    for (const [toAnchor, toNowhere] of [
      [NEWER, OLDER],
      [OLDER, NEWER],
    ] as const) {
      const ways = [A({ ...toAnchor, keyUsages: ['cRLSign'] }), A({ ...toNowhere, issuer: S })]
      const report = judge(ways, [R])
      expect(codesOf(report.findings)).toEqual(['usage/key-usage-missing@1'])
      expect(others(report)).toEqual([{ paths: 1 }])
    }
  })

  it('also where it has more errors and is shorter', () => {
    const B = mintCa({ subject: 'B', issuer: S })
    const ways = [A({ ...expired, keyUsages: ['cRLSign'] }), A({ issuer: B }), B]
    expect(codesOf(judge(ways, [R]).findings)).toEqual(['validity/expired@1', 'usage/key-usage-missing@1'])
  })

  it('of two that reach an anchor the one with fewer errors is told, whichever comes first', () => {
    const both = { ...expired, keyUsages: ['cRLSign'] as const }
    for (const [hours, alsoHours] of [
      [9, 10],
      [10, 9],
    ] as const) {
      const ways = [A({ ...both, notBefore: ago(hours * DAY) }), A({ ...expired, notBefore: ago(alsoHours * DAY) })]
      expect(codesOf(judge(ways, [R]).findings)).toEqual(['validity/expired@1'])
    }
  })

  it('of two dead ends the longer one is told, whichever comes first and however faulty', () => {
    const B = mintCa({ subject: 'B', issuer: S, keyUsages: ['cRLSign'] })
    for (const [longer, shorter] of [
      [NEWER, OLDER],
      [OLDER, NEWER],
    ] as const) {
      const ways = [A({ ...longer, issuer: B }), B, A({ ...shorter, issuer: S })]
      const report = judge(ways, [R])
      expect(codesOf(report.findings).sort()).toEqual(['chain/issuer-not-found@2', 'usage/key-usage-missing@2'])
    }
  })

  it('the first of those alike is told', () => {
    const report = judge([A({ ...OLDER, issuer: S, serial: 2 }), A({ ...NEWER, issuer: S, serial: 1 })], [R])
    expect(serials(report)).toEqual(['1'])
  })

  it('a single one is told without a word of others', () => {
    expect(others(judge([A({ issuer: S })], [R]))).toEqual([])
  })

  it('32 are judged, or as many as the steps suffice for', () => {
    const ways = Array.from({ length: 40 }, (_, i) => A({ issuer: S, serial: i + 1 }))
    expect(others(judge(ways, [R]))).toEqual([{ paths: 31 }])
    // Two certificates, one finding, and one candidate that was looked at.
    const steps = 3 * (2 * 16 + 8 + 1)
    expect(others(judge(ways, [R], { budget: { steps } }))).toEqual([{ paths: 2 }])
  })

  it('the first of those is told that reach an anchor with as many errors, however long', () => {
    const B = mintCa({ subject: 'B', issuer: R })
    const faulty = { keyUsages: ['cRLSign'] } as const
    for (const [long, short] of [
      [NEWER, OLDER],
      [OLDER, NEWER],
    ] as const) {
      const ways = [A({ ...faulty, ...long, issuer: B }), B, A({ ...faulty, ...short })]
      expect(judge(ways, [R]).path).toHaveLength(long === NEWER ? 4 : 3)
    }
  })
})

describe('a link that nobody can verify', () => {
  it('is followed for the explanation, so that the fault stands at its place', () => {
    const ed448 = mintCa({ subject: 'A', key: 'ed448', issuer: R })
    const leaf = mintLeaf({ subject: 'L', issuer: ed448, names: [dns(HOST)] })
    const report = judge([ed448], [R], {}, leaf)
    expect(report.path).toHaveLength(3)
    expect(codesOf(report.findings)).toContain('key/unsupported@1')
  })

  it('is not where another key made the signature', () => {
    const stranger = mintCa({ subject: 'A', issuer: R })
    const report = judge([stranger], [R])
    expect(report.path).toHaveLength(1)
    expect(codesOf(report.findings)).toEqual(['chain/issuer-key-differs@0'])
  })
})

describe('a leaf that is trusted by itself', () => {
  it('needs no path, and is told to OpenSSL’s users if it is not self-signed', () => {
    const report = judge([], [L])
    expect(report.path).toHaveLength(1)
    expect(report.findings.map(({ code }) => code)).toEqual(['chain/anchor-not-self-signed'])
    const own = mintLeaf({ subject: 'L', names: [dns(HOST)] })
    expect(judge([], [own], {}, own).findings).toEqual([])
  })
})

describe('the limits', () => {
  const C = mintCa({ subject: 'C', issuer: R })
  const B = mintCa({ subject: 'B', issuer: C })
  const long = [A({ issuer: B }), B, C]

  it.each([{ signatures: 1 }, { steps: 1 }, { steps: 3 }])('that end the search blame nobody: %j', (budget) => {
    const report = judge(long, [R], { budget })
    expect(codesOf(report.findings)).toEqual(['chain/limit-exceeded'])
    const limits = { signatures: 100, steps: 3000, ...budget }
    expect(detailsOf(report.findings, 'chain/limit-exceeded', 'search')).toEqual([limits])
  })

  it('blame nobody where the leaf has faults of its own', () => {
    const leaf = mintLeaf({ subject: 'L', issuer: issuerOfLeaf, ...expired })
    const report = judge(long, [R], { budget: { steps: 1 } }, leaf)
    expect(codesOf(report.findings)).toEqual(['validity/expired@0', 'chain/limit-exceeded'])
    expect(report.path).toHaveLength(1)
  })

  it('suffice exactly: a signature and a step for each link', () => {
    expect(judge(long, [R], { budget: { signatures: 4, steps: 4 } }).findings).toEqual([])
    expect(codesOf(judge(long, [R], { budget: { signatures: 3 } }).findings)).toEqual(['chain/limit-exceeded'])
  })

  it('of an explanation are 25 signatures beyond those of the search', () => {
    const faulty = A({ ...expired, without: [EXTENSION.authorityKeyIdentifier] })
    const namesakes = (count: number): Minted[] =>
      Array.from({ length: count }, (_, i) => mintCa({ subject: 'R', notBefore: ago(i + 1), notAfter: ago(-DAY) }))
    expect(codesOf(judge([faulty], [R, ...namesakes(24)]).findings)).toEqual(['validity/expired@1'])
    expect(codesOf(judge([faulty], [R, ...namesakes(25)]).findings)).toEqual(['chain/limit-exceeded'])
    const leaf = mintLeaf({ subject: 'L', issuer: issuerOfLeaf, ...expired })
    const report = judge([faulty], [R, ...namesakes(25)], {}, leaf)
    expect(codesOf(report.findings)).toEqual(['validity/expired@0', 'chain/limit-exceeded'])
  })

  it('of length allow four self-issued certificates beside the intermediates', () => {
    const renewed = (count: number): Minted[] => {
      const cas = [R]
      for (let i = 0; i < count; i++) cas.push(mintCa({ subject: 'R', issuer: cas.at(-1) }))
      return cas
    }
    const paths = (count: number): string[] => {
      const [root = R, ...rest] = renewed(count)
      const leaf = mintLeaf({ subject: 'L', issuer: rest.at(-1), names: [dns(HOST)] })
      return codesOf(judge(rest, [root], { maxIntermediates: 0 }, leaf).findings)
    }
    expect(paths(4)).toEqual([])
    expect(paths(5)).not.toEqual([])
  })
})
