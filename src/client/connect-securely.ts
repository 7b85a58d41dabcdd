/** From options to a client that is verified. */
import { authenticate, SecureEtcd3 } from './connect.js'
import { noLogin } from './diagnosis/failure.js'
import { endpointsOf, locate, type LookupSrv, lookupSrv } from './discovery.js'
import { finding } from './finding.js'
import { type ClientOptions, type PasswordAuth, resolveOptions } from './options.js'
import { Session } from './session.js'
import { abortable, holdingProcess } from './timing.js'
import { Login, LoginError } from './transport/login.js'
import { prepare } from './validated-credentials.js'

/** `createSecureClient`. @param lookup Another DNS, for tests. */
export async function connectSecurely(options: ClientOptions, lookup: LookupSrv = lookupSrv): Promise<SecureEtcd3> {
  const plan = resolveOptions(options)
  const { signal, source, tls, etcd3, auth, refreshEndpoints } = plan
  signal?.throwIfAborted()
  const validated = prepare(await abortable(signal, source.load(signal ?? undefined)), tls)
  const started = performance.now()
  const { endpoints, findings } = await locate(plan, lookup)
  const spent = performance.now() - started
  const session = new Session({ ...plan, endpoints }, validated, findings)
  const verified = session.preflight(plan.dialTimeout - spent)
  let client: SecureEtcd3
  try {
    // Made while the network is busy.
    client = new SecureEtcd3(session, etcd3)
    await abortable(signal, verified)
  } catch (error) {
    await holdingProcess(abortable(signal, session.close()))
    throw error
  }
  if (auth !== null) {
    try {
      await abortable(signal, logIn(client, session, auth, plan.preflight === 'none'))
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

/** Sets the password up for every call, and verifies it, unless nothing is to be verified. */
async function logIn(client: SecureEtcd3, session: Session, auth: PasswordAuth, unverified: boolean): Promise<void> {
  const { username, password } = auth
  const login = new Login(async () => {
    const token = await authenticate(client, username, password)
    session.noteLogin(token === null ? [finding('login/not-enabled', { username })] : [])
    return token
  })
  session.pool.login = login
  if (unverified) return
  try {
    await login.run()
  } catch (error) {
    throw error instanceof LoginError ? noLogin(error, username, session.report.path) : error
  }
}
