/** Decodes the extensions of a CRL (RFC 5280 section 5.2). Malformed ones are listed in `problems`, not thrown. */
import { contextTag, DerError, type DerReader, Tag } from '../der.js'
import {
  type AuthorityKeyIdentifier,
  decodeBy,
  type ExtensionProblem,
  type RawExtension,
  readAuthorityKeyIdentifier,
} from '../extensions.js'
import {
  type DistributionPointName,
  readDistributionPoints,
  readOptionalName,
  readOptionalReasons,
  type RevocationReason,
} from './distribution-point.js'

/** The scope of a CRL by its issuing distribution point (RFC 5280 section 5.2.5). */
export interface CrlScope {
  readonly distributionPoint: DistributionPointName | null
  readonly onlyUserCerts: boolean
  readonly onlyCaCerts: boolean
  readonly onlyAttributeCerts: boolean
  /** Null for all reasons. */
  readonly onlySomeReasons: readonly RevocationReason[] | null
  /** Whether it also covers certificates of other issuers. */
  readonly indirect: boolean
}

/** The extensions of a CRL. `null`: the extension is absent, or listed in `problems`. */
export interface CrlExtensions {
  readonly all: readonly RawExtension[]
  readonly number: bigint | null
  readonly baseNumber: bigint | null
  readonly scope: CrlScope | null
  /** Identifies the key that signed the CRL (RFC 5280 section 5.2.1). */
  readonly authorityKey: AuthorityKeyIdentifier | null
  readonly problems: readonly ExtensionProblem[]
  readonly duplicates: readonly string[]
}

const DECODERS = {
  cRLNumber: (reader: DerReader) => readNumber(reader, 'the CRL number'),
  deltaCRLIndicator: (reader: DerReader) => readNumber(reader, 'the base CRL number'),
  issuingDistributionPoint: readScope,
  authorityKeyIdentifier: (reader: DerReader) => readAuthorityKeyIdentifier(reader, { strictSerial: true }),
  // Decoded only to report a malformed one. Nothing is downloaded.
  freshestCRL: readDistributionPoints,
}

export function decodeCrlExtensions(all: readonly RawExtension[]): CrlExtensions {
  const { values, problems, duplicates } = decodeBy(DECODERS, all)
  return {
    all,
    number: values.cRLNumber ?? null,
    baseNumber: values.deltaCRLIndicator ?? null,
    scope: values.issuingDistributionPoint ?? null,
    authorityKey: values.authorityKeyIdentifier ?? null,
    problems,
    duplicates,
  }
}

/** CRLNumber ::= INTEGER (0..MAX) */
function readNumber(reader: DerReader, what: string): bigint {
  const start = reader.offset
  const bytes = reader.integer(what)
  if ((bytes[0] ?? 0) >= 0x80) throw new DerError(`${what} is negative`, start)
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)
}

function readScope(reader: DerReader): CrlScope {
  const start = reader.offset
  const fields = reader.enter(Tag.sequence, 'the issuing distribution point')
  // Section 5.2.5 forbids it, and the intended scope is not known.
  if (fields.atEnd) throw new DerError('the issuing distribution point is empty', start)
  const distributionPoint = readOptionalName(fields)
  const onlyUserCerts = readFlag(fields, 1)
  const onlyCaCerts = readFlag(fields, 2)
  const onlySomeReasons = readOptionalReasons(fields, 3)
  const indirect = readFlag(fields, 4)
  const onlyAttributeCerts = readFlag(fields, 5)
  fields.finish('the issuing distribution point')
  if ([onlyUserCerts, onlyCaCerts, onlyAttributeCerts].filter(Boolean).length > 1) {
    throw new DerError('the issuing distribution point narrows the list to two kinds of certificate at once', start)
  }
  if (onlySomeReasons?.length === 0) throw new DerError('the issuing distribution point names no reason', start)
  return { distributionPoint, onlyUserCerts, onlyCaCerts, onlyAttributeCerts, onlySomeReasons, indirect }
}

/** `[n] BOOLEAN DEFAULT FALSE`: DER omits the default and encodes TRUE as FF. */
function readFlag(fields: DerReader, n: number): boolean {
  const element = fields.optional(contextTag(n, 'primitive'))
  if (element === null) return false
  const [value, ...more] = fields.content(element)
  if (value !== 0xff || more.length > 0) {
    throw new DerError('a flag of the issuing distribution point is not written as DER asks', element.start)
  }
  return true
}
