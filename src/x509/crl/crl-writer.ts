/** Writes CRLs (RFC 5280 section 5.1). */
import { contextTag, element, Tag } from '../der.js'
import { octetString, oid, sequence, time, unsignedInteger } from '../der-writer.js'
import { ExtensionId } from '../extensions.js'

export interface RevokedCertificate {
  /** Bytes of the serial number, most significant first. */
  readonly serial: Uint8Array
  readonly revokedAt: Date
  /** A CRLReason by number (RFC 5280 section 5.3.1); null for none or "unspecified". */
  readonly reasonCode: number | null
}

/** The fields of the signed part. Names and algorithms are whole DER elements. */
export interface CrlFields {
  readonly signatureAlgorithm: Uint8Array
  readonly issuer: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revoked: readonly RevokedCertificate[]
  readonly authorityKeyIdentifier: Uint8Array
  readonly number: bigint
}

const VERSION_2 = element(Tag.integer, Buffer.from([1]))
const OIDS = {
  reasonCode: oid('2.5.29.21'),
  number: oid(ExtensionId.cRLNumber),
  authorityKeyIdentifier: oid(ExtensionId.authorityKeyIdentifier),
} as const

export function writeTbsCertList(fields: CrlFields): Buffer<ArrayBuffer> {
  const keyIdentifier = sequence(element(contextTag(0, 'primitive'), fields.authorityKeyIdentifier))
  return sequence(
    VERSION_2,
    fields.signatureAlgorithm,
    fields.issuer,
    time(fields.thisUpdate),
    time(fields.nextUpdate),
    // An empty list must be omitted (section 5.1.2.6); Go refuses it.
    ...(fields.revoked.length === 0 ? [] : [sequence(Buffer.concat(fields.revoked.map(writeEntry)))]),
    element(
      contextTag(0, 'constructed'),
      sequence(
        sequence(OIDS.authorityKeyIdentifier, octetString(keyIdentifier)),
        sequence(OIDS.number, octetString(unsignedInteger(bytesOf(fields.number)))),
      ),
    ),
  )
}

function writeEntry({ serial, revokedAt, reasonCode }: RevokedCertificate): Buffer<ArrayBuffer> {
  const reason =
    reasonCode === null
      ? []
      : [sequence(sequence(OIDS.reasonCode, octetString(element(Tag.enumerated, Buffer.from([reasonCode])))))]
  return sequence(unsignedInteger(serial), time(revokedAt), ...reason)
}

function bytesOf(number: bigint): Buffer {
  const text = number.toString(16)
  return Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex')
}
