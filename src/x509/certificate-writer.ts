/** Writes certificates (RFC 5280 section 4.1), CRLs (section 5.1), and their extensions. */
import { createHash } from 'node:crypto'
import { contextTag, element, Tag } from './der.js'
import { namedBits, octetString, oid, sequence, time, TRUE, unsignedInteger } from './der-writer.js'
import { ExtensionId, KEY_USAGES, type KeyUsage, PURPOSES } from './extensions.js'
import type { Host } from './names.js'
import { publicKeyBits } from './keys/public-key.js'

/** The fields of the signed part. Names, keys and algorithms are whole DER elements. */
export interface CertificateFields {
  /** Bytes of the positive serial number, most significant first. */
  serial: Uint8Array
  signatureAlgorithm: Uint8Array
  issuer: Uint8Array
  notBefore: Date
  notAfter: Date
  subject: Uint8Array
  spki: Uint8Array
  extensions: readonly Uint8Array[]
}

/** RFC 5280 section 4.2.1.6. */
const GENERAL_NAME_TAG = { dns: 2, uri: 6, ip: 7 } as const

const VERSION_3 = element(contextTag(0, 'constructed'), element(Tag.integer, Buffer.from([2])))

export function writeTbsCertificate(fields: CertificateFields): Buffer<ArrayBuffer> {
  return sequence(
    VERSION_3,
    unsignedInteger(fields.serial),
    fields.signatureAlgorithm,
    fields.issuer,
    sequence(time(fields.notBefore), time(fields.notAfter)),
    fields.subject,
    fields.spki,
    element(contextTag(3, 'constructed'), sequence(...fields.extensions)),
  )
}

/** One attribute of a distinguished name. `type` is its OBJECT IDENTIFIER. */
export interface SubjectAttribute {
  readonly type: string
  readonly text: string
}

const COUNTRY = '2.5.4.6'
const COMMON_NAME = '2.5.4.3'

const USUAL_OIDS: ReadonlyMap<string, Uint8Array> = new Map(
  [...Object.values(ExtensionId), COMMON_NAME, ...Object.keys(PURPOSES)].map((id) => [id, oid(id)]),
)

function encodedOid(id: string): Uint8Array {
  return USUAL_OIDS.get(id) ?? oid(id)
}

/** A distinguished name of one attribute for each relative name, in encoding order. */
export function writeDistinguishedName(parts: readonly SubjectAttribute[]): Buffer<ArrayBuffer> {
  return sequence(...parts.map(writeRelativeName))
}

function writeRelativeName({ type, text }: SubjectAttribute): Buffer<ArrayBuffer> {
  // RFC 5280 section 4.1.2.4 requires UTF8String, and appendix A.1 PrintableString for the country.
  const tag = type === COUNTRY ? Tag.printableString : Tag.utf8String
  return element(Tag.set, sequence(encodedOid(type), element(tag, Buffer.from(text, 'utf8'))))
}

/** @param value The contents of the extension in DER. */
export function writeExtension(id: string, value: Uint8Array, critical: boolean): Buffer<ArrayBuffer> {
  return sequence(encodedOid(id), ...(critical ? [TRUE] : []), octetString(value))
}

/** basicConstraints of a certificate that is not a CA: critical, and empty because FALSE is the default (X.690 section 11.5). */
export const END_ENTITY_CONSTRAINTS = writeExtension(ExtensionId.basicConstraints, sequence(), true)

/** basicConstraints of a CA: critical (RFC 5280 section 4.2.1.9). */
export function writeCaConstraints(pathLength: number | undefined): Buffer<ArrayBuffer> {
  const length = pathLength === undefined ? [] : [unsignedInteger(Buffer.from([pathLength]))]
  return writeExtension(ExtensionId.basicConstraints, sequence(TRUE, ...length), true)
}

/** One subtree of nameConstraints: the contents of a dNSName, URI, or an address followed by its mask. */
export interface Subtree {
  readonly kind: Host['kind']
  readonly bytes: Uint8Array
}

/** nameConstraints, critical (RFC 5280 section 4.2.1.10). At least one list must hold something. */
export function writeNameConstraints(permitted: readonly Subtree[], excluded: readonly Subtree[]): Buffer<ArrayBuffer> {
  const list = (tag: number, subtrees: readonly Subtree[]): Uint8Array[] =>
    subtrees.length === 0 ? [] : [element(contextTag(tag, 'constructed'), ...subtrees.map(writeSubtree))]
  return writeExtension(ExtensionId.nameConstraints, sequence(...list(0, permitted), ...list(1, excluded)), true)
}

function writeSubtree({ kind, bytes }: Subtree): Buffer<ArrayBuffer> {
  return sequence(element(contextTag(GENERAL_NAME_TAG[kind], 'primitive'), bytes))
}

/** keyUsage, critical (RFC 5280 section 4.2.1.3). */
export function writeKeyUsage(usages: readonly KeyUsage[]): Buffer<ArrayBuffer> {
  return writeExtension(ExtensionId.keyUsage, namedBits(usages.map((usage) => KEY_USAGES.indexOf(usage))), true)
}

export function writeExtendedKeyUsage(oids: readonly string[]): Buffer<ArrayBuffer> {
  return writeExtension(ExtensionId.extendedKeyUsage, sequence(...oids.map(encodedOid)), false)
}

export function writeSubjectKeyIdentifier(identifier: Uint8Array): Buffer<ArrayBuffer> {
  return writeExtension(ExtensionId.subjectKeyIdentifier, octetString(identifier), false)
}

/** authorityKeyIdentifier with only the key identifier, so that a CA certificate can be renewed with the same key. */
export function writeAuthorityKeyIdentifier(identifier: Uint8Array): Buffer<ArrayBuffer> {
  const value = sequence(element(contextTag(0, 'primitive'), identifier))
  return writeExtension(ExtensionId.authorityKeyIdentifier, value, false)
}

/** subjectAltName. It is critical only next to an empty subject (RFC 5280 section 4.2.1.6). */
export function writeSubjectAltName(hosts: readonly Host[], subjectIsEmpty: boolean): Buffer<ArrayBuffer> {
  return writeExtension(ExtensionId.subjectAltName, sequence(...hosts.map(writeGeneralName)), subjectIsEmpty)
}

function writeGeneralName(host: Host): Buffer<ArrayBuffer> {
  const tag = contextTag(GENERAL_NAME_TAG[host.kind], 'primitive')
  return element(tag, host.bytes ?? Buffer.from(host.value, 'latin1'))
}

/** RFC 5280 section 4.2.1.2, method 1: SHA-1 over the public key. Its security does not matter here. */
export function keyIdentifier(spki: Uint8Array): Buffer<ArrayBuffer> {
  return createHash('sha1').update(publicKeyBits(spki)).digest()
}

export interface RevokedCertificate {
  /** Bytes of the serial number, most significant first. */
  readonly serial: Uint8Array
  readonly revokedAt: Date
  /** A CRLReason by number (RFC 5280 section 5.3.1); null for none or "unspecified". */
  readonly reasonCode: number | null
}

/** The fields of the signed part. Names and algorithms are whole DER elements. */
export interface CrlFields {
  readonly signatureAlgorithm: Uint8Array
  readonly issuer: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revoked: readonly RevokedCertificate[]
  readonly authorityKeyIdentifier: Uint8Array
  readonly number: bigint
}

const VERSION_2 = element(Tag.integer, Buffer.from([1]))
const REASON_CODE = oid('2.5.29.21')

export function writeTbsCertList(fields: CrlFields): Buffer<ArrayBuffer> {
  return sequence(
    VERSION_2,
    fields.signatureAlgorithm,
    fields.issuer,
    time(fields.thisUpdate),
    time(fields.nextUpdate),
    // An empty list must be omitted (section 5.1.2.6); Go refuses it.
    ...(fields.revoked.length === 0 ? [] : [sequence(Buffer.concat(fields.revoked.map(writeEntry)))]),
    element(
      contextTag(0, 'constructed'),
      sequence(
        writeAuthorityKeyIdentifier(fields.authorityKeyIdentifier),
        writeExtension(ExtensionId.cRLNumber, unsignedInteger(bytesOf(fields.number)), false),
      ),
    ),
  )
}

function writeEntry({ serial, revokedAt, reasonCode }: RevokedCertificate): Buffer<ArrayBuffer> {
  const reason =
    reasonCode === null
      ? []
      : [sequence(sequence(REASON_CODE, octetString(element(Tag.enumerated, Buffer.from([reasonCode])))))]
  return sequence(unsignedInteger(serial), time(revokedAt), ...reason)
}

function bytesOf(number: bigint): Buffer {
  const text = number.toString(16)
  return Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex')
}
