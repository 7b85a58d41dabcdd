/** Walking paths: which are found, in which order, and where the walk ends. */
import { describe, expect, it } from 'vitest'
import { Budget } from '../../../src/validate/budget.js'
import { Certificate } from '../../../src/validate/index.js'
import { IssuerIndex } from '../../../src/validate/issuer-index.js'
import { walkPaths, type LinkRule } from '../../../src/validate/path.js'
import {
  authorityKeyIdentifier,
  EXTENSION,
  mintCa,
  mintLeaf,
  newKey,
  publicHalf,
  subjectKeyIdentifier,
  TAG,
  type Minted,
} from '../../support/mint.js'

/** Certificates by a letter each, so that a path reads as a word. */
type Letters = Readonly<Record<string, Minted>>

interface Walk {
  readonly deadEnds?: boolean
  readonly maxLength?: number
  readonly budget?: Budget
  readonly rule?: LinkRule
}

/** The paths over certificates, the leaf first: `LAR` is anchored, `LA?` a dead end. */
function walk(letters: Letters, leaf: string, anchors: string, options: Walk = {}): string[] {
  const certificates = new Map(Object.entries(letters).map(([letter, { der }]) => [letter, Certificate.parse(der)]))
  const letterOf = new Map([...certificates].map(([letter, certificate]) => [certificate, letter]))
  const isAnchor = ([letter]: readonly [string, Certificate]): boolean => anchors.includes(letter)
  const trusted = [...certificates].filter(isAnchor).map(([, certificate]) => certificate)
  const between = [...certificates].filter((each) => !isAnchor(each) && each[0] !== leaf)
  const index = new IssuerIndex(
    trusted,
    between.map(([, certificate]) => certificate),
  )
  const first = certificates.get(leaf)
  if (first === undefined) throw new Error(`no certificate ${leaf}`)
  const { deadEnds = true, maxLength = 10, budget = new Budget(), rule = () => 'follow' } = options
  const paths = walkPaths(first, trusted, index, { rule, budget, maxLength, deadEnds })
  return Array.from(paths, ({ certificates: path, anchored }) => {
    const word = path.map((each) => letterOf.get(each) ?? '?').join('')
    return anchored ? word : `${word}?`
  })
}

const R = mintCa({ subject: 'R' })
const A = mintCa({ subject: 'A', issuer: R })
const L = mintLeaf({ subject: 'L', issuer: A })

describe('a path', () => {
  it('leads from the leaf to an anchor', () => {
    expect(walk({ L, A, R }, 'L', 'R')).toEqual(['LAR'])
  })

  it('ends at the first anchor, be it an intermediate', () => {
    expect(walk({ L, A, R }, 'L', 'AR')).toEqual(['LA'])
  })

  it('is the leaf alone where that is an anchor, and goes on from there', () => {
    expect(walk({ L, A, R }, 'L', 'LR')).toEqual(['L', 'LAR'])
    expect(walk({ L, A, R }, 'A', 'A')).toEqual(['A', 'AR?'])
  })

  it('that meets no issuer is a dead end, yielded only where dead ends are asked for', () => {
    expect(walk({ L, A }, 'L', '')).toEqual(['LA?'])
    expect(walk({ L, A }, 'L', '', { deadEnds: false })).toEqual([])
    expect(walk({ L }, 'L', '')).toEqual(['L?'])
  })

  it('is back-tracked: every way up is tried, and a dead end is told for itself', () => {
    const S = mintCa({ subject: 'S' })
    const B = mintCa({ subject: 'A', key: A.key, issuer: S, notBefore: new Date(Date.now() - 2 * 3_600_000) })
    expect(walk({ L, A, B, R, S }, 'L', 'RS')).toEqual(['LAR', 'LBS'])
    expect(walk({ L, A, B, R }, 'L', 'R')).toEqual(['LAR', 'LB?'])
    expect(walk({ L, A, B, R }, 'L', 'R', { deadEnds: false })).toEqual(['LAR'])
  })
})

describe('a loop', () => {
  it('is not walked: a subject and key that are in the path already', () => {
    const x = newKey()
    const y = newKey()
    const [X, Y] = [mintCa({ subject: 'X', key: x }), mintCa({ subject: 'Y', key: y })]
    const P = mintCa({ subject: 'X', key: x, issuer: Y })
    const Q = mintCa({ subject: 'Y', key: y, issuer: X })
    const Z = mintCa({ subject: 'X', key: x, issuer: Y, serial: 5 })
    const leaf = mintLeaf({ subject: 'L', issuer: X })
    const words = walk({ L: leaf, P, Q, Z }, 'L', '').sort()
    expect(words).toEqual(['LPQ?', 'LZQ?'])
  })

  it('is none where the name is the same and the key is another, or the key the same and the name another', () => {
    const N = mintCa({ subject: 'R', issuer: R })
    const below = mintLeaf({ subject: 'L', issuer: N })
    expect(walk({ L: below, N, R }, 'L', 'R')).toEqual(['LNR', 'LR'])
    const M = mintCa({ subject: 'M', key: R.key, issuer: R })
    const other = mintLeaf({ subject: 'L', issuer: M })
    expect(walk({ L: other, M, R }, 'L', 'R')).toEqual(['LMR'])
  })

  it('is not begun by an issuer that is the leaf itself', () => {
    const S = mintLeaf({ subject: 'S' })
    expect(walk({ S, T: S }, 'S', '')).toEqual(['S?'])
  })
})

describe('the rule', () => {
  it('is asked with the place that the issuer would take', () => {
    const asked: [string, string, number, boolean][] = []
    const rule: LinkRule = (child, { certificate, isAnchor }, index) => {
      asked.push([child.subject.commonName ?? '', certificate.subject.commonName ?? '', index, isAnchor])
      return 'follow'
    }
    walk({ L, A, R }, 'L', 'R', { rule })
    expect(asked).toEqual([
      ['L', 'A', 1, false],
      ['A', 'R', 2, true],
    ])
  })

  it('that skips an issuer makes its child a dead end', () => {
    const rule: LinkRule = (_, { isAnchor }) => (isAnchor ? 'skip' : 'follow')
    expect(walk({ L, A, R }, 'L', 'R', { rule })).toEqual(['LA?'])
  })

  it('that uses up the budget ends the walk', () => {
    const budget = new Budget({ signatures: 1 })
    const rule: LinkRule = () => {
      budget.takeSignature()
      return 'follow'
    }
    expect(walk({ L, A, R }, 'L', 'R', { rule, budget })).toEqual([])
  })
})

describe('the limits', () => {
  it('of steps: one for every candidate', () => {
    expect(walk({ L, A, R }, 'L', 'R', { budget: new Budget({ steps: 2 }) })).toEqual(['LAR'])
    expect(walk({ L, A, R }, 'L', 'R', { budget: new Budget({ steps: 1 }) })).toEqual([])
  })

  it('of length: so many certificates below the anchor', () => {
    const B = mintCa({ subject: 'B', issuer: A })
    const leaf = mintLeaf({ subject: 'L', issuer: B })
    const letters = { L: leaf, B, A, R }
    expect(walk(letters, 'L', 'R', { maxLength: 3 })).toEqual(['LBAR'])
    expect(walk(letters, 'L', 'R', { maxLength: 2 })).toEqual(['LBA?'])
    expect(walk(letters, 'L', 'R', { maxLength: 2, deadEnds: false })).toEqual([])
  })
})

describe('of several issuers of one name', () => {
  const key = newKey()
  const own = publicHalf(key)
  const hours = (count: number): Date => new Date(Date.now() - count * 3_600_000)
  const strange = Buffer.alloc(20, 9)
  const without = [EXTENSION.subjectKeyIdentifier]

  /** The last letters of the paths of a leaf, in the order in which they were tried. */
  const order = (
    letters: Letters,
    anchors: string,
    leaf = mintLeaf({ subject: 'L', issuer: firstOf(letters) }),
  ): string =>
    walk({ L: leaf, ...letters }, 'L', anchors)
      .map((word) => word.replace(/^L|\?$/g, ''))
      .join('')
  const firstOf = (letters: Letters): { key: Minted['key']; subject: Buffer } => {
    const [first] = Object.values(letters)
    if (first === undefined) throw new Error('no letters')
    return { key, subject: first.subject }
  }
  const ca = (options: Partial<Parameters<typeof mintCa>[0]> = {}): Minted =>
    mintCa({ subject: 'C', issuer: { key: R.key, subject: R.subject }, notBefore: hours(5), ...options })

  it('the one with the wanted key identifier comes first, one without before one with another', () => {
    const letters = {
      D: ca({ extensions: [subjectKeyIdentifier(strange)] }),
      U: ca({ key, without }),
      S: ca({ key }),
    }
    expect(order(letters, '')).toBe('SUD')
  })

  it('where none is wanted, all are alike', () => {
    const letters = {
      D: ca({ extensions: [subjectKeyIdentifier(strange)], notBefore: hours(1) }),
      U: ca({ without, notBefore: hours(2) }),
      S: ca({ key, notBefore: hours(3) }),
    }
    const below = { subject: 'L', issuer: firstOf(letters) }
    expect(order(letters, '', mintLeaf({ ...below, extensions: [authorityKeyIdentifier(null)] }))).toBe('DUS')
    expect(order(letters, '', mintLeaf({ ...below, without: [EXTENSION.authorityKeyIdentifier] }))).toBe('DUS')
  })

  it('an anchor comes before the others, but after a better key identifier', () => {
    const letters = {
      S: ca({ key }),
      T: ca({ key }),
      U: ca({ without, key: newKey() }),
      V: ca({ key: newKey(), without }),
    }
    expect(order(letters, 'T')).toBe('TSUV')
    expect(order(letters, 'V')).toBe('STVU')
  })

  it('the newest comes first', () => {
    const letters = {
      O: ca({ key, notBefore: hours(9) }),
      N: ca({ key: newKey(), extensions: [subjectKeyIdentifier(own)], notBefore: hours(1) }),
      M: ca({ key: newKey(), extensions: [subjectKeyIdentifier(own)], notBefore: hours(3) }),
    }
    expect(order(letters, '')).toBe('NMO')
  })

  it('those whose name is written in the same bytes come first (RFC 5280 section 7.1)', () => {
    const letters = {
      P: ca({ key: newKey(), subject: [['CN', 'c', TAG.printableString]], notBefore: hours(1) }),
      S: ca({ key, extensions: [subjectKeyIdentifier(strange)] }),
      Q: ca({ key: newKey(), subject: 'c ', notBefore: hours(3) }),
      X: ca({ key: newKey(), subject: 'D' }),
    }
    const leaf = mintLeaf({ subject: 'L', issuer: { key, subject: letters.S.subject } })
    expect(order(letters, '', leaf)).toBe('SPQ')
  })
})
