/** The lifetime of a new certificate: it begins five minutes ago, and stays within its issuer's. */
import { optionInvalid } from '../report/option-error.js'
import { parseDuration } from '../report/duration.js'
import type { AuthorityParts } from './issuing-ca.js'
import { issueRefused } from './refuse.js'

/** A new certificate must be valid for a member whose clock is slow. */
export const BACKDATED_MS = 5 * 60_000
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
 * A lifetime within those of all CAs above, because verifiers refuse a path with an expired certificate. A default validity is
 * shortened; an explicit one that is too long is refused. The backdated five minutes do not count, so that a new authority of `'90d'`
 * can issue `'90d'`.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if one of them is not valid now, or expires too early.
 */
export function lifetimeWithin(
  { certificate, chain }: Pick<AuthorityParts, 'certificate' | 'chain'>,
  validity: { duration: number; isExplicit: boolean },
  now: Date,
): Lifetime {
  const wanted = lifetimeFromNow(validity.duration, now)
  const lifetime = { ...wanted }
  for (const ca of [certificate, ...chain]) {
    const { notBefore, notAfter } = ca
    const whose =
      ca === certificate ? "authority's certificate" : `certificate "${ca.subject.toString()}" above the authority`
    if (notBefore > now) throw issueRefused(`The ${whose} is not valid before ${notBefore.toISOString()}`)
    if (notAfter <= now) throw issueRefused(`The ${whose} has expired at ${notAfter.toISOString()}`)
    if (validity.isExplicit && wanted.notAfter.getTime() > notAfter.getTime() + BACKDATED_MS) {
      throw issueRefused(
        `The certificate would be valid until ${wanted.notAfter.toISOString()}, ` +
          `but the ${whose} ends at ${notAfter.toISOString()}; ask for a shorter "validity"`,
      )
    }
    if (notBefore > lifetime.notBefore) lifetime.notBefore = notBefore
    if (notAfter < lifetime.notAfter) lifetime.notAfter = notAfter
  }
  return lifetime
}

export function wholeSecond(time: number): Date {
  return new Date(Math.floor(time / 1000) * 1000)
}
