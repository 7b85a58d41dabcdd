/** Validity in time (RFC 5280 section 4.1.2.5). */
import type { Context } from '../context.js'
import type { FindingCollector, PathCertificate } from '../path-certificate.js'

const DAY = 86_400_000
const LONG_LIFETIME_DAYS = 825
const LONGEST_DEFAULT_WARNING = 30 * DAY

export function checkValidity(place: PathCertificate, context: Context, notes: FindingCollector): void {
  const { notBefore, notAfter } = place.certificate
  const { at } = context
  if (notBefore > notAfter) notes.add(place, 'validity/inverted', { notBefore, notAfter })
  // Certificates count whole seconds, and the second of notAfter belongs to the validity.
  const now = Math.floor(at.getTime() / 1000) * 1000
  if (now - context.clockSkew > notAfter.getTime()) {
    notes.add(place, 'validity/expired', { notAfter, at, ago: durationText(at.getTime() - notAfter.getTime()) })
  } else if (now + context.clockSkew < notBefore.getTime()) {
    notes.add(place, 'validity/not-yet-valid', {
      notBefore,
      at,
      ahead: durationText(notBefore.getTime() - at.getTime()),
    })
  } else {
    checkLastSecond(place, context, notes)
    checkRemaining(place, context, notes)
  }
  const days = Math.ceil((notAfter.getTime() - notBefore.getTime()) / DAY)
  if (place.index === 0 && days > LONG_LIFETIME_DAYS) notes.add(place, 'validity/lifetime-long', { days })
}

/**
 * Go refuses as soon as the moment of notAfter is over, and OpenSSL from that moment on (crypto/x509 isValid,
 * X509_cmp_time); RFC 5280 counts the whole second.
 */
function checkLastSecond(place: PathCertificate, { at, clockSkew, usage }: Context, notes: FindingCollector): void {
  const { notAfter } = place.certificate
  const beyond = at.getTime() - clockSkew - notAfter.getTime()
  if (beyond > 0 || (beyond === 0 && usage === 'server'))
    notes.add(place, 'validity/expires-soon', { kind: 'last second', notAfter, at, usage })
}

function checkRemaining(place: PathCertificate, context: Context, notes: FindingCollector): void {
  const { notBefore, notAfter } = place.certificate
  const left = notAfter.getTime() - context.at.getTime()
  const lifetime = notAfter.getTime() - notBefore.getTime()
  const window = context.expiryWarning ?? Math.min(lifetime / 3, LONGEST_DEFAULT_WARNING)
  if (left < window) notes.add(place, 'validity/expires-soon', { kind: 'soon', notAfter, left: durationText(left) })
}

/** Checks of the whole path: who outlives whom, and whether it is the clock that is wrong. */
export function checkPathValidity(path: readonly PathCertificate[], context: Context, notes: FindingCollector): void {
  path.forEach((place, i) => {
    const issuer = path[i + 1]
    if (issuer === undefined) return
    const { notAfter } = place.certificate
    const issuerNotAfter = issuer.certificate.notAfter
    if (notAfter <= issuerNotAfter) return
    const details = { notAfter, issuerNotAfter, issuer: issuer.certificate.subject.toString() }
    notes.add(place, 'validity/outlives-issuer', details)
  })
  const begins = path.map(({ certificate }) => certificate.notBefore.getTime())
  if (path.length > 1 && begins.every((begin) => begin > context.at.getTime() + context.clockSkew)) {
    notes.add(null, 'validity/clock-suspect', { at: context.at, earliest: new Date(Math.min(...begins)) })
  }
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
