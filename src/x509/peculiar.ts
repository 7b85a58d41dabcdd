/**
 * The only import of @peculiar/webcrypto and @peculiar/x509, which make certificate requests. The authority imports this file
 * dynamically, because these libraries take longer to load than the rest of the package. certificate-writer.ts
 * writes certificates and CRLs in a quarter of the time.
 *
 * The bundle of the package imports @peculiar/webcrypto through a `.cjs` file: scripts/lib/bundle.mjs has the reason.
 *
 * It sets no global crypto provider, which would affect other users of @peculiar/x509 in the process.
 */
// Imported first, because @peculiar/x509 uses the Reflect metadata API while it loads.
import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { Crypto } from '@peculiar/webcrypto'
import { Name, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import type { SubjectAttribute } from './certificate-writer.js'
import type { Host } from './names.js'
import type { PrivateKey } from './keys/keys.js'

export interface KeyParameters {
  readonly name: string
  readonly namedCurve?: string
  readonly hash?: string
}

export interface SignatureParameters {
  readonly name: string
  readonly hash?: string
}

interface RequestFields {
  key: PrivateKey
  parameters: KeyParameters
  signature: SignatureParameters
  /** One attribute for each relative name, in encoding order. */
  subject: readonly SubjectAttribute[]
  hosts: readonly Host[]
}

const COUNTRY = '2.5.4.6'
const GENERAL_NAME_TYPE = { dns: 'dns', ip: 'ip', uri: 'url' } as const

/** The DER of a certificate request (RFC 2986). */
export async function createRequestDer(fields: RequestFields): Promise<Uint8Array> {
  const { key, parameters, signature, subject, hosts } = fields
  const crypto = new Crypto()
  // The types of @peculiar/webcrypto are those of the DOM library, which is not used here.
  const { subtle } = crypto as Pick<webcrypto.Crypto, 'subtle'>
  const pkcs8 = new Uint8Array(key.toKeyObject().export({ type: 'pkcs8', format: 'der' }))
  const [privateKey, publicKey] = await Promise.all([
    subtle.importKey('pkcs8', pkcs8, parameters, false, ['sign']),
    subtle.importKey('spki', new Uint8Array(key.spki), parameters, true, ['verify']),
  ])
  pkcs8.fill(0)
  const names = hosts.map(({ kind, value }) => ({ type: GENERAL_NAME_TYPE[kind], value }))
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: new Name(
        // RFC 5280 section 4.1.2.4 requires UTF8String, and appendix A.1 PrintableString for the country.
        subject.map(({ type, text }) => ({
          [type]: [type === COUNTRY ? { printableString: text } : { utf8String: text }],
        })),
      ),
      keys: { privateKey, publicKey },
      signingAlgorithm: signature,
      extensions: names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)],
    },
    crypto,
  )
  return new Uint8Array(request.rawData)
}
