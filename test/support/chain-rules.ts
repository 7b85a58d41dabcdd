/**
 * A table of rules for chains of certificates, for the tests that mint what x509-limbo tests: each row breaks one rule
 * alone, or keeps to it.
 */
import { describe, expect, it } from 'vitest'
import { type ChainInput, validateChain, type ValidateChainOptions } from '../../src/validate/index.js'
import { codesOf } from './judge-chain.js'
import {
  dns,
  type Minted,
  mintCa,
  type MintCaOptions,
  mintCrl,
  type MintCrlOptions,
  mintLeaf,
  type MintLeafOptions,
} from './mint.js'

export const HOST = 'a.example.com'
const DAY = 86_400_000
export const past = (days: number): Date => new Date(Date.now() - days * DAY)
export const future = (days: number): Date => new Date(Date.now() + days * DAY)

export type Ca = Partial<MintCaOptions>
export type Leaf = Partial<MintLeafOptions>

export interface Line {
  readonly cas: readonly Minted[]
  readonly leaf: Minted
  readonly input: ChainInput
}

/** A leaf below a line of CAs, the root first. */
export function line(cas: readonly Ca[], leafOptions: Leaf = {}, crl?: Partial<MintCrlOptions>): Line {
  const minted: Minted[] = []
  for (const [i, options] of cas.entries()) {
    const issuer = minted.at(-1)
    // Each ends before what is above it.
    const notAfter = future(4000 - i)
    minted.push(
      mintCa({ subject: `CA ${String(i)}`, notAfter, ...(issuer === undefined ? {} : { issuer }), ...options }),
    )
  }
  const [root, ...others] = minted
  const issuer = minted.at(-1)
  if (root === undefined || issuer === undefined) throw new Error('a line needs a root')
  const leaf = mintLeaf({ subject: 'etcd', issuer, names: [dns(HOST)], ...leafOptions })
  const crls = crl === undefined ? [] : [mintCrl({ issuer, ...crl }).der]
  const intermediates = others.map(({ der }) => der)
  return { cas: minted, leaf, input: { leaf: leaf.der, intermediates, trustAnchors: [root.der], crls } }
}

export type Options = Partial<ValidateChainOptions>

/** A rule in words; what breaks it or keeps to it; the errors that follow, which are none if it is kept. */
export type Case = readonly [what: string, make: () => ChainInput, errors: readonly string[], options?: Options]

export function errorsOf(input: ChainInput, options: Options = {}): string[] {
  const report = validateChain(input, { usage: 'server', hosts: [HOST], ...options })
  const errors = codesOf(report.findings)
  expect(report.ok).toBe(errors.length === 0)
  return errors
}

export function check(namespace: string, cases: readonly Case[]): void {
  describe(namespace, () => {
    it.each(cases.map(([what, ...rest]) => [what, ...rest] as const))('%s', (_, make, errors, options) => {
      expect(errorsOf(make(), options)).toEqual(errors)
    })
  })
}

export const chain =
  (cas: readonly Ca[], leaf?: Leaf, crl?: Partial<MintCrlOptions>): (() => ChainInput) =>
  () =>
    line(cas, leaf, crl).input
export const leaf = (options: Leaf): (() => ChainInput) => chain([{}, {}], options)
export const root = (options: Ca): (() => ChainInput) => chain([options])
export const intermediate = (options: Ca): (() => ChainInput) => chain([{}, options])
