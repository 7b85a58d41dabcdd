/** When a certificate is valid: counted from now, a little backdated, and never outside its issuer's own lifetime. */
import { optionInvalid } from '../misuse.js'
import { parseDuration } from '../x509/time.js'
import { issueRefused } from './refuse.js'

/** Clocks of a cluster differ: what is issued now shall be valid for a member whose clock is a little behind. */
const BACKDATED_MS = 5 * 60_000
/** RFC 5280 section 4.1.2.5: dates end with the year 9999. */
const LAST_MOMENT = Date.UTC(9999, 11, 31, 23, 59, 59)

export interface Lifetime {
  notBefore: Date
  notAfter: Date
}

/**
 * Reads a `validity` option, in milliseconds.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for one under a second or beyond the year 9999.
 */
export function readValidity(value: unknown, option: string, now: Date): number {
  const duration = parseDuration(value, option)
  if (duration < 1000) throw optionInvalid(option, 'must be at least one second')
  if (now.getTime() + duration > LAST_MOMENT) throw optionInvalid(option, 'must not reach beyond the year 9999')
  return duration
}

/** From five minutes ago until `validity` from now, in whole seconds. */
export function lifetimeFromNow(validity: number, now: Date): Lifetime {
  return { notBefore: wholeSecond(now.getTime() - BACKDATED_MS), notAfter: wholeSecond(now.getTime() + validity) }
}

/**
 * The lifetime of a certificate inside its issuer's.
 *
 * A default ends where the issuer ends, if that is earlier. What the caller asked for is given whole or refused, apart
 * from the minutes that a certificate is backdated: an authority of `'90d'` issues `'90d'` right after it was made.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the issuer is not valid now, or ends before what was asked for.
 */
export function lifetimeWithin(issuer: Lifetime, validity: { duration: number; asked: boolean }, now: Date): Lifetime {
  if (issuer.notBefore > now) {
    throw issueRefused(`The authority's certificate is not valid before ${issuer.notBefore.toISOString()}`)
  }
  if (issuer.notAfter <= now) {
    throw issueRefused(`The authority's certificate has expired at ${issuer.notAfter.toISOString()}`)
  }
  const wanted = lifetimeFromNow(validity.duration, now)
  if (validity.asked && wanted.notAfter.getTime() > issuer.notAfter.getTime() + BACKDATED_MS) {
    throw issueRefused(
      `The certificate would be valid until ${wanted.notAfter.toISOString()}, ` +
        `but the authority's own certificate ends at ${issuer.notAfter.toISOString()}; ask for a shorter "validity"`,
    )
  }
  return {
    notBefore: wanted.notBefore > issuer.notBefore ? wanted.notBefore : issuer.notBefore,
    notAfter: wanted.notAfter < issuer.notAfter ? wanted.notAfter : issuer.notAfter,
  }
}

/** X.509 knows no fractions of a second. */
export function wholeSecond(time: number): Date {
  return new Date(Math.floor(time / 1000) * 1000)
}
