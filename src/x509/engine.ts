/**
 * The one door to @peculiar/webcrypto and @peculiar/x509. Only the authority walks through it, and only by a dynamic
 * import at its first work: loading these libraries takes longer than loading all the rest of this package. They make
 * requests, and keys of Ed25519; certificates and lists are written by certificate-writer.ts and crl-writer.ts, in a quarter
 * of the time, and compared byte for byte with what @peculiar/x509 makes of the same fields.
 *
 * No global crypto provider is set: the crypto in use is handed to every call, so that two copies of this package, or
 * this package and another user of @peculiar/x509, do not disturb each other.
 */
// First, because @peculiar/x509 registers its classes by the Reflect metadata API while it loads.
import 'reflect-metadata'
import { Crypto } from '@peculiar/webcrypto'
import { Name, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import type { NamePart } from './certificate-writer.js'
import type { Host } from './names.js'
import type { SignatureParameters, WebCrypto } from './web-crypto.js'

/** A new @peculiar/webcrypto. It holds no keys of its own; one to an authority is enough. */
export function createDefaultCrypto(): WebCrypto {
  return new Crypto()
}

/** What a certificate request is made of. */
export interface RequestFields {
  crypto: WebCrypto
  keys: { publicKey: object; privateKey: object }
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
