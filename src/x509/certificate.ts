/** One X.509 certificate, read from DER: its outer structure at once, its extensions and key on first use. */
import { createHash, type KeyObject, verify as verifySignature, constants } from 'node:crypto'
import { inspect } from 'node:util'
import type { CertificateRef } from '../report/finding.js'
import { type PublicKeyInfo, readPublicKeyInfo, readSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.js'
import { bytesEqual, contextTag, DerError, type DerElement, DerReader, hex, Tag } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import { decodeExtensions, type Extensions, type RawExtension, readExtensionList } from './extensions.js'
import type { GeneralName } from './general-name.js'
import { isReadablePublicKey, readPublicKey } from './public-key.js'
import { readTime } from './time.js'

/** Largest certificate read, in octets. Real ones are under 10 kB; 50,000 names fit. */
export const MAX_CERTIFICATE_OCTETS = 4 * 1024 * 1024

interface Parts {
  version: number
  serial: Uint8Array
  tbs: Uint8Array
  innerAlgorithm: Uint8Array
  outerAlgorithm: Uint8Array
  signatureAlgorithm: SignatureAlgorithm
  signature: Uint8Array
  issuer: DistinguishedName
  subject: DistinguishedName
  notBefore: Date
  notAfter: Date
  spki: Uint8Array
  publicKeyInfo: PublicKeyInfo
  extensionList: RawExtension[]
}

/** An X.509 certificate. Immutable; what is costly is computed once and kept with the object. */
export class Certificate {
  /** The DER. */
  readonly raw: Uint8Array
  /** Where it came from, for people: a file name, an option's name, an endpoint. */
  readonly origin: string
  private readonly parts: Parts
  private decoded: Extensions | null = null
  private fingerprint: string | null = null
  private key: KeyObject | null = null
  private readable: boolean | null = null
  /** Outcome of each signature check, by issuer: validating the same chain again costs no signature. */
  private readonly verdicts = new WeakMap<Certificate, boolean>()

  private constructor(raw: Uint8Array, origin: string, parts: Parts) {
    this.raw = raw
    this.origin = origin
    this.parts = parts
  }

  /**
   * Reads a certificate.
   *
   * @param origin Where the bytes came from, for people.
   * @throws {DerError} where the bytes are not a certificate. A bad extension does not throw: see `extensions.problems`.
   */
  static parse(der: Uint8Array, origin = 'certificate'): Certificate {
    if (der.length > MAX_CERTIFICATE_OCTETS) throw new DerError(`more than ${String(MAX_CERTIFICATE_OCTETS)} octets`, 0)
    return new Certificate(der, origin, readCertificate(der))
  }

  /** 1, 2 or 3 (RFC 5280 section 4.1.2.1). */
  get version(): number {
    return this.parts.version
  }

  get subject(): DistinguishedName {
    return this.parts.subject
  }

  get issuer(): DistinguishedName {
    return this.parts.issuer
  }

  /** Upper-case hexadecimal, as openssl and Node print it. */
  get serialNumber(): string {
    const { serial } = this.parts
    return hex(serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial)
  }

  /** The serial number's INTEGER octets. */
  get serial(): Uint8Array {
    return this.parts.serial
  }

  /** SHA-256 over the DER: upper-case hexadecimal pairs with colons, as openssl and Node print it. */
  get fingerprint256(): string {
    this.fingerprint ??= hex(createHash('sha256').update(this.raw).digest()).replace(/(?<=.)(?=(?:..)+$)/g, ':')
    return this.fingerprint
  }

  /** First moment of validity. */
  get notBefore(): Date {
    return this.parts.notBefore
  }

  /** Last moment of validity, that second included. */
  get notAfter(): Date {
    return this.parts.notAfter
  }

  /** The SubjectPublicKeyInfo in DER. */
  get spki(): Uint8Array {
    return this.parts.spki
  }

  get publicKeyInfo(): PublicKeyInfo {
    return this.parts.publicKeyInfo
  }

  /**
   * The public key.
   *
   * @throws {Error} of `node:crypto` where OpenSSL does not read the key.
   */
  get publicKey(): KeyObject {
    this.key ??= readPublicKey(this.spki)
    return this.key
  }

  /** Whether OpenSSL reads the public key. */
  get hasReadableKey(): boolean {
    this.readable ??= this.key !== null || isReadablePublicKey(this.spki)
    return this.readable
  }

  get signatureAlgorithm(): SignatureAlgorithm {
    return this.parts.signatureAlgorithm
  }

  /** Whether the algorithm inside the signed part is the one outside (RFC 5280 section 4.1.1.2). */
  get signatureAlgorithmsAgree(): boolean {
    return bytesEqual(this.parts.innerAlgorithm, this.parts.outerAlgorithm)
  }

  get extensions(): Extensions {
    this.decoded ??= decodeExtensions(this.parts.extensionList)
    return this.decoded
  }

  /** Whether basicConstraints say that this is a CA. */
  get isCa(): boolean {
    return this.extensions.basicConstraints?.ca ?? false
  }

  /** Whether issuer and subject are the same name (RFC 5280 section 6.1). */
  get isSelfIssued(): boolean {
    return this.issuer.equals(this.subject)
  }

  /** The subject alternative names; empty where there are none. */
  get subjectAltNames(): readonly GeneralName[] {
    return this.extensions.subjectAltName ?? []
  }

  /** Whether both are the same bytes. */
  equals(other: Certificate): boolean {
    return this === other || bytesEqual(this.raw, other.raw)
  }

  /** Whether the outcome of {@link isSignedBy} is already known, so that asking costs nothing. */
  knowsVerdictOn(issuer: Certificate): boolean {
    return this.verdicts.has(issuer)
  }

  /** Whether the issuer's key made this certificate's signature. Names and rights are not looked at. */
  isSignedBy(issuer: Certificate): boolean {
    const known = this.verdicts.get(issuer)
    if (known !== undefined) return known
    const verdict = verifyWith(issuer, this.signatureAlgorithm, this.parts.tbs, this.parts.signature)
    this.verdicts.set(issuer, verdict)
    return verdict
  }

  toPem(): string {
    return pemBlock('CERTIFICATE', this.raw)
  }

  toString(): string {
    return `${this.subject.toString() || '(no subject)'} (serial ${this.serialNumber}, ${this.origin})`
  }

  toJSON(): Record<string, unknown> {
    return {
      subject: this.subject.toString(),
      issuer: this.issuer.toString(),
      serialNumber: this.serialNumber,
      notBefore: this.notBefore,
      notAfter: this.notAfter,
      fingerprint256: this.fingerprint256,
      origin: this.origin,
    }
  }

  [inspect.custom](): string {
    return `Certificate { ${this.toString()} }`
  }
}

/** A PEM block with lines of 64 characters (RFC 7468). */
export function pemBlock(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`
}

/** How a report names the certificate. */
export function certificateRef(certificate: Certificate, role: CertificateRef['role'], index: number): CertificateRef {
  return {
    role,
    index,
    subject: certificate.subject.toString(),
    serialNumber: certificate.serialNumber,
    fingerprint256: certificate.fingerprint256,
    origin: certificate.origin,
  }
}

/** Whether `issuer`'s key made the signature. False, too, where key and algorithm do not fit or the key cannot be read. */
export function verifyWith(
  issuer: Certificate,
  algorithm: SignatureAlgorithm,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  if ('unknown' in algorithm) return false
  const { scheme } = algorithm
  if (issuer.publicKeyInfo.algorithm !== scheme.key) return false
  try {
    const key = issuer.publicKey
    if (scheme.saltLength !== undefined) {
      const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength }
      return verifySignature(scheme.digest, signed, options, signature)
    }
    return verifySignature(scheme.digest, signed, key, signature)
  } catch {
    // OpenSSL refuses the key or the signature's form: not a signature by this key. Why is told by the key checks.
    return false
  }
}

function readCertificate(der: Uint8Array): Parts {
  const outer = new DerReader(der)
  const certificate = outer.enter(Tag.sequence, 'the certificate')
  outer.finish('the certificate')
  const tbsElement = certificate.expect(Tag.sequence, 'the signed part')
  const outerAlgorithm = certificate.expect(Tag.sequence, 'the signature algorithm')
  const { octets: signature, unusedBits } = certificate.bitString('the signature')
  if (unusedBits !== 0) throw new DerError('a signature that does not end at an octet', certificate.offset)
  certificate.finish('the certificate')

  const tbs = certificate.inside(tbsElement)
  const version = readVersion(tbs)
  const serial = tbs.integer('the serial number')
  const innerAlgorithm = tbs.expect(Tag.sequence, 'the inner signature algorithm')
  const issuer = DistinguishedName.read(tbs, 'issuer')
  const validity = tbs.enter(Tag.sequence, 'the validity')
  const notBefore = readTime(validity, 'notBefore')
  const notAfter = readTime(validity, 'notAfter')
  validity.finish('the validity')
  const subject = DistinguishedName.read(tbs, 'subject')
  const spki = tbs.expect(Tag.sequence, 'the public key')
  const publicKeyInfo = readPublicKeyInfo(tbs.inside(spki))
  tbs.optional(contextTag(1, 'primitive'))
  tbs.optional(contextTag(2, 'primitive'))
  const extensionList = readExtensions(tbs, version)
  tbs.finish('the signed part')
  return {
    version,
    serial,
    tbs: certificate.whole(tbsElement),
    innerAlgorithm: tbs.whole(innerAlgorithm),
    outerAlgorithm: certificate.whole(outerAlgorithm),
    signatureAlgorithm: readSignatureAlgorithm(certificate.inside(outerAlgorithm)),
    signature,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki: tbs.whole(spki),
    publicKeyInfo,
    extensionList,
  }
}

function readVersion(tbs: DerReader): number {
  const tagged: DerElement | null = tbs.optional(contextTag(0, 'constructed'))
  if (tagged === null) return 1
  const inner = tbs.inside(tagged)
  const version = inner.smallInteger('the version') + 1
  inner.finish('the version')
  if (version > 3) throw new DerError(`version ${String(version)}, which X.509 does not know`, tagged.start)
  return version
}

function readExtensions(tbs: DerReader, version: number): RawExtension[] {
  const tagged = tbs.enterOptional(contextTag(3, 'constructed'))
  if (tagged === null) return []
  if (version !== 3) throw new DerError(`extensions in a certificate of version ${String(version)}`, tagged.offset)
  const list = tagged.enter(Tag.sequence, 'the extensions')
  tagged.finish('the extensions')
  if (list.atEnd) throw new DerError('an empty list of extensions', list.offset)
  return readExtensionList(list)
}
