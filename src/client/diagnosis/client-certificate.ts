/** Explains why a server refused our certificate, from the evidence and from our own findings about it. */
import type { ClientCaUnknown } from '../../report/catalogue/handshake.js'
import type { Finding } from '../../report/finding.js'
import { type Certificate, certificateRef } from '../../x509/certificate.js'
import type { DistinguishedName } from '../../x509/distinguished-name.js'
import { finding } from '../base/finding.js'
import { revalidate, type ValidatedCredentials } from '../base/validated-credentials.js'
import {
  areValid,
  chainRefs,
  type Diagnosis,
  type FailedAttempt,
  isBeforeCertificate,
  MAX_NAMES,
  MAY_CONCERN_CA,
  TOLERANCE,
} from './evidence.js'

/**
 * Alerts that Go, and so etcd, sends if it received no client certificate: in TLS 1.3; in TLS 1.2 up to Go 1.24; in TLS
 * 1.2 since Go 1.25.
 */
const NONE_RECEIVED: ReadonlySet<number> = new Set([116, 42, 40])

/** Explains an alert about our certificate; null if the alert is about something else, as it is before the certificate was sent. */
export function explainCertificateAlert(alert: number, attempt: FailedAttempt): Finding | null {
  const { validated, failure, diagnosis } = attempt
  if (isBeforeCertificate(failure)) return null
  const { chain, key } = validated.credentials
  const leaf = certificateRef(chain[0], 'leaf', 0)
  const details = { endpoint: attempt.endpoint.url, alert, chain: chainRefs(chain) }
  if (NONE_RECEIVED.has(alert) && failure.certificateSent === false) {
    return finding('handshake/client-certificate-missing', { ...details, keyAlgorithm: key.algorithm }, leaf)
  }
  // The list of CAs is evidence, whatever reason the alert gives.
  if (MAY_CONCERN_CA.has(alert) && isUnlisted(attempt)) return caUnknown(attempt, alert)
  switch (alert) {
    case 42: // bad_certificate
    case 43: // unsupported_certificate
    case 44: // certificate_revoked
    case 45: // certificate_expired
    case 46: {
      // certificate_unknown
      const begin = new Date(Math.max(...chain.map(({ notBefore }) => notBefore.getTime())))
      const { subject, subjectAltNames } = chain[0]
      const names = subjectAltNames.slice(0, MAX_NAMES).map(({ value }) => value)
      const { library, clock } = diagnosis
      const clocksAgree = clock !== null && Math.abs(clock.peer - clock.own) <= TOLERANCE
      const validity = alert === 45 ? { ...validityOf(chain), clocksAgree } : null
      const more = {
        begin,
        age: Date.now() - begin.getTime(),
        commonName: subject.commonName,
        names,
        validity,
        library,
      }
      return finding('handshake/client-certificate-refused', { ...details, ...more }, leaf)
    }
    case 48: // unknown_ca
      return caUnknown(attempt, alert)
    case 116: // certificate_required
      return finding('handshake/client-certificate-missing', { ...details, keyAlgorithm: null }, leaf)
    default:
      return null
  }
}

/** Maximum number of names of CAs that a finding lists. */
const MAX_CAS = 50

/** The issuer of our certificate, and the CAs that the server accepts. */
function issuerOf(
  { credentials }: ValidatedCredentials,
  { authorities }: Diagnosis,
): Pick<ClientCaUnknown, 'issuer' | 'accepts' | 'listed' | 'held'> {
  const { chain, trustAnchors, clientAnchors = [] } = credentials
  // The certificates that the leaf's signatures lead to. The rest of the chain signed none of them.
  let [last] = chain
  const linked = [last]
  for (const each of chain.slice(1)) {
    if (!each.subject.equals(last.issuer) || !last.isSignedBy(each)) continue
    last = each
    linked.push(each)
  }
  const isNamed = (name: DistinguishedName): boolean =>
    linked.some(({ issuer, subject }) => name.equals(issuer) || name.equals(subject))
  return {
    issuer: String(last.issuer),
    accepts: authorities?.slice(0, MAX_CAS).map(String) ?? null,
    // A listed CA with this name may have a different key.
    listed: authorities?.some(isNamed) ?? null,
    held: heldOf(last, [...trustAnchors, ...clientAnchors], chain),
  }
}

/** What we have of the issuer of the last certificate that was sent. */
function heldOf(
  last: Certificate,
  anchors: readonly Certificate[],
  chain: readonly Certificate[],
): ClientCaUnknown['held'] {
  const namesakes = anchors.filter(({ subject }) => subject.equals(last.issuer))
  if (namesakes.some(({ isSelfIssued }) => !isSelfIssued)) return 'intermediate'
  if (namesakes.some((each) => last.isSignedBy(each))) return 'root'
  return chain.some((each) => each !== last && each.subject.equals(last.issuer)) ? 'another key' : null
}

/** Whether the server has sent the list of CAs that it accepts, and it has no CA of our certificate. */
export function isUnlisted({ validated, diagnosis }: FailedAttempt): boolean {
  const { accepts, listed } = issuerOf(validated, diagnosis)
  return listed === false && accepts !== null && accepts.length > 0
}

export function caUnknown(attempt: FailedAttempt, alert: number | null): Finding {
  const { endpoint, validated, diagnosis, failure } = attempt
  const chain = chainRefs(validated.credentials.chain)
  const server = failure.answer?.server ?? undefined
  const details = { endpoint: endpoint.url, alert, chain, ...issuerOf(validated, diagnosis), server }
  return finding('handshake/client-ca-unknown', details, chain[0] ?? null)
}

/**
 * The nearest start or end of a validity, which the server's clock is most likely beyond, and the state by this
 * machine's clock.
 */
function validityOf(chain: readonly Certificate[]) {
  const now = Date.now()
  const edges = chain.flatMap(({ notBefore, notAfter }) => [
    { edge: 'not-before' as const, date: notBefore, distance: Math.abs(now - notBefore.getTime()) },
    { edge: 'not-after' as const, date: notAfter, distance: Math.abs(now - notAfter.getTime()) },
  ])
  const nearest = edges.reduce((best, each) => (each.distance < best.distance ? each : best))
  // The second of notAfter belongs to the validity.
  const second = Math.floor(now / 1000) * 1000
  const isExpired = chain.some(({ notAfter }) => second > notAfter.getTime())
  const here = isExpired ? 'expired' : areValid(chain, second) ? 'valid' : 'not-yet-valid'
  return { ...nearest, here } as const
}

/**
 * Adds the current findings about our certificates to a refusal. An error among them, such as an expiry, is its cause.
 * A warning, or a CA that only the server can check, may be.
 */
export function withOwnFindings(refusal: Finding, { endpoint, validated, diagnosis }: FailedAttempt): Finding[] {
  const isUnexplained =
    issuerOf(validated, diagnosis).listed !== true &&
    (refusal.code === 'endpoint/not-etcd' ||
      (refusal.code === 'handshake/client-certificate-refused' && ![44, 45].includes(refusal.details.alert)))
  const own = revalidate(validated).findings.map((each) => {
    if (each.code !== 'chain/client-ca-not-given' || !isUnexplained) return each
    const { issuer } = each.details
    const chain = chainRefs(validated.credentials.chain)
    const unknown = { alert: null, accepts: null, listed: null, held: null }
    const details = { endpoint: endpoint.url, chain, issuer, ...unknown }
    return finding('handshake/client-ca-unknown', details, each.certificate)
  })
  const isError = ({ severity }: Finding): boolean => severity === 'error'
  return [...own.filter(isError), refusal, ...own.filter((each) => !isError(each))]
}

export function closedWithoutAlert(attempt: FailedAttempt): Finding[] {
  if (isUnlisted(attempt)) return withOwnFindings(caUnknown(attempt, null), attempt)
  const { endpoint, failure, validated, diagnosis } = attempt
  const chain = chainRefs(validated.credentials.chain)
  const { library } = diagnosis
  const details = { endpoint: endpoint.url, protocol: failure.protocol ?? 'TLSv1.2', chain, library }
  return withOwnFindings(finding('handshake/closed-without-alert', details, chain[0] ?? null), attempt)
}
