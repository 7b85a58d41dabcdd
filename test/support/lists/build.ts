/** What the rows of CRL scenarios are made of. */
import { type MintedChain, mintChain } from '../minted-chain.js'
import {
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  directoryName,
  distributionPoints,
  type Extension,
  freshestCrl,
  type GeneralName,
  issuingDistributionPoint,
  mintCa,
  mintCrl,
  type Minted,
  type MintCrlOptions,
  newKey,
  publicHalf,
  type RevokedEntry,
  type ScopeOptions,
  uri,
} from '../mint.js'

export interface MintedList {
  readonly der: Buffer
  readonly pem: string
}

export interface ListChain extends MintedChain {
  /** More certificates next to it. */
  readonly others?: readonly Minted[] | undefined
}

export interface ListScenario {
  readonly name: string
  /** Default: the usual chain, the same for all scenarios. */
  readonly chain?: () => ListChain
  /** The CRLs, in the order in which they are given. */
  readonly lists: (chain: ListChain) => readonly MintedList[]
  /** Codes of all findings, `code` or `code@index`; errors first, then warnings, then infos. */
  readonly found: readonly string[]
}

type Entry = Omit<RevokedEntry, 'serial'>

/** One CRL. Its extensions: authority key identifier, CRL number, and these in the order of the fields. */
interface Spec extends Omit<Partial<MintCrlOptions>, 'issuer'> {
  /** Another CA of this name, with another key. Default: the intermediate. */
  readonly by?: string
  /** An entry of the leaf, and one of another certificate. */
  readonly leaf?: Entry
  readonly stranger?: Entry & { serial?: Buffer }
  /** The authority key identifier; null for none. Default: the issuer's key. */
  readonly key?: Extension | null
  /** CRL number; null for none. Default: 1. */
  readonly number?: number | bigint | null
  /** The number of the base. */
  readonly deltaTo?: number
  readonly scope?: ScopeOptions
  readonly more?: readonly Extension[]
}
type Specs = readonly (Spec | ((chain: ListChain) => Spec))[]

/**
 * CRLs of the intermediate, below the root's, which is empty. `found` are codes between spaces, those of revocation without their
 * namespace.
 */
export function row(name: string, found: string, specs: Specs, chain?: () => ListChain): ListScenario {
  return rowWithRoot(name, found, {}, specs, chain)
}

/** The same with something in the root's CRL. */
export function rowWithRoot(
  name: string,
  found: string,
  ofRoot: Specs[number],
  specs: Specs,
  chain?: () => ListChain,
): ListScenario {
  return {
    name,
    found: found.split(' ').flatMap((code) => (code === '' ? [] : code.includes('/') ? code : `revocation/${code}`)),
    lists: (parts) => [
      mintList(parts.root, ofRoot, parts),
      ...specs.map((spec) => mintList(parts.intermediate, spec, parts)),
    ],
    ...(chain === undefined ? {} : { chain }),
  }
}

function mintList(usual: Minted, given: Specs[number], chain: ListChain): MintedList {
  const { by, leaf, stranger, key, number, deltaTo, scope, more, ...options } =
    typeof given === 'function' ? given(chain) : given
  const issuer = by === undefined ? usual : mintCa({ subject: by })
  const entries: RevokedEntry[] = [
    ...(stranger === undefined ? [] : [{ serial: 5, ...stranger }]),
    ...(leaf === undefined ? [] : [{ ...leaf, serial: chain.leaf.serial }]),
  ]
  const extensions = [
    ...(key === null ? [] : [key ?? authorityKeyIdentifier(publicHalf(issuer.key))]),
    ...(number === null ? [] : [crlNumber(number ?? 1)]),
    ...(deltaTo === undefined ? [] : [deltaCrlIndicator(deltaTo)]),
    ...(scope === undefined ? [] : [issuingDistributionPoint(scope)]),
    ...(more ?? []),
  ]
  return mintCrl({ issuer, extensions, revoked: entries, ...options })
}

const HOUR = 3_600_000
const NOW = Date.now()
export const ago = (hours: number): Date => new Date(NOW - hours * HOUR)
export const ahead = (hours: number): Date => new Date(NOW + hours * HOUR)
export const EXPIRED = { thisUpdate: ago(48), nextUpdate: ago(24) }
export const TOMORROW = { thisUpdate: ahead(12), nextUpdate: ahead(48) }

export const here = [uri('http://lists.test/a.crl')]
export const elsewhere = [uri('http://lists.test/b.crl')]
export const announcement = (critical = false): Extension => freshestCrl([{ name: elsewhere }], critical)

export const chainWith = (parts: Parameters<typeof mintChain>[0]) => (): ListChain => mintChain(parts)
const rsaKey = newKey('rsa-3072')
export const chainWithRsa = chainWith({ intermediate: { key: rsaKey } })
/** A chain whose leaf has these distribution points. */
export const leafAt = (...points: Parameters<typeof distributionPoints>[0]): (() => ListChain) =>
  chainWith({ leaf: { extensions: [distributionPoints(points)] } })

/** The authority key identifier of the CA by issuer name and serial number, with or without its key. */
export const byIssuer =
  (withKey: boolean, { issuer = [directoryName('Test Root')], serial }: { issuer?: GeneralName[]; serial?: bigint }) =>
  ({ intermediate: ca }: ListChain): Spec => ({
    key: authorityKeyIdentifier(withKey ? publicHalf(ca.key) : null, { issuer, serial: serial ?? ca.serial }),
  })

/** An extension with exactly this value. */
export function raw(oid: string, hex: string, critical = false): Extension {
  return { oid, critical, value: Buffer.from(hex, 'hex') }
}
