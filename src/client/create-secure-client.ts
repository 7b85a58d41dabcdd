/** Makes a verified client from options. */
import { backoffPause } from '../report/duration.js'
import { isEtcdMtlsError } from '../report/errors.js'
import { authenticate, SecureEtcd3 } from './etcd3/secure-etcd3.js'
import { loginFailed, loginReport, waitExpired } from './diagnosis/failure.js'
import { endpointsOf, locate, type LookupSrv, lookupSrv } from './discovery.js'
import { finding } from './base/finding.js'
import { type PasswordAuth, type ResolvedOptions, resolveOptions, type SecureClientOptions } from './base/options.js'
import { Session } from './session.js'
import { abortable, holdingProcess, pause } from './base/timing.js'
import { Login, LoginError } from './transport/login.js'
import { prepare } from './base/validated-credentials.js'

/** Implements the call in `deferred.ts`. @param lookup Replaces DNS in tests. */
export async function createSecureClient(
  options: SecureClientOptions,
  lookup: LookupSrv = lookupSrv,
): Promise<SecureEtcd3> {
  return holdingProcess(connect(options, lookup))
}

async function connect(options: SecureClientOptions, lookup: LookupSrv): Promise<SecureEtcd3> {
  const plan = resolveOptions(options)
  const { signal, source, tls, etcd3, auth, refreshEndpoints } = plan
  signal?.throwIfAborted()
  const validated = prepare(await abortable(signal, source.load(signal ?? undefined)), tls)
  const deadline = performance.now() + (plan.waitFor ?? plan.dialTimeout)
  const { endpoints, findings } = await locateUntil(deadline, plan, lookup)
  const session = new Session(
    { ...plan, endpoints, auth: auth === null ? null : { username: auth.username } },
    validated,
    findings,
  )
  const verified = session.preflight(deadline - performance.now())
  let client: SecureEtcd3
  try {
    // Constructed while the endpoints are dialled, to save time.
    client = new SecureEtcd3(session, etcd3)
    await abortable(signal, verified)
  } catch (error) {
    await abortable(signal, session.close())
    throw error
  }
  if (auth !== null) {
    try {
      await abortable(signal, logIn({ client, session, auth, deadline }, plan))
    } catch (error) {
      await client[Symbol.asyncDispose]()
      throw error
    }
  }
  session.follow(source)
  if (refreshEndpoints !== null) {
    void session.refresh(refreshEndpoints, async () => {
      if (plan.srv !== null) return (await locate({ ...plan, signal: null }, lookup)).endpoints
      const deadline = Date.now() + plan.dialTimeout
      return endpointsOf((await client.cluster.memberList({}, { deadline })).members)
    })
  }
  return client
}

/** Pauses between two look-ups or logins, in milliseconds. */
const PAUSES = { first: 100, longest: 1000 }

/** Looks the endpoints up; with `waitFor`, again until the deadline (by `performance.now()`). */
async function locateUntil(
  deadline: number,
  plan: ResolvedOptions,
  lookup: LookupSrv,
): Promise<Awaited<ReturnType<typeof locate>>> {
  const { signal, onEvent, waitFor } = plan
  for (let failures = 1; ; failures += 1) {
    try {
      const left = waitFor === null ? plan.dialTimeout : Math.max(1, Math.round(deadline - performance.now()))
      return await locate({ ...plan, dialTimeout: Math.min(plan.dialTimeout, left) }, lookup)
    } catch (error) {
      const retryIn = Math.round(backoffPause(failures, PAUSES))
      const isOver = waitFor === null || performance.now() + retryIn >= deadline
      if (isOver || !isEtcdMtlsError(error, 'ERR_UNREACHABLE')) throw error
      if (onEvent !== null) process.nextTick(onEvent, { at: new Date(), type: 'refresh-failed', error, retryIn })
      await pause(retryIn, signal ?? new AbortController().signal, true)
    }
  }
}

interface LoginPlan {
  readonly client: SecureEtcd3
  readonly session: Session
  readonly auth: PasswordAuth
  /** When `waitFor` is over, by `performance.now()`. */
  readonly deadline: number
}

/** Makes every call log in with the password. Verifies it now, unless `preflight` is `none`. */
async function logIn(
  { client, session, auth: { username, password }, deadline }: LoginPlan,
  { preflight, dialTimeout, waitFor }: ResolvedOptions,
): Promise<void> {
  const login = new Login(async () => {
    const token = await authenticate(client, { name: username, password }, dialTimeout)
    session.noteLogin(token === null ? [finding('login/not-enabled', { username })] : [])
    return token
  })
  session.pool.login = login
  if (preflight === 'none') return
  const { closing } = session.pool
  for (let failures = 1; ; failures += 1) {
    try {
      await login.run()
      return
    } catch (error) {
      if (!(error instanceof LoginError)) throw error
      const length = backoffPause(failures, PAUSES)
      if (waitFor === null || error.refused || closing.aborted) throw loginFailed(error, username, session.report.path)
      if (performance.now() + length >= deadline)
        throw waitExpired(loginReport(error, username, session.report.path), waitFor)
      await pause(length, closing, true)
    }
  }
}
