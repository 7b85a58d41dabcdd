/** The last look at what was made, before anybody gets it. */
import type { Credentials } from '../credentials/credentials.js'
import { validateCredentials } from '../validate/validate.js'
import type { Certificate } from '../x509/certificate.js'
import type { PrivateKey } from '../x509/keys.js'
import { issueRefused } from './refuse.js'
import type { Role } from './roles.js'

/**
 * Whether the root that was just made holds its key and bears its own signature: a crypto implementation that the caller
 * brought may have done neither.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
 */
export function checkRoot(certificate: Certificate, key: PrivateKey): void {
  if (!key.matches(certificate)) throw issueRefused('The certificate does not hold the public half of its key')
  if (!certificate.isSignedBy(certificate))
    throw issueRefused("The certificate's signature does not verify with its key")
}

/**
 * Nothing leaves unchecked: what our own validator refuses, etcd or its clients would refuse later. This finds, too, what
 * is wrong above: an authority whose own chain is no good issues nothing.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` with the findings.
 */
export function checkIssued(credentials: Credentials, role: Role, now: Date): void {
  const { ok, findings } = validateCredentials(credentials, { usage: role, at: now })
  if (ok) return
  const errors = findings.filter((each) => each.severity === 'error').map((each) => `[${each.code}] ${each.message}`)
  throw issueRefused(`The certificate would be refused: ${errors.join(' ')}`, { findings })
}
