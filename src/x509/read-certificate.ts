/** The outer structure of a certificate, from DER. */
import { type PublicKeyInfo, readPublicKeyInfo } from './algorithms.js'
import { contextTag, DerError, type DerElement, type DerReader, Tag } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import { type RawExtension, readExtensionList } from './extensions.js'
import { readSigned, type SignedFields } from './signed.js'
import { readTime } from './time.js'

/** The fields of a certificate; extensions are not decoded yet. */
export interface CertificateFields extends SignedFields {
  version: number
  serial: Uint8Array
  /** Whether the algorithm inside the signed part is the one outside. */
  algorithmsAgree: boolean
  issuer: DistinguishedName
  subject: DistinguishedName
  notBefore: Date
  notAfter: Date
  spki: Uint8Array
  publicKeyInfo: PublicKeyInfo
  extensionList: RawExtension[]
}

/**
 * Reads the outer structure of a certificate (RFC 5280 section 4.1).
 *
 * @throws {DerError} where the bytes are not a certificate.
 */
export function readCertificate(der: Uint8Array): CertificateFields {
  const { reader: tbs, agrees, ...signed } = readSigned(der, 'the certificate')
  const version = readVersion(tbs)
  const serial = readSerial(tbs)
  const innerAlgorithm = tbs.expect(Tag.sequence, 'the inner signature algorithm')
  const issuer = DistinguishedName.read(tbs, 'issuer')
  const validity = tbs.enter(Tag.sequence, 'the validity')
  const notBefore = readTime(validity, 'notBefore')
  const notAfter = readTime(validity, 'notAfter')
  validity.finish('the validity')
  const subject = DistinguishedName.read(tbs, 'subject')
  const spki = tbs.expect(Tag.sequence, 'the public key')
  const publicKeyInfo = readPublicKeyInfo(tbs.inside(spki))
  tbs.optional(contextTag(1, 'primitive'))
  tbs.optional(contextTag(2, 'primitive'))
  const extensionList = readExtensions(tbs, version)
  tbs.finish('the signed part')
  return {
    version,
    serial,
    ...signed,
    algorithmsAgree: agrees(innerAlgorithm),
    issuer,
    subject,
    notBefore,
    notAfter,
    spki: tbs.whole(spki),
    publicKeyInfo,
    extensionList,
  }
}

/** Longest serial number read, in bytes. RFC 5280 section 4.1.2.2 allows 20; longer ones are reported, up to this. */
const MAX_SERIAL_OCTETS = 1024

function readSerial(tbs: DerReader): Uint8Array {
  const start = tbs.offset
  const serial = tbs.integer('the serial number')
  if (serial.length <= MAX_SERIAL_OCTETS) return serial
  throw new DerError(`a serial number of more than ${MAX_SERIAL_OCTETS.toLocaleString('en-US')} octets`, start)
}

function readVersion(tbs: DerReader): number {
  const tagged: DerElement | null = tbs.optional(contextTag(0, 'constructed'))
  if (tagged === null) return 1
  const inner = tbs.inside(tagged)
  const version = inner.smallInteger('the version') + 1
  inner.finish('the version')
  if (version > 3) throw new DerError(`version ${String(version)}, which X.509 does not know`, tagged.start)
  return version
}

function readExtensions(tbs: DerReader, version: number): RawExtension[] {
  const tagged = tbs.enterOptional(contextTag(3, 'constructed'))
  if (tagged === null) return []
  if (version !== 3) throw new DerError(`extensions in a certificate of version ${String(version)}`, tagged.offset)
  const list = tagged.enter(Tag.sequence, 'the extensions')
  tagged.finish('the extensions')
  if (list.atEnd) throw new DerError('an empty list of extensions', list.offset)
  return readExtensionList(list)
}
