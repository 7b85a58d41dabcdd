/**
 * Names a certificate that the strict reader refuses, so that a report can say which one it is. Nothing is validated by
 * what is read here: it accepts what openssl prints (BER lengths, bad dates, trailing bytes).
 */
import { serialText } from './certificate.js'
import { DerError, DerReader, Tag } from './der.js'
import { element } from './der-writer.js'
import { DistinguishedName, MAX_NAME_OCTETS } from './distinguished-name.js'

/** What a refused certificate calls itself; null if that cannot be read either. */
export interface LenientNames {
  /** RFC 4514, escaped for display. */
  readonly subject: string | null
  /** Upper-case hexadecimal. */
  readonly serialNumber: string | null
}

interface BerElement {
  readonly tag: number
  readonly contentStart: number
  readonly contentEnd: number
  readonly end: number
}

/** Longest serial number shown, in bytes. RFC 5280 section 4.1.2.2 allows 20. */
const MAX_SERIAL_OCTETS = 64
/** A Name is a SEQUENCE of SETs of SEQUENCEs; what is below that is a value and stays as it is. */
const NAME_DEPTH = 3
const CONSTRUCTED = 0x20

/** Reads the subject and the serial number. Time is linear in the input; it never throws. */
export function lenientNames(bytes: Uint8Array): LenientNames {
  const [tbs] = childrenOf(bytes, elementAt(bytes, 0, bytes.length), 1)
  const fields = childrenOf(bytes, tbs, 6)
  // version [0], serialNumber, signature, issuer, validity, subject (RFC 5280 section 4.1).
  if (fields[0]?.tag === 0xa0) fields.shift()
  const [serial, , , validity, subject] = fields
  const isCertificate = serial?.tag === Tag.integer && validity?.tag === Tag.sequence
  if (!isCertificate || subject?.tag !== Tag.sequence) return { subject: null, serialNumber: null }
  return { subject: nameText(bytes, subject), serialNumber: serialOf(bytes, serial) }
}

function serialOf(bytes: Uint8Array, { contentStart, contentEnd }: BerElement): string | null {
  const octets = bytes.subarray(contentStart, contentEnd)
  return octets.length === 0 || octets.length > MAX_SERIAL_OCTETS ? null : serialText(octets)
}

function nameText(bytes: Uint8Array, name: BerElement): string | null {
  if (name.contentEnd - name.contentStart > MAX_NAME_OCTETS) return null
  try {
    return DistinguishedName.read(new DerReader(toDer(bytes, name, NAME_DEPTH)), 'subject').toString()
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}

/** The element with its lengths as DER writes them, down to a depth. */
function toDer(bytes: Uint8Array, { tag, contentStart, contentEnd }: BerElement, depth: number): Uint8Array {
  const content = bytes.subarray(contentStart, contentEnd)
  if (depth === 0 || (tag & CONSTRUCTED) === 0) return element(tag, content)
  const parent = { tag, contentStart, contentEnd, end: contentEnd }
  return element(tag, ...childrenOf(bytes, parent, MAX_NAME_OCTETS).map((child) => toDer(bytes, child, depth - 1)))
}

function childrenOf(bytes: Uint8Array, parent: BerElement | null | undefined, limit: number): BerElement[] {
  const children: BerElement[] = []
  if (parent === null || parent === undefined) return children
  for (let at = parent.contentStart; children.length < limit && at < parent.contentEnd;) {
    const child = elementAt(bytes, at, parent.contentEnd)
    if (child === null) break
    children.push(child)
    at = child.end
  }
  return children
}

function elementAt(bytes: Uint8Array, start: number, limit: number): BerElement | null {
  const header = headerAt(bytes, start)
  if (header === null) return null
  const { tag, contentStart, length } = header
  if (length === null) return indefiniteAt(bytes, tag, contentStart, limit)
  // Cut short by the end of the data, as a copy may be.
  const end = Math.min(contentStart + length, limit)
  return { tag, contentStart, contentEnd: end, end }
}

/** An element of indefinite length (X.690 section 8.1.3.6): it ends with two zero bytes on its own level. */
function indefiniteAt(bytes: Uint8Array, tag: number, contentStart: number, limit: number): BerElement {
  let open = 1
  let at = contentStart
  while (at < limit) {
    const header = headerAt(bytes, at)
    if (header === null) break
    const isEnd = header.tag === 0 && header.length === 0
    if (isEnd && --open === 0) return { tag, contentStart, contentEnd: at, end: header.contentStart }
    if (header.length === null) open++
    at = header.contentStart + (header.length ?? 0)
  }
  return { tag, contentStart, contentEnd: limit, end: limit }
}

/** Tag and length of an element; a length of null is the indefinite one. */
function headerAt(
  bytes: Uint8Array,
  start: number,
): { tag: number; contentStart: number; length: number | null } | null {
  const tag = bytes[start]
  const first = bytes[start + 1]
  if (tag === undefined || first === undefined) return null
  if (first === 0x80) return { tag, contentStart: start + 2, length: null }
  const octets = first > 0x80 ? first & 0x7f : 0
  const contentStart = start + 2 + octets
  if (octets > 8 || contentStart > bytes.length) return null
  let length = octets === 0 ? first : 0
  for (let i = 0; i < octets; i++) length = length * 256 + (bytes[start + 2 + i] ?? 0)
  return { tag, contentStart, length }
}
