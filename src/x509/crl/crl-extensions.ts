/** Decodes the extensions of a CRL (RFC 5280 section 5.2). Malformed ones are listed in `problems`, not thrown. */
import { contextTag, DerError, type DerReader, Tag } from '../der.js'
import {
  type AuthorityKeyIdentifier,
  decodeBy,
  type ExtensionProblem,
  type RawExtension,
  readAuthorityKeyIdentifier,
} from '../extensions.js'
import { type DistributionPointName, readOptionalName } from './distribution-point.js'

/**
 * Why a CRL does not list every revoked certificate of its issuer, and so is not supported: it lists only changes, only some
 * kinds of certificate, or only some reasons, or it lists certificates of other issuers, too.
 */
export type UnsupportedCrlScope = 'delta' | 'certificates' | 'reasons' | 'indirect'

/** The issuing distribution point (RFC 5280 section 5.2.5). */
export interface IssuingDistributionPoint {
  readonly name: DistributionPointName | null
  readonly unsupportedScope: UnsupportedCrlScope | null
}

/** The extensions of a CRL. `null`: the extension is absent, or listed in `problems`. */
export interface CrlExtensions {
  readonly all: readonly RawExtension[]
  readonly number: bigint | null
  readonly issuingDistributionPoint: IssuingDistributionPoint | null
  /** Identifies the key that signed the CRL (RFC 5280 section 5.2.1). */
  readonly authorityKey: AuthorityKeyIdentifier | null
  readonly problems: readonly ExtensionProblem[]
  readonly duplicates: readonly string[]
}

const DECODERS = {
  cRLNumber: readNumber,
  issuingDistributionPoint: readIssuingDistributionPoint,
  authorityKeyIdentifier: (reader: DerReader) => readAuthorityKeyIdentifier(reader, { strictSerial: true }),
}

export function decodeCrlExtensions(all: readonly RawExtension[]): CrlExtensions {
  const { values, problems, duplicates } = decodeBy(DECODERS, all)
  return {
    all,
    number: values.cRLNumber ?? null,
    issuingDistributionPoint: values.issuingDistributionPoint ?? null,
    authorityKey: values.authorityKeyIdentifier ?? null,
    problems,
    duplicates,
  }
}

/** CRLNumber ::= INTEGER (0..MAX) */
function readNumber(reader: DerReader): bigint {
  const start = reader.offset
  const bytes = reader.integer('the CRL number')
  if ((bytes[0] ?? 0) >= 0x80) throw new DerError('the CRL number is negative', start)
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)
}

/** The fields after the name. Their values do not matter: a CRL with one of them is not supported. */
const UNSUPPORTED_SCOPES: Readonly<Record<number, UnsupportedCrlScope>> = {
  [contextTag(1, 'primitive')]: 'certificates', // onlyContainsUserCerts
  [contextTag(2, 'primitive')]: 'certificates', // onlyContainsCACerts
  [contextTag(3, 'primitive')]: 'reasons',
  [contextTag(4, 'primitive')]: 'indirect',
  [contextTag(5, 'primitive')]: 'certificates', // onlyContainsAttributeCerts
}

function readIssuingDistributionPoint(reader: DerReader): IssuingDistributionPoint {
  const start = reader.offset
  const fields = reader.enter(Tag.sequence, 'the issuing distribution point')
  // Section 5.2.5 forbids it, and the intended scope is not known.
  if (fields.atEnd) throw new DerError('the issuing distribution point is empty', start)
  const name = readOptionalName(fields)
  const unsupportedScope = UNSUPPORTED_SCOPES[fields.peek()] ?? null
  if (unsupportedScope === null) fields.finish('the issuing distribution point')
  return { name, unsupportedScope }
}
