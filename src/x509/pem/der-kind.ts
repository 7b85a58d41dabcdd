/**
 * Says what a DER structure is by its first few elements, without checking it: this is for telling a person what they
 * gave where something else was meant. Lengths are followed but not trusted, so that a structure that was cut, or that
 * uses BER's indefinite lengths as some key stores do, is recognized too.
 */
import { hex, Tag } from '../der.js'

/** What bytes in DER are. */
export type DerKind =
  | 'certificate'
  | 'certificate request'
  | 'CRL'
  | 'private key'
  | 'encrypted private key'
  | 'public key'
  | 'PKCS#12 key store'
  | 'PKCS#7 bundle'

// Contents of the OBJECT IDENTIFIERs 1.2.840.113549.1.7.1 and .2 (RFC 5652), hexadecimal.
const DATA = '2A864886F70D010701'
const SIGNED_DATA = '2A864886F70D010702'

interface Element {
  readonly tag: number
  readonly contentStart: number
  readonly end: number
}

/** What the bytes are, or null if they are nothing known. */
export function derKind(bytes: Uint8Array): DerKind | null {
  const outer = elementAt(bytes, 0)
  if (outer?.tag !== Tag.sequence) return null
  const [first, second] = childrenOf(bytes, outer)
  if (first === undefined) return null
  switch (first.tag) {
    case Tag.integer:
      return kindByVersion(bytes, first, second)
    case Tag.oid:
      return oidOf(bytes, first) === SIGNED_DATA ? 'PKCS#7 bundle' : null
    case Tag.sequence:
      return kindByStructure(bytes, first, second)
    default:
      return null
  }
}

/** An INTEGER first: a version, or a number of an RSA key. */
function kindByVersion(bytes: Uint8Array, version: Element, second: Element | undefined): DerKind | null {
  if (second === undefined) return null
  const length = version.end - version.contentStart
  if (length > 32 && second.tag === Tag.integer) return 'public key'
  if (length !== 1) return null
  const [inner] = childrenOf(bytes, second)
  const isOid = second.tag === Tag.sequence && inner?.tag === Tag.oid
  if (bytes[version.contentStart] === 3) {
    const type = isOid ? oidOf(bytes, inner) : null
    return type === DATA || type === SIGNED_DATA ? 'PKCS#12 key store' : null
  }
  // PKCS#8 goes on with an algorithm, SEC1 with the key's bytes, PKCS#1 with the modulus.
  return isOid || second.tag === Tag.octetString || second.tag === Tag.integer ? 'private key' : null
}

/** A SEQUENCE first: the part of a certificate, request or CRL that is signed, or an algorithm. */
function kindByStructure(bytes: Uint8Array, first: Element, second: Element | undefined): DerKind | null {
  const [start, ...rest] = childrenOf(bytes, first)
  if (start?.tag === Tag.oid) {
    if (second?.tag === Tag.bitString) return 'public key'
    return second?.tag === Tag.octetString ? 'encrypted private key' : null
  }
  // A certificate of version 2 or 3 is the only one that starts with a tagged version.
  if (start?.tag === 0xa0) return 'certificate'
  const versioned = start?.tag === Tag.integer
  const [a, b, c] = versioned ? rest : [start, ...rest]
  if (a?.tag !== Tag.sequence || b?.tag !== Tag.sequence) return null
  if (c?.tag === Tag.utcTime || c?.tag === Tag.generalizedTime) return 'CRL'
  if (!versioned) return null
  return c?.tag === Tag.sequence ? 'certificate' : 'certificate request'
}

/** The first few elements inside one. */
function childrenOf(bytes: Uint8Array, parent: Element): Element[] {
  const children: Element[] = []
  let position = parent.contentStart
  while (children.length < 4 && position < parent.end) {
    const child = elementAt(bytes, position)
    if (child === null) break
    children.push(child)
    position = child.end
  }
  return children
}

function elementAt(bytes: Uint8Array, position: number): Element | null {
  const tag = bytes[position]
  const short = bytes[position + 1]
  if (tag === undefined || short === undefined) return null
  const octets = short > 0x80 ? short & 0x7f : 0
  if (octets > 4) return null
  const contentStart = position + 2 + octets
  let length = short < 0x80 ? short : 0
  for (let at = position + 2; at < contentStart; at++) length = length * 256 + (bytes[at] ?? 0)
  return { tag, contentStart, end: short === 0x80 ? bytes.length : contentStart + length }
}

/** The contents of an OBJECT IDENTIFIER, hexadecimal. Compared only, so it need not be well-formed. */
function oidOf(bytes: Uint8Array, element: Element): string {
  return hex(bytes.subarray(element.contentStart, Math.min(element.end, element.contentStart + 16)))
}
