/** What certificates, CRLs and certificate requests have in common: a signed part, an algorithm, a signature. */
import { readSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.js'
import { bytesEqual, DerError, type DerElement, DerReader, Tag } from './der.js'

/** The outer structure of something signed (X.509 section 6.2.1, SIGNED). */
export interface SignedFields {
  /** The signed part in DER. */
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly signature: Uint8Array
}

export interface SignedReading extends SignedFields {
  /** Reads the signed part; it shares its bytes with the whole. */
  readonly reader: DerReader
  /** Whether the algorithm inside the signed part is the one outside. */
  readonly agrees: (inner: DerElement) => boolean
}

/**
 * Reads the outer structure.
 *
 * @param what What it is, such as `the certificate`.
 * @throws {DerError} if the bytes are no such structure.
 */
export function readSigned(der: Uint8Array, what: string): SignedReading {
  const outer = new DerReader(der)
  const whole = outer.enter(Tag.sequence, what)
  outer.finish(what)
  const part = whole.expect(Tag.sequence, 'the signed part')
  const algorithm = whole.expect(Tag.sequence, 'the signature algorithm')
  const { octets: signature, unusedBits } = whole.bitString('the signature')
  if (unusedBits !== 0) throw new DerError('a signature that does not end at an octet', whole.offset)
  whole.finish(what)
  return {
    tbs: whole.whole(part),
    signatureAlgorithm: readSignatureAlgorithm(whole.inside(algorithm)),
    signature,
    reader: whole.inside(part),
    agrees: (inner) => bytesEqual(whole.whole(inner), whole.whole(algorithm)),
  }
}
