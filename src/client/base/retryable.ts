/** Whether the same call may be made again after an error. */
import { type ErrorCode, isError, isEtcdMtlsError } from '../../report/errors.js'

/** True only if nothing was applied, and if the next attempt can succeed without a change. */
const BY_CODE: Readonly<Record<ErrorCode, boolean>> = {
  ERR_OPTION_INVALID: false,
  ERR_CREDENTIALS_UNREADABLE: false,
  ERR_VALIDATION_FAILED: false,
  ERR_HANDSHAKE_FAILED: false,
  ERR_ACCESS_DENIED: false,
  // The client was not created, or the call was not sent or not processed.
  ERR_UNREACHABLE: true,
  ERR_TOO_MANY_CALLS: true,
  ERR_OUTCOME_UNKNOWN: false,
  ERR_ANSWER_INVALID: false,
  ERR_ANSWER_TOO_LARGE: false,
  ERR_REQUEST_TOO_LARGE: false,
  ERR_CLUSTER_ALARM: false,
  ERR_WATCH_COMPACTED: false,
  // The same pages would fail again if etcd compacts as often.
  ERR_PAGES_COMPACTED: false,
  // Changes may be missed: the keys must be read again.
  ERR_CLUSTER_CHANGED: false,
  ERR_ISSUE_REFUSED: false,
  ERR_ISSUER_FAILED: true,
  ERR_WRITE_FAILED: false,
  ERR_CONFIG_INVALID: false,
  ERR_ETCD_NOT_STARTED: false,
  // The work under the lock may be done in part, or another holder may have done it.
  ERR_LEASE_LOST: false,
  ERR_LOAD_FAILED: false,
  ERR_CLOSED: false,
}

/**
 * `by-cause`: the code of the cause decides. `transient`: the same, and true without a cause if this client made the call, since it
 * sets a cause for every write that may be applied.
 */
type Row = boolean | 'by-cause' | 'transient'

/** The error classes of etcd3, by name: this module does not load etcd3, and a process may have two copies of it. */
const BY_CLASS: Readonly<Record<string, Row>> = {
  GRPCUnavailableError: 'transient',
  GRPCDeadlineExceededError: 'transient',
  GRPCGenericError: 'by-cause',
  GRPCProtocolError: 'by-cause',
  GRPCInternalError: 'by-cause',
  GRPCCancelledError: 'by-cause',
  GRPCUnknownError: 'by-cause',
  GRPCInvalidArgumentError: 'by-cause',
  GRPCNotFoundError: 'by-cause',
  GRPCAlreadyExistsError: 'by-cause',
  GRPCResourceExhastedError: 'by-cause',
  GRPCFailedPreconditionError: 'by-cause',
  GRPCAbortedError: 'by-cause',
  GRPCNotImplementedError: 'by-cause',
  GRPCOutOfRangeError: 'by-cause',
  GRPCDataLossError: 'by-cause',
  GRPCUnauthenticatedError: 'by-cause',
  EtcdError: 'by-cause',
  // Nothing was written: another client holds the lock, or has changed what the transaction read.
  EtcdLockFailedError: true,
  STMConflictError: true,
  EtcdWatchStreamEnded: true,
  ClientRuntimeError: false,
  ClientClosedError: false,
  EtcdLeaseInvalidError: false,
  EtcdRoleExistsError: false,
  EtcdUserExistsError: false,
  EtcdRoleNotGrantedError: false,
  EtcdRoleNotFoundError: false,
  EtcdUserNotFoundError: false,
  EtcdAuthenticationFailedError: false,
  EtcdInvalidAuthTokenError: false,
  EtcdPermissionDeniedError: false,
  NotCampaigningError: false,
}

/** etcd is overloaded, or has just lost its leader. It sends these only before it proposes a write (transport/call-policy.ts). */
const NOT_PROPOSED = /: (?:etcdserver: (?:no leader|too many requests)|raft proposal dropped)$/

/** Marks the errors of calls that this client has made. Registered, so that another copy of this package knows it. */
const CALL = Symbol.for('etcd-mtls.call')

/** Marks the error of a call whose cause is set if a write may be applied. */
export function markCall(error: Error): void {
  Object.defineProperty(error, CALL, { value: true, configurable: true })
}

/**
 * Whether the same call may be made again after this error, for example after a pause: true only if the repetition cannot apply
 * a write twice, and if it can succeed without a change of an option, a certificate or a permission. Accepts the errors of this
 * package and of etcd3; for every other value it returns false.
 *
 * @example
 * ```ts
 * try {
 *   await client.put('greeting').value('hello')
 * } catch (error) {
 *   if (!isRetryable(error)) throw error
 *   await client.put('greeting').value('hello')
 * }
 * ```
 */
export function isRetryable(error: unknown): boolean {
  if (isEtcdMtlsError(error)) return isRetryableCode(error.code)
  if (!isError(error)) return false
  const { name } = error.constructor
  const row = Object.hasOwn(BY_CLASS, name) ? BY_CLASS[name] : false
  if (row !== 'by-cause' && row !== 'transient') return row === true
  if (isEtcdMtlsError(error.cause)) return isRetryableCode(error.cause.code)
  return NOT_PROPOSED.test(error.message) || (row === 'transient' && CALL in error)
}

/** An error of another version of this package may have a code that is not in the table. */
function isRetryableCode(code: ErrorCode): boolean {
  return Object.hasOwn(BY_CODE, code) && BY_CODE[code]
}
