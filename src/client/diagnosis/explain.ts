/** Derives findings from the evidence of a failed attempt. Pure functions: all evidence is passed as data. */
import { isIP } from 'node:net'
import type { DefaultCertificate } from '../../report/catalogue/endpoint.js'
import { reasonOf } from '../../report/errors.js'
import { validity } from '../../report/catalogue/validity.js'
import { type Finding, reworded } from '../../report/finding.js'
import { type Certificate, certificateRef } from '../../x509/certificate.js'
import { type Endpoint, isUnspecified } from '../base/endpoints.js'
import { finding } from '../base/finding.js'
import { type Answer, answerFinding, HEALTH_CHECK_METHOD } from '../transport/health-check.js'
import type { ServerValidation } from '../transport/tls-socket.js'
import {
  caUnknown,
  closedWithoutAlert,
  explainCertificateAlert,
  isUnlisted,
  withOwnFindings,
} from './client-certificate.js'
import {
  areValid,
  chainRefs,
  type ClockReading,
  type Diagnosis,
  errorCodeOf,
  type FailedAttempt,
  isConnectionEnd,
  isVerificationError,
  MAX_NAMES,
  NOT_TLS,
  TOLERANCE,
} from './evidence.js'

/** Returns all findings, the actionable cause first. */
export function explainFailure(attempt: FailedAttempt): Finding[] {
  const advertised = advertisedAddress(attempt)
  // Such an address is the cause of every failure.
  if (advertised?.severity === 'error') return [advertised]
  const { failure, diagnosis } = attempt
  const validation = failure.validation ?? diagnosis.validation
  const unrouted = validation === null ? null : otherServer(attempt, validation)
  const found =
    unrouted === null ? withOtherServer(explainCause(attempt), attempt, validation, diagnosis.alpn) : [unrouted]
  const hints = [...serverNameHint(attempt, validation, found), ...notAsked(attempt, found)]
  return [...found, ...hints, ...(advertised === null ? [] : [advertised])]
}

type DialledServer = Pick<FailedAttempt, 'endpoint' | 'name'>

/** Explains why the certificate of a server was refused, if nothing else is known of it. */
export function explainServer(server: DialledServer, validation: ServerValidation): Finding[] {
  const unrouted = otherServer(server, validation)
  const found = unrouted === null ? withOtherServer(validation.report.findings, server, validation) : [unrouted]
  return [...found, ...serverNameHint(server, validation, found)]
}

/** The finding for an endpoint of the member list: which member advertises it. */
function advertisedAddress({ endpoint }: FailedAttempt): Finding | null {
  const { url, host, advertisedBy: member } = endpoint
  if (member === null) return null
  const isLocal = host.value === 'localhost' || host.value === '::1' || host.value.startsWith('127.')
  const leadsTo = isUnspecified(host) ? 'all addresses' : isLocal ? 'this machine' : 'elsewhere'
  return finding('discovery/advertised', { endpoint: url, member, leadsTo })
}

/** Common names of the certificates that ingress controllers create for names without a route, by product. */
const DEFAULT_CERTIFICATES: Readonly<Record<string, DefaultCertificate['product']>> = {
  'Kubernetes Ingress Controller Fake Certificate': 'ingress-nginx',
  'TRAEFIK DEFAULT CERT': 'Traefik',
}

/** The finding for a refused server certificate that says that no route matches; null for any other. */
function defaultCertificate(
  { endpoint, name }: DialledServer,
  { chain: [leaf], report }: ServerValidation,
): Finding | null {
  const product = DEFAULT_CERTIFICATES[leaf?.subject.commonName ?? '']
  if (leaf === undefined || product === undefined || report.ok) return null
  const sent = name.kind === 'dns' ? name.value : null
  const details = { endpoint: endpoint.url, product, subject: String(leaf.subject), name: sent }
  return finding('endpoint/default-certificate', details, certificateRef(leaf, 'leaf', 0))
}

/** The SAN that the certificate of each API server has, because pods connect to it by that name. */
const API_SERVER_NAME = 'kubernetes.default.svc'

/** The finding for a server certificate of another CA that has the names of an API server; null for any other. */
function apiServer({ endpoint }: DialledServer, { chain: [leaf], report }: ServerValidation): Finding | null {
  const isForeign = report.findings.some(({ code }) => code === 'chain/issuer-not-found')
  if (leaf === undefined || !isForeign || !leaf.subjectAltNames.some(({ value }) => value === API_SERVER_NAME))
    return null
  const details = { endpoint: endpoint.url, subject: String(leaf.subject), issuer: String(leaf.issuer) }
  return finding('endpoint/api-server', details, certificateRef(leaf, 'leaf', 0))
}

/** The finding for a refused certificate that shows which server there is instead of etcd; null for any other. */
function otherServer(server: DialledServer, validation: ServerValidation): Finding | null {
  return defaultCertificate(server, validation) ?? apiServer(server, validation)
}

/** If another server than etcd answered with its own certificate, that first; the findings about that certificate are its consequences. */
function withOtherServer(
  found: Finding[],
  server: DialledServer,
  validation: ServerValidation | null,
  alpn: Diagnosis['alpn'] = null,
): Finding[] {
  const { endpoint, name } = server
  const [leaf] = validation?.chain ?? []
  const isUntrusted = found.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))
  if (leaf === undefined || !isUntrusted) return found
  const ref = certificateRef(leaf, 'leaf', 0)
  const { subjectAltNames } = leaf
  const identity = subjectAltNames.find(({ kind, value }) => kind === 'uri' && value.startsWith('spiffe://'))?.value
  const ofOthers = subjectAltNames.every(({ kind, value }) => kind === 'dns' && value !== 'localhost')
  const isUncovered = found.some(({ code }) => code === 'san/host-not-covered')
  if (identity !== undefined) {
    const details = { endpoint: endpoint.url, port: String(endpoint.port), identity }
    return [{ ...finding('endpoint/mesh-certificate', details, ref), consequences: found }]
  }
  if (alpn !== null && alpn !== 'h2') {
    const foreign = { subject: String(leaf.subject), issuer: String(leaf.issuer) }
    const detail = 'did not choose HTTP/2 in the handshake (ALPN)'
    const parts = { endpoint: endpoint.url, spoken: 'TLS', detail, server: null, location: null, alert: null, foreign }
    return [{ ...finding('endpoint/wrong-protocol', { ...parts, expected: 'HTTP/2' }, ref), consequences: found }]
  }
  // The names of a server whose CA is not trusted are not the cause.
  const untrusted = found.filter(({ code }) => code.startsWith('chain/'))
  const rest = found.filter(({ code }) => !code.startsWith('chain/'))
  if (name.kind !== 'ip' || !isUncovered || !ofOthers || subjectAltNames.length === 0) return [...untrusted, ...rest]
  const other = finding('handshake/server-name', {
    ...serverNameDetails(server, null, []),
    otherServer: String(leaf.subject),
  })
  return [{ ...other, consequences: found }]
}

/** That the server did not request a certificate shows that a proxy ends TLS there, if it gives no answer of etcd. */
function notAsked({ endpoint, failure }: FailedAttempt, found: readonly Finding[]): Finding[] {
  const { validation, certificateSent, answer } = failure
  const [leaf] = validation?.chain ?? []
  const isProxy = found.some(({ code }) => code === 'endpoint/silent' || code === 'endpoint/unavailable')
  if (certificateSent !== false || leaf === undefined || !isProxy) return []
  const [subject, issuer] = [String(leaf.subject), String(leaf.issuer)]
  const details = { endpoint: endpoint.url, subject, issuer, server: answer?.server ?? null }
  return [finding('handshake/client-certificate-not-asked', details, certificateRef(leaf, 'leaf', 0))]
}

function explainCause(attempt: FailedAttempt): Finding[] {
  const { validated, failure, diagnosis } = attempt
  // Our rules refused the server: later evidence is a consequence.
  if (failure.validation?.report.ok === false) return failure.validation.report.findings
  if (failure.alert !== null) {
    const clocks = compareClocks(diagnosis.clock, (time) => !areValid(validated.credentials.chain, time))
    // Only OpenSSL sends alert 42 for a certificate that is not yet valid. With other servers, equal clocks explain
    // nothing.
    const shown = failure.alert === 42 ? clocks.filter(isClockDifference) : clocks
    return [...withOwnFindings(explainAlert(failure.alert, attempt), attempt), ...shown]
  }
  if (failure.timedOut) return [explainTimeout(attempt)]
  switch (failure.stage) {
    case 'lookup':
    case 'connect':
      return [explainConnect(attempt)]
    case 'handshake':
      return explainHandshake(attempt)
    case 'settings':
      return explainSettings(attempt)
    case 'health-check':
      return explainHealthCheck(attempt)
  }
}

/** A name that can be set as the server name, or a pattern of such names. */
const HOST_NAME = /^(?:\*\.)?[\w-]+(?:\.[\w-]+)*$/

/**
 * Suggests `serverName`: an SNI router cannot route an IP address, and the name of a tunnel differs from the server's.
 */
function serverNameHint(
  server: DialledServer,
  validation: ServerValidation | null,
  found: readonly Finding[],
): Finding[] {
  const { endpoint, name } = server
  const isLocal = name.kind === 'ip' || name.value === 'localhost'
  if (!isLocal || endpoint.socketPath !== null || !found.some(dependsOnServerName)) return []
  const [leaf] = validation?.chain ?? []
  const names = leaf?.subjectAltNames ?? []
  const isUsable = (value: string): boolean => HOST_NAME.test(value) && isIP(value) === 0
  const covered = names.filter(({ kind, value }) => kind === 'dns' && isUsable(value)).map(({ value }) => value)
  // The certificate covers no DNS name, so no server name would match.
  if (leaf !== undefined && covered.length === 0) return []
  return [serverName(server, null, covered.slice(0, MAX_NAMES))]
}

/** Whether a wrong or missing server name can cause such a failure. */
function dependsOnServerName({ code, details }: Finding): boolean {
  return (
    code === 'san/host-not-covered' ||
    (code === 'handshake/no-common-parameters' && details.versions === null) ||
    (code === 'endpoint/closed' && details.handshake === null)
  )
}

function serverNameDetails({ endpoint, name }: DialledServer, alert: number | null, covered: string[]) {
  return { endpoint: endpoint.url, alert, name: name.value, sent: name.kind === 'dns', covered, otherServer: null }
}

function serverName(server: DialledServer, alert: number | null, covered: string[]): Finding {
  return finding('handshake/server-name', serverNameDetails(server, alert, covered))
}

/** Explains a TLS alert by its number (RFC 8446 section 6.2), because the message of OpenSSL changes between versions. */
function explainAlert(alert: number, attempt: FailedAttempt): Finding {
  const { url } = attempt.endpoint
  const { certificateSent, error } = attempt.failure
  const aboutCertificate = explainCertificateAlert(alert, attempt)
  if (aboutCertificate !== null) return aboutCertificate
  if (alert === 70) return versionFinding(attempt, alert) // protocol_version
  if (alert === 112) return serverName(attempt, alert, []) // unrecognized_name
  if (alert === 120) return notHttp2(attempt, 'it refuses the protocol h2, alert 120', alert) // no_application_protocol
  // handshake_failure and insufficient_security. Once our certificate was sent, the parameters were agreed.
  if (alert === 71 || (alert === 40 && certificateSent !== true))
    return finding('handshake/no-common-parameters', { endpoint: url, alert, versions: null })
  const details = { endpoint: url, alert, certificateSent, errorCode: errorCodeOf(error), detail: '' }
  return finding('handshake/failed', details)
}

function versionFinding({ endpoint, validated: { tls } }: FailedAttempt, alert: number | null): Finding {
  const versions = { min: tls.minVersion, max: tls.maxVersion }
  return finding('handshake/no-common-parameters', { endpoint: endpoint.url, alert, versions })
}

function notHttp2({ endpoint, failure }: FailedAttempt, detail: string, alert: number | null = null): Finding {
  const details = {
    endpoint: endpoint.url,
    expected: 'HTTP/2',
    spoken: failure.protocol ?? 'TLS',
    detail,
    server: null,
    location: null,
    alert,
  } as const
  return finding('endpoint/wrong-protocol', details)
}

/** Codes of failures without an answer from etcd. The answer of a proxy without a back end does not count as one. */
const NO_ANSWER: ReadonlySet<string> = new Set([
  'discovery/advertised',
  'discovery/no-records',
  'endpoint/unreachable',
  'endpoint/silent',
  'endpoint/unavailable',
  'endpoint/no-leader',
  'endpoint/not-processed',
  'endpoint/stream-limit',
  'endpoint/alarm',
])

/** Whether an endpoint with these findings answered and one side refused the other. */
export function hasAnswered(findings: readonly Finding[]): boolean {
  return findings.some(isRefusal)
}

function isRefusal({ code, details, severity }: Finding): boolean {
  if (code === 'endpoint/closed') return details.answered
  if (code === 'endpoint/lost') return ['refused', 'not-grpc', 'unanswered'].includes(details.reason)
  return severity === 'error' && !NO_ANSWER.has(code)
}

/** Codes of refusals that look like a server which stops. */
const AMBIGUOUS: ReadonlySet<string> = new Set(['endpoint/closed', 'endpoint/lost', 'handshake/closed-without-alert'])

/** Whether the findings of an endpoint report that one side refused the other: then another attempt does not help. */
export function refusalIn(findings: readonly Finding[]): 'certain' | 'possible' | 'none' {
  const refusals = findings.filter(isRefusal)
  if (refusals.length === 0) return 'none'
  return refusals.some(({ code }) => !AMBIGUOUS.has(code)) ? 'certain' : 'possible'
}

/** Node refused the chain. Only if our validation does not find the cause, the finding is about the refusal itself. */
function refusedServer({ endpoint }: FailedAttempt, { chain, report }: ServerValidation, reason: string): Finding[] {
  if (!report.ok) return report.findings
  const refs = chainRefs(chain)
  const details = { endpoint: endpoint.url, reason, chain: refs }
  return [...report.findings, finding('handshake/server-certificate-refused', details, refs[0] ?? null)]
}

function explainTimeout(attempt: FailedAttempt): Finding {
  const { endpoint, failure, timeout } = attempt
  const { stage, target, answered, protocol } = failure
  if (stage === 'lookup' || stage === 'connect') return unreachable(attempt, null)
  const after = stage === 'handshake' ? 'connect' : stage === 'settings' ? 'handshake' : 'settings'
  const address = target?.address ?? null
  const wasReady = attempt.wasReady === true
  return finding('endpoint/silent', { endpoint: endpoint.url, address, timeout, after, answered, protocol, wasReady })
}

function explainConnect(attempt: FailedAttempt): Finding {
  const errorCode = errorCodeOf(attempt.failure.error)
  // The connection was established, and reset before Node reported that.
  if (errorCode === 'ECONNRESET') return closed(attempt)
  return unreachable(attempt, errorCode === 'ETIMEDOUT' ? null : errorCode)
}

/** Errors of getaddrinfo(3). */
const LOOKUP_ERRORS: ReadonlySet<string | null> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ENODATA'])

/** `host` is the name as looked up, which may have a trailing dot. */
function unreachable({ endpoint, failure, timeout }: FailedAttempt, errorCode: string | null): Finding {
  const { url, address: host } = endpoint
  const stage = failure.stage === 'lookup' || LOOKUP_ERRORS.has(errorCode) ? 'lookup' : 'connect'
  const address = failure.target?.address ?? null
  const port = endpoint.isDefaultPort ? { isDefaultPort: true } : {}
  return finding('endpoint/unreachable', { endpoint: url, host, address, stage, errorCode, timeout, ...port })
}

/** @param isVerified The handshake was completed without a client certificate, so the server did not refuse ours. */
function closed({ endpoint, failure, name }: FailedAttempt, isVerified = false): Finding {
  const [leaf] = isVerified ? (failure.validation?.chain ?? []) : []
  const [subject, issuer] = [String(leaf?.subject ?? 'unknown'), String(leaf?.issuer ?? 'unknown')]
  const details = {
    endpoint: endpoint.url,
    errorCode: errorCodeOf(failure.error),
    answered: !isVerified && failure.answered,
    named: name.kind === 'dns',
    handshake: isVerified ? { protocol: failure.protocol ?? 'TLS', subject, issuer } : null,
  }
  return finding('endpoint/closed', details, leaf === undefined ? null : certificateRef(leaf, 'leaf', 0))
}

function explainHandshake(attempt: FailedAttempt): Finding[] {
  const { failure, diagnosis } = attempt
  const { plaintext, validation, clock } = diagnosis
  const endpoint = attempt.endpoint.url
  const errorCode = errorCodeOf(failure.error)
  if (plaintext !== null || NOT_TLS.has(errorCode)) {
    const { spoken = null, sent = '', server = null, location = null } = plaintext ?? {}
    const detail = `${errorCode}${sent === '' ? '' : `; it sent ${sent}`}${server === null ? '' : `, server "${server}"`}`
    const details = { endpoint, expected: 'TLS', spoken, detail, server, location, alert: null } as const
    return [finding('endpoint/wrong-protocol', details)]
  }
  if (isVerificationError(failure.error)) {
    const { chain, report } = validation ?? NO_VALIDATION
    // The server does not send the trust anchor.
    const isRefused = ({ fingerprint256 }: Certificate): boolean =>
      report.findings.some(({ certificate }) => certificate?.fingerprint256 === fingerprint256)
    const all = [...chain, ...attempt.validated.credentials.trustAnchors.filter(isRefused)]
    const clocks = compareClocks(clock, (time) => areValid(all, time))
    const refused = refusedServer(
      attempt,
      { chain, report },
      failure.error === null ? errorCode : reasonOf(failure.error),
    )
    return [...refused.map((each) => withClock(each, clocks)), ...clocks]
  }
  if (errorCode === 'ERR_SSL_UNSUPPORTED_PROTOCOL') return [versionFinding(attempt, null)]
  // In TLS 1.2 the server receives our certificate during the handshake, and some servers refuse it by closing.
  if (isConnectionEnd(failure.error))
    return failure.certificateSent === true ? closedWithoutAlert(attempt) : [closed(attempt)]
  const detail = failure.error?.message.trim() ?? ''
  const { certificateSent } = failure
  return [finding('handshake/failed', { endpoint, alert: null, certificateSent, errorCode, detail })]
}

const NO_VALIDATION: ServerValidation = {
  chain: [],
  report: { ok: true, checkedAt: new Date(0), path: [], findings: [] },
}

/**
 * Compares both clocks if one side considers a certificate invalid. `explains`: whether the other time would explain
 * it.
 */
function compareClocks(clock: ClockReading | null, explains: (time: number) => boolean): Finding[] {
  if (clock === null) return []
  const { endpoint, peer, own } = clock
  const offset = peer - own
  const times = { peerTime: new Date(peer), ownTime: new Date(own), offset, differs: Math.abs(offset) > TOLERANCE }
  return [finding('handshake/clock-compared', { endpoint, ...times, explains: explains(peer) })]
}

/** If the clock of the server explains that a certificate is out of its validity, the finding says so. */
function withClock(found: Finding, [clock]: readonly Finding[]): Finding {
  const isOfDates = found.code === 'validity/expired' || found.code === 'validity/not-yet-valid'
  if (!isOfDates || clock?.code !== 'handshake/clock-compared' || !clock.details.differs || !clock.details.explains)
    return found
  const { peerTime } = clock.details
  return reworded({ ...found, details: { ...found.details, peerTime } } as Finding, validity, {
    isEtcd: false,
    name: (role) => role,
  })
}

function isClockDifference(found: Finding): boolean {
  return found.code === 'handshake/clock-compared' && found.details.differs
}

function explainSettings(attempt: FailedAttempt): Finding[] {
  const { failure, diagnosis } = attempt
  if (diagnosis.http1 !== null) {
    const detail = `it closes such connections, and answers "${diagnosis.http1}" to HTTP/1.1, as etcd's peer port does`
    return [notHttp2(attempt, detail)]
  }
  if (isConnectionEnd(failure.error)) {
    if (failure.certificateSent === false) return [closed(attempt, true)]
    if (failure.alpn === 'h2') return closedWithoutAlert(attempt)
  }
  return [notHttp2(attempt, failure.error?.message.trim() ?? 'it closed the connection')]
}

/** HTTP/2 works, so both sides accepted the certificates. */
function explainHealthCheck(attempt: FailedAttempt): Finding[] {
  const { endpoint, failure, validated } = attempt
  const { answer, error, certificateSent } = failure
  if (answer !== null) {
    const found = answerFinding(endpoint.url, HEALTH_CHECK_METHOD, answer)
    // The status by which nginx refuses a client certificate.
    if (answer.httpStatus !== 400 || certificateSent !== true) return [found]
    if (isUnlisted(attempt)) {
      const refused = { ...caUnknown(attempt, null), consequences: [found] }
      return withOwnFindings(refused, attempt)
    }
    // A server with a wrong clock may consider our certificate expired or not yet valid.
    const clocks = compareClocks(clockOf(endpoint, answer), (time) => !areValid(validated.credentials.chain, time))
    return [...withOwnFindings(found, attempt), ...clocks.filter(isClockDifference)]
  }
  if (certificateSent === false) return [closed(attempt, true)]
  const detail = error?.message.trim() ?? ''
  return [finding('endpoint/lost', { endpoint: endpoint.url, reason: 'unanswered', detail })]
}

function clockOf({ url }: Endpoint, { date }: Answer): ClockReading | null {
  return date === null ? null : { endpoint: url, peer: date, own: Date.now() }
}
