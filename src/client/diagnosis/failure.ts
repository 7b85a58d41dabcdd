/** Makes the errors of the client from its findings, and the findings about the environment. */
import { EtcdMtlsError } from '../../report/errors.js'
import type { CertificateRef, Finding } from '../../report/finding.js'
import { type FailedReport, errorMessage } from '../../report/report.js'
import { isOfServer } from '../../report/row.js'
import { failedReport, finding } from '../base/finding.js'
import { alarmOf, methodOf } from '../transport/call-policy.js'
import type { EndedCall } from '../transport/call.js'
import { status, type StatusObject } from '../transport/channel.js'
import { answerFinding, TOO_LARGE } from '../transport/health-check.js'
import type { LoginError } from '../transport/login.js'
import { hasAnswered } from './explain.js'

/** The error for endpoints that could not be verified: one answered and refused, or none answered. */
export function connectionError(report: FailedReport): EtcdMtlsError {
  const code = hasAnswered(report.findings) ? 'ERR_HANDSHAKE_FAILED' : 'ERR_UNREACHABLE'
  return new EtcdMtlsError(code, errorMessage(report.findings), { report })
}

/** The error for a client that was not ready within the option `waitFor`, in milliseconds. */
export function waitExpired(report: FailedReport, waitFor: number): EtcdMtlsError {
  const message = errorMessage(report.findings, `etcd was not ready within ${String(waitFor / 1000)} s: `)
  return new EtcdMtlsError('ERR_UNREACHABLE', message, { report })
}

/** The part of an endpoint that an error needs. */
export interface KnownEndpoint {
  readonly endpoint: { readonly url: string }
  readonly connection: unknown
  readonly findings: readonly Finding[]
}

export function countFailed(endpoints: readonly KnownEndpoint[]): NonNullable<FailedReport['endpoints']> {
  const failed = endpoints.filter((each) => each.findings.some(({ severity }) => severity === 'error'))
  return { total: endpoints.length, failed: failed.length }
}

/** The finding for a cluster in which no connected member has a leader, with the state of each endpoint. */
export function quorumFinding(endpoints: readonly KnownEndpoint[], connected = 'it has no leader'): Finding {
  const members = endpoints.map(({ endpoint, connection, findings }) => {
    const cause = findings.find(({ severity }) => severity === 'error')
    return {
      endpoint: endpoint.url,
      says: connection !== null ? connected : (cause?.message ?? 'it has not answered yet'),
    }
  })
  return finding('endpoint/no-leader', { endpoint: null, members, starting: [] })
}

/**
 * The finding for endpoints at which etcd runs and serves nothing, while nothing listens at all others; null if there are others. Its
 * consequences are the findings of each endpoint.
 */
export function startingFinding(endpoints: readonly KnownEndpoint[]): Finding | null {
  const gone = endpoints.flatMap(({ findings }) => findings.filter(isGone))
  const starting = endpoints.filter(({ findings }) => findings.some(isSilentFromStart))
  if (starting.length === 0 || endpoints.length === 1 || starting.length + gone.length < endpoints.length) return null
  const members = endpoints.map(({ endpoint, findings }) => ({
    endpoint: endpoint.url,
    says: findings.some(isGone) ? 'nothing listens there' : 'it accepts connections and serves nothing',
  }))
  const found = finding('endpoint/no-leader', {
    endpoint: null,
    members,
    starting: starting.map(({ endpoint }) => endpoint.url),
  })
  return { ...found, consequences: endpoints.flatMap(({ findings }) => findings) }
}

export function isGone({ code, details }: Finding): boolean {
  return code === 'endpoint/unreachable' && details.errorCode === 'ECONNREFUSED'
}

export function isSilentFromStart({ code, details }: Finding): boolean {
  return code === 'endpoint/silent' && details.after === 'connect' && !details.answered
}

/** The findings without those that each member has no leader, if one is that no member has. */
export function withoutMembersOf(findings: readonly Finding[]): Finding[] {
  const isLeaderless = ({ code, details }: Finding, isOfMember: boolean): boolean =>
    code === 'endpoint/no-leader' && (details.endpoint !== null) === isOfMember
  const isOfAll = findings.some((each) => isLeaderless(each, false))
  return findings.filter((each) => !isOfAll || !isLeaderless(each, true))
}

/** The error for a cluster in which no connected member has a leader. */
export function quorumError(endpoints: readonly KnownEndpoint[], connected?: string): EtcdMtlsError {
  const all = [quorumFinding(endpoints, connected), ...endpoints.flatMap((each) => each.findings)]
  return connectionError(failedReport(withoutMembersOf(all)))
}

/** The error for a call that something other than etcd answered; null if etcd did. */
function notEtcdError({ path, carriedBy, answer }: EndedCall): EtcdMtlsError | null {
  if (answer === null || carriedBy === null) return null
  const call = methodOf(path)
  const found = answerFinding(carriedBy, call, answer)
  const report = failedReport([found])
  return answer.httpStatus === TOO_LARGE
    ? new EtcdMtlsError('ERR_REQUEST_TOO_LARGE', found.message, { call, report })
    : connectionError(report)
}

/** The error for a call that a server certainly did not process; null for all others. */
function notProcessedError({ details }: StatusObject, call: EndedCall): EtcdMtlsError | null {
  const { path, carriedBy: endpoint, progress } = call
  if (progress !== 'unprocessed' || endpoint === null) return null
  return connectionError(
    failedReport([finding('endpoint/not-processed', { endpoint, method: methodOf(path), detail: details })]),
  )
}

/** The error for a call that waited for a stream; null for all others, and if the caller canceled it. */
function streamLimitError({ code }: StatusObject, call: EndedCall): EtcdMtlsError | null {
  const { path, carriedBy: endpoint, streamLimit: limit } = call
  if (limit === null || endpoint === null || !(code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED))
    return null
  return connectionError(failedReport([finding('endpoint/stream-limit', { endpoint, limit, method: methodOf(path) })]))
}

/** The error for streams that do not end and wait because of a limit; null if none does. */
export function shortageError(endpoints: readonly KnownEndpoint[]): EtcdMtlsError | null {
  const found = endpoints.flatMap(({ findings }) => findings.filter(({ code }) => code === 'endpoint/stream-limit'))
  return found.length === 0 ? null : connectionError(failedReport(found))
}

/** The error that explains how a call ended; null if the answer of etcd is all that is known. */
export function explainCall(
  outcome: StatusObject,
  call: EndedCall,
  endpoints: readonly KnownEndpoint[],
): EtcdMtlsError | null {
  return (
    alarmError(outcome, call) ??
    tooLargeError(outcome, call) ??
    lostQuorumError(outcome, endpoints) ??
    notEtcdError(call) ??
    streamLimitError(outcome, call) ??
    notProcessedError(outcome, call)
  )
}

/** The error for a call that etcd refused because of an alarm; null for all others. */
function alarmError(outcome: StatusObject, { carriedBy: endpoint }: EndedCall): EtcdMtlsError | null {
  const alarm = alarmOf(outcome)
  if (alarm === null || endpoint === null) return null
  const report = failedReport([finding('endpoint/alarm', { endpoint, alarm })])
  return new EtcdMtlsError('ERR_CLUSTER_ALARM', errorMessage(report.findings), { report })
}

/** etcd server/etcdserver/errors.go, ErrRequestTooLarge; grpc-go rpc_util.go, the limit of etcd's server plus 512 KiB. */
const LARGE_REQUEST = /^(?:etcdserver: request is too large|grpc: received message larger than max)/

/** The error for a call that is larger than etcd accepts; null for all others. */
function tooLargeError({ details }: StatusObject, call: EndedCall): EtcdMtlsError | null {
  const { path, carriedBy: endpoint, request } = call
  if (endpoint === null || request === null || !LARGE_REQUEST.test(details)) return null
  const method = methodOf(path)
  const report = failedReport([finding('endpoint/request-too-large', { endpoint, method, size: request.length })])
  return new EtcdMtlsError('ERR_REQUEST_TOO_LARGE', errorMessage(report.findings), { call: method, report })
}

/** The error for a call that etcd gave up while half of the endpoints or more failed: most likely there is no quorum. Null otherwise. */
function lostQuorumError({ details }: StatusObject, endpoints: readonly KnownEndpoint[]): EtcdMtlsError | null {
  const total = endpoints.length
  const failed = endpoints.filter((each) => each.findings.some(isFailure)).length
  if (!details.startsWith('etcdserver: request timed out') || failed * 2 < total || failed === 0) return null
  return quorumError(endpoints, 'that a call timed out')
}

/** A member that accepts few streams is not a failed one. */
function isFailure({ code, severity }: Finding): boolean {
  return severity === 'error' && code !== 'endpoint/stream-limit'
}

export function loginFailed(error: LoginError, username: string, path: CertificateRef[]): EtcdMtlsError {
  return connectionError(loginReport(error, username, path))
}

export function loginReport(error: LoginError, username: string, path: CertificateRef[]): FailedReport {
  const { refused, message: detail, lineBreakIn } = error
  return failedReport([finding('login/failed', { username, refused, detail, lineBreakIn })], path)
}

/** Reports environment variables about TLS and proxies (grpc-js' http_proxy.ts), which this client ignores. */
export function environmentFindings(env: NodeJS.ProcessEnv): Finding[] {
  const set = (...names: string[]): string[] => names.filter((name) => (env[name] ?? '') !== '')
  const off = env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0' ? ['NODE_TLS_REJECT_UNAUTHORIZED'] : []
  const found = [
    { variables: off, kind: 'verification-off', file: null },
    { variables: set('NODE_EXTRA_CA_CERTS'), kind: 'extra-cas', file: env['NODE_EXTRA_CA_CERTS'] ?? null },
    // The values may hold a password.
    { variables: set('grpc_proxy', 'https_proxy', 'http_proxy'), kind: 'proxy', file: null },
  ] as const
  return found.flatMap((each) => (each.variables.length > 0 ? [finding('environment/ignored', each)] : []))
}

/** Errors of connect(2) for limits of this machine. */
const LOCAL_LIMITS: ReadonlySet<string | null> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])

/** Whether the endpoint sent nothing, as if it were reachable only through a proxy. */
function isWithoutAnswer({ code, details }: Finding): boolean {
  if (code === 'endpoint/unreachable') return !LOCAL_LIMITS.has(details.errorCode)
  return (
    (code === 'endpoint/silent' && details.after === 'connect') ||
    (code === 'endpoint/closed' && details.handshake === null)
  )
}

/** Whether it is an error about the chain that a server presented, or about a CA that verifies servers. */
function isServerFault({ code, severity, certificate }: Finding): boolean {
  if (code === 'handshake/server-certificate-refused') return true
  return severity === 'error' && certificate !== null && (certificate.role === 'anchor' || isOfServer(certificate))
}

/** Whether a note about the environment may explain one of the findings. */
export function mayExplain({ code, details }: Finding, findings: readonly Finding[]): boolean {
  if (code !== 'environment/ignored') return false
  if (details.kind === 'proxy') return findings.some(isWithoutAnswer)
  return (
    findings.some(isServerFault) &&
    (details.kind !== 'extra-cas' || findings.some((each) => each.code.startsWith('chain/')))
  )
}
