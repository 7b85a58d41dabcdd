/** One certificate request (PKCS #10, RFC 2986), read from DER. */
import type { KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { printable } from '../../report/printable.js'
import { type PublicKeyInfo, publicKeyText, readPublicKeyInfo, type SignatureAlgorithm } from '../algorithms.js'
import { pemBlock, verifyWith } from '../certificate.js'
import { contextTag, DerError, Tag } from '../der.js'
import { DistinguishedName } from '../distinguished-name.js'
import { decodeExtensions, type Extensions, type RawExtension } from '../extensions.js'
import type { GeneralName } from '../general-name.js'
import { isReadablePublicKey, readPublicKey } from '../keys/public-key.js'
import { readSigned, type SignedFields } from '../signed.js'
import {
  AttributeId,
  attributeText,
  readRequestAttributes,
  type RequestAttribute,
  requestedExtensions,
} from './request-attributes.js'

/** Largest request read, in bytes. Real ones are under 2 kB; a thousand names fit. */
export const MAX_REQUEST_OCTETS = 256 * 1024

/** A certificate request: a public key, the names and usages that its holder would like, and the signature of that key. */
export class CertificateRequest {
  /** The DER. */
  readonly raw: Uint8Array
  /** Where it came from, for people: a file name, an option's name. */
  readonly origin: string
  readonly #fields: RequestFields
  #decoded: Extensions | null = null
  #key: KeyObject | null = null
  #readable: boolean | null = null
  #verdict: boolean | null = null

  private constructor(raw: Uint8Array, origin: string, fields: RequestFields) {
    this.raw = raw
    this.origin = origin
    this.#fields = fields
  }

  /**
   * Reads a request.
   *
   * @param origin Where the bytes came from, for people.
   * @throws {DerError} where the bytes are no request. A bad extension does not throw: see `extensions.problems`.
   */
  static parse(der: Uint8Array, origin = 'certificate request'): CertificateRequest {
    if (der.length > MAX_REQUEST_OCTETS) throw new DerError(`more than ${String(MAX_REQUEST_OCTETS)} octets`, 0)
    const octets = new Uint8Array(der.buffer, der.byteOffset, der.byteLength)
    return new CertificateRequest(der, origin, readRequest(octets))
  }

  /** 1: there is no other (RFC 2986 section 4.1), but some write one. */
  get version(): number {
    return this.#fields.version
  }

  /** The name that is asked for; it may be empty. */
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
   * @throws {Error} of `node:crypto` where OpenSSL does not read the key.
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

  /** Every attribute, in the order of the request; those that ask for extensions among them. */
  get attributes(): readonly RequestAttribute[] {
    return this.#fields.attributes
  }

  /** The extensions that are asked for, decoded. */
  get extensions(): Extensions {
    this.#decoded ??= decodeExtensions(this.#fields.extensionList)
    return this.#decoded
  }

  /** The subject alternative names that are asked for; empty if there are none. */
  get subjectAltNames(): readonly GeneralName[] {
    return this.extensions.subjectAltName ?? []
  }

  /** Whether basicConstraints ask for a CA certificate. */
  get asksForCa(): boolean {
    return this.extensions.basicConstraints?.ca ?? false
  }

  /** Whether there is a challenge password (RFC 2985 section 5.4.1). It stands there in the clear, and is not shown. */
  get hasChallengePassword(): boolean {
    return this.attributes.some(({ oid }) => oid === AttributeId.challengePassword)
  }

  /** The unstructured name (RFC 2985 section 5.4.2); null if there is none that can be read. */
  get unstructuredName(): string | null {
    return attributeText(this.attributes, AttributeId.unstructuredName)
  }

  /** Proof of possession: whether the key that the request is for made its signature. */
  isSignedByItself(): boolean {
    this.#verdict ??= verifyWith(this, this.signatureAlgorithm, this.#fields.tbs, this.#fields.signature)
    return this.#verdict
  }

  toPem(): string {
    return pemBlock('CERTIFICATE REQUEST', this.raw)
  }

  toString(): string {
    return `${this.subject.toString() || '(no subject)'} (${publicKeyText(this.publicKeyInfo)}, ${printable(this.origin)})`
  }

  toJSON(): Record<string, unknown> {
    return {
      subject: this.subject.toString(),
      publicKey: publicKeyText(this.publicKeyInfo),
      subjectAltNames: this.subjectAltNames.map(({ kind, value }) => ({ kind, value: printable(value) })),
      origin: printable(this.origin),
    }
  }

  [inspect.custom](): string {
    return `CertificateRequest { ${this.toString()} }`
  }
}

/** The fields of a request; extensions are not decoded yet. */
interface RequestFields extends SignedFields {
  version: number
  subject: DistinguishedName
  spki: Uint8Array
  publicKeyInfo: PublicKeyInfo
  attributes: RequestAttribute[]
  extensionList: RawExtension[]
}

/**
 * Reads a certificate request.
 *
 * @throws {DerError} where the bytes are none.
 */
function readRequest(der: Uint8Array): RequestFields {
  const { reader: info, tbs, signatureAlgorithm, signature } = readSigned(der, 'the request')
  const version = info.smallInteger('the version') + 1
  const subject = DistinguishedName.read(info, 'subject')
  const spki = info.expect(Tag.sequence, 'the public key')
  const publicKeyInfo = readPublicKeyInfo(info.inside(spki))
  // RFC 2986 wants the field even where it is empty; some leave it out, and OpenSSL reads that, too ("-asn1-kludge").
  const list = info.enterOptional(contextTag(0, 'constructed'))
  const attributes = list === null ? [] : readRequestAttributes(list)
  info.finish('the signed part')
  return {
    version,
    subject,
    spki: info.whole(spki),
    publicKeyInfo,
    attributes,
    extensionList: requestedExtensions(der, attributes),
    tbs,
    signatureAlgorithm,
    signature,
  }
}
