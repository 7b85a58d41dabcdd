/** The way in: from options to a client that has proved itself. */
import type { Finding } from '../report/finding.js'
import { abortable } from './abortable.js'
import { accept } from './accept.js'
import { authenticate, SecureEtcd3 } from './connect.js'
import { discover, type LookupSrv, lookupSrv } from './discovery.js'
import { noLogin } from './failure.js'
import { endpointsOf } from './endpoint-refresh.js'
import { finding } from './finding.js'
import { holdingProcess } from './holding-process.js'
import { Login, LoginError } from './login.js'
import {
  type ClientOptions,
  type DiscoveredClientOptions,
  type EnvironmentClientOptions,
  type PasswordAuth,
  type ResolvedOptions,
  resolveOptions,
  type SecureClientOptions,
  type UnlocatedOptions,
} from './options.js'
import { Session } from './session.js'

/**
 * Connects to etcd over mutual TLS and hands back an ordinary `Etcd3`, once it has proved itself: the credentials were judged
 * before anything was dialled, and at least one endpoint (see `preflight`) was verified, verified us, and answered as etcd. The
 * connections of that proof are the ones that the client goes on to use.
 *
 * @throws {EtcdMtlsError}
 * - `ERR_OPTION_INVALID`: a wrong call.
 * - `ERR_CREDENTIALS_UNREADABLE`: the credentials could not be read.
 * - `ERR_VALIDATION_FAILED`: they were read and judged unfit; nothing was dialled.
 * - `ERR_HANDSHAKE_FAILED`: an endpoint answered, and it or this client refused; or etcd refused the password.
 * - `ERR_UNREACHABLE`: no endpoint answered within `dialTimeout`, only proxies without an etcd did, none that did has a leader
 *   (unless `requireLeader` is false), or DNS knows none.
 *
 * With `signal` aborted, it rejects with the signal's reason.
 */
export function createSecureClient(
  options: SecureClientOptions | EnvironmentClientOptions | DiscoveredClientOptions,
): Promise<SecureEtcd3> {
  return connectSecurely(options, lookupSrv)
}

/** {@link createSecureClient} with a DNS of its own, for tests. */
export async function connectSecurely(options: ClientOptions, lookup: LookupSrv): Promise<SecureEtcd3> {
  const plan = resolveOptions(options)
  const { signal, source, tls, etcd3, auth } = plan
  signal?.throwIfAborted()
  const credentials = await abortable(signal, source.load(signal ?? undefined))
  const accepted = accept(credentials, tls)
  const { resolved, ...location } = await locate(plan, lookup)
  const session = new Session(resolved, accepted, location)
  const proved = session.preflight()
  let client: SecureEtcd3
  try {
    // Made while the network is waited for, which has the time for it.
    client = new SecureEtcd3({
      channel: session.members,
      tls: session,
      etcd3,
      watches: {
        causeOf: (reason) => session.members.watchEnds.causeOf(reason),
        unheard: (error) => {
          session.noteWatchFailure(error)
        },
      },
      close: () => session.close(),
    })
    await abortable(signal, proved)
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
  const { refreshEndpoints } = plan
  if (refreshEndpoints !== null) {
    session.refresh(refreshEndpoints, async () => {
      if ('discovery' in plan) return (await locate({ ...plan, signal: null }, lookup)).resolved.endpoints
      const deadline = Date.now() + plan.dialTimeout
      return endpointsOf((await client.cluster.memberList({}, { deadline })).members)
    })
  }
  return client
}

/** The endpoints, looked up where DNS has to tell them. */
async function locate(
  plan: ResolvedOptions | UnlocatedOptions,
  lookup: LookupSrv,
): Promise<{ resolved: ResolvedOptions; findings: readonly Finding[]; spent: number }> {
  if (!('discovery' in plan)) return { resolved: plan, findings: [], spent: 0 }
  const started = performance.now()
  const { discovery, dialTimeout, signal } = plan
  const { endpoints, findings } = await discover({ discovery, timeout: dialTimeout, signal, lookup })
  return { resolved: { ...plan, endpoints }, findings, spent: performance.now() - started }
}

/** Sets the password up for every call, and proves it, unless nothing is to be proved. */
async function logIn(client: SecureEtcd3, session: Session, auth: PasswordAuth, unproved: boolean): Promise<void> {
  const { username, password } = auth
  const login = new Login(async () => {
    const token = await authenticate(client, username, password)
    session.noteLogin(token === null ? [finding('login/not-enabled', { username })] : [])
    return token
  })
  session.members.login = login
  if (unproved) return
  try {
    await login.run()
  } catch (error) {
    if (!(error instanceof LoginError)) throw error
    throw noLogin(error, username, session.report.path)
  }
}
