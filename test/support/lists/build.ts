/** What the scenarios of revocation lists are built with. */
import {
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  distributionPoints,
  EXTENSION,
  freshestCrl,
  mintCrl,
  newKey,
  publicHalf,
  uri,
  type Extension,
  type Minted,
  type MintCaOptions,
  type MintCrlOptions,
  type MintLeafOptions,
} from '../mint.js'
import { mintChain } from '../judge-chain.js'

export interface MintedList {
  readonly der: Buffer
  readonly pem: string
}

export interface ListChain {
  readonly root: Minted
  readonly intermediate: Minted
  readonly leaf: Minted
  /** More certificates next to it. */
  readonly others?: readonly Minted[] | undefined
}

export interface ListScenario {
  readonly name: string
  /** Default: the usual chain, the same for all scenarios. */
  readonly chain?: () => ListChain
  /** The lists, in the order in which they are given. */
  readonly lists: (chain: ListChain) => readonly MintedList[]
  /** Codes of all findings, `code` or `code@index`; errors first, then warnings, then infos. */
  readonly found: readonly string[]
}

const HOUR = 3_600_000
export const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR)
export const ahead = (hours: number): Date => new Date(Date.now() + hours * HOUR)

export const rsaKey = newKey('rsa-3072')
export const LISTS_AT = 'http://lists.test/a.crl'
export const OTHER_PLACE = 'http://lists.test/b.crl'

/** A chain with parts of its own. */
export function chainWith(parts: {
  root?: Partial<MintCaOptions>
  intermediate?: Partial<MintCaOptions>
  leaf?: Partial<MintLeafOptions>
}): () => ListChain {
  return () => mintChain(parts)
}

/** A list with the usual authority key identifier and these extensions next to it. */
export function list(issuer: Minted, options: Partial<MintCrlOptions> = {}, ...more: readonly Extension[]): MintedList {
  const number = more.some(({ oid }) => oid === EXTENSION.crlNumber) ? [] : [crlNumber(1)]
  const extensions = [authorityKeyIdentifier(publicHalf(issuer.key)), ...number, ...more]
  return mintCrl({ issuer, extensions, ...options })
}

/** The root's list, which has nothing to say, and these of the intermediate. */
export function beside(make: (chain: ListChain) => readonly MintedList[]): ListScenario['lists'] {
  return (chain) => [list(chain.root), ...make(chain)]
}

/** One list of the intermediate, with options and extensions. */
export function oneList(options: Partial<MintCrlOptions>, ...more: readonly Extension[]): ListScenario['lists'] {
  return beside(({ intermediate }) => [list(intermediate, options, ...more)])
}

/** One list of the intermediate that names the leaf. */
export function naming(entry: {
  reason?: number
  extensions?: readonly Extension[]
  date?: Date
}): ListScenario['lists'] {
  return beside(({ intermediate, leaf }) => [list(intermediate, { revoked: [{ serial: leaf.serial, ...entry }] })])
}

/** An extension with exactly this value. */
export function raw(oid: string, hex: string, critical = false): Extension {
  return { oid, critical, value: Buffer.from(hex, 'hex') }
}

export const idp = (hex: string): Extension => raw(EXTENSION.issuingDistributionPoint, hex, true)
export const delta = (number: number, base: number, ...more: readonly Extension[]): Extension[] => [
  crlNumber(number),
  deltaCrlIndicator(base),
  ...more,
]
export const leafAt = (...points: Parameters<typeof distributionPoints>[0]): (() => ListChain) =>
  chainWith({ leaf: { extensions: [distributionPoints(points)] } })

/** A full list that says that there are delta lists; OpenSSL looks at none otherwise. */
export function base(issuer: Minted, options: Partial<MintCrlOptions> = {}, ...more: readonly Extension[]): MintedList {
  return list(issuer, options, ...more, freshestCrl([{ name: [uri(OTHER_PLACE)] }]))
}
