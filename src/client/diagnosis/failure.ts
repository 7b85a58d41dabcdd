/** The errors for what a client cannot do, made of what is known of its endpoints and its user. */
import { EtcdMtlsError } from '../../report/errors.js'
import type { CertificateRef, Finding } from '../../report/finding.js'
import { type FailedReport, summarize } from '../../report/report.js'
import { failedReport, finding } from '../finding.js'
import { methodOf } from '../transport/call-policy.js'
import type { EndedCall } from '../transport/call.js'
import { answerFinding, TOO_LARGE } from '../transport/health-check.js'
import type { LoginError } from '../transport/login.js'
import { hasAnswered } from './explain.js'

/** The error for endpoints that could not be verified: one answered and refused, or none answered. */
export function noConnection(report: FailedReport): EtcdMtlsError {
  const summary = summarize(report.findings)
  return hasAnswered(report.findings)
    ? new EtcdMtlsError('ERR_HANDSHAKE_FAILED', `No secure connection: ${summary}`, { report })
    : new EtcdMtlsError('ERR_UNREACHABLE', `No endpoint answered: ${summary}`, { report })
}

/** What is known of one endpoint. */
interface KnownEndpoint {
  readonly endpoint: { readonly url: string }
  readonly connection: unknown
  readonly findings: readonly Finding[]
}

/** What each endpoint reports of a cluster in which no member that answers has a leader. */
export function quorumFinding(endpoints: readonly KnownEndpoint[]): Finding {
  const members = endpoints.map(({ endpoint, connection, findings }) => {
    const cause = findings.find(({ severity }) => severity === 'error')
    return {
      endpoint: endpoint.url,
      says: connection !== null ? 'it has no leader' : (cause?.message ?? 'it has not answered yet'),
    }
  })
  return finding('endpoint/no-leader', { endpoint: null, members })
}

/** The error for a cluster of which no member that answers has a leader. */
export function noQuorum(endpoints: readonly KnownEndpoint[]): EtcdMtlsError {
  return noConnection(failedReport([quorumFinding(endpoints), ...endpoints.flatMap((each) => each.findings)]))
}

/** The error for a call that something other than etcd answered; null if etcd did. */
export function notEtcd({ path, carriedBy, answer }: EndedCall): EtcdMtlsError | null {
  if (answer === null || carriedBy === null) return null
  const call = methodOf(path)
  const found = answerFinding(`https://${carriedBy}`, call, answer)
  const report = failedReport([found])
  return answer.httpStatus === TOO_LARGE
    ? new EtcdMtlsError('ERR_REQUEST_TOO_LARGE', found.message, { call, report })
    : noConnection(report)
}

/** The error for a user that could not be logged in. */
export function noLogin({ refused, message }: LoginError, username: string, path: CertificateRef[]): EtcdMtlsError {
  return noConnection(failedReport([finding('login/failed', { username, refused, detail: message })], path))
}
