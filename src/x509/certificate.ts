/** An X.509 certificate, read from DER. Extensions and key are decoded on first use. */
import { inspect } from 'node:util'
import type { CertificateRef } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { crypto } from './node-crypto.js'
import { bytesEqual, contextTag, DerError, type DerReader, hex, Tag } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import { decodeKeyIdentifiers, type KeyIdentifiers, readExtensions } from './extensions.js'
import { isUsualPublicKey } from './keys/public-key.js'
import { classifyHosts, coveringNameFinder } from './names.js'
import { isSignedWith, KeyHolder, type KeyHolderFields, pemBlock, readSigned, readSpki } from './signed.js'
import { readTime } from './time.js'

/**
 * Largest certificate in bytes. Real ones are under 10 kB. Go has the same limit for the certificates of a handshake (crypto/tls
 * maxHandshakeCertificateMsg), OpenSSL 100 KiB (SSL_MAX_CERT_LIST_DEFAULT).
 */
export const MAX_CERTIFICATE_BYTES = 256 * 1024
/** Longest serial number in bytes. RFC 5280 section 4.1.2.2 allows 20; a longer one up to this limit is reported. */
const MAX_SERIAL_BYTES = 1024
/** Maximum number of signature results in the cache: more than one validation needs with the default budget. */
const MAX_RESULTS = 256

interface CertificateFields extends KeyHolderFields {
  readonly serial: Uint8Array
  readonly algorithmsAgree: boolean
  readonly issuer: DistinguishedName
  readonly notBefore: Date
  readonly notAfter: Date
}

/** An X.509 certificate. Immutable; what is costly is computed on first use and kept. */
export class Certificate extends KeyHolder {
  readonly #fields: CertificateFields
  #identifiers: KeyIdentifiers | null = null
  #fingerprint: string | null = null
  #usual: boolean | null = null
  #spkiText: string | null = null
  #entityText: string | null = null
  #results: Map<string, boolean> | null = null

  private constructor(raw: Uint8Array, origin: string, fields: CertificateFields) {
    super(raw, origin, fields)
    this.#fields = fields
  }

  /**
   * Reads a certificate.
   *
   * @param origin Where the bytes came from, for display.
   * @throws {DerError} if the bytes are not a certificate. A bad extension does not throw: see `extensions.problems`.
   */
  static parse(der: Uint8Array, origin = 'certificate'): Certificate {
    return new Certificate(der, origin, readCertificate(der))
  }

  get issuer(): DistinguishedName {
    return this.#fields.issuer
  }

  /** Upper-case hexadecimal, as openssl and Node print it. */
  get serialNumber(): string {
    return serialText(this.serial)
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

  get #keyText(): string {
    this.#spkiText ??= Buffer.from(this.spki.buffer, this.spki.byteOffset, this.spki.byteLength).toString('latin1')
    return this.#spkiText
  }

  /** A string that is the same for certificates of the same subject and key. */
  get entity(): string {
    this.#entityText ??= this.subject.mapKey + this.#keyText
    return this.#entityText
  }

  /** Whether the public key is of a usual kind in its usual form, see `isUsualPublicKey`. */
  get hasUsualKey(): boolean {
    this.#usual ??= isUsualPublicKey(this.spki)
    return this.#usual
  }

  /** Whether the algorithm inside the signed part is the one outside (RFC 5280 section 4.1.1.2). */
  get signatureAlgorithmsAgree(): boolean {
    return this.#fields.algorithmsAgree
  }

  /** The key identifiers. Unlike `extensions`, this does not decode the other extensions. */
  get keyIdentifiers(): KeyIdentifiers {
    this.#identifiers ??= decodeKeyIdentifiers(this.#fields.extensionList)
    return this.#identifiers
  }

  /** Whether basicConstraints declare a CA. */
  get isCa(): boolean {
    return this.extensions.basicConstraints?.ca ?? false
  }

  /** Whether issuer and subject are the same name (RFC 5280 section 6.1). */
  get isSelfIssued(): boolean {
    return this.issuer.equals(this.subject)
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

  /** Whether the result of {@link isSignedBy} is already known. */
  hasResultFor(issuer: Certificate): boolean {
    return this.#results?.has(issuer.#keyText) === true
  }

  /** Whether the issuer's key made this certificate's signature. Names and rights are not checked. */
  isSignedBy(issuer: Certificate): boolean {
    const known = this.#results?.get(issuer.#keyText)
    if (known !== undefined) return known
    const result = isSignedWith(issuer, this.#fields)
    if (this.#results === null || this.#results.size >= MAX_RESULTS) this.#results = new Map()
    this.#results.set(issuer.#keyText, result)
    return result
  }

  toPem(): string {
    return pemBlock('CERTIFICATE', this.raw)
  }

  override toString(): string {
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

export function certificateRef(certificate: Certificate, role: CertificateRef['role'], index: number): CertificateRef {
  return {
    role,
    index,
    subject: certificate.subject.toString(),
    serialNumber: certificate.serialNumber,
    fingerprint256: certificate.fingerprint256,
    notBefore: new Date(certificate.notBefore),
    notAfter: new Date(certificate.notAfter),
    origin: certificate.origin,
  }
}

/** Upper-case hexadecimal, without the leading zero byte of a positive INTEGER. */
export function serialText(serial: Uint8Array): string {
  return hex(serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial)
}

/** RFC 5280 section 4.1. */
function readCertificate(der: Uint8Array): CertificateFields {
  const { reader: tbs, agrees, ...signed } = readSigned(der, 'the certificate', MAX_CERTIFICATE_BYTES)
  const version = readVersion(tbs)
  const serialStart = tbs.offset
  const serial = tbs.integer('the serial number')
  if (serial.length > MAX_SERIAL_BYTES) {
    throw new DerError(`a serial number of more than ${MAX_SERIAL_BYTES.toLocaleString('en-US')} bytes`, serialStart)
  }
  const innerAlgorithm = tbs.expect(Tag.sequence, 'the inner signature algorithm')
  const issuerName = DistinguishedName.read(tbs, 'issuer')
  const validity = tbs.enter(Tag.sequence, 'the validity')
  const notBefore = readTime(validity, 'notBefore')
  const notAfter = readTime(validity, 'notAfter')
  validity.finish('the validity')
  const subject = DistinguishedName.read(tbs, 'subject')
  // One object, so that the name of a root is decoded once.
  const issuer = bytesEqual(issuerName.raw, subject.raw) ? subject : issuerName
  const key = readSpki(tbs)
  // issuerUniqueID and subjectUniqueID
  tbs.optional(contextTag(1, 'primitive'))
  tbs.optional(contextTag(2, 'primitive'))
  const refused = version === 3 ? null : `extensions in a certificate of version ${String(version)}`
  const extensionList = readExtensions(tbs, 3, 'the extensions', refused)
  tbs.finish('the signed part')
  const algorithmsAgree = agrees(innerAlgorithm)
  return { ...signed, version, serial, algorithmsAgree, issuer, notBefore, notAfter, subject, ...key, extensionList }
}

function readVersion(tbs: DerReader): number {
  const start = tbs.offset
  const inner = tbs.enterOptional(contextTag(0, 'constructed'))
  if (inner === null) return 1
  const version = inner.smallInteger('the version') + 1
  inner.finish('the version')
  if (version > 3) throw new DerError(`version ${String(version)}, which X.509 does not know`, start)
  return version
}

/** The certificates of a chain, up to the first that cannot be read. */
export function readableChain(chain: readonly Uint8Array[], origin: string): Certificate[] {
  const read: Certificate[] = []
  for (const der of chain) {
    try {
      read.push(Certificate.parse(der, origin))
    } catch {
      return read // The validation of the chain reports it.
    }
  }
  return read
}
