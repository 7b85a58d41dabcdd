/** One etcd, or one cluster, for all tests of a file. Call these at the top level of a test file, or in a `describe`. */
import { afterAll, beforeAll } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../src/client/index.js'
import {
  type EtcdOptions,
  startEtcd,
  startEtcdCluster,
  type TestEtcd,
  type TestEtcdCluster,
} from '../../src/testing/index.js'
import { type MintedPki, mintPki, threeMembers } from './etcd.js'

interface Shared {
  readonly pki: MintedPki
  /** A client of it, with the usual credentials and all endpoints unless others are given. */
  readonly connect: (options?: Partial<SecureClientOptions>) => Promise<SecureEtcd3>
}

export function sharedEtcd(options: Partial<EtcdOptions> = {}): Shared & { readonly etcd: TestEtcd } {
  const pki = mintPki()
  let etcd: TestEtcd
  beforeAll(async () => {
    etcd = await startEtcd({ server: pki.server, ...options })
  })
  afterAll(() => etcd.close())
  return {
    pki,
    get etcd() {
      return etcd
    },
    connect: (more = {}) => createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client, ...more }),
  }
}

/** Three members. A client waits for all of them. */
export function sharedCluster(args: readonly string[] = []): Shared & { readonly cluster: TestEtcdCluster } {
  const pki = mintPki()
  let cluster: TestEtcdCluster
  beforeAll(async () => {
    cluster = await startEtcdCluster({ members: threeMembers(pki), args })
  })
  afterAll(() => cluster.close())
  return {
    pki,
    get cluster() {
      return cluster
    },
    connect: (more = {}) =>
      createSecureClient({ endpoints: cluster.endpoints, credentials: pki.client, preflight: 'all', ...more }),
  }
}
