/** The extensions of a revocation list (RFC 5280 section 5.2), decoded. What cannot be decoded is listed, not thrown. */
import { contextTag, DerError, DerReader, Tag } from '../der.js'
import {
  type DistributionPointName,
  readDistributionPoints,
  readOptionalName,
  readOptionalReasons,
  type RevocationReason,
} from './distribution-point.js'
import { ExtensionId, type ExtensionProblem, type RawExtension } from '../extensions.js'
import { type GeneralName, readNames } from '../general-name.js'

/** Extensions of lists; those of entries are in crl-entries.ts. */
export const CrlExtensionId = {
  crlNumber: '2.5.29.20',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  freshestCrl: '2.5.29.46',
} as const

const NAMES: Readonly<Record<string, string>> = {
  [CrlExtensionId.crlNumber]: 'cRLNumber',
  [CrlExtensionId.deltaCrlIndicator]: 'deltaCRLIndicator',
  [CrlExtensionId.issuingDistributionPoint]: 'issuingDistributionPoint',
  [CrlExtensionId.freshestCrl]: 'freshestCRL',
  [ExtensionId.authorityKeyIdentifier]: 'authorityKeyIdentifier',
  [ExtensionId.issuerAltName]: 'issuerAltName',
  [ExtensionId.authorityInfoAccess]: 'authorityInfoAccess',
}

/** The RFC 5280 name of a list's extension where it is known here, else its OBJECT IDENTIFIER. */
export function crlExtensionName(oid: string): string {
  return NAMES[oid] ?? oid
}

/** What an issuing distribution point (RFC 5280 section 5.2.5) narrows the list to. */
export interface CrlScope {
  readonly distributionPoint: DistributionPointName | null
  readonly onlyUserCerts: boolean
  readonly onlyCaCerts: boolean
  readonly onlyAttributeCerts: boolean
  /** Null for all reasons. */
  readonly onlySomeReasons: readonly RevocationReason[] | null
  /** Whether it speaks of certificates of other issuers, too. */
  readonly indirect: boolean
}

/** Which key signed the list, as the list says (RFC 5280 section 5.2.1). */
export interface CrlAuthorityKey {
  readonly keyIdentifier: Uint8Array | null
  /** Issuer and serial number of the CA's certificate. */
  readonly issuer: readonly GeneralName[] | null
  readonly serial: Uint8Array | null
}

/** All that a list's extensions say. `null`: the extension is not there, or listed in `problems`. */
export interface CrlExtensions {
  readonly all: readonly RawExtension[]
  readonly number: bigint | null
  readonly baseNumber: bigint | null
  readonly scope: CrlScope | null
  readonly authorityKey: CrlAuthorityKey | null
  readonly problems: readonly ExtensionProblem[]
  readonly duplicates: readonly string[]
}

type Decoded = { -readonly [K in 'number' | 'baseNumber' | 'scope' | 'authorityKey']: CrlExtensions[K] }

const DECODERS: Readonly<Record<string, (reader: DerReader, into: Decoded) => void>> = {
  [CrlExtensionId.crlNumber]: (reader, into) => {
    into.number = readNumber(reader, 'the CRL number')
  },
  [CrlExtensionId.deltaCrlIndicator]: (reader, into) => {
    into.baseNumber = readNumber(reader, 'the base CRL number')
  },
  [CrlExtensionId.issuingDistributionPoint]: (reader, into) => {
    into.scope = readScope(reader)
  },
  [ExtensionId.authorityKeyIdentifier]: (reader, into) => {
    into.authorityKey = readAuthorityKey(reader)
  },
  // Where newer lists are found decides nothing here, for nothing is fetched; whether it can be read is worth knowing.
  [CrlExtensionId.freshestCrl]: readDistributionPoints,
}

/** Decodes what is known of a list's extensions. */
export function decodeCrlExtensions(all: readonly RawExtension[]): CrlExtensions {
  const decoded: Decoded = { number: null, baseNumber: null, scope: null, authorityKey: null }
  const problems: ExtensionProblem[] = []
  const seen = new Set<string>()
  const duplicates = new Set<string>()
  for (const { oid, critical, value } of all) {
    if (seen.has(oid)) duplicates.add(oid)
    seen.add(oid)
    const decode = Object.hasOwn(DECODERS, oid) ? DECODERS[oid] : undefined
    if (decode === undefined) continue
    try {
      const reader = new DerReader(value)
      decode(reader, decoded)
      reader.finish(`the ${crlExtensionName(oid)} value`)
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      problems.push({ oid, critical, reason: error.reason })
    }
  }
  return { ...decoded, all, problems, duplicates: [...duplicates] }
}

/** CRLNumber ::= INTEGER (0..MAX) */
function readNumber(reader: DerReader, what: string): bigint {
  const start = reader.offset
  const octets = reader.integer(what)
  if ((octets[0] ?? 0) >= 0x80) throw new DerError(`${what} is negative`, start)
  return BigInt(`0x${Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('hex')}`)
}

function readScope(reader: DerReader): CrlScope {
  const start = reader.offset
  const fields = reader.enter(Tag.sequence, 'the issuing distribution point')
  // Section 5.2.5 forbids it, and what its author meant to narrow the list to is not known.
  if (fields.atEnd) throw new DerError('the issuing distribution point is empty', start)
  const distributionPoint = readOptionalName(fields)
  const onlyUserCerts = readFlag(fields, 1)
  const onlyCaCerts = readFlag(fields, 2)
  const onlySomeReasons = readOptionalReasons(fields, 3)
  const indirect = readFlag(fields, 4)
  const onlyAttributeCerts = readFlag(fields, 5)
  fields.finish('the issuing distribution point')
  if ([onlyUserCerts, onlyCaCerts, onlyAttributeCerts].filter(Boolean).length > 1) {
    throw new DerError('the issuing distribution point narrows the list to two kinds of certificate at once', start)
  }
  if (onlySomeReasons?.length === 0) throw new DerError('the issuing distribution point names no reason', start)
  return { distributionPoint, onlyUserCerts, onlyCaCerts, onlyAttributeCerts, onlySomeReasons, indirect }
}

/** `[n] BOOLEAN DEFAULT FALSE`: DER leaves a default out and writes TRUE as FF. */
function readFlag(fields: DerReader, n: number): boolean {
  const element = fields.optional(contextTag(n, 'primitive'))
  if (element === null) return false
  const [value, ...more] = fields.content(element)
  if (value !== 0xff || more.length > 0) {
    throw new DerError('a flag of the issuing distribution point is not written as DER asks', element.start)
  }
  return true
}

function readAuthorityKey(reader: DerReader): CrlAuthorityKey {
  const fields = reader.enter(Tag.sequence, 'authorityKeyIdentifier')
  const key = fields.optional(contextTag(0, 'primitive'))
  const names = fields.enterOptional(contextTag(1, 'constructed'))
  const serialTag = contextTag(2, 'primitive')
  const serial = fields.peek() === serialTag ? fields.integer('the serial number of the authority', serialTag) : null
  fields.finish('authorityKeyIdentifier')
  return {
    keyIdentifier: key === null ? null : fields.content(key),
    issuer: names === null ? null : names.atEnd ? [] : readNames(names),
    serial,
  }
}
