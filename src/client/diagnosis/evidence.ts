/** The evidence of a failed attempt, and what it shows. */
import { codeOf } from '../../report/errors.js'
import type { CertificateRef } from '../../report/finding.js'
import { type Certificate, certificateRef } from '../../x509/certificate.js'
import type { DistinguishedName } from '../../x509/distinguished-name.js'
import type { Host } from '../../x509/names.js'
import type { Endpoint } from '../base/endpoints.js'
import type { DialFailure } from '../transport/address-attempt.js'
import type { Answer } from '../transport/health-check.js'
import type { ServerValidation } from '../transport/tls-socket.js'
import type { ValidatedCredentials } from '../base/validated-credentials.js'
import type { PlaintextAnswer } from './plaintext.js'

/** Two clocks, read at the same time, in milliseconds since 1970. */
export interface ClockReading {
  /** The endpoint of the clock `peer`. */
  readonly endpoint: string
  readonly peer: number
  readonly own: number
}

/** Milliseconds that two clocks may differ: `Date` has whole seconds, and the answer takes time. */
export const TOLERANCE = 5000

/** The results of a second connection to the endpoint. */
export interface Diagnosis {
  /** Our validation of the chain that OpenSSL refused. */
  validation: ServerValidation | null
  /** What the endpoint answered in plaintext. */
  plaintext: PlaintextAnswer | null
  /** The status line with which a server that closes HTTP/2 connections answered over HTTP/1.1; null if it did not. */
  http1: string | null
  /** The names of the CAs whose certificates the server accepts; null if it did not send them. It is not verified. */
  authorities: readonly DistinguishedName[] | null
  /** The server's clock, if a certificate is expired or not yet valid; null if it was not read. */
  clock: ClockReading | null
  /** The TLS library of the server: `other` is not the one of etcd. Null if it is not known. */
  library: 'Go' | 'other' | null
  /** The protocol that the server chose when its chain was read (ALPN); false if it chose none, null if the chain was not read. */
  alpn: string | false | null
}

/**
 * The TLS library, by the signature schemes that a server accepts of clients. Go, and so etcd, prefers rsa_pss_rsae_sha256 and has neither
 * Ed448 nor RSA-PSS keys (crypto/tls defaults.go), which OpenSSL and Java accept.
 */
export function libraryOf(schemes: readonly number[]): Diagnosis['library'] {
  if (schemes.some((each) => each >= 0x0808 && each <= 0x080b)) return 'other'
  return schemes[0] === 0x0804 ? 'Go' : null
}

export const EMPTY_DIAGNOSIS: Diagnosis = {
  validation: null,
  plaintext: null,
  http1: null,
  authorities: null,
  clock: null,
  library: null,
  alpn: null,
}

export interface FailedAttempt {
  endpoint: Endpoint
  name: Host
  validated: ValidatedCredentials
  failure: DialFailure
  diagnosis: Diagnosis
  /** The time that the attempt had, in milliseconds. */
  timeout: number
  /** Whether the endpoint was ready before. */
  wasReady?: boolean
}

export function chainRefs(chain: readonly Certificate[]): CertificateRef[] {
  return chain.map((each, index) => certificateRef(each, index === 0 ? 'leaf' : 'intermediate', index))
}

/** The error's code; `closed` if there was no error at all. */
export function errorCodeOf(error: Error | null): string {
  return error === null ? 'closed' : (codeOf(error) ?? 'unknown')
}

/** Whether the connection ended without a TLS or HTTP/2 error. */
export function isConnectionEnd(error: Error | null): boolean {
  return error === null || ['ECONNRESET', 'EPIPE', 'ECONNABORTED'].includes(errorCodeOf(error))
}

/** Whether Node refused the server's chain. Its codes are OpenSSL's X509_V_ERR names, unlike `ERR_…` and `ECONNRESET`. */
export function isVerificationError(error: Error | null): boolean {
  return /^(?:UNSPECIFIED|(?!ERR_|EAI_)[A-Z]+_[A-Z_]+)$/.test(codeOf(error) ?? '')
}

/** OpenSSL errors for an answer that is not a TLS record. */
export const NOT_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_RECORD_TOO_SMALL',
  'ERR_SSL_UNEXPECTED_MESSAGE',
  'ERR_SSL_UNKNOWN_PROTOCOL',
  'ERR_SSL_HTTP_REQUEST',
])

/** Maximum number of names of a certificate that a finding shows. */
export const MAX_NAMES = 20

/** Whether the server ended the handshake before the client sent more than its first message. */
export function isBeforeCertificate({ stage, certificateSent }: DialFailure): boolean {
  return stage === 'handshake' && certificateSent === null
}

/** Alerts about the client certificate whose cause may be its CA: they report no other cause, as 44 (revoked) and 45 (expired) do. */
export const MAY_CONCERN_CA: ReadonlySet<number | null> = new Set([40, 41, 42, 43, 46, 48, 49])

/** Whether the server may have refused our certificate because of its CA: then the CAs that it accepts are evidence. */
export function mayConcernCertificate({
  alert,
  answer,
  certificateSent,
  stage,
  timedOut,
  error,
}: DialFailure): boolean {
  if (certificateSent !== true) return false
  if (alert !== null) return MAY_CONCERN_CA.has(alert)
  // Some servers that speak TLS 1.2 refuse a certificate by closing, and nginx refuses it by an answer.
  return stage === 'handshake' ? !timedOut && isConnectionEnd(error) : answer !== null && isRefusedByAnswer(answer)
}

/** nginx refuses a client certificate by such a page. Other refusals may have nothing to do with it. */
export function isRefusedByAnswer({ httpStatus, title }: Answer): boolean {
  return httpStatus === 400 && title?.includes('SSL certificate error') === true
}

/** Whether the endpoint closed the connection after the handshake, although it had negotiated HTTP/2. */
export function isClosedAfterHandshake(failure: DialFailure): boolean {
  return failure.stage === 'settings' && failure.alpn === 'h2' && !failure.timedOut && isConnectionEnd(failure.error)
}

/** Whether to probe in plaintext: the endpoint did not answer with TLS. */
export function looksLikePlaintext(failure: DialFailure): boolean {
  return failure.stage === 'handshake' && (NOT_TLS.has(errorCodeOf(failure.error)) || isConnectionEnd(failure.error))
}

export function areValid(certificates: readonly Certificate[], time: number): boolean {
  return certificates.every(({ notBefore, notAfter }) => notBefore.getTime() <= time && time <= notAfter.getTime())
}
