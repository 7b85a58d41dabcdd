/** Makes a verified client from options. */
import { authenticate, SecureEtcd3 } from './secure-etcd3.js'
import { loginFailed } from './diagnosis/failure.js'
import { endpointsOf, locate, type LookupSrv, lookupSrv } from './discovery.js'
import { finding } from './finding.js'
import { type ClientOptions, type PasswordAuth, type ResolvedOptions, resolveOptions } from './options.js'
import { Session } from './session.js'
import { abortable, holdingProcess } from './timing.js'
import { Login, LoginError } from './transport/login.js'
import { prepare } from './validated-credentials.js'

/** Implements the call in `deferred.ts`. @param lookup Replaces DNS in tests. */
export async function createSecureClient(options: ClientOptions, lookup: LookupSrv = lookupSrv): Promise<SecureEtcd3> {
  return holdingProcess(connect(options, lookup))
}

async function connect(options: ClientOptions, lookup: LookupSrv): Promise<SecureEtcd3> {
  const plan = resolveOptions(options)
  const { signal, source, tls, etcd3, auth, refreshEndpoints } = plan
  signal?.throwIfAborted()
  const validated = prepare(await abortable(signal, source.load(signal ?? undefined)), tls)
  const started = performance.now()
  const { endpoints, findings } = await locate(plan, lookup)
  const spent = performance.now() - started
  const session = new Session(
    { ...plan, endpoints, auth: auth === null ? null : { username: auth.username } },
    validated,
    findings,
  )
  const verified = session.preflight(plan.dialTimeout - spent)
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
      await abortable(signal, logIn(client, session, auth, plan))
    } catch (error) {
      await client[Symbol.asyncDispose]()
      throw error
    }
  }
  session.follow(source)
  if (refreshEndpoints !== null) {
    void session.refresh(refreshEndpoints, async () => {
      if (plan.discovery !== null) return (await locate({ ...plan, signal: null }, lookup)).endpoints
      const deadline = Date.now() + plan.dialTimeout
      return endpointsOf((await client.cluster.memberList({}, { deadline })).members)
    })
  }
  return client
}

/** Makes every call log in with the password. Verifies it now, unless `preflight` is `none`. */
async function logIn(
  client: SecureEtcd3,
  session: Session,
  { username, password }: PasswordAuth,
  { preflight, dialTimeout }: ResolvedOptions,
): Promise<void> {
  const login = new Login(async () => {
    const token = await authenticate(client, { name: username, password }, dialTimeout)
    session.noteLogin(token === null ? [finding('login/not-enabled', { username })] : [])
    return token
  })
  session.pool.login = login
  if (preflight === 'none') return
  try {
    await login.run()
  } catch (error) {
    throw error instanceof LoginError ? loginFailed(error, username, session.report.path) : error
  }
}
