import type { WatchableSource } from '../credentials/credentials.js'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { Authority } from './authority.js'
import { issueCredentials } from './issue.js'
import { type Issuer, ledgerEntry } from './issuer.js'
import { Revocations } from './revocations.js'
import { issueRefused } from './refuse.js'
import { checkAuthority } from './renew.js'
import { readFraction } from './renewal-due.js'
import { type Held, Renewer, type Schedule, systemTiming, type Timing } from './renewer.js'
import { RenewingSource } from './renewing-source.js'
import { type IssueRequest, readRequest } from './request.js'

/** When {@link fromAuthority} issues again. */
export interface FromAuthorityOptions {
  /** The share of the lifetime after which it does, above 0 and below 1. Default: 2/3. */
  fraction?: number | undefined
  /**
   * The share of what then remains by which the moment is moved at most, back or forth, so that many who started together
   * do not come together: 0 to 0.5. Default: 0.1.
   */
  jitter?: number | undefined
  /** Gives numbers from 0 to 1, for tests. Default: `Math.random`. */
  random?: (() => number) | undefined
}

const DEFAULT_JITTER = 0.1

/**
 * Credentials that an authority in this process issues at the first `load()`, and again after two thirds of their lifetime,
 * counted from when they were issued: by `load()`, and by `watch()`, which yields each set of them. A client that is given
 * this source goes over to each while calls go on.
 *
 * Any number of loads and watches share one certificate. Where the authority refuses or does not answer, the old
 * credentials serve for as long as they are valid; `watch()` throws the reason once, and it is tried again after one
 * second, then after longer pauses of at most a minute. `load()` rejects only where nothing valid is there. The time of day
 * is looked at every minute: clocks that are set, and machines that slept, are noticed. No timer keeps the process alive.
 *
 * With `request.validity`, the first certificate is refused where the authority ends before that; later ones then end with
 * the authority, and once nothing is gained by a new one that is what `watch()` throws.
 *
 * @param request As for `authority.issue`. Each certificate has a new key, unless the request brings one.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a request that is wrong in itself.
 */
export function fromAuthority(
  authority: Authority,
  request: IssueRequest,
  options: FromAuthorityOptions = {},
): WatchableSource {
  return authoritySource(authority, request, options, systemTiming(checkAuthority(authority).issuer.settings.now))
}

/** {@link fromAuthority} by any clocks. */
export function authoritySource(
  authority: Authority,
  request: IssueRequest,
  options: FromAuthorityOptions,
  timing: Timing,
): WatchableSource {
  const { issuer } = checkAuthority(authority)
  const { settings, certificate } = issuer
  const wanted = readRequest(request, settings.now())
  const schedule = readSchedule(options)
  const issue = async (held: Held | null) => {
    const now = settings.now()
    if (held !== null && endsNoLater(issuer, held, now)) {
      throw issueRefused(
        `The authority's own certificate ends at ${certificate.notAfter.toISOString()}, as the credentials that it issued ` +
          'do already: nothing is gained by others; give a source of a renewed authority to `rotate`',
      )
    }
    if (held !== null) {
      const revocations = await Revocations.read(settings.ledger)
      revocations.refuseCertificate(issuer, held.credentials.chain[0])
    }
    const validity = held === null ? wanted.validity : { ...wanted.validity, asked: false }
    const credentials = await issueCredentials(issuer, { ...wanted, validity }, now)
    await settings.ledger.append([ledgerEntry(issuer, credentials.chain[0], wanted.role)])
    return credentials
  }
  const origin = `${wanted.role} "${wanted.name}" of the authority "${certificate.subject.toString()}"`
  return new RenewingSource(origin, new Renewer(issue, schedule, timing))
}

/** Whether the authority, which is valid still, cannot issue anything that lasts longer. */
function endsNoLater({ certificate: { notAfter } }: Issuer, { credentials, begin }: Held, now: Date): boolean {
  const clockWasSetBack = now.getTime() < begin
  return !clockWasSetBack && now < notAfter && notAfter <= credentials.chain[0].notAfter
}

function readSchedule(options: FromAuthorityOptions): Schedule {
  checkOptions('options', options, ['fraction', 'jitter', 'random'])
  const { jitter = DEFAULT_JITTER, random = Math.random } = options
  const given: unknown = jitter
  if (typeof given !== 'number' || !(given >= 0 && given <= 0.5)) {
    throw optionInvalid('jitter', 'must be a number from 0 to 0.5')
  }
  if (typeof random !== 'function') throw optionInvalid('random', 'must be a function')
  return { fraction: readFraction(options.fraction, 'fraction'), jitter, random: () => readRandom(random()) }
}

function readRandom(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw optionInvalid('random', 'must give numbers from 0 to 1')
}
