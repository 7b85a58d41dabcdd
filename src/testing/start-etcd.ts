import { checkEtcdOptions, type EtcdOptions } from './options.js'
import { notStarted } from './start-error.js'
import { startMembers } from './start-members.js'
import type { TestEtcd } from './test-etcd.js'

/**
 * Starts a real etcd for a test, with TLS and client certificates, reachable on 127.0.0.1 only. Resolves when it serves.
 * A start that fails leaves nothing behind.
 *
 * ```ts
 * import { createSecureClient } from 'etcd-mtls/client'
 * import type { Credentials } from 'etcd-mtls/credentials'
 * import { startEtcd } from 'etcd-mtls/testing'
 *
 * declare const server: Credentials
 * declare const credentials: Credentials
 *
 * await using etcd = await startEtcd({ server })
 * await using client = await createSecureClient({ endpoints: etcd.endpoints, credentials })
 * ```
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_ETCD_NOT_STARTED` with etcd's last log lines
 */
export async function startEtcd(options: EtcdOptions): Promise<TestEtcd> {
  const plan = checkEtcdOptions(options)
  const { etcds } = await startMembers(plan, [{ name: 'etcd', server: options.server, peer: null }])
  const [etcd] = etcds
  if (etcd === undefined) throw notStarted('No etcd was started.', [])
  return etcd
}
