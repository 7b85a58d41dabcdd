/** Findings about what an authority's ledger holds. */
import { rowByKind } from '../row.js'

export const ledger = {
  'ledger/revoked': rowByKind<
    { serialNumber: string; reason: string; revokedAt: Date } & (
      { kind: 'certificate'; subject: string } | { kind: 'key'; keyFingerprint256: string }
    )
  >({
    kinds: {
      certificate: {
        message: ({ subject, serialNumber, reason, revokedAt }) =>
          `The certificate "${subject}" (serial number ${serialNumber}) was revoked on ${revokedAt.toISOString()} (${reason}), so it is not renewed.`,
        remedy: () =>
          'If the holder is to have credentials again, issue new ones with authority.issue and replace the files.',
      },
      key: {
        message: ({ keyFingerprint256, serialNumber, reason, revokedAt }) =>
          `The public key (SHA-256 ${keyFingerprint256}) was compromised: its certificate ${serialNumber} was revoked on ${revokedAt.toISOString()} (${reason}).`,
        remedy: () => 'Generate a new private key and a new certificate request.',
      },
    },
  }),
}
