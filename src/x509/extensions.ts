/** Certificate extensions (RFC 5280 section 4.2), decoded. What cannot be decoded is listed, not thrown. */
import { DerError, DerReader, Tag, contextTag } from './der.js'
import { type DistributionPoint, readDistributionPoints } from './distribution-point.js'
import { type GeneralName, readGeneralName, readGeneralNames } from './general-name.js'
import { readCertificatePolicies, readPolicyConstraints, readPolicyMappings } from './policies.js'

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

/** The Netscape certificate type, of the time before extendedKeyUsage; OpenSSL looks at it to this day. */
export interface NetscapeCertType {
  readonly client: boolean
  readonly server: boolean
}

export interface BasicConstraints {
  readonly ca: boolean
  readonly pathLength: number | null
}

export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | null
  /** The names of the issuer's own issuer, where they are written there. */
  readonly issuer: readonly GeneralName[] | null
  /** The INTEGER octets of the issuer's serial number, where it is written there. */
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
  readonly problems: readonly ExtensionProblem[]
  readonly duplicates: readonly string[]
  /** Critical, and of no kind that a validator of ours processes. */
  readonly unknownCritical: readonly string[]
  isCritical(oid: string): boolean
}

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
    into.subjectKeyIdentifier = reader.octetString('subjectKeyIdentifier')
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
  [ExtensionId.policyConstraints]: readPolicyConstraints,
  [ExtensionId.inhibitAnyPolicy]: (reader) => {
    reader.smallInteger('inhibitAnyPolicy')
  },
  [ExtensionId.authorityInfoAccess]: readAuthorityInfoAccess,
}

/**
 * Processed, so a critical one is no obstacle. Policies: with no policy asked for, RFC 5280 section 6.1 accepts any
 * set; policyConstraints and its kin could demand one, so a critical one of those is refused.
 */
const PROCESSED: ReadonlySet<string> = new Set<string>([
  ExtensionId.basicConstraints,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.subjectAltName,
  ExtensionId.nameConstraints,
  ExtensionId.certificatePolicies,
  ExtensionId.subjectKeyIdentifier,
  ExtensionId.authorityKeyIdentifier,
  ExtensionId.crlDistributionPoints,
])

/** Reads the extension list of a certificate or CRL: `SEQUENCE OF Extension`. */
export function readExtensionList(list: DerReader): RawExtension[] {
  const all: RawExtension[] = []
  while (!list.atEnd) {
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

/** Decodes what is known of a certificate's extensions. */
export function decodeExtensions(all: readonly RawExtension[]): Extensions {
  const decoded: Decoded = {
    basicConstraints: null,
    keyUsage: null,
    extendedKeyUsage: null,
    subjectAltName: null,
    nameConstraints: null,
    netscapeCertType: null,
    subjectKeyIdentifier: null,
    authorityKeyIdentifier: null,
    crlDistributionPoints: null,
  }
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
    try {
      decodeOne(extension, decoded)
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      problems.push({ oid, critical, reason: error.reason })
    }
  }
  return {
    ...decoded,
    all,
    problems,
    duplicates: [...duplicates],
    unknownCritical: [...seen.values()]
      .filter((each) => each.critical && !PROCESSED.has(each.oid))
      .map((each) => each.oid),
    isCritical: (oid) => seen.get(oid)?.critical ?? false,
  }
}

function decodeOne({ oid, value }: RawExtension, into: Decoded): void {
  if (!Object.hasOwn(DECODERS, oid)) return
  const reader = new DerReader(value)
  DECODERS[oid]?.(reader, into)
  reader.finish(`the ${extensionName(oid)} value`)
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
    const oid = list.oid('a purpose of extendedKeyUsage')
    purposes.push(PURPOSES[oid] ?? oid)
  } while (!list.atEnd)
  return purposes
}

function readNameConstraints(reader: DerReader): NameConstraints {
  const fields = reader.enter(Tag.sequence, 'nameConstraints')
  const permitted = fields.enterOptional(contextTag(0, 'constructed'))
  const excluded = fields.enterOptional(contextTag(1, 'constructed'))
  if (permitted === null && excluded === null) {
    throw new DerError('nameConstraints that hold neither permitted nor excluded subtrees', fields.offset)
  }
  fields.finish('nameConstraints')
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) }
}

function readSubtrees(list: DerReader | null): GeneralName[] {
  const names: GeneralName[] = []
  if (list === null) return names
  do {
    const subtree = list.enter(Tag.sequence, 'a subtree of nameConstraints')
    names.push(readGeneralName(subtree, 'address-and-mask'))
    // minimum must be 0, its default, and maximum absent (RFC 5280 section 4.2.1.10).
    subtree.finish('a subtree of nameConstraints')
  } while (!list.atEnd)
  return names
}

function readAuthorityKeyIdentifier(reader: DerReader): AuthorityKeyIdentifier {
  const fields = reader.enter(Tag.sequence, 'authorityKeyIdentifier')
  const key = fields.optional(contextTag(0, 'primitive'))
  const issuer = fields.optional(contextTag(1, 'constructed'))
  const serial = fields.optional(contextTag(2, 'primitive'))
  fields.finish('authorityKeyIdentifier')
  return {
    keyIdentifier: key === null ? null : fields.content(key),
    issuer: issuer === null ? null : readNameList(fields.inside(issuer)),
    serial: serial === null ? null : fields.content(serial),
  }
}

function readNameList(list: DerReader): GeneralName[] {
  const names: GeneralName[] = []
  while (!list.atEnd) names.push(readGeneralName(list, 'address'))
  return names
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
