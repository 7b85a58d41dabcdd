/** Certificate extensions (RFC 5280 section 4.2), decoded. What cannot be decoded is listed, not thrown. */
import { contextTag, type DerElement, DerError, DerReader, Tag } from './der.js'
import { type DistributionPoint, readDistributionPoints } from './crl/distribution-point.js'
import { type GeneralName, readGeneralName, readGeneralNames, readNames } from './general-name.js'
import { type NameConstraints, readNameConstraints } from './name-constraints.js'

export const ExtensionId = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  netscapeCertType: '2.16.840.1.113730.1.1',
} as const

const NAMES = new Map<string, string>(Object.entries(ExtensionId).map(([name, oid]) => [oid, name]))

/** The extension's RFC 5280 name where it is known here, else its OBJECT IDENTIFIER. */
export function extensionName(oid: string): string {
  return NAMES.get(oid) ?? oid
}

/** One extension as it stands in the certificate. */
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

/** Most extensions read of one certificate or list. Real ones have about ten. */
const MAX_EXTENSIONS = 100
/** Most purposes read of extendedKeyUsage. */
const MAX_PURPOSES = 100
/** Longest key identifier read, in bytes. A hash has at most 64. */
const MAX_KEY_IDENTIFIER = 1024

/** Purposes of extendedKeyUsage by name where they are known here, else by OBJECT IDENTIFIER. */
const PURPOSES: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'OCSPSigning',
  '2.5.29.37.0': 'anyExtendedKeyUsage',
}

/** The OBJECT IDENTIFIER of a purpose by its name, or as it is given; null for what is neither. */
export function extendedKeyUsageOid(purpose: string): string | null {
  const known = Object.entries(PURPOSES).find(([, name]) => name === purpose)
  return known?.[0] ?? (isOid(purpose) ? purpose : null)
}

/** Whether a text is an OBJECT IDENTIFIER in dotted form, its arcs below 2^31. */
export function isOid(text: string): boolean {
  if (text.length > 128 || !/^(?:[01]\.[1-3]?\d|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))+$/.test(text)) return false
  return text.split('.').every((arc) => Number(arc) < 2 ** 31 - 80)
}

/** The Netscape certificate type, of the time before extendedKeyUsage; OpenSSL looks at it to this day. */
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
  /** The names of the issuer's own issuer, where they are written there. */
  readonly issuer: readonly GeneralName[] | null
  /** The INTEGER bytes of the issuer's serial number, where it is written there. */
  readonly serial: Uint8Array | null
}

/** An extension that could not be decoded. */
export interface ExtensionProblem {
  readonly oid: string
  readonly critical: boolean
  readonly reason: string
}

/** All that a certificate's extensions say. `null`: the extension is not there (or listed in `problems`). */
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
  /** Whether policyConstraints require that certificates name a policy. */
  readonly requiresPolicy: boolean
  readonly problems: readonly ExtensionProblem[]
  readonly duplicates: readonly string[]
  /** Critical, and of no kind that a validator of ours processes. */
  readonly unknownCritical: readonly string[]
  isCritical(oid: string): boolean
}

export type KeyIdentifiers = Pick<Extensions, 'subjectKeyIdentifier' | 'authorityKeyIdentifier'>

/** The decoded values, each null until its extension is met. */
interface Decoded {
  basicConstraints: BasicConstraints | null
  keyUsage: ReadonlySet<KeyUsage> | null
  extendedKeyUsage: readonly string[] | null
  subjectAltName: readonly GeneralName[] | null
  nameConstraints: NameConstraints | null
  netscapeCertType: NetscapeCertType | null
  subjectKeyIdentifier: Uint8Array | null
  authorityKeyIdentifier: AuthorityKeyIdentifier | null
  crlDistributionPoints: readonly DistributionPoint[] | null
  requiresPolicy: boolean
}

type Decoder = (reader: DerReader, into: Decoded) => void

const DECODERS: Readonly<Record<string, Decoder>> = {
  [ExtensionId.basicConstraints]: (reader, into) => {
    into.basicConstraints = readBasicConstraints(reader)
  },
  [ExtensionId.keyUsage]: (reader, into) => {
    into.keyUsage = readKeyUsage(reader)
  },
  [ExtensionId.extendedKeyUsage]: (reader, into) => {
    into.extendedKeyUsage = readExtendedKeyUsage(reader)
  },
  [ExtensionId.subjectAltName]: (reader, into) => {
    into.subjectAltName = readGeneralNames(reader)
  },
  [ExtensionId.nameConstraints]: (reader, into) => {
    into.nameConstraints = readNameConstraints(reader)
  },
  [ExtensionId.subjectKeyIdentifier]: (reader, into) => {
    into.subjectKeyIdentifier = keyIdentifierIn(reader, reader.expect(Tag.octetString, 'subjectKeyIdentifier'))
  },
  [ExtensionId.netscapeCertType]: (reader, into) => {
    const [first = 0] = reader.bitString('netscapeCertType').octets
    into.netscapeCertType = { client: (first & 0x80) !== 0, server: (first & 0x40) !== 0 }
  },
  [ExtensionId.authorityKeyIdentifier]: (reader, into) => {
    into.authorityKeyIdentifier = readAuthorityKeyIdentifier(reader)
  },
  [ExtensionId.crlDistributionPoints]: (reader, into) => {
    into.crlDistributionPoints = readDistributionPoints(reader)
  },
  // These decide nothing, so their contents are not kept; whether they can be read is worth knowing.
  [ExtensionId.certificatePolicies]: readCertificatePolicies,
  [ExtensionId.policyMappings]: readPolicyMappings,
  [ExtensionId.policyConstraints]: (reader, into) => {
    into.requiresPolicy = readPolicyConstraints(reader)
  },
  [ExtensionId.inhibitAnyPolicy]: (reader) => {
    reader.smallInteger('inhibitAnyPolicy')
  },
  [ExtensionId.authorityInfoAccess]: readAuthorityInfoAccess,
}

/**
 * Processed, so a critical one is no obstacle. Policies: with no policy asked for, RFC 5280 section 6.1 accepts any set, and
 * what narrows it decides nothing; policyConstraints can require one, so a critical one that does is refused.
 */
const PROCESSED: ReadonlySet<string> = new Set<string>([
  ExtensionId.basicConstraints,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.subjectAltName,
  ExtensionId.nameConstraints,
  ExtensionId.certificatePolicies,
  ExtensionId.policyMappings,
  ExtensionId.inhibitAnyPolicy,
  ExtensionId.policyConstraints,
  ExtensionId.subjectKeyIdentifier,
  ExtensionId.authorityKeyIdentifier,
  ExtensionId.crlDistributionPoints,
])

/** Reads the extension list of a certificate or CRL: `SEQUENCE OF Extension`. */
export function readExtensionList(list: DerReader): RawExtension[] {
  const all: RawExtension[] = []
  while (!list.atEnd) {
    if (all.length >= MAX_EXTENSIONS) throw new DerError(`more than ${String(MAX_EXTENSIONS)} extensions`, list.offset)
    const extension = list.enter(Tag.sequence, 'an extension')
    const oid = extension.oid('an extension id')
    // A written-out FALSE is not DER, but CAs write it and Go and OpenSSL read it.
    const critical = extension.peek() === Tag.boolean ? extension.boolean('an extension’s critical flag') : false
    const value = extension.octetString('an extension value')
    extension.finish('an extension')
    all.push({ oid, critical, value })
  }
  return all
}

/**
 * Decodes the key identifiers alone, as all extensions together would give them: issuers are found by them, and decoding
 * all that a crowd of candidates carries could take long.
 */
export function decodeKeyIdentifiers(all: readonly RawExtension[]): KeyIdentifiers {
  const decoded = nothingDecoded()
  for (const oid of [ExtensionId.subjectKeyIdentifier, ExtensionId.authorityKeyIdentifier]) {
    const extension = all.find((each) => each.oid === oid)
    if (extension !== undefined) tryToDecode(extension, decoded)
  }
  return decoded
}

function nothingDecoded(): Decoded {
  return {
    basicConstraints: null,
    keyUsage: null,
    extendedKeyUsage: null,
    subjectAltName: null,
    nameConstraints: null,
    netscapeCertType: null,
    subjectKeyIdentifier: null,
    authorityKeyIdentifier: null,
    crlDistributionPoints: null,
    requiresPolicy: false,
  }
}

/** Decodes what is known of a certificate's extensions. */
export function decodeExtensions(all: readonly RawExtension[]): Extensions {
  const decoded = nothingDecoded()
  const seen = new Map<string, RawExtension>()
  const problems: ExtensionProblem[] = []
  const duplicates = new Set<string>()
  for (const extension of all) {
    const { oid, critical } = extension
    if (seen.has(oid)) {
      duplicates.add(oid)
      continue
    }
    seen.set(oid, extension)
    const reason = tryToDecode(extension, decoded)
    if (reason !== null) problems.push({ oid, critical, reason })
  }
  return {
    ...decoded,
    all,
    problems,
    duplicates: [...duplicates],
    unknownCritical: [...seen.values()]
      .filter(({ oid, critical }) => critical && !isProcessed(oid, decoded))
      .map((each) => each.oid),
    isCritical: (oid) => seen.get(oid)?.critical ?? false,
  }
}

function isProcessed(oid: string, { requiresPolicy }: Decoded): boolean {
  return PROCESSED.has(oid) && !(oid === ExtensionId.policyConstraints && requiresPolicy)
}

/** Why an extension cannot be decoded; null if it was, or is of no kind that is known here. */
function tryToDecode({ oid, value }: RawExtension, into: Decoded): string | null {
  if (!Object.hasOwn(DECODERS, oid)) return null
  try {
    const reader = new DerReader(value)
    DECODERS[oid]?.(reader, into)
    reader.finish(`the ${extensionName(oid)} value`)
    return null
  } catch (error) {
    if (error instanceof DerError) return error.reason
    throw error
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
  const { octets } = reader.bitString('keyUsage')
  const usages = new Set<KeyUsage>()
  KEY_USAGES.forEach((usage, bit) => {
    if (((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) usages.add(usage)
  })
  return usages
}

function readExtendedKeyUsage(reader: DerReader): string[] {
  const list = reader.enter(Tag.sequence, 'extendedKeyUsage')
  const purposes: string[] = []
  do {
    if (purposes.length >= MAX_PURPOSES) throw new DerError(`more than ${String(MAX_PURPOSES)} purposes`, list.offset)
    const oid = list.oid('a purpose of extendedKeyUsage')
    purposes.push(PURPOSES[oid] ?? oid)
  } while (!list.atEnd)
  return purposes
}

function keyIdentifierIn(reader: DerReader, element: DerElement): Uint8Array {
  if (element.end - element.contentStart > MAX_KEY_IDENTIFIER) {
    throw new DerError(`a key identifier of more than ${String(MAX_KEY_IDENTIFIER)} octets`, element.start)
  }
  return reader.content(element)
}

function readAuthorityKeyIdentifier(reader: DerReader): AuthorityKeyIdentifier {
  const fields = reader.enter(Tag.sequence, 'authorityKeyIdentifier')
  const key = fields.optional(contextTag(0, 'primitive'))
  const issuer = fields.optional(contextTag(1, 'constructed'))
  const serial = fields.optional(contextTag(2, 'primitive'))
  fields.finish('authorityKeyIdentifier')
  return {
    keyIdentifier: key === null ? null : keyIdentifierIn(fields, key),
    issuer: issuer === null ? null : readIssuerNames(fields.inside(issuer)),
    serial: serial === null ? null : fields.content(serial),
  }
}

// An empty list is not DER of GeneralNames, but nothing depends on it.
function readIssuerNames(list: DerReader): GeneralName[] {
  return list.atEnd ? [] : readNames(list)
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
/** Most policies or mappings read of one certificate. Real ones have one or two. */
const MAX_POLICIES = 100

function readCertificatePolicies(reader: DerReader): void {
  const list = reader.enter(Tag.sequence, 'certificatePolicies')
  const seen = new Set<string>()
  do {
    const policy = list.enter(Tag.sequence, 'a policy').oid('a policy id')
    if (seen.has(policy)) throw new DerError(`the policy ${policy} twice`, list.offset)
    if (seen.size >= MAX_POLICIES) throw tooMany(list)
    seen.add(policy)
  } while (!list.atEnd)
}

function readPolicyMappings(reader: DerReader): void {
  const list = reader.enter(Tag.sequence, 'policyMappings')
  let count = 0
  do {
    if (count++ >= MAX_POLICIES) throw tooMany(list)
    const mapping = list.enter(Tag.sequence, 'a policy mapping')
    const policies = [mapping.oid('a policy of the issuer'), mapping.oid('a policy of the subject')]
    if (policies.includes(ANY_POLICY))
      throw new DerError('a mapping of anyPolicy (RFC 5280 section 4.2.1.5)', list.offset)
    mapping.finish('a policy mapping')
  } while (!list.atEnd)
}

function tooMany(list: DerReader): DerError {
  return new DerError(`more than ${String(MAX_POLICIES)} policies`, list.offset)
}

/** Reads PolicyConstraints; whether they require that certificates name a policy. */
function readPolicyConstraints(reader: DerReader): boolean {
  const fields = reader.enter(Tag.sequence, 'policyConstraints')
  const [required, mapping] = [contextTag(0, 'primitive'), contextTag(1, 'primitive')]
  const requiresPolicy = fields.peek() === required
  if (requiresPolicy) fields.smallInteger('requireExplicitPolicy', required)
  if (fields.peek() === mapping) fields.smallInteger('inhibitPolicyMapping', mapping)
  fields.finish('policyConstraints')
  return requiresPolicy
}
