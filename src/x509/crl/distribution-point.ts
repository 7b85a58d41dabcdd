/** Distribution points in certificates (RFC 5280 section 4.2.1.13) and in CRLs (section 5.2.5). */
import { contextTag, DerError, type DerReader, hasBit, readItems, Tag } from '../der.js'
import { type DistinguishedName, type NameAttribute, readAttributes, relativeNameKey } from '../distinguished-name.js'
import { type GeneralName, readNames } from '../general-name.js'

export const REVOCATION_REASONS = [
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
] as const
export type RevocationReason = (typeof REVOCATION_REASONS)[number]

/** The location of a CRL: full names, or a name relative to that of its issuer. */
export type DistributionPointName =
  { readonly fullName: readonly GeneralName[] } | { readonly relativeName: readonly NameAttribute[] }

export interface DistributionPoint {
  readonly name: DistributionPointName | null
  /** The reasons that the CRL covers; null for all. */
  readonly reasons: readonly RevocationReason[] | null
  /** The issuer of the CRL; null if it is the issuer of the certificate. */
  readonly crlIssuer: readonly GeneralName[] | null
}

/** Maximum number of distribution points of a certificate. Real ones have one or two. */
const MAX_POINTS = 100

export function readDistributionPoints(reader: DerReader): DistributionPoint[] {
  const list = reader.enter(Tag.sequence, 'the distribution points')
  return readItems(list, MAX_POINTS, 'distribution points', () =>
    readDistributionPoint(list.enter(Tag.sequence, 'a distribution point')),
  )
}

function readDistributionPoint(fields: DerReader): DistributionPoint {
  const start = fields.offset
  const name = readOptionalName(fields)
  const reasons = readOptionalReasons(fields)
  const issuer = fields.enterOptional(contextTag(2, 'constructed'))
  fields.finish('a distribution point')
  if (name === null && issuer === null) {
    throw new DerError('a distribution point with neither a name nor an issuer of the list', start)
  }
  return { name, reasons, crlIssuer: issuer === null ? null : readNames(issuer) }
}

/** Reads `distributionPoint [0] DistributionPointName OPTIONAL`. The tag is explicit, because the name is a CHOICE. */
export function readOptionalName(fields: DerReader): DistributionPointName | null {
  const choice = fields.enterOptional(contextTag(0, 'constructed'))
  if (choice === null) return null
  const element = choice.element()
  choice.finish('the name of a distribution point')
  if (element.tag === contextTag(0, 'constructed')) return { fullName: readNames(choice.inside(element)) }
  if (element.tag === contextTag(1, 'constructed')) return { relativeName: readAttributes(choice.inside(element)) }
  throw new DerError('a name of a distribution point that is neither full nor relative', element.start)
}

function readOptionalReasons(fields: DerReader): RevocationReason[] | null {
  const tag = contextTag(1, 'primitive')
  if (fields.peek() !== tag) return null
  const { bytes } = fields.bitString('the reasons', tag)
  return REVOCATION_REASONS.filter((_, i) => hasBit(bytes, i + 1))
}

export function coversAllReasons({ reasons }: DistributionPoint): boolean {
  return reasons === null || reasons.length === REVOCATION_REASONS.length
}

/**
 * Keys for comparing names. A relative name is completed with the issuer of the CRL. RFC 5280 section 5.2.5 requires identical
 * encodings, so keys compare bytes, except for directory names, which are compared as in OpenSSL.
 */
export function pointKeys(name: DistributionPointName, crlIssuer: DistinguishedName): string[] {
  if ('fullName' in name) return name.fullName.map(generalNameKey)
  const above = crlIssuer.isEmpty ? '' : `${crlIssuer.key}/`
  return [`dirName:${above}${relativeNameKey(name.relativeName)}`]
}

export function generalNameKey({ kind, bytes, directoryName }: GeneralName): string {
  return `${kind}:${directoryName === undefined ? Buffer.from(bytes).toString('hex') : directoryName.key}`
}

export function pointText(name: DistributionPointName): string {
  if ('fullName' in name) return name.fullName.map(({ value }) => value).join(', ')
  return name.relativeName.map(({ type, text }) => `${type}=${text ?? '?'}`).join('+')
}
