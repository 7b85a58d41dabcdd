/** The validity period (RFC 5280 section 4.1.2.5). */
import type { FindingCollector, PathCertificate } from '../context.js'

const DAY = 86_400_000
const LONG_LIFETIME_DAYS = 825
const LONGEST_DEFAULT_WARNING = 30 * DAY

export function checkValidity(place: PathCertificate, findings: FindingCollector): void {
  const { notBefore, notAfter } = place.certificate
  const { at, clockSkew, usage, expiryWarning } = findings.rules
  const lifetime = notAfter.getTime() - notBefore.getTime()
  const left = notAfter.getTime() - at.getTime()
  // Dates in certificates are whole seconds, and the second of notAfter is included.
  const now = wholeSeconds(at)
  if (notBefore > notAfter) findings.add(place, 'validity/inverted', { notBefore, notAfter })
  if (now - clockSkew > notAfter.getTime()) {
    findings.add(place, 'validity/expired', { notAfter, at, ago: durationText(-left) })
  } else if (now + clockSkew < notBefore.getTime()) {
    const ahead = durationText(notBefore.getTime() - at.getTime())
    findings.add(place, 'validity/not-yet-valid', { notBefore, at, ahead })
  } else {
    // Go, which validates clients and peers, refuses after the instant of notAfter; OpenSSL, and so Node, which validates servers, from
    // that instant on (crypto/x509 isValid, X509_cmp_time).
    const beyond = -left - clockSkew
    if (beyond > 0 || (beyond === 0 && usage === 'server'))
      findings.add(place, 'validity/expires-soon', { kind: 'last second', notAfter, at, usage })
    if (left < (expiryWarning ?? Math.min(lifetime / 3, LONGEST_DEFAULT_WARNING)))
      findings.add(place, 'validity/expires-soon', { kind: 'soon', notAfter, left: durationText(left) })
  }
  const days = Math.ceil(lifetime / DAY)
  if (place.index === 0 && days > LONG_LIFETIME_DAYS) findings.add(place, 'validity/lifetime-long', { days })
}

export function wholeSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000
}

/** Reports certificates that outlive their issuer, and a clock that may be wrong. */
export function checkPathValidity(path: readonly PathCertificate[], findings: FindingCollector): void {
  const { at, clockSkew } = findings.rules
  for (const { certificate: issuer, index } of path.slice(1)) {
    const place = path[index - 1]
    if (place === undefined || place.certificate.notAfter <= issuer.notAfter) continue
    const details = { issuerNotAfter: issuer.notAfter, issuer: issuer.subject.toString() }
    findings.add(place, 'validity/outlives-issuer', { notAfter: place.certificate.notAfter, ...details })
  }
  const begins = path.map(({ certificate }) => certificate.notBefore.getTime())
  if (path.length > 1 && begins.every((begin) => begin > at.getTime() + clockSkew))
    findings.add(null, 'validity/clock-suspect', { at, earliest: new Date(Math.min(...begins)) })
}

/** A duration in the largest unit that gives at least two. */
export function durationText(milliseconds: number): string {
  const units = [
    [365 * DAY, 'year'],
    [DAY, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1000, 'second'],
  ] as const
  const [size, name] = units.find(([unit]) => milliseconds >= 2 * unit) ?? [1000, 'second']
  const count = Math.round(milliseconds / size)
  return `${String(count)} ${name}${count === 1 ? '' : 's'}`
}
