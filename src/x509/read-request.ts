/** The structure of a certificate request (PKCS #10, RFC 2986), from DER. */
import { type PublicKeyInfo, readPublicKeyInfo, readSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.js'
import { contextTag, DerError, DerReader, Tag } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import type { RawExtension } from './extensions.js'
import { readRequestAttributes, type RequestAttribute, requestedExtensions } from './request-attributes.js'

/** The fields of a request; extensions are not decoded yet. */
export interface RequestFields {
  version: number
  subject: DistinguishedName
  spki: Uint8Array
  publicKeyInfo: PublicKeyInfo
  attributes: RequestAttribute[]
  extensionList: RawExtension[]
  /** The signed part: CertificationRequestInfo. */
  info: Uint8Array
  signatureAlgorithm: SignatureAlgorithm
  signature: Uint8Array
}

/**
 * Reads a certificate request.
 *
 * @throws {DerError} where the bytes are none.
 */
export function readRequest(der: Uint8Array): RequestFields {
  const outer = new DerReader(der)
  const request = outer.enter(Tag.sequence, 'the request')
  outer.finish('the request')
  const infoElement = request.expect(Tag.sequence, 'the signed part')
  const algorithm = request.enter(Tag.sequence, 'the signature algorithm')
  const { octets: signature, unusedBits } = request.bitString('the signature')
  if (unusedBits !== 0) throw new DerError('a signature that does not end at an octet', request.offset)
  request.finish('the request')

  const info = request.inside(infoElement)
  const version = info.smallInteger('the version') + 1
  const subject = DistinguishedName.read(info, 'subject')
  const spki = info.expect(Tag.sequence, 'the public key')
  const publicKeyInfo = readPublicKeyInfo(info.inside(spki))
  // RFC 2986 wants the field even where it is empty; some leave it out, and OpenSSL reads that, too ("-asn1-kludge").
  const list = info.enterOptional(contextTag(0, 'constructed'))
  const attributes = list === null ? [] : readRequestAttributes(list)
  info.finish('the signed part')
  return {
    version,
    subject,
    spki: info.whole(spki),
    publicKeyInfo,
    attributes,
    extensionList: requestedExtensions(der, attributes),
    info: request.whole(infoElement),
    signatureAlgorithm: readSignatureAlgorithm(algorithm),
    signature,
  }
}
