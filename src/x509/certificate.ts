/** One X.509 certificate, read from DER: its outer structure at once, its extensions and key on first use. */
import type { KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import type { CertificateRef } from '../report/finding.js'
import { printable } from '../report/printable.js'
import type { PublicKeyInfo, SignatureAlgorithm } from './algorithms.js'
import { crypto } from './crypto.js'
import { bytesEqual, DerError, hex } from './der.js'
import type { DistinguishedName } from './distinguished-name.js'
import { decodeExtensions, decodeKeyIdentifiers, type Extensions, type KeyIdentifiers } from './extensions.js'
import { coveringNameFinder } from './covering-names.js'
import type { GeneralName } from './general-name.js'
import { classifyHosts } from './names.js'
import { isReadablePublicKey, isUsualPublicKey, readPublicKey } from './keys/public-key.js'
import { type CertificateFields, readCertificate } from './read-certificate.js'

/**
 * Largest certificate read, in bytes. Real ones are under 10 kB; Go reads no handshake of more (crypto/tls
 * maxHandshakeCertificateMsg), and OpenSSL none of more than 100 KiB (SSL_MAX_CERT_LIST_DEFAULT).
 */
export const MAX_CERTIFICATE_OCTETS = 256 * 1024

/** Most results that a certificate keeps: more than one validation asks for, unless its budget was raised. */
const MAX_VERDICTS = 256

/** An X.509 certificate. Immutable; what is costly is computed once and kept with the object. */
export class Certificate {
  /** The DER. */
  readonly raw: Uint8Array
  /** Where it came from, for people: a file name, an option's name, an endpoint. */
  readonly origin: string
  readonly #fields: CertificateFields
  #decoded: Extensions | null = null
  #identifiers: KeyIdentifiers | null = null
  #fingerprint: string | null = null
  #key: KeyObject | null = null
  #readable: boolean | null = null
  #usual: boolean | null = null
  #spkiText: string | null = null
  #entityText: string | null = null
  /**
   * Outcome of each signature check, by the issuer's key: validating the same chain again costs no signature, and nor does
   * another certificate of the same key.
   */
  #verdicts: Map<string, boolean> | null = null

  private constructor(raw: Uint8Array, origin: string, fields: CertificateFields) {
    this.raw = raw
    this.origin = origin
    this.#fields = fields
  }

  /**
   * Reads a certificate.
   *
   * @param origin Where the bytes came from, for people.
   * @throws {DerError} where the bytes are not a certificate. A bad extension does not throw: see `extensions.problems`.
   */
  static parse(der: Uint8Array, origin = 'certificate'): Certificate {
    if (der.length > MAX_CERTIFICATE_OCTETS) throw new DerError(`more than ${String(MAX_CERTIFICATE_OCTETS)} octets`, 0)
    // Views of a plain array are made in half the time that views of a Buffer take, and a certificate is mostly views.
    const octets = new Uint8Array(der.buffer, der.byteOffset, der.byteLength)
    return new Certificate(der, origin, readCertificate(octets))
  }

  /** 1, 2 or 3 (RFC 5280 section 4.1.2.1). */
  get version(): number {
    return this.#fields.version
  }

  get subject(): DistinguishedName {
    return this.#fields.subject
  }

  get issuer(): DistinguishedName {
    return this.#fields.issuer
  }

  /** Upper-case hexadecimal, as openssl and Node print it. */
  get serialNumber(): string {
    return serialText(this.#fields.serial)
  }

  /** The serial number's INTEGER bytes. */
  get serial(): Uint8Array {
    return this.#fields.serial
  }

  /** SHA-256 over the DER: upper-case hexadecimal pairs with colons, as openssl and Node print it. */
  get fingerprint256(): string {
    this.#fingerprint ??= crypto()
      .hash('sha256', this.raw)
      .toUpperCase()
      .replace(/..(?=.)/g, '$&:')
    return this.#fingerprint
  }

  /** First moment of validity. */
  get notBefore(): Date {
    return this.#fields.notBefore
  }

  /** Last moment of validity, that second included. */
  get notAfter(): Date {
    return this.#fields.notAfter
  }

  /** The SubjectPublicKeyInfo in DER. */
  get spki(): Uint8Array {
    return this.#fields.spki
  }

  /** {@link spki} as a text of one character for each byte, for use as a key. */
  get #keyOctets(): string {
    this.#spkiText ??= Buffer.from(this.spki.buffer, this.spki.byteOffset, this.spki.byteLength).toString('latin1')
    return this.#spkiText
  }

  /** The same text for certificates of the same subject and key. */
  get entity(): string {
    this.#entityText ??= this.subject.octets + this.#keyOctets
    return this.#entityText
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

  /** Whether the public key is written as all that are read everywhere, see `isUsualPublicKey`. */
  get hasUsualKey(): boolean {
    this.#usual ??= isUsualPublicKey(this.spki)
    return this.#usual
  }

  get signatureAlgorithm(): SignatureAlgorithm {
    return this.#fields.signatureAlgorithm
  }

  /** Whether the algorithm inside the signed part is the one outside (RFC 5280 section 4.1.1.2). */
  get signatureAlgorithmsAgree(): boolean {
    return this.#fields.algorithmsAgree
  }

  get extensions(): Extensions {
    this.#decoded ??= decodeExtensions(this.#fields.extensionList)
    return this.#decoded
  }

  /** The key identifiers, as `extensions` has them; the other extensions are not decoded for them. */
  get keyIdentifiers(): KeyIdentifiers {
    this.#identifiers ??= this.#decoded ?? decodeKeyIdentifiers(this.#fields.extensionList)
    return this.#identifiers
  }

  /** Whether basicConstraints say that this is a CA. */
  get isCa(): boolean {
    return this.extensions.basicConstraints?.ca ?? false
  }

  /** Whether issuer and subject are the same name (RFC 5280 section 6.1). */
  get isSelfIssued(): boolean {
    return this.issuer.equals(this.subject)
  }

  /** The subject alternative names; empty if there are none. */
  get subjectAltNames(): readonly GeneralName[] {
    return this.extensions.subjectAltName ?? []
  }

  /**
   * Which subject alternative name covers each host, by the rules of `validateChain`: the common name never counts, an address is
   * compared with IP names only, a wildcard stands for one leftmost label. `host` is in its canonical spelling; `name` is null if
   * no name covers it.
   *
   * @param hosts DNS names, IP addresses and URIs; at most 10,000.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a host that is ambiguous.
   */
  covers(hosts: readonly string[]): { host: string; kind: 'dns' | 'ip' | 'uri'; name: string | null }[] {
    const find = coveringNameFinder(this.subjectAltNames, hosts.length)
    return classifyHosts(hosts).map((host) => ({ host: host.value, kind: host.kind, name: find(host)?.value ?? null }))
  }

  /** Whether both are the same bytes. */
  equals(other: Certificate): boolean {
    return this === other || bytesEqual(this.raw, other.raw)
  }

  /** Whether the outcome of {@link isSignedBy} is already known, so that asking costs nothing. */
  knowsVerdictOn(issuer: Certificate): boolean {
    return this.#verdicts?.has(issuer.#keyOctets) === true
  }

  /** Whether the issuer's key made this certificate's signature. Names and rights are not looked at. */
  isSignedBy(issuer: Certificate): boolean {
    const known = this.#verdicts?.get(issuer.#keyOctets)
    if (known !== undefined) return known
    const verdict = verifyWith(issuer, this.signatureAlgorithm, this.#fields.tbs, this.#fields.signature)
    if (this.#verdicts === null || this.#verdicts.size >= MAX_VERDICTS) this.#verdicts = new Map()
    this.#verdicts.set(issuer.#keyOctets, verdict)
    return verdict
  }

  toPem(): string {
    return pemBlock('CERTIFICATE', this.raw)
  }

  toString(): string {
    return `${this.subject.toString() || '(no subject)'} (serial ${this.serialNumber}, ${printable(this.origin)})`
  }

  toJSON(): Record<string, unknown> {
    return {
      subject: this.subject.toString(),
      issuer: this.issuer.toString(),
      serialNumber: this.serialNumber,
      notBefore: this.notBefore,
      notAfter: this.notAfter,
      fingerprint256: this.fingerprint256,
      origin: printable(this.origin),
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
  issuer: Pick<Certificate, 'publicKeyInfo' | 'publicKey'>,
  algorithm: SignatureAlgorithm,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  if ('unknown' in algorithm) return false
  const { scheme } = algorithm
  const { constants, verify } = crypto()
  if (issuer.publicKeyInfo.algorithm !== scheme.key) return false
  try {
    const key = issuer.publicKey
    if (scheme.saltLength !== undefined) {
      const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength }
      return verify(scheme.digest, signed, options, signature)
    }
    return verify(scheme.digest, signed, key, signature)
  } catch {
    // OpenSSL refuses the key or the signature's form: not a signature by this key. Why is told by the key checks.
    return false
  }
}

/** INTEGER bytes of a serial number as upper-case hexadecimal, without the zero that a first bit of 1 requires. */
export function serialText(serial: Uint8Array): string {
  return hex(serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial)
}
