/**
 * Distribution points of revocation lists, as they stand in certificates (RFC 5280 section 4.2.1.13) and, in part, in
 * the issuing distribution point of a list (section 5.2.5).
 */
import { contextTag, DerError, type DerReader, Tag } from '../der.js'
import { type DistinguishedName, type NameAttribute, readAttributes, relativeNameKey } from '../distinguished-name.js'
import { type GeneralName, readNames } from '../general-name.js'

/** A reason that a list may be narrowed to. */
export type RevocationReason =
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'privilegeWithdrawn'
  | 'aACompromise'

/** All of them in the bit order of ReasonFlags; bit 0 is not used. */
export const REVOCATION_REASONS: readonly RevocationReason[] = [
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
]

/** Where a list is found: its full names, or one relative name below the name of the list's issuer. */
export type DistributionPointName =
  { readonly fullName: readonly GeneralName[] } | { readonly relativeName: readonly NameAttribute[] }

/** One distribution point of a certificate. */
export interface DistributionPoint {
  readonly name: DistributionPointName | null
  /** The reasons that the list there is about; null for all. */
  readonly reasons: readonly RevocationReason[] | null
  /** Who issues the list there; null if the certificate's issuer does. */
  readonly crlIssuer: readonly GeneralName[] | null
}

/** Most distribution points read of one certificate. Real ones have one or two. */
const MAX_POINTS = 100

/** Reads CRLDistributionPoints: a SEQUENCE of at least one. */
export function readDistributionPoints(reader: DerReader): DistributionPoint[] {
  const list = reader.enter(Tag.sequence, 'the distribution points')
  const points: DistributionPoint[] = []
  do {
    if (points.length >= MAX_POINTS)
      throw new DerError(`more than ${String(MAX_POINTS)} distribution points`, list.offset)
    points.push(readDistributionPoint(list.enter(Tag.sequence, 'a distribution point')))
  } while (!list.atEnd)
  return points
}

function readDistributionPoint(fields: DerReader): DistributionPoint {
  const start = fields.offset
  const name = readOptionalName(fields)
  const reasons = readOptionalReasons(fields, 1)
  const issuer = fields.optional(contextTag(2, 'constructed'))
  fields.finish('a distribution point')
  if (name === null && issuer === null) {
    throw new DerError('a distribution point with neither a name nor an issuer of the list', start)
  }
  return { name, reasons, crlIssuer: issuer === null ? null : readNames(fields.inside(issuer)) }
}

/** Reads `distributionPoint [0] DistributionPointName OPTIONAL`. The tag is explicit, for the name is a choice. */
export function readOptionalName(fields: DerReader): DistributionPointName | null {
  const choice = fields.enterOptional(contextTag(0, 'constructed'))
  if (choice === null) return null
  const element = choice.element()
  choice.finish('the name of a distribution point')
  if (element.tag === contextTag(0, 'constructed')) return { fullName: readNames(choice.inside(element)) }
  if (element.tag === contextTag(1, 'constructed')) return { relativeName: readAttributes(choice.inside(element)) }
  throw new DerError('a name of a distribution point that is neither full nor relative', element.start)
}

/** Reads `[n] ReasonFlags OPTIONAL`; null if it is absent. */
export function readOptionalReasons(fields: DerReader, n: number): RevocationReason[] | null {
  const tag = contextTag(n, 'primitive')
  if (fields.peek() !== tag) return null
  const { octets } = fields.bitString('the reasons', tag)
  return REVOCATION_REASONS.filter((_, i) => {
    const bit = i + 1
    return ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0
  })
}

/**
 * Texts that are the same for the same names; a relative name is completed by the issuer of the list. RFC 5280 section
 * 5.2.5 demands the identical encoding on both sides, so only directory names are compared by the rules of section 7.1.
 */
export function pointKeys(name: DistributionPointName, crlIssuer: DistinguishedName): string[] {
  if ('fullName' in name) return name.fullName.map(generalNameKey)
  const above = crlIssuer.isEmpty ? '' : `${crlIssuer.key}/`
  return [`dirName:${above}${relativeNameKey(name.relativeName)}`]
}

export function generalNameKey({ kind, bytes, directoryName }: GeneralName): string {
  return `${kind}:${directoryName === undefined ? Buffer.from(bytes).toString('hex') : directoryName.key}`
}

/** The name for people. */
export function pointText(name: DistributionPointName): string {
  if ('fullName' in name) return name.fullName.map(({ value }) => value).join(', ')
  return name.relativeName.map(({ type, text }) => `${type}=${text ?? '?'}`).join('+')
}
