/** One certificate revocation list (RFC 5280 section 5), read from DER. */
import { inspect } from 'node:util'
import { readSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.js'
import { type Certificate, pemBlock, verifyWith } from './certificate.js'
import { bytesEqual, contextTag, DerError, type DerElement, DerReader, Tag } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import { type RawExtension, readExtensionList } from './extensions.js'
import { readTime } from './time.js'

/** Largest CRL read, in octets: about 100,000 entries. */
export const MAX_CRL_OCTETS = 4 * 1024 * 1024

const CRL_NUMBER = '2.5.29.20'
const DELTA_CRL_INDICATOR = '2.5.29.27'
const ISSUING_DISTRIBUTION_POINT = '2.5.29.28'
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35'
const REASON_CODE = '2.5.29.21'
const CERTIFICATE_ISSUER = '2.5.29.29'

// RFC 5280 section 5.3.1; 7 is not used.
const REASONS: readonly (string | undefined)[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
]

/** What an issuing distribution point (RFC 5280 section 5.2.5) narrows the list to. */
export interface CrlScope {
  readonly onlyUserCerts: boolean
  readonly onlyCaCerts: boolean
  readonly onlyAttributeCerts: boolean
  readonly onlySomeReasons: boolean
  readonly indirect: boolean
}

/** One revoked serial number. */
export interface CrlEntry {
  readonly revokedAt: Date
  readonly reason: string | null
  /** OBJECT IDENTIFIERs of critical entry extensions that are not processed. */
  readonly unknownCritical: readonly string[]
}

interface Parts {
  tbs: Uint8Array
  signatureAlgorithm: SignatureAlgorithm
  algorithmsAgree: boolean
  signature: Uint8Array
  issuer: DistinguishedName
  thisUpdate: Date
  nextUpdate: Date | null
  entries: DerElement | null
  extensions: RawExtension[]
  scope: CrlScope | null
}

/** A certificate revocation list. Immutable. */
export class Crl {
  /** The DER. */
  readonly raw: Uint8Array
  /** Where it came from, for people. */
  readonly origin: string
  private readonly parts: Parts
  private readonly verdicts = new WeakMap<Certificate, boolean>()

  private constructor(raw: Uint8Array, origin: string, parts: Parts) {
    this.raw = raw
    this.origin = origin
    this.parts = parts
  }

  /**
   * Reads a CRL.
   *
   * @throws {DerError} where the bytes are not a CRL.
   */
  static parse(der: Uint8Array, origin = 'CRL'): Crl {
    if (der.length > MAX_CRL_OCTETS) throw new DerError(`more than ${String(MAX_CRL_OCTETS)} octets`, 0)
    return new Crl(der, origin, readCrl(der))
  }

  get issuer(): DistinguishedName {
    return this.parts.issuer
  }

  get thisUpdate(): Date {
    return this.parts.thisUpdate
  }

  /** When the next list is due; null where the list does not say. */
  get nextUpdate(): Date | null {
    return this.parts.nextUpdate
  }

  /** What the list is narrowed to; null for a full list. */
  get scope(): CrlScope | null {
    return this.parts.scope
  }

  get isDelta(): boolean {
    return this.parts.extensions.some(({ oid }) => oid === DELTA_CRL_INDICATOR)
  }

  get hasNumber(): boolean {
    return this.parts.extensions.some(({ oid }) => oid === CRL_NUMBER)
  }

  get signatureAlgorithm(): SignatureAlgorithm {
    return this.parts.signatureAlgorithm
  }

  get signatureAlgorithmsAgree(): boolean {
    return this.parts.algorithmsAgree
  }

  /**
   * Critical extensions that stand in the way: those not processed, and a CRL number, which must not be critical
   * (RFC 5280 section 5.2.3).
   */
  get blockingExtensions(): string[] {
    const processed = [ISSUING_DISTRIBUTION_POINT, DELTA_CRL_INDICATOR, AUTHORITY_KEY_IDENTIFIER]
    return this.parts.extensions.filter((each) => each.critical && !processed.includes(each.oid)).map(({ oid }) => oid)
  }

  /** Whether the CA's key made the list's signature. */
  isSignedBy(issuer: Certificate): boolean {
    const known = this.verdicts.get(issuer)
    if (known !== undefined) return known
    const verdict = verifyWith(issuer, this.parts.signatureAlgorithm, this.parts.tbs, this.parts.signature)
    this.verdicts.set(issuer, verdict)
    return verdict
  }

  /**
   * The entry of a serial number; null where it is not listed.
   *
   * @throws {DerError} where the list of entries cannot be read.
   */
  find(serial: Uint8Array): CrlEntry | null {
    if (this.parts.entries === null) return null
    const list = new DerReader(this.raw, this.parts.entries.contentStart, this.parts.entries.end)
    let found: CrlEntry | null = null
    while (!list.atEnd) {
      const entry = list.enter(Tag.sequence, 'an entry of the CRL')
      if (bytesEqual(entry.integer('a revoked serial number'), serial)) found ??= readEntry(entry)
    }
    return found
  }

  toPem(): string {
    return pemBlock('X509 CRL', this.raw)
  }

  toString(): string {
    return `CRL of ${this.issuer.toString()} (${this.origin})`
  }

  [inspect.custom](): string {
    return `Crl { ${this.toString()} }`
  }
}

function readCrl(der: Uint8Array): Parts {
  const outer = new DerReader(der)
  const list = outer.enter(Tag.sequence, 'the CRL')
  outer.finish('the CRL')
  const tbsElement = list.expect(Tag.sequence, 'the signed part')
  const outerAlgorithm = list.expect(Tag.sequence, 'the signature algorithm')
  const { octets: signature } = list.bitString('the signature')
  list.finish('the CRL')

  const tbs = list.inside(tbsElement)
  const version = tbs.peek() === Tag.integer ? tbs.smallInteger('the version') + 1 : 1
  if (version > 2) throw new DerError(`version ${String(version)}, which CRLs do not know`, tbs.offset)
  const innerAlgorithm = tbs.expect(Tag.sequence, 'the inner signature algorithm')
  const issuer = DistinguishedName.read(tbs, 'issuer')
  const thisUpdate = readTime(tbs, 'thisUpdate')
  const timeFollows = tbs.peek() === Tag.utcTime || tbs.peek() === Tag.generalizedTime
  const nextUpdate = timeFollows ? readTime(tbs, 'nextUpdate') : null
  const entries = tbs.optional(Tag.sequence)
  const tagged = tbs.enterOptional(contextTag(0, 'constructed'))
  const extensions = tagged === null ? [] : readExtensionList(tagged.enter(Tag.sequence, 'the extensions of the CRL'))
  tbs.finish('the signed part')
  const distributionPoint = extensions.find(({ oid }) => oid === ISSUING_DISTRIBUTION_POINT)
  return {
    tbs: list.whole(tbsElement),
    signatureAlgorithm: readSignatureAlgorithm(list.inside(outerAlgorithm)),
    algorithmsAgree: bytesEqual(list.whole(outerAlgorithm), tbs.whole(innerAlgorithm)),
    signature,
    issuer,
    thisUpdate,
    nextUpdate,
    entries,
    extensions,
    scope: distributionPoint === undefined ? null : readScope(distributionPoint.value),
  }
}

function readEntry(entry: DerReader): CrlEntry {
  const revokedAt = readTime(entry, 'a revocation date')
  const list = entry.enterOptional(Tag.sequence)
  entry.finish('an entry of the CRL')
  const extensions = list === null ? [] : readExtensionList(list)
  const code = extensions.find(({ oid }) => oid === REASON_CODE)
  const unknownCritical = extensions
    .filter(({ oid, critical }) => (critical && oid !== REASON_CODE) || oid === CERTIFICATE_ISSUER)
    .map(({ oid }) => oid)
  return { revokedAt, reason: code === undefined ? null : readReason(code.value), unknownCritical }
}

function readReason(value: Uint8Array): string {
  const number = new DerReader(value).smallInteger('a reason code', Tag.enumerated)
  return REASONS[number] ?? `reason ${String(number)}`
}

function readScope(value: Uint8Array): CrlScope {
  const reader = new DerReader(value)
  const fields = reader.enter(Tag.sequence, 'the issuing distribution point')
  reader.finish('the issuing distribution point')
  fields.optional(contextTag(0, 'constructed'))
  const flag = (n: number): boolean => {
    const element = fields.optional(contextTag(n, 'primitive'))
    return element !== null && fields.content(element).some((octet) => octet !== 0)
  }
  const onlyUserCerts = flag(1)
  const onlyCaCerts = flag(2)
  const onlySomeReasons = fields.optional(contextTag(3, 'primitive')) !== null
  const indirect = flag(4)
  const onlyAttributeCerts = flag(5)
  fields.finish('the issuing distribution point')
  return { onlyUserCerts, onlyCaCerts, onlyAttributeCerts, onlySomeReasons, indirect }
}
