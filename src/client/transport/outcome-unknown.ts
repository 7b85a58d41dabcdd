/** The error for a write that was sent, and of which nobody can say whether it was applied. */
import { EtcdMtlsError } from '../../report/errors.js'
import type { Outcome } from '../call-status.js'
import { methodOf } from './call-policy.js'

/** The same outcome with `ERR_OUTCOME_UNKNOWN` as its cause. */
export function outcomeUnknown(path: string, carriedBy: string | null, outcome: Outcome): Outcome {
  const call = methodOf(path) ?? path
  const endpoint = carriedBy === null ? null : `https://${carriedBy}`
  const message =
    `The outcome of ${call} is unknown: it was sent${endpoint === null ? '' : ` to ${endpoint}`}, and ended with` +
    ` "${outcome.details}". It may have been applied, or be applied later. Read the key before you repeat the call.`
  const options = outcome.cause === undefined ? {} : { cause: outcome.cause }
  return { ...outcome, cause: new EtcdMtlsError('ERR_OUTCOME_UNKNOWN', message, { call, endpoint }, options) }
}
