/**
 * Creates a bad server certificate, as many how-tos do: `extendedKeyUsage = serverAuth`, and the address in the common name
 * instead of a subject alternative name. The authority of this package refuses to issue it, so this file does not use it.
 */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000

/** Returns PEM for `fromPem`. */
export async function howToCertificate(
  ca: { cert: string; key: string; chain: string },
  address: string,
): Promise<{ ca: string; cert: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const pkcs8 = x509.PemConverter.decodeFirst(ca.key)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign'])
  const issuer = new x509.X509Certificate(ca.cert)
  const certificate = await x509.X509CertificateGenerator.create(
    {
      subject: `CN=${address}`,
      // Copied byte for byte: Go compares the bytes of names.
      issuer: issuer.subjectName,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + DAY),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return {
    ca: ca.cert,
    cert: certificate.toString('pem'),
    key: x509.PemConverter.encode(key, 'PRIVATE KEY'),
  }
}
