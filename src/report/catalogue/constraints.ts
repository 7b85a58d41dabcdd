/** Findings about basic constraints: CA certificates and path lengths. */
import { error, severityIfOnlyGoRefuses, row, type UsageDetails, warning } from '../row.js'
import { quoted } from '../words.js'

/** A path longer than a CA allows. */
export interface PathLength {
  allowed: number
  found: number
  /** Subjects of the CA certificates below it, the issuer of the leaf first. */
  intermediates: string[]
}

function allows(who: string, allowed: number): string {
  return `${who} allows ${String(allowed)} intermediate CA${allowed === 1 ? '' : 's'} below it, and`
}

export const constraints = {
  'constraints/not-a-ca': error((d: { reason: 'no basicConstraints' | 'CA:FALSE'; issued: string }, who) => [
    `${who} issued "${d.issued}" but is not a CA (${d.reason}).`,
    `Reissue "${d.issued}" from a CA. If the issuer is to be a CA, reissue the issuer with "basicConstraints = critical, CA:TRUE".`,
  ]).refusedAs({
    Go: [
      'x509: certificate is not authorized to sign other certificates',
      'x509: invalid signature: parent certificate cannot sign this kind of certificate',
    ],
    Node: 'INVALID_CA',
    OpenSSL: 'invalid CA certificate',
  }),
  'constraints/path-too-long': {
    'for all': error((d: PathLength, who) => [
      `${allows(who, d.allowed)} the path has ${String(d.found)}: ${quoted(d.intermediates)}.`,
      `Reissue the leaf from a CA higher up, or reissue this CA certificate with "pathlen:${String(d.found)}" or more.`,
    ]).refusedAs({
      Go: 'x509: too many intermediates for path length constraint',
      Node: 'PATH_LENGTH_EXCEEDED',
      OpenSSL: 'path length constraint exceeded',
    }),
    'for Go': row(severityIfOnlyGoRefuses, (d: PathLength & UsageDetails, who) => [
      `${allows(who, d.allowed)} etcd, which counts self-issued certificates, refuses the path with ${String(d.found)}: ${quoted(d.intermediates)}.`,
      'Trust the new CA certificate directly instead of the cross-certificate, or raise the path length.',
    ]).refusedAs({ Go: 'x509: too many intermediates for path length constraint' }),
  },
  'constraints/leaf-is-ca': warning((_, who) => [
    `${who} is used as a leaf although it is a CA.`,
    'Issue a separate leaf with "basicConstraints = critical, CA:FALSE".',
  ]),
  'constraints/only-for-cas': warning((d: { what: 'pathlen' | 'keyCertSign' | 'nameConstraints' }, who) => [
    `${who} has ${d.what} although it is not a CA.`,
    `Remove ${d.what} at the next renewal.`,
  ]),
}
