/** Loads the client and etcd3 at the first call, so that a program that makes no client does not load them; and the observation of a server. */
import { deferred } from '../report/load-deferred.js'
import type { SecureEtcd3 as Connected } from './etcd3/secure-etcd3.js'
import type { SecureClientOptions } from './base/options.js'
import { CLIENT, type TlsSession } from './base/tls-session.js'

/**
 * An `Etcd3` over mutual TLS, made by {@link createSecureClient}. It is an ordinary `Etcd3` in every other respect.
 *
 * Dispose of it by `await using`, or by {@link SecureEtcd3.close}.
 */
export interface SecureEtcd3 extends Connected {
  /** The TLS state: the validation of the credentials, each endpoint, and events. */
  readonly tls: TlsSession
  /**
   * The lock of etcd3.
   *
   * @deprecated It does not wait, does not report that it is lost, and has no fencing token. Use `lock` or `tryLock` of
   * `etcd-mtls/coordination`.
   */
  lock(key: string | Buffer): ReturnType<Connected['lock']>
  /**
   * The election of etcd3.
   *
   * @deprecated Under faults it has two leaders, and it has no fencing token. Use `election` of `etcd-mtls/coordination`.
   */
  election(name: string, ttl?: number): ReturnType<Connected['election']>
}

/** For `instanceof`: the class itself loads with etcd3. {@link createSecureClient} makes its instances. * @function
 */
export const SecureEtcd3 = class {
  declare readonly tls: TlsSession

  static [Symbol.hasInstance](value: unknown): boolean {
    return Reflect.has(Object(value) as object, CLIENT)
  }

  constructor() {
    throw new TypeError('Call createSecureClient instead: it verifies the connection before there is a client.')
  }
} as unknown as abstract new (...args: never) => SecureEtcd3

/**
 * Connects to etcd over mutual TLS. Validates the credentials, dials the endpoints, and resolves to an ordinary `Etcd3`
 * when one endpoint (see `preflight`) and the client have verified each other and etcd has answered.
 *
 * @example
 * ```ts
 * const client = await createSecureClient({
 *   endpoints: ['https://10.0.0.1:2379', 'https://10.0.0.2:2379'],
 *   credentials: fromFiles({ ca: 'ca.crt', cert: 'client.crt', key: 'client.key' }),
 * })
 * await client.put('greeting').value('hello')
 * ```
 * @throws {EtcdMtlsError}
 * - `ERR_OPTION_INVALID`: a wrong call.
 * - `ERR_CREDENTIALS_UNREADABLE`: the credentials could not be read.
 * - `ERR_VALIDATION_FAILED`: they were read and are not valid; nothing was dialled.
 * - `ERR_HANDSHAKE_FAILED`: an endpoint answered, and one side refused the other; or etcd refused the password; or the
 *   endpoints belong to two clusters.
 * - `ERR_UNREACHABLE`: no endpoint answered within `dialTimeout`, or only proxies whose etcd is down; no member has a
 *   leader (unless `requireLeader` is false); DNS has no endpoints; or etcd was not ready within `waitFor`.
 * - `ERR_LOAD_FAILED`: the client's code could not be loaded, for example without a free file descriptor.
 *
 * With `signal` aborted, it rejects with the signal's reason.
 * @function
 */
export const createSecureClient: (options: SecureClientOptions) => Promise<SecureEtcd3> = deferred(
  () => import('./create-secure-client.js'),
)('createSecureClient')

/** @function */
export const observeServer = deferred(() => import('./diagnosis/observe-server.js'))('observeServer')
