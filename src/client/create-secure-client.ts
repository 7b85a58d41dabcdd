/** The call whose code loads at the first call, so that a program that imports the package for other calls does not pay for it. */
import type { SecureEtcd3 } from './connect.js'
import type { ClientOptions } from './options.js'

/**
 * Connects to etcd over mutual TLS. Resolves to an ordinary `Etcd3` once it is verified: the credentials were validated before
 * anything was dialled, and at least one endpoint (see `preflight`) was verified, verified us, and answered as etcd. The client uses
 * the connections of that verification.
 *
 * @throws {EtcdMtlsError}
 * - `ERR_OPTION_INVALID`: a wrong call.
 * - `ERR_CREDENTIALS_UNREADABLE`: the credentials could not be read.
 * - `ERR_VALIDATION_FAILED`: they were read and are not valid; nothing was dialled.
 * - `ERR_HANDSHAKE_FAILED`: an endpoint answered, and it or this client refused; or etcd refused the password; or the endpoints belong to
 *   two clusters.
 * - `ERR_UNREACHABLE`: no endpoint answered within `dialTimeout`, only proxies without an etcd did, none that did has a leader
 *   (unless `requireLeader` is false), or DNS has none.
 *
 * With `signal` aborted, it rejects with the signal's reason.
 */
export async function createSecureClient(options: ClientOptions): Promise<SecureEtcd3> {
  const room = await import('./connect-securely.js')
  return room.connectSecurely(options)
}
