/**
 * The one door to @peculiar/webcrypto and @peculiar/x509. Only the authority walks through it, and only by a dynamic
 * import at its first work: loading these libraries takes longer than loading all the rest of this package.
 *
 * No global crypto provider is set: the crypto in use is handed to every call, so that two copies of this package, or
 * this package and another user of @peculiar/x509, do not disturb each other.
 */
// First, because @peculiar/x509 registers its classes by the Reflect metadata API while it loads.
import 'reflect-metadata'
import { Crypto } from '@peculiar/webcrypto'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { NamePart } from './certificate-writer.js'
import type { Host } from './names.js'
import type { CryptoKeyHandle, SignatureParameters, WebCrypto } from './web-crypto.js'

/** A new @peculiar/webcrypto. It holds no keys of its own; one to an authority is enough. */
export function createDefaultCrypto(): WebCrypto {
  return new Crypto()
}

/** What a self-signed CA certificate is made of. */
export interface SelfSignedFields {
  crypto: WebCrypto
  keys: { publicKey: CryptoKeyHandle; privateKey: CryptoKeyHandle }
  /** How the private key signs. */
  signature: SignatureParameters
  /** Common name; the only attribute of the subject. */
  name: string
  /** Upper limit of intermediates below; undefined leaves it open. */
  pathLength: number | undefined
  /** For the subject key identifier. */
  keyIdentifier: Uint8Array
  /** Octets of the serial number. */
  serial: Uint8Array
  notBefore: Date
  notAfter: Date
}

/**
 * The DER of a self-signed CA certificate.
 *
 * End-entity certificates are not made here: @peculiar/x509 takes about 4 ms for one, most of it in its object layer,
 * which is several times what the key and the signature cost. Theirs have a fixed shape, which certificate-writer.ts
 * writes; a test compares it byte for byte with what @peculiar/x509 makes of the same fields.
 */
export async function createSelfSignedCa(fields: SelfSignedFields): Promise<Uint8Array> {
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: Buffer.from(fields.serial).toString('hex'),
      name: new Name([{ CN: [{ utf8String: fields.name }] }]),
      notBefore: fields.notBefore,
      notAfter: fields.notAfter,
      keys: fields.keys,
      signingAlgorithm: fields.signature,
      extensions: [
        new BasicConstraintsExtension(true, fields.pathLength, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        new SubjectKeyIdentifierExtension(Buffer.from(fields.keyIdentifier).toString('hex')),
      ],
    },
    fields.crypto,
  )
  return new Uint8Array(certificate.rawData)
}

/** What a certificate request is made of. */
export interface RequestFields {
  crypto: WebCrypto
  keys: { publicKey: CryptoKeyHandle; privateKey: CryptoKeyHandle }
  /** How the private key signs. */
  signature: SignatureParameters
  /** The subject, an attribute for each relative name, in encoding order. */
  subject: readonly NamePart[]
  hosts: readonly Host[]
}

const COUNTRY = '2.5.4.6'
const GENERAL_NAME_TYPE = { dns: 'dns', ip: 'ip', uri: 'url' } as const

/** The DER of a certificate request (RFC 2986) that asks for a subject, and for subject alternative names where there are some. */
export async function createRequestDer(fields: RequestFields): Promise<Uint8Array> {
  const { subject, hosts } = fields
  const names = hosts.map(({ kind, value }) => ({ type: GENERAL_NAME_TYPE[kind], value }))
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: new Name(
        // RFC 5280 section 4.1.2.4 wants UTF8String, and for the country's two letters PrintableString (appendix A.1).
        subject.map(({ type, text }) => ({
          [type]: [type === COUNTRY ? { printableString: text } : { utf8String: text }],
        })),
      ),
      keys: fields.keys,
      signingAlgorithm: fields.signature,
      extensions: names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)],
    },
    fields.crypto,
  )
  return new Uint8Array(request.rawData)
}
