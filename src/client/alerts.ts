/** TLS alerts that a server sends, each with what it says about whom. Numbers are RFC 8446's; texts are OpenSSL's and change. */
import type { Credentials } from '../credentials/credentials.js'
import type { Finding } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import type { Host } from '../x509/names.js'
import type { Accepted } from './accept.js'
import type { DialFailure } from './transport/dial.js'
import { finding } from './finding.js'

/** Names of a certificate that a finding shows. */
export const MAX_NAMES = 20

/** Where and with what the alert was met. */
export interface AlertContext {
  endpoint: string
  name: Host
  accepted: Accepted
  failure: DialFailure
  /** The names of the CAs whose certificates the server accepts; null where it did not say. */
  authorities: readonly DistinguishedName[] | null
}

type ClientCode =
  | 'handshake/client-certificate-refused'
  | 'handshake/client-certificate-revoked'
  | 'handshake/client-certificate-required'

/** Alerts that judge our certificate. */
const ABOUT_US: ReadonlyMap<number, ClientCode> = new Map<number, ClientCode>([
  [42, 'handshake/client-certificate-refused'],
  [43, 'handshake/client-certificate-refused'],
  [44, 'handshake/client-certificate-revoked'],
  [46, 'handshake/client-certificate-refused'],
  [116, 'handshake/client-certificate-required'],
])

/** Alerts that Go, and so etcd, sends when it got no certificate: in TLS 1.3; in TLS 1.2 up to Go 1.24; since Go 1.25. */
const NONE_GOT: ReadonlySet<number> = new Set([116, 42, 40])

/** What one alert means. */
export function explainAlert(alert: number, context: AlertContext): Finding {
  const { endpoint, name, accepted, failure } = context
  const { chain, key } = accepted.credentials
  const leaf = certificateRef(chain[0], 'leaf', 0)
  const details = {
    endpoint,
    alert,
    chain: chain.map((each, index) => certificateRef(each, index === 0 ? 'leaf' : 'intermediate', index)),
  }
  if (NONE_GOT.has(alert) && failure.certificateSent === false) {
    return finding('handshake/client-certificate-not-sent', { ...details, keyAlgorithm: key.algorithm }, leaf)
  }
  if (alert === 45) {
    const edge = chain.flatMap(edgesOf).reduce((best, each) => (each.distance < best.distance ? each : best))
    return finding('handshake/client-certificate-expired', { ...details, ...edge, here: standingOf(chain) }, leaf)
  }
  if (alert === 48) {
    const { authorities } = context
    // Where the issuer of the last certificate of the path is listed, its name is known and its key is another.
    const last = endOfPath(chain)
    const listed = authorities?.some((each) => each.equals(last.issuer) || each.equals(last.subject)) ?? null
    const accepts = authorities?.map(String) ?? null
    const { trustAnchors, clientAnchors = [] } = accepted.credentials
    const notSent = [...trustAnchors, ...clientAnchors].some(
      (each) => !each.isSelfIssued && each.subject.equals(last.issuer),
    )
    const issuer = String(last.issuer)
    return finding('handshake/client-ca-unknown', { ...details, issuer, accepts, listed, notSent }, leaf)
  }
  const aboutUs = ABOUT_US.get(alert)
  if (aboutUs === 'handshake/client-certificate-refused') {
    const begin = new Date(Math.max(...chain.map(({ notBefore }) => notBefore.getTime())))
    const { subject, subjectAltNames } = chain[0]
    const names = subjectAltNames.slice(0, MAX_NAMES).map(({ value }) => value)
    const more = { begin, age: Date.now() - begin.getTime(), commonName: subject.commonName, names }
    return finding(aboutUs, { ...details, ...more }, leaf)
  }
  if (aboutUs !== undefined) return finding(aboutUs, details, leaf)
  switch (alert) {
    case 40: // handshake_failure
    case 47: // illegal_parameter
    case 71: // insufficient_security
      return finding('handshake/no-common-parameters', { endpoint, alert })
    case 70: // protocol_version
      return versionFinding(endpoint, alert, accepted)
    case 80: // internal_error
      return finding('handshake/server-internal-error', { endpoint, alert })
    case 112: // unrecognized_name
      return finding('handshake/name-unknown', { endpoint, alert, name: name.value, sent: name.kind === 'dns' })
    case 120: // no_application_protocol
      return finding('handshake/no-application-protocol', { endpoint, alert })
    default:
      return finding('handshake/alert', details)
  }
}

/** The last certificate that the leaf leads to by signatures: what was sent after it signed none of them. */
function endOfPath(chain: Credentials['chain']): Certificate {
  let [end] = chain
  for (const each of chain.slice(1)) if (each.subject.equals(end.issuer) && end.isSignedBy(each)) end = each
  return end
}

interface Edge {
  /** The end of a validity that the server's clock is most likely beyond. */
  edge: 'not-before' | 'not-after'
  date: Date
  /** How far from now, in milliseconds. */
  distance: number
}

/** The two ends of a certificate's validity, and how far from now they are. */
function edgesOf({ notBefore, notAfter }: Certificate): [Edge, Edge] {
  const now = Date.now()
  return [
    { edge: 'not-before', date: notBefore, distance: Math.abs(now - notBefore.getTime()) },
    { edge: 'not-after', date: notAfter, distance: Math.abs(notAfter.getTime() - now) },
  ]
}

/** Whether all certificates are valid by this machine's clock; else what the first one is that is not. */
function standingOf(chain: readonly Certificate[]): 'valid' | 'expired' | 'not-yet-valid' {
  const now = Math.floor(Date.now() / 1000) * 1000
  if (chain.some(({ notAfter }) => now > notAfter.getTime())) return 'expired'
  return chain.some(({ notBefore }) => now < notBefore.getTime()) ? 'not-yet-valid' : 'valid'
}

export function versionFinding(endpoint: string, alert: number | null, accepted: Accepted): Finding {
  const { minVersion, maxVersion } = accepted.tls
  return finding('handshake/no-common-version', { endpoint, alert, minVersion, maxVersion })
}
