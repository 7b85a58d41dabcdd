/** Tables of chains: what is changed in a healthy chain, and everything that is found then. */
import { expect, it } from 'vitest'
import type { Finding, FindingCode } from '../../../src/report/finding.js'
import { type Report, validateChain, type ValidateChainOptions } from '../../../src/validate/index.js'
import { HOST, mintChain } from '../../support/minted-chain.js'
import { dns, type Extension, mintLeaf, newKey, type Minted, type MintLeafOptions } from '../../support/mint.js'

export type Parts = NonNullable<Parameters<typeof mintChain>[0]>
export type Ca = NonNullable<Parts['root']>
export type Leaf = NonNullable<Parts['leaf']>
export type Options = Partial<ValidateChainOptions>

/** A chain that is not the usual one. */
export interface Given {
  readonly leaf: Minted
  readonly sent?: readonly Minted[]
  readonly trust?: readonly Minted[]
  readonly crls?: readonly { readonly der: Buffer }[]
}

/** By default for a server of the name {@link HOST}. */
export type Row = readonly [what: string, given: Parts | Given, found: readonly string[], options?: Options | undefined]

type Key = Pick<MintLeafOptions, 'key'>

/** The leaf, or the intermediate, with these extensions. */
export const leafWith = (...extensions: Extension[]): Parts => ({ leaf: { extensions } })
export const caWith = (...extensions: Extension[]): Parts => ({ intermediate: { extensions } })

export const DAY = 86_400_000
export const past = (days: number): Date => new Date(Date.now() - days * DAY)
export const future = (days: number): Date => new Date(Date.now() + days * DAY)
export const EXPIRED = { notBefore: past(9), notAfter: past(1) }

/** The values of details in one line: null is `-`, a list is in brackets. */
function valuesOf(details: unknown): string {
  if (Array.isArray(details)) return `[${details.map(valuesOf).join(' ')}]`
  if (details instanceof Date) return details.toISOString().replace('T00:00:00.000Z', '')
  if (typeof details === 'string') return details
  if (typeof details !== 'object') return JSON.stringify(details)
  return details === null ? '-' : Object.values(details).map(valuesOf).join(', ')
}

/** A code of several words without its area. */
const short = (code: string): string => code.replace(/.*\/(?=.*-)/, '')

/**
 * `severity code@index (details) > consequence@index`: without the severity of an error, the area of a code of several words, and
 * the index of a finding about no certificate; with the details only if they are asked for.
 */
export function textOf({ severity, details, consequences, ...finding }: Finding, withDetails = false): string {
  const place = ({ code, certificate }: Pick<Finding, 'code' | 'certificate'>): string =>
    `${short(code)}${certificate === null ? '' : `@${String(certificate.index)}`}`
  const cause = `${severity === 'error' ? '' : `${severity} `}${place(finding)}`
  return [withDetails ? `${cause} (${valuesOf(details)})` : cause, ...consequences.map(place)].join(' > ')
}

const flat = (findings: readonly Finding[]): Finding[] => findings.flatMap((each) => [each, ...(each.repeats ?? [])])

/** Every finding, those that repeat another one next to it. */
export function textsOf(findings: readonly Finding[], withDetails = false): string[] {
  return flat(findings).map((each) => textOf(each, withDetails))
}

export function reportOn({ leaf, sent = [], trust = [], crls = [] }: Given, options: Options = {}): Report {
  const bytes = (list: readonly { readonly der: Buffer }[]): Buffer[] => list.map(({ der }) => der)
  const input = { leaf: leaf.der, intermediates: bytes(sent), trustAnchors: bytes(trust), crls: bytes(crls) }
  return validateChain(input, { usage: 'server', hosts: [HOST], ...options })
}

/** The keys of the usual chain: a new one for each row takes longer than everything else. */
const [root, intermediate, leaf] = [newKey(), newKey(), newKey()].map((key) => ({ key })) as [Key, Key, Key]

const isGiven = (made: Parts | Given): made is Given => made.leaf !== undefined && 'der' in made.leaf

export function given(parts: Parts = {}): Required<Pick<Given, 'leaf' | 'sent' | 'trust'>> {
  const chain = mintChain({
    root: { ...root, ...parts.root },
    intermediate: { ...intermediate, ...parts.intermediate },
    leaf: { ...leaf, ...parts.leaf },
  })
  return { leaf: chain.leaf, sent: [chain.intermediate], trust: [chain.root] }
}

/** A leaf for {@link HOST} below a CA, or self-signed. */
export function leafOf(issuer?: Minted, options: Partial<MintLeafOptions> = {}): Minted {
  return mintLeaf({ subject: 'L', issuer, names: [dns(HOST)], ...options })
}

/** Compares the details of a finding if the expected text has any. */
export function expectFound(findings: readonly Finding[], expected: readonly string[]): void {
  expect(flat(findings).map((each, i) => textOf(each, expected[i]?.includes('(')))).toEqual(expected)
}

/** @param subject Begins each title; the first column of a row continues it. */
export function table(subject: string, rows: readonly Row[]): void {
  tableOf(subject, null, rows)
}

/** A table in which `@` stands for `code@`. */
export function tableOf(subject: string, code: FindingCode | null, rows: readonly Row[]): void {
  const expand = (text: string): string => text.replaceAll(/(^|[ >])@/g, `$1${short(code ?? '')}@`)
  it.each(rows.map(([what, ...row]) => [what, row] as const))(`${subject} %s`, (_, [made, found, options]) => {
    const { findings } = reportOn(isGiven(made) ? made : given(made), options)
    expectFound(findings, found.map(expand))
  })
}
