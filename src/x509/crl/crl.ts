/** One certificate revocation list (RFC 5280 section 5), read from DER. */
import { inspect } from 'node:util'
import { printable } from '../../report/printable.js'
import type { SignatureAlgorithm } from '../algorithms.js'
import type { Certificate } from '../certificate.js'
import { type CrlEntry, MAX_CRL_BYTES, RevokedEntries } from './crl-entries.js'
import { type CrlExtensions, type UnsupportedCrlScope, decodeCrlExtensions } from './crl-extensions.js'
import type { DistributionPointName } from './distribution-point.js'
import { DerError, type DerElement, type DerReader, Tag } from '../der.js'
import { DistinguishedName } from '../distinguished-name.js'
import { ExtensionId, type RawExtension, readExtensions } from '../extensions.js'
import type { PemScan } from '../pem/pem.js'
import { isSignedWith, pemBlock, readSigned, type SignedFields } from '../signed.js'
import { readTime } from '../time.js'

export const MAX_CRL_FILE_BYTES = Math.ceil(MAX_CRL_BYTES * 1.4)

/**
 * The encoding of the file. etcd 3.6 and later read CRL files in DER only. `text`: PEM in a file that etcd 3.5 does not read as PEM
 * either.
 */
export type CrlForm = 'pem' | 'text' | 'der'

/** The start of every CRL in PEM that Go reads (crypto/x509 ParseCRL). It skips no text. */
export const PEM_CRL = '-----BEGIN X509 CRL'

/** Whether etcd 3.5 reads the file as PEM, by its start and its line ends (encoding/pem Decode). */
export function formOfPem(input: string | Uint8Array, { layout }: PemScan): CrlForm {
  const start = typeof input === 'string' ? input : Buffer.from(input.subarray(0, PEM_CRL.length)).toString('latin1')
  return start.startsWith(PEM_CRL) && layout.every((each) => each.layout !== 'CR line ends') ? 'pem' : 'text'
}

interface Parts extends SignedFields {
  version: 1 | 2
  algorithmsAgree: boolean
  issuer: DistinguishedName
  thisUpdate: Date
  nextUpdate: Date | null
  hasEarlyGeneralizedTime: boolean
  entries: DerElement | null
  extensions: CrlExtensions
}

/** A certificate revocation list. Immutable; its entries are read on first use. */
export class Crl {
  /** The DER. */
  readonly raw: Uint8Array
  /** Where it came from, for display. */
  readonly origin: string
  readonly form: CrlForm
  readonly #parts: Parts
  readonly #results = new WeakMap<Certificate, boolean>()
  readonly #found = new WeakMap<Certificate, CrlEntry | null>()
  #entriesRead: RevokedEntries | DerError | null = null

  private constructor(raw: Uint8Array, origin: string, form: CrlForm, parts: Parts) {
    this.raw = raw
    this.origin = origin
    this.form = form
    this.#parts = parts
  }

  /**
   * Reads a CRL. The entries are read on first use, see {@link entries}.
   *
   * @param origin Where the bytes came from, for display.
   * @param form How they were passed.
   * @throws {DerError} if the bytes are not a CRL.
   */
  static parse(der: Uint8Array, origin = 'CRL', form: CrlForm = 'der'): Crl {
    return new Crl(der, origin, form, readCrl(der))
  }

  /** 1 or 2 (RFC 5280 section 5.1.2.1). */
  get version(): 1 | 2 {
    return this.#parts.version
  }

  get issuer(): DistinguishedName {
    return this.#parts.issuer
  }

  get thisUpdate(): Date {
    return this.#parts.thisUpdate
  }

  /** When the next CRL is due; null if the CRL does not say. */
  get nextUpdate(): Date | null {
    return this.#parts.nextUpdate
  }

  /** Newer CRLs of the same issuer and scope have higher numbers; null if absent. */
  get number(): bigint | null {
    return this.#parts.extensions.number
  }

  /** The distribution point whose certificates it lists; null if it lists all revoked certificates of its issuer. */
  get distributionPoint(): DistributionPointName | null {
    return this.#parts.extensions.issuingDistributionPoint?.name ?? null
  }

  /**
   * Why this CRL is not supported: it does not list every revoked certificate of its issuer, or it lists certificates of other
   * issuers, too. Null for a full CRL.
   *
   * @throws {DerError} if an entry cannot be read.
   */
  get unsupportedScope(): UnsupportedCrlScope | null {
    if (this.#extension(ExtensionId.deltaCRLIndicator) !== null) return 'delta'
    const { issuingDistributionPoint } = this.#parts.extensions
    return issuingDistributionPoint?.unsupportedScope ?? (this.entries.hasCertificateIssuer ? 'indirect' : null)
  }

  get extensions(): CrlExtensions {
    return this.#parts.extensions
  }

  get signatureAlgorithm(): SignatureAlgorithm {
    return this.#parts.signatureAlgorithm
  }

  get signatureAlgorithmsAgree(): boolean {
    return this.#parts.algorithmsAgree
  }

  /**
   * Critical extensions that are not processed, and those that must not be critical: the CRL number and the authority key
   * identifier (RFC 5280 sections 5.2.3 and 4.2.1.1). Go refuses only a critical authority key identifier (crypto/x509 parser.go,
   * parseAuthorityKeyIdentifier).
   */
  get blockingExtensions(): string[] {
    const { all } = this.#parts.extensions
    return [...new Set(all.filter(({ oid, critical }) => critical && !PROCESSED.has(oid)).map(({ oid }) => oid))]
  }

  /** Deviations from RFC 5280 that do not prevent reading, each as the end of a sentence. */
  get oddities(): string[] {
    const { extensions, entries, hasEarlyGeneralizedTime, version } = this.#parts
    const { number } = extensions
    const odd = [
      [this.issuer.isEmpty, 'names no issuer (section 5.1.2.3)'],
      [
        version === 2 && this.#extension(ExtensionId.authorityKeyIdentifier) === null,
        'has no authority key identifier (section 5.2.1)',
      ],
      [number !== null && number >= LARGEST_NUMBER, 'has a number of more than 20 bytes (section 5.2.3)'],
      [entries?.contentStart === entries?.end && entries !== null, 'has a list of entries that is empty (5.1.2.6)'],
      [hasEarlyGeneralizedTime, 'writes a date before 2050 as GeneralizedTime (section 5.1.2.4)'],
    ] as const
    return odd.flatMap(([applies, text]) => (applies ? [text] : []))
  }

  /** Whether the CA's key made the CRL's signature. */
  isSignedBy(issuer: Certificate): boolean {
    const known = this.#results.get(issuer)
    if (known !== undefined) return known
    const result = isSignedWith(issuer, this.#parts)
    this.#results.set(issuer, result)
    return result
  }

  get damage(): string | null {
    this.#entriesRead ??= readEntries(this.raw, this.#parts)
    return this.#entriesRead instanceof DerError ? this.#entriesRead.reason : null
  }

  /**
   * The revoked certificates, all of them checked on first use.
   *
   * @throws {DerError} if an entry cannot be read.
   */
  get entries(): RevokedEntries {
    this.#entriesRead ??= readEntries(this.raw, this.#parts)
    if (this.#entriesRead instanceof DerError) throw this.#entriesRead
    return this.#entriesRead
  }

  /**
   * The entry with the serial number of a certificate of any issuer; null if the CRL does not list it. It is looked up once for each
   * object.
   *
   * @throws {DerError} if an entry of the CRL cannot be read.
   */
  find(certificate: Certificate): CrlEntry | null {
    const known = this.#found.get(certificate)
    if (known !== undefined) return known
    const entry = this.entries.find(certificate.serial)
    this.#found.set(certificate, entry)
    return entry
  }

  toPem(): string {
    return pemBlock('X509 CRL', this.raw)
  }

  toJSON(): Record<string, unknown> {
    return {
      issuer: this.issuer.toString(),
      thisUpdate: this.thisUpdate,
      nextUpdate: this.nextUpdate,
      number: this.number === null ? null : numberText(this.number),
      origin: printable(this.origin),
    }
  }

  toString(): string {
    return `CRL of ${this.issuer.toString()} (${printable(this.origin)})`
  }

  [inspect.custom](): string {
    return `Crl { ${this.toString()} }`
  }

  #extension(wanted: string): RawExtension | null {
    return this.#parts.extensions.all.find(({ oid }) => oid === wanted) ?? null
  }
}

/** A CRL number for display: hexadecimal, as in openssl, if it is long. */
export function numberText(number: bigint): string {
  return number < 2n ** 64n ? String(number) : `0x${number.toString(16)}`
}

const PROCESSED: ReadonlySet<string> = new Set([ExtensionId.issuingDistributionPoint])

/** The smallest number whose INTEGER needs more than 20 bytes. */
const LARGEST_NUMBER = 2n ** 159n

const END_OF_UTC_TIME = Date.UTC(2050, 0, 1)

function readCrl(der: Uint8Array): Parts {
  const { reader: tbs, agrees, ...signed } = readSigned(der, 'the CRL', MAX_CRL_BYTES)
  const version = readVersion(tbs)
  const innerAlgorithm = tbs.expect(Tag.sequence, 'the inner signature algorithm')
  const issuer = DistinguishedName.read(tbs, 'issuer')
  const thisUpdateForm = tbs.peek()
  const thisUpdate = readTime(tbs, 'thisUpdate')
  const nextUpdateForm = tbs.peek()
  const timeFollows = nextUpdateForm === Tag.utcTime || nextUpdateForm === Tag.generalizedTime
  const nextUpdate = timeFollows ? readTime(tbs, 'nextUpdate') : null
  const entries = tbs.optional(Tag.sequence)
  const refused = version === 2 ? null : 'extensions in a CRL of version 1'
  const extensions = readExtensions(tbs, 0, 'the extensions of the CRL', refused)
  tbs.finish('the signed part')
  return {
    version,
    ...signed,
    algorithmsAgree: agrees(innerAlgorithm),
    issuer,
    thisUpdate,
    nextUpdate,
    hasEarlyGeneralizedTime:
      isEarly(thisUpdateForm, thisUpdate) || (nextUpdate !== null && isEarly(nextUpdateForm, nextUpdate)),
    entries,
    extensions: decodeCrlExtensions(extensions),
  }
}

/** The version is absent for 1, and must be 2 if it is present (RFC 5280 section 5.1.2.1). */
function readVersion(tbs: DerReader): 1 | 2 {
  if (tbs.peek() !== Tag.integer) return 1
  const start = tbs.offset
  const version = tbs.smallInteger('the version') + 1
  if (version !== 2) throw new DerError(`version ${String(version)}, where only 2 can be written`, start)
  return 2
}

function readEntries(raw: Uint8Array, { entries, version }: Parts): RevokedEntries | DerError {
  const { contentStart: start, end } = entries ?? { contentStart: 0, end: 0 }
  try {
    return RevokedEntries.read(raw, { start, end, hasExtensions: version === 2 })
  } catch (error) {
    if (error instanceof DerError) return error
    throw error
  }
}

function isEarly(tag: number, date: Date): boolean {
  return tag === Tag.generalizedTime && date.getTime() < END_OF_UTC_TIME
}
