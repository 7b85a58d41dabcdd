/** The last look at what was issued. */
import type { Certificate } from '../x509/certificate.js'
import type { PrivateKey } from '../x509/keys.js'
import { issueRefused } from './refuse.js'

/** Whether a certificate that was just made holds its key and bears its issuer's signature. */
export function checkPair(certificate: Certificate, key: PrivateKey, issuer: Certificate): void {
  if (!key.matches(certificate)) throw issueRefused('The certificate does not hold the public half of its key')
  if (!certificate.isSignedBy(issuer))
    throw issueRefused("The certificate's signature does not verify with its issuer's key")
}
