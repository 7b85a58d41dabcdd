/** Walking paths (path-walker.ts): which are found, in which order, and where the walk ends. */
import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/validate/index.js'
import { Budget } from '../../../src/validate/link.js'
import { IssuerIndex, walkPaths, type LinkRule } from '../../../src/validate/path-walker.js'
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
  const read = Object.entries(letters).map(([letter, { der }]) => ({ letter, certificate: Certificate.parse(der) }))
  const of = (isWanted: (letter: string) => boolean): Certificate[] =>
    read.filter(({ letter }) => isWanted(letter)).map(({ certificate }) => certificate)
  const trusted = of((letter) => anchors.includes(letter))
  const index = new IssuerIndex(
    trusted,
    of((letter) => letter !== leaf && !anchors.includes(letter)),
  )
  const [first] = of((letter) => letter === leaf)
  if (first === undefined) throw new Error(`no certificate ${leaf}`)
  const { deadEnds = true, maxLength = 10, budget = new Budget(), rule = () => true } = options
  const paths = walkPaths(first, index, { rule, budget, maxLength, deadEnds })
  return Array.from(paths, ({ certificates, anchored }) => {
    const word = certificates
      .map((each) => read.find(({ certificate }) => certificate === each)?.letter ?? '?')
      .join('')
    return anchored ? word : `${word}?`
  })
}

const hours = (count: number): Date => new Date(Date.now() - count * 3_600_000)
const R = mintCa({ subject: 'R' })
const S = mintCa({ subject: 'S' })
const A = mintCa({ subject: 'A', issuer: R })
const B = mintCa({ subject: 'A', key: A.key, issuer: S, notBefore: hours(2) })
const C = mintCa({ subject: 'C', issuer: A })
const L = mintLeaf({ subject: 'L', issuer: A })
const M = mintLeaf({ subject: 'L', issuer: C })
const [x, y] = [newKey(), newKey()]
const [X, Y] = [mintCa({ subject: 'X', key: x }), mintCa({ subject: 'Y', key: y })]
const P = mintCa({ subject: 'X', key: x, issuer: Y })
const Q = mintCa({ subject: 'Y', key: y, issuer: X })
const Z = mintCa({ subject: 'X', key: x, issuer: Y, serial: 5, notBefore: hours(2) })
const N = mintCa({ subject: 'R', issuer: R })
const O = mintCa({ subject: 'O', key: R.key, issuer: R })
const self = mintLeaf({ subject: 'S' })
const skipAnchors: LinkRule = (_, { isAnchor }) => !isAnchor
const steps = (count: number): Walk => ({ budget: new Budget({ steps: count }) })

it.each<[what: string, letters: Letters, leaf: string, anchors: string, found: string[], options?: Walk]>([
  ['leads from the leaf to an anchor', { L, A, R }, 'L', 'R', ['LAR']],
  ['ends at the first anchor, an intermediate as well', { L, A, R }, 'L', 'AR', ['LA']],
  ['is the leaf alone if that is an anchor, and goes on', { L, A, R }, 'L', 'LR', ['L', 'LAR']],
  ['goes on from an anchor to a dead end', { L, A, R }, 'A', 'A', ['A', 'AR?']],
  ['is a dead end without an anchor', { L, A }, 'L', '', ['LA?']],
  ['is not yielded then unless dead ends are asked for', { L, A }, 'L', '', [], { deadEnds: false }],
  ['is a dead end without an issuer', { L }, 'L', '', ['L?']],
  ['is tried through each issuer, the newest first', { L, A, B, R, S }, 'L', 'RS', ['LAR', 'LBS']],
  ['is a dead end for itself', { L, A, B, R }, 'L', 'R', ['LAR', 'LB?']],
  ['is not yielded as such', { L, A, B, R }, 'L', 'R', ['LAR'], { deadEnds: false }],
  // RFC 4158 section 2.4.2
  ['has no subject and key twice', { L: mintLeaf({ subject: 'L', issuer: X }), P, Q, Z }, 'L', '', ['LPQ?', 'LZQ?']],
  ['may contain a name twice', { L: mintLeaf({ subject: 'L', issuer: N }), N, R }, 'L', 'R', ['LNR', 'LR']],
  ['may contain a key twice', { L: mintLeaf({ subject: 'L', issuer: O }), O, R }, 'L', 'R', ['LOR']],
  ['does not contain the leaf twice', { S: self, T: self }, 'S', '', ['S?']],
  ['is a dead end if its issuer is skipped', { L, A, R }, 'L', 'R', ['LA?'], { rule: skipAnchors }],
  ['takes a step for each candidate', { L, A, R }, 'L', 'R', ['LAR'], steps(2)],
  ['ends with the steps', { L, A, R }, 'L', 'R', [], steps(1)],
  ['has as many certificates below the anchor as are allowed', { M, C, A, R }, 'M', 'R', ['MCAR'], { maxLength: 3 }],
  ['ends after as many', { M, C, A, R }, 'M', 'R', ['MCA?'], { maxLength: 2 }],
  ['is not yielded then', { M, C, A, R }, 'M', 'R', [], { maxLength: 2, deadEnds: false }],
])('a path %s', (_, letters, leaf, anchors, found, options) => {
  expect(walk(letters, leaf, anchors, options)).toEqual(found)
})

it('asks the rule with the place of the issuer, and ends if that uses up the budget', () => {
  const asked: unknown[] = []
  const rule: LinkRule = (child, { certificate, isAnchor }, index) => {
    asked.push([child.subject.commonName, certificate.subject.commonName, index, isAnchor])
    return true
  }
  walk({ L, A, R }, 'L', 'R', { rule })
  expect(asked).toEqual([
    ['L', 'A', 1, false],
    ['A', 'R', 2, true],
  ])
  const budget = new Budget({ signatures: 1 })
  const costly: LinkRule = () => budget.takeSignature()
  expect(walk({ L, A, R }, 'L', 'R', { rule: costly, budget })).toEqual([])
})

describe('of several issuers of one name', () => {
  const key = newKey()
  const issuer = { key, subject: mintCa({ subject: 'C' }).subject }
  const strange = { key: newKey(), extensions: [subjectKeyIdentifier(Buffer.alloc(20, 9))] }
  const unnamed = { key: newKey(), without: [EXTENSION.subjectKeyIdentifier] }
  const same = { key: newKey(), extensions: [subjectKeyIdentifier(publicHalf(key))] }
  const ca = (options: Partial<Parameters<typeof mintCa>[0]>, age = 5): Minted =>
    mintCa({ subject: 'C', issuer: R, notBefore: hours(age), ...options })
  const leaf = (options: Partial<Parameters<typeof mintLeaf>[0]> = {}): Minted =>
    mintLeaf({ subject: 'L', issuer, ...options })
  const free = leaf({ extensions: [authorityKeyIdentifier(null)] })
  const printable = [['CN', 'c', TAG.printableString]] as const

  it.each<[what: string, letters: Letters, anchors: string, order: string, leaf?: Minted]>([
    ['the wanted key identifier comes first, then none', { D: ca(strange), U: ca(unnamed), S: ca({ key }) }, '', 'SUD'],
    [
      'the newest comes first if none is wanted',
      { S: ca({ key }, 3), D: ca(strange, 1), U: ca(unnamed, 2) },
      '',
      'DUS',
      free,
    ],
    ['an anchor comes first', { S: ca({ key }), T: ca(same), U: ca(unnamed) }, 'T', 'TSU'],
    [
      'an anchor comes after a better one',
      { S: ca({ key }), V: ca({ ...unnamed, key: newKey() }), U: ca(unnamed) },
      'U',
      'SUV',
    ],
    ['the newest comes first', { O: ca({ key }, 9), N: ca(same, 1), M: ca({ ...same, key: newKey() }, 3) }, '', 'NMO'],
    // RFC 5280 section 7.1
    [
      'the same bytes come first',
      {
        P: ca({ key: newKey(), subject: printable }, 1),
        S: ca(strange),
        Q: ca({ key: newKey(), subject: 'c ' }, 3),
        X: ca({ key: newKey(), subject: 'D' }),
      },
      '',
      'SPQ',
    ],
  ])('%s', (_, letters, anchors, order, child = leaf()) => {
    const words = walk({ L: child, ...letters }, 'L', anchors)
    expect(words.map((word) => word.replace(/^L|\?$/g, '')).join('')).toBe(order)
  })
})
