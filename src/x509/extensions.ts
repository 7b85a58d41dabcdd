/** Decodes extensions of certificates and CRLs (RFC 5280 sections 4.2 and 5.2). Malformed ones are listed, not thrown. */
import { type DistributionPoint, readDistributionPoints } from './crl/distribution-point.js'
import { contextTag, type DerElement, DerError, DerReader, hasBit, readItems, Tag } from './der.js'
import {
  type GeneralName,
  type NameConstraints,
  readGeneralName,
  readGeneralNames,
  readNameConstraints,
  readNames,
} from './general-name.js'

export const ExtensionId = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  cRLNumber: '2.5.29.20',
  deltaCRLIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCRL: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  netscapeCertType: '2.16.840.1.113730.1.1',
  proxyCertInfo: '1.3.6.1.5.5.7.1.14',
} as const

const NAMES = new Map<string, string>(Object.entries(ExtensionId).map(([name, oid]) => [oid, name]))

/** The RFC 5280 name of a known extension, else its OBJECT IDENTIFIER. */
export function extensionName(oid: string): string {
  return NAMES.get(oid) ?? oid
}

export interface RawExtension {
  readonly oid: string
  readonly critical: boolean
  readonly value: Uint8Array
}

/** Bits of keyUsage (RFC 5280 section 4.2.1.3) in encoding order. */
export const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
export type KeyUsage = (typeof KEY_USAGES)[number]

/** Maximum number of extensions, purposes or policies of a certificate or CRL. Real ones have about ten. */
const MAX_ITEMS = 100
/** Longest key identifier in bytes. A hash has at most 64. */
const MAX_KEY_IDENTIFIER = 1024

/** Purposes of extendedKeyUsage that are shown by name. */
export const PURPOSES: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'OCSPSigning',
  '2.5.29.37.0': 'anyExtendedKeyUsage',
}

/** The OBJECT IDENTIFIER of a purpose, from its name or its OBJECT IDENTIFIER; null for other strings. */
export function extendedKeyUsageOid(purpose: string): string | null {
  const known = Object.entries(PURPOSES).find(([, name]) => name === purpose)
  return known?.[0] ?? (isOid(purpose) ? purpose : null)
}

/** Whether the string is an OBJECT IDENTIFIER in dotted form with arcs below 2^31. */
export function isOid(text: string): boolean {
  if (text.length > 128 || !/^(?:[01]\.[1-3]?\d|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))+$/.test(text)) return false
  return text.split('.').every((arc) => Number(arc) < 2 ** 31 - 80)
}

/** The Netscape certificate type, the predecessor of extendedKeyUsage, which OpenSSL still checks. */
export interface NetscapeCertType {
  readonly client: boolean
  readonly server: boolean
}

export interface BasicConstraints {
  readonly ca: boolean
  readonly pathLength: number | null
}

export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | null
  /** The names of the issuer's own issuer; null if absent. */
  readonly issuer: readonly GeneralName[] | null
  /** The INTEGER bytes of the issuer's serial number; null if absent. */
  readonly serial: Uint8Array | null
}

export interface ExtensionProblem {
  readonly oid: string
  readonly critical: boolean
  readonly reason: string
  /** Set if it has more items than this package reads. */
  readonly limit?: number | undefined
}

/** The extensions of a certificate. `null`: the extension is absent, or listed in `problems`. */
export interface Extensions {
  readonly all: readonly RawExtension[]
  readonly basicConstraints: BasicConstraints | null
  readonly keyUsage: ReadonlySet<KeyUsage> | null
  readonly extendedKeyUsage: readonly string[] | null
  readonly subjectAltName: readonly GeneralName[] | null
  readonly nameConstraints: NameConstraints | null
  readonly netscapeCertType: NetscapeCertType | null
  readonly subjectKeyIdentifier: Uint8Array | null
  readonly authorityKeyIdentifier: AuthorityKeyIdentifier | null
  readonly crlDistributionPoints: readonly DistributionPoint[] | null
  /** Certificates below that need no policy yet; null if policyConstraints require none (RFC 5280 section 4.2.1.11). */
  readonly requireExplicitPolicy: number | null
  readonly problems: readonly ExtensionProblem[]
  readonly duplicates: readonly string[]
  /** Critical extensions that the validator does not process. */
  readonly unknownCritical: readonly string[]
  isCritical(oid: string): boolean
}

export type KeyIdentifiers = Pick<Extensions, 'subjectKeyIdentifier' | 'authorityKeyIdentifier'>

/** Decoders by extension name. The ones without a result only detect malformed extensions. */
const DECODERS = {
  basicConstraints: readBasicConstraints,
  keyUsage: readKeyUsage,
  extendedKeyUsage: readExtendedKeyUsage,
  subjectAltName: readGeneralNames,
  nameConstraints: readNameConstraints,
  netscapeCertType: readNetscapeCertType,
  subjectKeyIdentifier: (reader: DerReader) =>
    keyIdentifierIn(reader, reader.expect(Tag.octetString, 'subjectKeyIdentifier')),
  authorityKeyIdentifier: readAuthorityKeyIdentifier,
  crlDistributionPoints: readDistributionPoints,
  certificatePolicies: readCertificatePolicies,
  policyMappings: readPolicyMappings,
  policyConstraints: readPolicyConstraints,
  inhibitAnyPolicy: (reader: DerReader) => {
    reader.smallInteger('inhibitAnyPolicy')
  },
  authorityInfoAccess: readAuthorityInfoAccess,
}

/** Decoded, but not processed: a critical one is refused. */
const NOT_PROCESSED = new Set(['netscapeCertType', 'authorityInfoAccess'])

/** Reads the extension list of a certificate or CRL: `SEQUENCE OF Extension`. */
export function readExtensionList(list: DerReader): RawExtension[] {
  return list.atEnd ? [] : readItems(list, MAX_ITEMS, 'extensions', readExtension)
}

/**
 * Reads the optional, tagged extensions of a certificate or CRL.
 *
 * @param refused Why there must be none, as in version 1; null if they are allowed.
 */
export function readExtensions(tbs: DerReader, tag: number, what: string, refused: string | null): RawExtension[] {
  const tagged = tbs.enterOptional(contextTag(tag, 'constructed'))
  if (tagged === null) return []
  if (refused !== null) throw new DerError(refused, tagged.offset)
  const list = tagged.enter(Tag.sequence, what)
  tagged.finish(what)
  if (list.atEnd) throw new DerError('an empty list of extensions', list.offset)
  return readExtensionList(list)
}

function readExtension(list: DerReader): RawExtension {
  const extension = list.enter(Tag.sequence, 'an extension')
  const oid = extension.oid('an extension id')
  // An explicit FALSE is not DER, but CAs write it, and Go and OpenSSL accept it.
  const critical = extension.peek() === Tag.boolean ? extension.boolean("an extension's critical flag") : false
  const value = extension.octetString('an extension value')
  extension.finish('an extension')
  return { oid, critical, value }
}

type Decoders = Readonly<Record<string, (reader: DerReader) => unknown>>

/** The decoded extensions. Of duplicates, the first counts. */
export interface Decoded<D extends Decoders> {
  readonly values: { readonly [Name in keyof D]?: ReturnType<D[Name]> }
  readonly problems: readonly ExtensionProblem[]
  readonly duplicates: readonly string[]
}

export function decodeBy<D extends Decoders>(decoders: D, all: readonly RawExtension[]): Decoded<D> {
  const values: { [Name in keyof D]?: ReturnType<D[Name]> } = {}
  const problems: ExtensionProblem[] = []
  const seen = new Set<string>()
  const duplicates = new Set<string>()
  for (const { oid, critical, value } of all) {
    if (seen.has(oid)) duplicates.add(oid)
    const name = extensionName(oid)
    const decode = Object.hasOwn(decoders, name) && !seen.has(oid) ? decoders[name] : undefined
    seen.add(oid)
    if (decode === undefined) continue
    try {
      const reader = new DerReader(value)
      const decoded = decode(reader)
      reader.finish(`the ${name} value`)
      values[name as keyof D] = decoded as ReturnType<D[keyof D]>
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      problems.push({ oid, critical, reason: error.reason, limit: error.limit })
    }
  }
  return { values, problems, duplicates: [...duplicates] }
}

/** Decodes only the key identifiers, because the search for issuers reads them from many candidates. */
export function decodeKeyIdentifiers(all: readonly RawExtension[]): KeyIdentifiers {
  const { subjectKeyIdentifier, authorityKeyIdentifier } = DECODERS
  const { values } = decodeBy({ subjectKeyIdentifier, authorityKeyIdentifier }, all)
  return {
    subjectKeyIdentifier: values.subjectKeyIdentifier ?? null,
    authorityKeyIdentifier: values.authorityKeyIdentifier ?? null,
  }
}

export function decodeExtensions(all: readonly RawExtension[]): Extensions {
  const { values, problems, duplicates } = decodeBy(DECODERS, all)
  const requireExplicitPolicy = values.policyConstraints ?? null
  // The validator requires no policy, so RFC 5280 section 6.1 accepts any; only policyConstraints can require one.
  const isProcessed = (name: string): boolean =>
    Object.hasOwn(DECODERS, name) &&
    !NOT_PROCESSED.has(name) &&
    !(name === 'policyConstraints' && requireExplicitPolicy !== null)
  const firsts = all.filter(({ oid }, i) => all.findIndex((each) => each.oid === oid) === i)
  const isUnknown = ({ oid, critical }: RawExtension): boolean => critical && !isProcessed(extensionName(oid))
  return {
    all,
    basicConstraints: values.basicConstraints ?? null,
    keyUsage: values.keyUsage ?? null,
    extendedKeyUsage: values.extendedKeyUsage ?? null,
    subjectAltName: values.subjectAltName ?? null,
    nameConstraints: values.nameConstraints ?? null,
    netscapeCertType: values.netscapeCertType ?? null,
    subjectKeyIdentifier: values.subjectKeyIdentifier ?? null,
    authorityKeyIdentifier: values.authorityKeyIdentifier ?? null,
    crlDistributionPoints: values.crlDistributionPoints ?? null,
    requireExplicitPolicy,
    problems,
    duplicates,
    unknownCritical: firsts.filter(isUnknown).map(({ oid }) => oid),
    isCritical: (oid) => all.find((each) => each.oid === oid)?.critical ?? false,
  }
}

function readBasicConstraints(reader: DerReader): BasicConstraints {
  const fields = reader.enter(Tag.sequence, 'basicConstraints')
  const ca = fields.peek() === Tag.boolean ? fields.boolean('the cA flag') : false
  const pathLength = fields.peek() === Tag.integer ? fields.smallInteger('the path length') : null
  fields.finish('basicConstraints')
  return { ca, pathLength }
}

function readKeyUsage(reader: DerReader): ReadonlySet<KeyUsage> {
  const { bytes } = reader.bitString('keyUsage')
  return new Set(KEY_USAGES.filter((_, bit) => hasBit(bytes, bit)))
}

function readNetscapeCertType(reader: DerReader): NetscapeCertType {
  const { bytes } = reader.bitString('netscapeCertType')
  return { client: hasBit(bytes, 0), server: hasBit(bytes, 1) }
}

function readExtendedKeyUsage(reader: DerReader): string[] {
  return readItems(reader.enter(Tag.sequence, 'extendedKeyUsage'), MAX_ITEMS, 'purposes', (list) => {
    const oid = list.oid('a purpose of extendedKeyUsage')
    return PURPOSES[oid] ?? oid
  })
}

function keyIdentifierIn(reader: DerReader, element: DerElement): Uint8Array {
  if (element.end - element.contentStart > MAX_KEY_IDENTIFIER) {
    throw new DerError(`a key identifier of more than ${String(MAX_KEY_IDENTIFIER)} bytes`, element.start)
  }
  return reader.content(element)
}

/** @param options.strictSerial Whether the serial number must be an INTEGER in DER. Default: false, as Go reads it. */
export function readAuthorityKeyIdentifier(reader: DerReader, { strictSerial = false } = {}): AuthorityKeyIdentifier {
  const fields = reader.enter(Tag.sequence, 'authorityKeyIdentifier')
  const key = fields.optional(contextTag(0, 'primitive'))
  const issuer = fields.enterOptional(contextTag(1, 'constructed'))
  const serialTag = contextTag(2, 'primitive')
  const readSerial = (): Uint8Array =>
    strictSerial ? fields.integer('the serial number of the authority', serialTag) : fields.content(fields.element())
  const serial = fields.peek() === serialTag ? readSerial() : null
  fields.finish('authorityKeyIdentifier')
  return {
    keyIdentifier: key === null ? null : keyIdentifierIn(fields, key),
    // An empty list is not valid GeneralNames, but it has no effect.
    issuer: issuer === null ? null : issuer.atEnd ? [] : readNames(issuer),
    serial,
  }
}

function readAuthorityInfoAccess(reader: DerReader): void {
  const list = reader.enter(Tag.sequence, 'authorityInfoAccess')
  do {
    const access = list.enter(Tag.sequence, 'an access description')
    access.oid('an access method')
    readGeneralName(access, 'address')
    access.finish('an access description')
  } while (!list.atEnd)
}

const ANY_POLICY = '2.5.29.32.0'

function readCertificatePolicies(reader: DerReader): void {
  const seen = new Set<string>()
  readItems(reader.enter(Tag.sequence, 'certificatePolicies'), MAX_ITEMS, 'policies', (list) => {
    const policy = list.enter(Tag.sequence, 'a policy').oid('a policy id')
    if (seen.has(policy)) throw new DerError(`the policy ${policy} twice`, list.offset)
    seen.add(policy)
  })
}

function readPolicyMappings(reader: DerReader): void {
  readItems(reader.enter(Tag.sequence, 'policyMappings'), MAX_ITEMS, 'policies', (list) => {
    const mapping = list.enter(Tag.sequence, 'a policy mapping')
    const policies = [mapping.oid('a policy of the issuer'), mapping.oid('a policy of the subject')]
    if (policies.includes(ANY_POLICY)) {
      throw new DerError('a mapping of anyPolicy (RFC 5280 section 4.2.1.5)', list.offset)
    }
    mapping.finish('a policy mapping')
  })
}

function readPolicyConstraints(reader: DerReader): number | null {
  const fields = reader.enter(Tag.sequence, 'policyConstraints')
  const [required, mapping] = [contextTag(0, 'primitive'), contextTag(1, 'primitive')]
  const skipped = fields.peek() === required ? fields.smallInteger('requireExplicitPolicy', required) : null
  if (fields.peek() === mapping) fields.smallInteger('inhibitPolicyMapping', mapping)
  fields.finish('policyConstraints')
  return skipped
}
