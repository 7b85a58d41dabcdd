/** The errors for what a client cannot do, made of what is known of its endpoints and its user. */
import { EtcdMtlsError } from '../report/errors.js'
import type { CertificateRef, Finding } from '../report/finding.js'
import { makeReport, summarize, type FailedReport } from '../report/report.js'
import type { EndedCall } from './call-route.js'
import { finding } from './finding.js'
import { answerFinding } from './greeting.js'
import { hasAnswered } from './handshake-error.js'
import type { LoginError } from './login.js'

/** The error for endpoints that could not be proved: one answered and refused, or none answered. */
export function noConnection(report: FailedReport): EtcdMtlsError {
  const summary = summarize(report.findings)
  return hasAnswered(report.findings)
    ? new EtcdMtlsError('ERR_HANDSHAKE_FAILED', `No secure connection: ${summary}`, { report })
    : new EtcdMtlsError('ERR_UNREACHABLE', `No endpoint answered: ${summary}`, { report })
}

/** What an endpoint says of itself. */
interface Speaker {
  readonly endpoint: { readonly url: string }
  readonly connection: unknown
  readonly findings: readonly Finding[]
}

/** What each endpoint of a cluster says of which no member that answers has a leader. */
export function quorumFinding(speakers: readonly Speaker[]): Finding {
  const members = speakers.map(({ endpoint, connection, findings }) => {
    const cause = findings.find(({ severity }) => severity === 'error')
    return {
      endpoint: endpoint.url,
      says: connection !== null ? 'it has no leader' : (cause?.message ?? 'it has not answered yet'),
    }
  })
  return finding('endpoint/no-quorum', { members })
}

/** The error for a cluster of which no member that answers has a leader. */
export function noQuorum(speakers: readonly Speaker[]): EtcdMtlsError {
  const findings = [quorumFinding(speakers), ...speakers.flatMap((each) => each.findings)]
  const report = makeReport({ checkedAt: new Date(), path: null, findings })
  // Sound: the first finding is an error.
  if (report.ok) throw new Error('A refusal without an error')
  return noConnection(report)
}

/** The error for a call that something else than etcd answered; null where that is not so. */
export function notEtcd({ path, carriedBy, answer }: EndedCall): EtcdMtlsError | null {
  if (answer === null || carriedBy === null) return null
  const call = path.replace(/^\/etcdserverpb\./, '')
  const found = answerFinding(`https://${carriedBy}`, call, answer)
  const report = makeReport({ checkedAt: new Date(), path: null, findings: [found] })
  // Sound: the finding is an error.
  if (report.ok) throw new Error('A refusal without an error')
  return found.code === 'endpoint/request-too-large'
    ? new EtcdMtlsError('ERR_REQUEST_TOO_LARGE', found.message, { call, report })
    : noConnection(report)
}

/** The error for a user that could not be logged in. */
export function noLogin(error: LoginError, username: string, path: CertificateRef[]): EtcdMtlsError {
  const found = finding(error.refused ? 'login/refused' : 'login/failed', { username, detail: error.message })
  const report = makeReport({ checkedAt: new Date(), path, findings: [found] })
  // Sound: both findings are errors.
  if (report.ok) throw new Error('A failed log-in without an error')
  return noConnection(report)
}
