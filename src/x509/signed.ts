/** The common structure of certificates, CRLs and certificate requests: a signed part, an algorithm, a signature. */
import type { KeyObject } from 'node:crypto'
import { type PublicKeyInfo, readPublicKeyInfo, readSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.js'
import { crypto } from './node-crypto.js'
import { bytesEqual, DerError, type DerElement, DerReader, Tag } from './der.js'
import type { DistinguishedName } from './distinguished-name.js'
import { decodeExtensions, type Extensions, type RawExtension } from './extensions.js'
import type { GeneralName } from './general-name.js'
import { isReadablePublicKey, readPublicKey } from './keys/public-key.js'

/** X.509 section 6.2.1, SIGNED. */
export interface SignedFields {
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly signature: Uint8Array
}

export interface SignedReading extends SignedFields {
  /** Reads the signed part. It does not copy the bytes. */
  readonly reader: DerReader
  readonly agrees: (inner: DerElement) => boolean
}

/**
 * Reads the outer structure.
 *
 * @param what The name of the structure in errors, such as `the certificate`.
 * @param limit In bytes.
 * @throws {DerError} if the bytes are not such a structure.
 */
export function readSigned(der: Uint8Array, what: string, limit: number): SignedReading {
  if (der.length > limit) throw new DerError(`more than ${String(limit)} bytes`, 0)
  // Views of a Uint8Array are twice as fast to create as views of a Buffer.
  const outer = new DerReader(new Uint8Array(der.buffer, der.byteOffset, der.byteLength))
  const whole = outer.enter(Tag.sequence, what)
  outer.finish(what)
  const part = whole.expect(Tag.sequence, 'the signed part')
  const algorithm = whole.expect(Tag.sequence, 'the signature algorithm')
  const { bytes: signature, unusedBits } = whole.bitString('the signature')
  if (unusedBits !== 0) throw new DerError('a signature that does not end at a byte', whole.offset)
  whole.finish('the signature')
  return {
    tbs: whole.whole(part),
    signatureAlgorithm: readSignatureAlgorithm(whole.inside(algorithm)),
    signature,
    reader: whole.inside(part),
    agrees: (inner) => bytesEqual(whole.whole(inner), whole.whole(algorithm)),
  }
}

/** Whether the issuer's key verifies the signature. False if it does not fit the algorithm or OpenSSL does not read it. */
export function isSignedWith(
  issuer: Pick<KeyHolder, 'publicKeyInfo' | 'publicKey'>,
  { tbs, signatureAlgorithm, signature }: SignedFields,
): boolean {
  if ('unknown' in signatureAlgorithm) return false
  const { key: algorithm, digest, saltLength } = signatureAlgorithm.scheme
  if (issuer.publicKeyInfo.algorithm !== algorithm) return false
  const { constants, verify } = crypto()
  try {
    const key = issuer.publicKey
    if (saltLength === undefined) return verify(digest, tbs, key, signature)
    return verify(digest, tbs, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature)
  } catch {
    // OpenSSL refuses the key or the encoding of the signature. The checks of the key report the reason.
    return false
  }
}

export interface KeyHolderFields extends SignedFields {
  readonly version: number
  readonly subject: DistinguishedName
  readonly spki: Uint8Array
  readonly publicKeyInfo: PublicKeyInfo
  readonly extensionList: readonly RawExtension[]
}

export function readSpki(fields: DerReader): Pick<KeyHolderFields, 'spki' | 'publicKeyInfo'> {
  const spki = fields.expect(Tag.sequence, 'the public key')
  return { spki: fields.whole(spki), publicKeyInfo: readPublicKeyInfo(fields.inside(spki)) }
}

/** A certificate or a certificate request. Immutable; costly values are computed on first use and cached. */
export abstract class KeyHolder {
  /** The DER. */
  readonly raw: Uint8Array
  /** Where it came from, for display: a file name, an option's name, an endpoint. */
  readonly origin: string
  readonly #fields: KeyHolderFields
  #decoded: Extensions | null = null
  #key: KeyObject | null = null
  #readable: boolean | null = null

  /** @internal */
  constructor(raw: Uint8Array, origin: string, fields: KeyHolderFields) {
    this.raw = raw
    this.origin = origin
    this.#fields = fields
  }

  /** 1, 2 or 3 for a certificate (RFC 5280 section 4.1.2.1). 1 for a correct request (RFC 2986 section 4.1). */
  get version(): number {
    return this.#fields.version
  }

  get subject(): DistinguishedName {
    return this.#fields.subject
  }

  /** The SubjectPublicKeyInfo in DER. */
  get spki(): Uint8Array {
    return this.#fields.spki
  }

  get publicKeyInfo(): PublicKeyInfo {
    return this.#fields.publicKeyInfo
  }

  /**
   * The public key.
   *
   * @throws {Error} of `node:crypto` if OpenSSL does not read the key.
   */
  get publicKey(): KeyObject {
    this.#key ??= readPublicKey(this.spki)
    return this.#key
  }

  /** Whether OpenSSL reads the public key. */
  get hasReadableKey(): boolean {
    this.#readable ??= this.#key !== null || isReadablePublicKey(this.spki)
    return this.#readable
  }

  get signatureAlgorithm(): SignatureAlgorithm {
    return this.#fields.signatureAlgorithm
  }

  /** @internal The extensions without their meaning, which is decoded on first use. */
  get extensionList(): readonly RawExtension[] {
    return this.#fields.extensionList
  }

  get extensions(): Extensions {
    this.#decoded ??= decodeExtensions(this.#fields.extensionList)
    return this.#decoded
  }

  /** The subject alternative names; empty if there are none. */
  get subjectAltNames(): readonly GeneralName[] {
    return this.extensions.subjectAltName ?? []
  }
}

/** A PEM block with lines of 64 characters (RFC 7468). */
export function pemBlock(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`
}
