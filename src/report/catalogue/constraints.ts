/** Findings about basic constraints: who may issue, and how long a path may be. */
import { type NoDetails, refusedByGoAlone, row, rowByKind, type UsageDetails } from '../row.js'
import { quoted } from '../words.js'

/** A path length that the CA sets and the path exceeds. */
export interface PathLength {
  allowed: number
  found: number
  /** Subjects of the CA certificates below it, that of the leaf's issuer first. */
  intermediates: string[]
}

function allows(who: string, allowed: number): string {
  return `${who} allows ${String(allowed)} intermediate CA${allowed === 1 ? '' : 's'} below it, and`
}

export const constraints = {
  'constraints/not-a-ca': row<{ reason: 'no basicConstraints' | 'CA:FALSE'; issued: string }>({
    refusals: {
      Go: [
        'x509: certificate is not authorized to sign other certificates',
        'x509: invalid signature: parent certificate cannot sign this kind of certificate',
      ],
      Node: 'INVALID_CA',
      OpenSSL: 'invalid CA certificate',
    },
    message: ({ reason, issued }, who) => `${who} issued "${issued}" but is not a CA (${reason}).`,
    remedy: ({ issued }) =>
      `Reissue "${issued}" from a CA. If the issuer is to be a CA, reissue the issuer with "basicConstraints = critical, CA:TRUE".`,
  }),
  'constraints/path-too-long': rowByKind<
    ({ kind: 'for all' } & PathLength) | ({ kind: 'for Go' } & PathLength & UsageDetails)
  >({
    kinds: {
      'for all': {
        refusals: {
          Go: 'x509: too many intermediates for path length constraint',
          Node: 'PATH_LENGTH_EXCEEDED',
          OpenSSL: 'path length constraint exceeded',
        },
        message: ({ allowed, found, intermediates }, who) =>
          `${allows(who, allowed)} the path has ${String(found)}: ${quoted(intermediates)}.`,
        remedy: ({ found }) =>
          `Reissue the leaf from a CA higher up, or reissue this CA certificate with "pathlen:${String(found)}" or more.`,
      },
      'for Go': {
        severity: refusedByGoAlone,
        refusals: { Go: 'x509: too many intermediates for path length constraint' },
        message: ({ allowed, found, intermediates }, who) =>
          `${allows(who, allowed)} etcd, which counts self-issued certificates, refuses the path with ${String(found)}: ${quoted(intermediates)}.`,
        remedy: () =>
          'Trust the new CA certificate directly instead of the cross-certificate, or raise the path length.',
      },
    },
  }),
  'constraints/leaf-is-ca': row<NoDetails>({
    severity: 'warning',
    message: (_, who) => `${who} is used as a leaf although it is a CA.`,
    remedy: () => 'Issue a separate leaf with "basicConstraints = critical, CA:FALSE".',
  }),
  'constraints/only-for-cas': row<{ what: 'pathlen' | 'keyCertSign' | 'nameConstraints' }>({
    severity: 'warning',
    message: ({ what }, who) => `${who} has ${what} although it is not a CA.`,
    remedy: ({ what }) => `Remove ${what} at the next renewal.`,
  }),
}
