/** A source of credentials that an authority in this process issues, and renews before they expire. */
import type { Credentials, WatchableSource } from '../credentials/credentials.js'
import { backoffPause } from '../report/duration.js'
import { isError } from '../report/errors.js'
import { issueCredentials } from './issue-certificate.js'
import { type IssueRequest, readIssueOptions } from './issue-options.js'
import { type IssuingCa, ledgerEntry } from './issuing-ca.js'
import { issueRefused } from './refuse.js'
import {
  type Held,
  readSchedule,
  RenewingSource,
  RETRY,
  type SourceOptions,
  systemTiming,
  type Timing,
} from './renewing-source.js'
import { Revocations } from './revocation.js'

/** Milliseconds. Long, because RSA keys and remote signers can take seconds. */
const ISSUE_TIMEOUT = 60_000

export function authoritySource(
  issuer: IssuingCa,
  request: IssueRequest,
  options: SourceOptions,
  timing: Timing = systemTiming(issuer.settings.now),
): WatchableSource {
  const { settings, certificate } = issuer
  const wanted = readIssueOptions(request, settings.now())
  const schedule = readSchedule(options)
  const issue = async (held: Held | null): Promise<Credentials> => {
    const now = settings.now()
    if (held !== null) {
      refuseIfNotLater(issuer, held, now)
      const revocations = await Revocations.read(settings.ledger)
      revocations.refuseCertificate(held.credentials.chain[0], [certificate, ...issuer.chain])
    }
    const validity = held === null ? wanted.validity : { ...wanted.validity, isExplicit: false }
    const credentials = await issueCredentials(issuer, { ...wanted, validity }, now)
    await settings.ledger.append([ledgerEntry(issuer, credentials.chain[0], wanted.role)])
    return credentials
  }
  const origin = `${wanted.role} "${wanted.name}" of the authority "${certificate.subject.toString()}"`
  const failed = (error: unknown): Error => {
    if (error === null) return issueRefused(`The authority gave no answer within ${String(ISSUE_TIMEOUT / 1000)} s`)
    return isError(error) ? error : issueRefused('The authority failed', { cause: error })
  }
  const pause = (failures: number): number => backoffPause(failures, RETRY)
  return new RenewingSource(origin, { issue, timeout: ISSUE_TIMEOUT, failed, pause }, schedule, timing)
}

/** Refuses if new credentials would not expire later than the held ones. An expired authority has its own error. */
function refuseIfNotLater({ certificate: { notAfter } }: IssuingCa, { credentials, begin }: Held, now: Date): void {
  const clockWasSetBack = now.getTime() < begin
  if (clockWasSetBack || now >= notAfter || notAfter > credentials.chain[0].notAfter) return
  throw issueRefused(
    `The authority's own certificate expires at ${notAfter.toISOString()}, as the credentials that it ` +
      'issued do already; pass a source of a renewed authority to `rotate`',
  )
}
