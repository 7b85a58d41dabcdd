/**
 * Reads the names of a malformed certificate, for reports only. It accepts faults that openssl accepts (BER lengths, bad dates,
 * trailing bytes).
 */
import { serialText } from './certificate.js'
import { DerError, DerReader, element, Tag } from './der.js'
import { DistinguishedName, MAX_NAME_BYTES } from './distinguished-name.js'
import { berChildren, berElement, type BerElement } from './pem/der-kind.js'

export interface LenientNames {
  /** RFC 4514, escaped for display. */
  readonly subject: string | null
  readonly serialNumber: string | null
}

/** Longest serial number in bytes. RFC 5280 section 4.1.2.2 allows 20. */
const MAX_SERIAL_BYTES = 64
/** A Name is a SEQUENCE of SETs of SEQUENCEs. The values in them are copied. */
const NAME_DEPTH = 3
const CONSTRUCTED = 0x20

/** Reads the subject and the serial number in linear time. It never throws. */
export function lenientNames(bytes: Uint8Array): LenientNames {
  const [tbs] = berChildren(bytes, berElement(bytes, 0, bytes.length), 1)
  const fields = berChildren(bytes, tbs, 6)
  // version [0], serialNumber, signature, issuer, validity, subject (RFC 5280 section 4.1).
  if (fields[0]?.tag === 0xa0) fields.shift()
  const [serial, , , validity, subject] = fields
  const isCertificate = serial?.tag === Tag.integer && validity?.tag === Tag.sequence
  if (!isCertificate || subject?.tag !== Tag.sequence) return { subject: null, serialNumber: null }
  return { subject: nameText(bytes, subject), serialNumber: serialOf(bytes, serial) }
}

function serialOf(bytes: Uint8Array, { contentStart, contentEnd }: BerElement): string | null {
  const serial = bytes.subarray(contentStart, contentEnd)
  return serial.length === 0 || serial.length > MAX_SERIAL_BYTES ? null : serialText(serial)
}

function nameText(bytes: Uint8Array, name: BerElement): string | null {
  if (name.contentEnd - name.contentStart > MAX_NAME_BYTES) return null
  try {
    return DistinguishedName.read(new DerReader(toDer(bytes, name, NAME_DEPTH)), 'subject').toString()
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}

/** Encodes the lengths as in DER, down to `depth`. */
function toDer(bytes: Uint8Array, { tag, contentStart, contentEnd }: BerElement, depth: number): Uint8Array {
  const content = bytes.subarray(contentStart, contentEnd)
  if (depth === 0 || (tag & CONSTRUCTED) === 0) return element(tag, content)
  const parent = { tag, contentStart, contentEnd, end: contentEnd }
  return element(tag, ...berChildren(bytes, parent, MAX_NAME_BYTES).map((child) => toDer(bytes, child, depth - 1)))
}
