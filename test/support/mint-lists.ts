/** Revocation lists and certificate requests for the certificate minter. */
import type { KeyObject } from 'node:crypto'
import { context, contextPrimitive, integer, namedBits, oid, sequence, setOf } from './der-writer.js'
import {
  authorityKeyIdentifier,
  crlNumber,
  encodeExtension,
  EXTENSION,
  reasonCode,
  retag,
  subjectAltName,
} from './mint-extensions.js'
import type { Extension } from './mint-extensions.js'
import { type KeyKind, newKey, publicHalf, signed, type SigningOptions, spkiOf } from './mint-keys.js'
import {
  type Attribute,
  directoryName,
  encodeAttribute,
  encodeName,
  type GeneralName,
  type Name,
} from './mint-names.js'
import { encodeTime, pem, type Issuer, type Time } from './mint-certificate.js'

const HOUR = 3_600_000
/** One moment for all: of two CRLs that were minted in different seconds, OpenSSL chooses the later one. */
const NOW = Date.now()

export interface RevokedEntry {
  serial: bigint | number | Uint8Array
  /** Default: one hour ago. */
  date?: Time | undefined
  /** RFC 5280 section 5.3.1; no reason extension when left out. */
  reason?: number | undefined
  extensions?: readonly Extension[] | undefined
}

export interface MintCrlOptions extends SigningOptions {
  issuer: Issuer
  /** The issuer's name as written in the list; the issuer's own subject when left out. */
  issuerName?: Name | undefined
  revoked?: readonly RevokedEntry[] | undefined
  /** The contents of the list of entries as they shall stand there, instead of `revoked`. */
  rawEntries?: Uint8Array | undefined
  /** Default: one hour ago. */
  thisUpdate?: Time | undefined
  /** Default: in one day; `null` leaves it out. */
  nextUpdate?: Time | null | undefined
  /** Default 1, which means v2; `null` leaves the field out, which means v1. */
  version?: number | null | undefined
  /** Default: the authority key identifier and CRL number 1. */
  extensions?: readonly Extension[] | undefined
}

/** A certificate revocation list. `mintCrl({ issuer: root, revoked: [{ serial: leaf.serial, reason: 1 }] })` */
export function mintCrl(options: MintCrlOptions): { der: Buffer; pem: string } {
  const { issuer } = options
  const extensions = options.extensions ?? [authorityKeyIdentifier(publicHalf(issuer.key)), crlNumber(1)]
  // One piece: a list of 100,000 would be too many parameters.
  const revoked = Buffer.concat((options.revoked ?? []).map(encodeEntry))
  const entries = options.rawEntries ?? (revoked.length === 0 ? null : revoked)
  const der = signed(options, issuer.key, (algorithm) =>
    sequence(
      ...(options.version === null ? [] : [integer(options.version ?? 1)]),
      algorithm,
      options.issuerName === undefined ? issuer.subject : encodeName(options.issuerName),
      encodeTime(options.thisUpdate ?? new Date(NOW - HOUR)),
      ...(options.nextUpdate === null ? [] : [encodeTime(options.nextUpdate ?? new Date(NOW + 24 * HOUR))]),
      ...(entries === null ? [] : [sequence(entries)]),
      ...(extensions.length === 0 ? [] : [context(0, sequence(...extensions.map(encodeExtension)))]),
    ),
  )
  return { der, pem: pem('X509 CRL', der) }
}

/** Where a list is found: full names, or one relative name below that of the list's issuer. */
type PointName = readonly GeneralName[] | { readonly relative: Attribute }

/** Reasons by their bits in ReasonFlags: 1 keyCompromise, …, 8 aACompromise. */
interface PointOptions {
  name?: PointName | undefined
  reasons?: readonly number[] | undefined
  /** Who issues the list, where that is another: a directory name, or any names. */
  crlIssuer?: Name | { readonly names: readonly GeneralName[] } | undefined
}

export interface ScopeOptions {
  name?: PointName | undefined
  onlyUserCerts?: boolean | undefined
  onlyCaCerts?: boolean | undefined
  onlySomeReasons?: readonly number[] | undefined
  indirect?: boolean | undefined
  onlyAttributeCerts?: boolean | undefined
}

function pointName(name: PointName | undefined): Buffer[] {
  if (name === undefined) return []
  return [context(0, 'relative' in name ? context(1, encodeAttribute(name.relative)) : context(0, ...name))]
}

function reasonFlags(n: number, reasons: readonly number[] | undefined): Buffer[] {
  return reasons === undefined ? [] : [retag(0x80 | n, namedBits(reasons))]
}

/** The extension that narrows a list, RFC 5280 section 5.2.5. Without options it is an empty SEQUENCE. */
export function issuingDistributionPoint(options: ScopeOptions, critical = true): Extension {
  const flag = (n: number, value: boolean | undefined): Buffer[] =>
    value === true ? [contextPrimitive(n, Buffer.from([0xff]))] : []
  const value = sequence(
    ...pointName(options.name),
    ...flag(1, options.onlyUserCerts),
    ...flag(2, options.onlyCaCerts),
    ...reasonFlags(3, options.onlySomeReasons),
    ...flag(4, options.indirect),
    ...flag(5, options.onlyAttributeCerts),
  )
  return { oid: EXTENSION.issuingDistributionPoint, critical, value }
}

/** Distribution points of a certificate in all their forms; `crlDistributionPoints` takes plain URLs. */
export function distributionPoints(points: readonly PointOptions[], critical = false): Extension {
  const encode = ({ name, reasons, crlIssuer }: PointOptions): Buffer =>
    sequence(
      ...pointName(name),
      ...reasonFlags(1, reasons),
      ...(crlIssuer === undefined ? [] : [context(2, ...issuerNames(crlIssuer))]),
    )
  return { oid: EXTENSION.crlDistributionPoints, critical, value: sequence(...points.map(encode)) }
}

function issuerNames(names: NonNullable<PointOptions['crlIssuer']>): readonly GeneralName[] {
  return typeof names === 'object' && 'names' in names ? names.names : [directoryName(names)]
}

/** Where a full list's delta lists are found, RFC 5280 section 5.2.6. */
export function freshestCrl(points: readonly PointOptions[], critical = false): Extension {
  return { ...distributionPoints(points, critical), oid: '2.5.29.46' }
}

/** An entry's extension that names another issuer than the list's, RFC 5280 section 5.3.3. */
export function certificateIssuer(name: Name, critical = true): Extension {
  return { oid: EXTENSION.certificateIssuer, critical, value: sequence(context(4, encodeName(name))) }
}

function encodeEntry(entry: RevokedEntry): Buffer {
  const extensions = [...(entry.reason === undefined ? [] : [reasonCode(entry.reason)]), ...(entry.extensions ?? [])]
  return sequence(
    integer(entry.serial),
    Buffer.from(encodeTime(entry.date ?? new Date(NOW - HOUR))),
    ...(extensions.length === 0 ? [] : [sequence(...extensions.map(encodeExtension))]),
  )
}

interface MintCsrOptions extends Pick<SigningOptions, 'signature' | 'tamperSignature' | 'outerSignature'> {
  subject: Name
  key?: KeyKind | KeyObject | undefined
  names?: readonly GeneralName[] | undefined
  extensions?: readonly Extension[] | undefined
  /** Signs with another key, so that the proof of possession fails. */
  signWith?: KeyObject | undefined
  /** The number in the version field: 0 means v1, which is the default. */
  version?: number | undefined
  /** SubjectPublicKeyInfo to write instead of the key's own. */
  spki?: Uint8Array | undefined
  /** Attributes next to the one that asks for extensions, each encoded: see {@link csrAttribute}. */
  attributes?: readonly Uint8Array[] | undefined
  /** The type of the attribute that asks for extensions. Default: PKCS #9's. */
  extensionsAttribute?: string | undefined
  /** `false` leaves the field of the attributes out. */
  attributesField?: boolean | undefined
}

/** A PKCS#10 certificate request. */
export function mintCsr(options: MintCsrOptions): { der: Buffer; pem: string; key: KeyObject } {
  const { names, extensionsAttribute = '1.2.840.113549.1.9.14', attributes = [] } = options
  const key = typeof options.key === 'object' ? options.key : newKey(options.key)
  const extensions = [...(names === undefined ? [] : [subjectAltName(names)]), ...(options.extensions ?? [])]
  const wanted = sequence(...extensions.map(encodeExtension))
  const requested = extensions.length === 0 ? [] : [csrAttribute(extensionsAttribute, wanted)]
  const der = signed(options, options.signWith ?? key, () =>
    sequence(
      integer(options.version ?? 0),
      encodeName(options.subject),
      options.spki ?? spkiOf(key),
      ...(options.attributesField === false ? [] : [context(0, ...requested, ...attributes)]),
    ),
  )
  return { der, pem: pem('CERTIFICATE REQUEST', der), key }
}

/** One attribute of a request. */
export function csrAttribute(type: string, ...values: readonly Uint8Array[]): Buffer {
  return sequence(oid(type), setOf(...values))
}
