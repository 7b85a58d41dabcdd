/** Findings about what an authority's ledger holds. */
import { row } from '../row.js'

const CRL_REASONS = 'RFC 5280 section 5.3.1'

export const ledger = {
  'ledger/certificate-revoked': row<{ subject: string; serialNumber: string; reason: string; revokedAt: Date }>({
    severity: 'error',
    meaning:
      'The ledger of the authority lists the certificate as revoked. A renewed certificate has another serial number, which no CRL lists, so renewal would undo the revocation.',
    source: CRL_REASONS,
    message: ({ subject, serialNumber, reason, revokedAt }) =>
      `The certificate "${subject}" (serial number ${serialNumber}) was revoked on ${revokedAt.toISOString()} (${reason}), so it is not renewed.`,
    remedy: () =>
      'If the holder is to have credentials again, issue new ones with authority.issue and replace the files.',
  }),
  'ledger/key-compromised': row<{ keyFingerprint256: string; serialNumber: string; reason: string; revokedAt: Date }>({
    severity: 'error',
    meaning:
      'A certificate of this public key was revoked because an attacker may have the private key. Another certificate for the key would give the attacker access again.',
    source: CRL_REASONS,
    message: ({ keyFingerprint256, serialNumber, reason, revokedAt }) =>
      `The public key (SHA-256 ${keyFingerprint256}) was compromised: its certificate ${serialNumber} was revoked on ${revokedAt.toISOString()} (${reason}).`,
    remedy: () => 'Generate a new private key and a new certificate request.',
  }),
}
