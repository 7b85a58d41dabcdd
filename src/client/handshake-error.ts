/** From the evidence of an attempt that failed to findings. Pure: everything that was looked at comes in as data. */
import type { Finding } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import type { Host } from '../x509/names.js'
import { type Accepted, reportNow } from './accept.js'
import { explainAlert, MAX_NAMES, versionFinding } from './alerts.js'
import type { DialFailure } from './transport/dial.js'
import type { Endpoint } from './endpoints.js'
import { finding } from './finding.js'
import { type Answer, answerFinding, GREETING_METHOD } from './greeting.js'
import { type ClockReading, clockFinding } from './peer-clock.js'
import type { ServerVerdict } from './server-identity.js'

/** What a second look at the endpoint brought to light. */
export interface Diagnosis {
  /** Our verdict on the chain that OpenSSL refused, captured by a connection of its own. */
  verdict: ServerVerdict | null
  /** How the endpoint answered when it was spoken to in plaintext. */
  plaintext: 'http/1.1' | 'h2c' | null
  /** The status line by which a server that closes HTTP/2 connections answered over HTTP/1.1; null where it did not. */
  http1: string | null
  /** The first octets that came back in plaintext, in hexadecimal. */
  firstBytes: string
  /** The names of the CAs whose certificates the server accepts; null where it did not say. */
  authorities: readonly DistinguishedName[] | null
  /** A clock to compare this machine's with, where a certificate is out of its validity; null where none was read. */
  clock: ClockReading | null
}

export const NOTHING_FOUND: Diagnosis = {
  verdict: null,
  plaintext: null,
  http1: null,
  firstBytes: '',
  authorities: null,
  clock: null,
}

export interface FailedAttempt {
  endpoint: Endpoint
  name: Host
  accepted: Accepted
  failure: DialFailure
  diagnosis: Diagnosis
  /** The time that the attempt had, in milliseconds. */
  timeout: number
}

/** Everything that the evidence tells, the cause that can be acted upon first. */
export function explainFailure(attempt: FailedAttempt): Finding[] {
  const found = explainCause(attempt)
  return [...found, ...serverNameHint(attempt, found)]
}

/** Failures that a wrong or missing server name causes. */
const BY_NAME: ReadonlySet<string> = new Set([
  'san/host-not-covered',
  'handshake/name-unknown',
  'handshake/no-common-parameters',
  'endpoint/reset',
])

/** A router by SNI chooses nothing for an IP address, and a tunnel has another name than the server behind it. */
function serverNameHint({ endpoint, name, failure, diagnosis }: FailedAttempt, found: readonly Finding[]): Finding[] {
  const isLocal = name.kind === 'ip' || name.value === 'localhost'
  if (!isLocal || endpoint.socketPath !== null || !found.some(({ code }) => BY_NAME.has(code))) return []
  const [leaf] = (failure.verdict ?? diagnosis.verdict)?.chain ?? []
  const names = leaf?.subjectAltNames ?? []
  const covered = names
    .filter(({ kind, value }) => kind === 'dns' && HOST_NAME.test(value))
    .slice(0, MAX_NAMES)
    .map(({ value }) => value)
  // Another server name would not help: that certificate covers none.
  if (leaf !== undefined && covered.length === 0) return []
  return [
    finding('handshake/server-name', {
      endpoint: endpoint.url,
      sent: name.kind === 'dns' ? name.value : null,
      covered,
    }),
  ]
}

/** A name that can be set as the server name, or a pattern of such names. */
const HOST_NAME = /^(?:\*\.)?[\w-]+(?:\.[\w-]+)*$/

function explainCause(attempt: FailedAttempt): Finding[] {
  const { endpoint, name, accepted, failure } = attempt
  const { authorities } = attempt.diagnosis
  // Our own rules spoke: nothing that came after them says more.
  if (failure.verdict?.report.ok === false)
    return refusedServer(attempt, failure.verdict, 'by the rules of this client')
  if (failure.alert !== null) {
    const found = explainAlert(failure.alert, { endpoint: endpoint.url, name, accepted, failure, authorities })
    const clocks = compareClocks(attempt, (time) => !areValid(accepted, time))
    // OpenSSL alone sends the alert 42 for a certificate that has not begun: that two clocks agree says nothing of others.
    const told = failure.alert === 42 ? clocks.filter(({ code }) => code === 'handshake/clock-differs') : clocks
    return [...besideOwn(found, attempt), ...told]
  }
  if (failure.timedOut) return [explainTimeout(attempt)]
  switch (failure.stage) {
    case 'lookup':
    case 'connect':
      return [explainConnect(attempt)]
    case 'handshake':
      return explainHandshake(attempt)
    case 'settings':
      return explainAfterHandshake(attempt)
    case 'greeting':
      return explainGreeting(attempt)
  }
}

/**
 * A refusal, with what is to be said of our own certificates as of now: an error among that, as an expiry, is the cause of the
 * refusal, and a warning may be. So is a CA that nobody but the server could judge.
 */
function besideOwn(refusal: Finding, { endpoint: { url }, accepted }: FailedAttempt): Finding[] {
  const own = reportNow(accepted).findings.map((each) =>
    each.code === 'chain/client-ca-not-given' && ABOUT_CERTIFICATE.has(refusal.code)
      ? finding('handshake/client-ca-suspect', { ...each.details, endpoint: url }, each.certificate)
      : each,
  )
  const isError = ({ severity }: Finding): boolean => severity === 'error'
  return [...own.filter(isError), refusal, ...own.filter((each) => !isError(each))]
}

/** Refusals of our certificate that do not say why. */
const ABOUT_CERTIFICATE: ReadonlySet<string> = new Set([
  'handshake/client-certificate-refused',
  'endpoint/request-refused',
])

/** Codes that say that no etcd gave an answer, neither good nor bad; a proxy without a back end speaks for nobody. */
const NO_ANSWER: ReadonlySet<string> = new Set([
  'discovery/no-records',
  'discovery/insecure-only',
  'discovery/lookup-failed',
  'discovery/lookup-timeout',
  'endpoint/refused',
  'endpoint/name-not-found',
  'endpoint/lookup-timeout',
  'endpoint/connect-failed',
  'endpoint/connect-timeout',
  'endpoint/silent',
  'endpoint/stalled',
  'endpoint/unavailable',
  'endpoint/learner',
  'endpoint/no-quorum',
  'endpoint/closed-after-handshake',
  'endpoint/local-limit',
])

/** How a connection ends that something answered on. */
const ANSWERED: ReadonlySet<string> = new Set(['refused', 'not-grpc', 'unanswered'])

/** Whether an endpoint with these findings answered and refused, or was refused. */
export function hasAnswered(findings: readonly Finding[]): boolean {
  return findings.some((each) => {
    if (each.code === 'endpoint/reset') return each.details.answered
    if (each.code === 'endpoint/lost') return ANSWERED.has(each.details.reason)
    return each.severity === 'error' && !NO_ANSWER.has(each.code)
  })
}

function refusedServer(attempt: FailedAttempt, verdict: ServerVerdict, reason: string): Finding[] {
  const chain = verdict.chain.map((each, index) => certificateRef(each, index === 0 ? 'leaf' : 'intermediate', index))
  const refused = finding(
    'handshake/server-certificate-refused',
    { endpoint: attempt.endpoint.url, reason, chain },
    chain[0] ?? null,
  )
  return [...verdict.report.findings, refused]
}

function explainTimeout({ endpoint: { url, address: host }, failure, timeout }: FailedAttempt): Finding {
  const address = failure.target?.address ?? null
  switch (failure.stage) {
    case 'lookup':
      return finding('endpoint/lookup-timeout', { endpoint: url, host, timeout })
    case 'connect':
      return finding('endpoint/connect-timeout', { endpoint: url, address, timeout })
    case 'handshake':
      return finding('endpoint/silent', { endpoint: url, address, timeout, answered: failure.answered })
    case 'settings':
    case 'greeting': {
      const after = failure.stage === 'settings' ? 'handshake' : 'settings'
      return finding('endpoint/stalled', { endpoint: url, timeout, protocol: failure.protocol ?? 'TLS', after })
    }
  }
}

/** `host`: the name as it was looked up, with the trailing dot that it may have. */
function explainConnect({ endpoint: { url, address: host }, failure, timeout }: FailedAttempt): Finding {
  const errorCode = codeOf(failure.error)
  const address = failure.target?.address ?? null
  switch (errorCode) {
    case 'EMFILE':
    case 'ENFILE':
    case 'EADDRNOTAVAIL':
    case 'ENOBUFS':
    case 'ENOMEM':
      return finding('endpoint/local-limit', { endpoint: url, errorCode })
    case 'ECONNREFUSED':
    // A unix socket that does not exist.
    case 'ENOENT':
      return finding('endpoint/refused', { endpoint: url, address })
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ENODATA':
      return finding('endpoint/name-not-found', { endpoint: url, host, errorCode })
    case 'ECONNRESET':
      // The end of a connection that had come about, read before its beginning.
      return finding('endpoint/reset', { endpoint: url, errorCode, answered: false })
    case 'ETIMEDOUT':
      return finding('endpoint/connect-timeout', { endpoint: url, address, timeout })
    default:
      return finding('endpoint/connect-failed', { endpoint: url, address, errorCode })
  }
}

/** OpenSSL read an answer that is no TLS record. */
const NOT_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_RECORD_TOO_SMALL',
  'ERR_SSL_UNEXPECTED_MESSAGE',
  'ERR_SSL_UNKNOWN_PROTOCOL',
  'ERR_SSL_HTTP_REQUEST',
])

function explainHandshake(attempt: FailedAttempt): Finding[] {
  const { failure, diagnosis, accepted } = attempt
  const endpoint = attempt.endpoint.url
  const errorCode = codeOf(failure.error)
  if (diagnosis.plaintext !== null) return [finding('endpoint/plaintext', { endpoint, protocol: diagnosis.plaintext })]
  if (isVerificationError(failure.error)) {
    const verdict = diagnosis.verdict ?? NOTHING_SEEN
    const inTime = (time: number): boolean => verdict.chain.every((each) => isValid(each, time))
    return [...refusedServer(attempt, verdict, errorCode), ...compareClocks(attempt, inTime)]
  }
  if (NOT_TLS.has(errorCode)) {
    return [finding('endpoint/not-tls', { endpoint, errorCode, firstBytes: diagnosis.firstBytes })]
  }
  if (errorCode === 'ERR_SSL_UNSUPPORTED_PROTOCOL') return [versionFinding(endpoint, null, accepted)]
  if (isConnectionEnd(failure.error)) {
    // In TLS 1.2 a server sees our certificate before the handshake ends, and some only close then.
    if (failure.certificateSent === true) return closedWithoutAlert(attempt)
    return [finding('endpoint/reset', { endpoint, errorCode, answered: failure.answered })]
  }
  return [finding('handshake/failed', { endpoint, errorCode, detail: failure.error?.message.trim() ?? '' })]
}

/** @param explains Whether the refusal would be explained by that time. */
function compareClocks({ diagnosis: { clock } }: FailedAttempt, explains: (time: number) => boolean): Finding[] {
  return clock === null ? [] : [clockFinding(clock, explains)]
}

function areValid({ credentials }: Accepted, time: number): boolean {
  return credentials.chain.every((each) => isValid(each, time))
}

function isValid({ notBefore, notAfter }: Certificate, time: number): boolean {
  return notBefore.getTime() <= time && time <= notAfter.getTime()
}

const OUT_OF_TIME: ReadonlySet<string> = new Set(['validity/expired', 'validity/not-yet-valid'])

/** Whether nothing but the time speaks against a server's chain: by another clock it would be good. */
export function isOnlyOutOfTime({ report }: ServerVerdict): boolean {
  return !report.ok && report.findings.every(({ severity, code }) => severity !== 'error' || OUT_OF_TIME.has(code))
}

const NOTHING_SEEN: ServerVerdict = { chain: [], report: { ok: true, checkedAt: new Date(0), path: [], findings: [] } }

function explainAfterHandshake(attempt: FailedAttempt): Finding[] {
  const { endpoint, failure } = attempt
  if (attempt.diagnosis.http1 !== null) {
    const detail = `it closes such connections, and answers "${attempt.diagnosis.http1}" to HTTP/1.1, as etcd’s peer port does`
    return [finding('endpoint/not-http2', { endpoint: endpoint.url, protocol: failure.protocol ?? 'TLS', detail })]
  }
  if (isConnectionEnd(failure.error)) {
    // A server that asked for no certificate has nothing against ours.
    if (failure.certificateSent === false) return [closedUnasked(attempt)]
    if (failure.alpn === 'h2') return closedWithoutAlert(attempt)
  }
  const detail = failure.error === null ? 'it closed the connection' : failure.error.message.trim()
  return [finding('endpoint/not-http2', { endpoint: endpoint.url, protocol: failure.protocol ?? 'TLS', detail })]
}

/** HTTP/2 is there, so the certificates are good on both sides. */
function explainGreeting(attempt: FailedAttempt): Finding[] {
  const {
    endpoint: { url },
    failure: { answer, error, certificateSent },
  } = attempt
  if (answer !== null) {
    const found = answerFinding(url, GREETING_METHOD, answer)
    // The status by which nginx refuses a client certificate.
    if (answer.httpStatus !== 400 || certificateSent !== true) return [found]
    return [...besideOwn(found, attempt), ...clockOfAnswer(attempt, answer)]
  }
  // A server that asked for no certificate has nothing against ours.
  if (certificateSent === false) return [closedUnasked(attempt)]
  const detail = error?.message.trim() ?? ''
  return [finding('endpoint/lost', { endpoint: url, reason: 'unanswered', detail })]
}

/** A server whose clock is wrong may take our certificate for one that is out of its validity. */
function clockOfAnswer({ endpoint: { url }, accepted }: FailedAttempt, { date }: Answer): Finding[] {
  if (date === null) return []
  const reading = { endpoint: url, peer: date, own: Date.now() }
  const found = clockFinding(reading, (time) => !areValid(accepted, time))
  return found.code === 'handshake/clock-differs' ? [found] : []
}

function closedUnasked({ endpoint, failure }: FailedAttempt): Finding {
  const leaf = failure.verdict?.chain[0]
  const details = {
    endpoint: endpoint.url,
    protocol: failure.protocol ?? 'TLS',
    subject: leaf?.subject.toString() ?? 'unknown',
    issuer: leaf?.issuer.toString() ?? 'unknown',
  }
  return finding(
    'endpoint/closed-after-handshake',
    details,
    leaf === undefined ? null : certificateRef(leaf, 'leaf', 0),
  )
}

function closedWithoutAlert(attempt: FailedAttempt): Finding[] {
  const { endpoint, failure, accepted } = attempt
  const chain = accepted.credentials.chain.map((each, index) =>
    certificateRef(each, index === 0 ? 'leaf' : 'intermediate', index),
  )
  const details = { endpoint: endpoint.url, protocol: failure.protocol ?? 'TLSv1.2', chain }
  return besideOwn(finding('handshake/closed-without-alert', details, chain[0] ?? null), attempt)
}

/** The error's code; `closed` where there was no error at all. */
function codeOf(error: Error | null): string {
  if (error === null) return 'closed'
  const code: unknown = 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'unknown'
}

/** Whether the connection just ended: closed, reset, or written to after its end. */
function isConnectionEnd(error: Error | null): boolean {
  return error === null || ['ECONNRESET', 'EPIPE', 'ECONNABORTED'].includes(codeOf(error))
}

/** Whether Node refused the server's chain. Its codes are OpenSSL's X509_V_ERR names, unlike `ERR_…` and `ECONNRESET`. */
export function isVerificationError(error: Error | null): boolean {
  if (error === null) return false
  const code = codeOf(error)
  return (
    code === 'UNSPECIFIED' || (/^[A-Z]+_[A-Z_]+$/.test(code) && !code.startsWith('ERR_') && !code.startsWith('EAI_'))
  )
}

/** Whether the endpoint closed a connection that had been verified, and for which HTTP/2 had been agreed. */
export function wasClosedInSilence(failure: DialFailure): boolean {
  return failure.stage === 'settings' && failure.alpn === 'h2' && !failure.timedOut && isConnectionEnd(failure.error)
}

/** Whether it is worth while to speak to the endpoint in plaintext: what it answered was no TLS. */
export function looksLikePlaintext(failure: DialFailure): boolean {
  return failure.stage === 'handshake' && (NOT_TLS.has(codeOf(failure.error)) || isConnectionEnd(failure.error))
}
