/** Decides when the endpoints of a new client are ready: after one attempt each, or within `waitFor`. */
import type { Finding } from '../report/finding.js'
import type { FailedReport } from '../report/report.js'
import { connectionError, quorumError, quorumFinding, waitExpired } from './diagnosis/failure.js'
import { withMembership } from './diagnosis/membership.js'
import type { EndpointPool } from './endpoint-pool.js'

/** Milliseconds to wait for the other endpoints: enough to report a refusal, and no long delay for a dead member. */
const GRACE = 250

interface Preflight {
  /** Which endpoints must be verified. */
  readonly wanted: 'any' | 'all'
  /** By `performance.now()`. */
  readonly deadline: number
  /** Resolves when each endpoint has had its first attempt. */
  readonly attempts: Promise<unknown>
  readonly report: (findings: readonly Finding[]) => FailedReport
}

/**
 * Dials all endpoints at the same time, until the option `preflight` is satisfied.
 *
 * @param timeout Milliseconds for everything.
 * @param report Makes the report of an error.
 * @throws {EtcdMtlsError} `ERR_HANDSHAKE_FAILED` if an endpoint answered and one side refused the other, or if the
 * endpoints belong to two clusters; `ERR_UNREACHABLE` if no endpoint answered or no member has a leader.
 */
export async function preflight(pool: EndpointPool, timeout: number, report: Preflight['report']): Promise<void> {
  const { preflight: wanted, waitFor, dialTimeout } = pool.options
  const first = Math.max(1, Math.round(Math.min(timeout, dialTimeout)))
  const deadline = performance.now() + timeout
  const attempts = Promise.all(pool.endpoints.map((each) => each.attempt(first)))
  if (wanted === 'none') return
  const parts = { wanted, deadline, attempts, report }
  await (waitFor === null ? attemptOnce(pool, parts) : attemptUntil(pool, parts, waitFor))
}

async function attemptOnce(pool: EndpointPool, { wanted, deadline, attempts, report }: Preflight): Promise<void> {
  const { endpoints } = pool
  if (wanted === 'any') {
    await Promise.race([attempts, pool.until(() => endpoints.some((each) => each.isReady), deadline)])
    await Promise.race([attempts, settled(pool)])
  }
  if (!isSatisfied(pool, wanted)) await attempts
  if (!isSatisfied(pool, wanted)) await pool.reconsidered()
  if (!isSatisfied(pool, wanted)) throw connectionError(report(await withMembership(pool.endpoints, pool.findings)))
  await pool.until(() => hasLeader(pool), deadline)
  if (!hasLeader(pool)) throw quorumError(endpoints)
}

async function attemptUntil(
  pool: EndpointPool,
  { wanted, deadline, attempts, report }: Preflight,
  waitFor: number,
): Promise<void> {
  const isReached = (): boolean => isSatisfied(pool, wanted) && hasLeader(pool)
  const isOver = (): boolean => isReached() || isRefused(pool, wanted)
  do {
    await pool.until(isOver, deadline)
    await settled(pool)
  } while (!isOver() && performance.now() < deadline && !pool.closing.aborted)
  if (isReached()) return
  if (isRefused(pool, wanted)) throw connectionError(report(pool.findings))
  // The deadline of a first attempt is the same, so that each endpoint has findings.
  await attempts
  const isLeaderless = pool.endpoints.some((each) => each.isLeaderless) && !hasLeader(pool)
  const leader = isLeaderless ? [quorumFinding(pool.endpoints)] : []
  throw waitExpired(report([...leader, ...(await withMembership(pool.endpoints, pool.findings))]), waitFor)
}

/** Resolves when no endpoint is connecting, or after the grace period. */
function settled(pool: EndpointPool): Promise<void> {
  return pool.until(() => pool.endpoints.every((each) => !each.isConnecting), performance.now() + GRACE)
}

function isSatisfied({ endpoints, isDivided }: EndpointPool, wanted: 'any' | 'all'): boolean {
  const isReady = ({ isReady }: { isReady: boolean }): boolean => isReady
  return !isDivided && (wanted === 'all' ? endpoints.every(isReady) : endpoints.some(isReady))
}

function hasLeader({ endpoints, options }: EndpointPool): boolean {
  return !options.requireLeader || endpoints.some((each) => each.connection !== null && !each.isLeaderless)
}

/** Whether more attempts do not help: too many endpoints were refused, or the client cannot choose a cluster. */
function isRefused({ endpoints, isDivided }: EndpointPool, wanted: 'any' | 'all'): boolean {
  const refused = endpoints.filter((each) => each.isRefused)
  if (refused.length > 0 && (wanted === 'all' || refused.length === endpoints.length)) return true
  return isDivided && endpoints.every((each) => each.isReady || each.isRefused)
}
