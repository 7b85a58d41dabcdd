/**
 * Recognizes a DER structure by its first elements, for reports about unexpected input. It validates nothing, and also accepts
 * truncated data and the indefinite lengths (BER) of some key stores.
 */
import { hex, Tag } from '../der.js'

export const DER_KINDS = [
  'certificate',
  'certificate request',
  'CRL',
  'private key',
  'encrypted private key',
  'public key',
  'PKCS#12 key store',
  'old PKCS#12 key store',
  'PKCS#7 bundle',
] as const
export type DerKind = (typeof DER_KINDS)[number]

// Contents of the OBJECT IDENTIFIERs 1.2.840.113549.1.7.1 and .2 (RFC 5652), hexadecimal.
const DATA = '2A864886F70D010701'
const SIGNED_DATA = '2A864886F70D010702'

/** RC4 and RC2 of PKCS#12 (RFC 7292 appendix C), which OpenSSL 3 decrypts only with its legacy provider. */
const OLD_ENCRYPTIONS = [1, 2, 5, 6].map((scheme) => Buffer.from([...Buffer.from('2A864886F70D010C01', 'hex'), scheme]))

/** The kind of the structure; null if it is not recognized. */
export function derKind(bytes: Uint8Array): DerKind | null {
  const outer = berElement(bytes, 0, bytes.length)
  if (outer?.tag !== Tag.sequence) return null
  const [first, second] = berChildren(bytes, outer, 2)
  if (first?.tag === Tag.integer) return kindByVersion(bytes, first, second)
  if (first?.tag === Tag.oid) return contentOf(bytes, first) === SIGNED_DATA ? 'PKCS#7 bundle' : null
  return first?.tag === Tag.sequence ? kindByStructure(bytes, first, second) : null
}

/** For a structure that starts with an INTEGER: a version, or the modulus of an RSA key. */
function kindByVersion(bytes: Uint8Array, version: BerElement, second: BerElement | undefined): DerKind | null {
  if (second === undefined) return null
  const length = version.contentEnd - version.contentStart
  if (length > 32 && second.tag === Tag.integer) return 'public key'
  if (length !== 1) return null
  const [inner] = berChildren(bytes, second, 1)
  const isOid = second.tag === Tag.sequence && inner?.tag === Tag.oid
  if (bytes[version.contentStart] === 3) {
    const type = isOid ? contentOf(bytes, inner) : null
    if (type !== DATA && type !== SIGNED_DATA) return null
    return OLD_ENCRYPTIONS.some((oid) => Buffer.from(bytes).includes(oid))
      ? 'old PKCS#12 key store'
      : 'PKCS#12 key store'
  }
  // PKCS#8 continues with an algorithm, SEC1 with an OCTET STRING, PKCS#1 with the modulus.
  return isOid || second.tag === Tag.octetString || second.tag === Tag.integer ? 'private key' : null
}

/** For a structure that starts with a SEQUENCE: the signed part of a certificate, request or CRL, or an algorithm. */
function kindByStructure(bytes: Uint8Array, first: BerElement, second: BerElement | undefined): DerKind | null {
  const [start, ...rest] = berChildren(bytes, first, 4)
  if (start?.tag === Tag.oid) {
    if (second?.tag === Tag.bitString) return 'public key'
    return second?.tag === Tag.octetString ? 'encrypted private key' : null
  }
  // Only certificates of version 2 and 3 start with a tagged version.
  if (start?.tag === 0xa0) return 'certificate'
  const isVersioned = start?.tag === Tag.integer
  const [a, b, c] = isVersioned ? rest : [start, ...rest]
  if (a?.tag !== Tag.sequence || b?.tag !== Tag.sequence) return null
  if (c?.tag === Tag.utcTime || c?.tag === Tag.generalizedTime) return 'CRL'
  if (!isVersioned) return null
  return c?.tag === Tag.sequence ? 'certificate' : 'certificate request'
}

/** The first 16 bytes of the contents in hexadecimal. */
function contentOf(bytes: Uint8Array, { contentStart, contentEnd }: BerElement): string {
  return hex(bytes.subarray(contentStart, Math.min(contentEnd, contentStart + 16)))
}

/** An element in BER. If the data is truncated, it ends with the data. */
export interface BerElement {
  readonly tag: number
  readonly contentStart: number
  readonly contentEnd: number
  readonly end: number
}

/** The first `limit` elements inside one. */
export function berChildren(bytes: Uint8Array, parent: BerElement | null | undefined, limit: number): BerElement[] {
  const children: BerElement[] = []
  let at = parent?.contentStart ?? 0
  while (parent && children.length < limit && at < parent.contentEnd) {
    const child = berElement(bytes, at, parent.contentEnd)
    if (child === null) break
    children.push(child)
    at = child.end
  }
  return children
}

/** The element at an offset; null if absent. It ends at `limit` at the latest. */
export function berElement(bytes: Uint8Array, start: number, limit: number): BerElement | null {
  const header = headerAt(bytes, start)
  if (header === null) return null
  const { tag, contentStart, length } = header
  if (length === null) return indefiniteAt(bytes, tag, contentStart, limit)
  const end = Math.min(contentStart + length, limit)
  return { tag, contentStart, contentEnd: end, end }
}

/** An element of indefinite length (X.690 section 8.1.3.6), which ends with two zero bytes at its own level. */
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

/** Tag and length of an element; null for an indefinite length. */
function headerAt(
  bytes: Uint8Array,
  start: number,
): { tag: number; contentStart: number; length: number | null } | null {
  const tag = bytes[start]
  const first = bytes[start + 1]
  if (tag === undefined || first === undefined) return null
  if (first === 0x80) return { tag, contentStart: start + 2, length: null }
  const lengthBytes = first > 0x80 ? first & 0x7f : 0
  const contentStart = start + 2 + lengthBytes
  if (lengthBytes > 8 || contentStart > bytes.length) return null
  let length = lengthBytes === 0 ? first : 0
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[start + 2 + i] ?? 0)
  return { tag, contentStart, length }
}
