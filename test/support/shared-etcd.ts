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

interface SharedCluster extends Shared {
  readonly cluster: TestEtcdCluster
  /** The member that leads now, as it reports; null while there is none. */
  readonly leader: () => Promise<TestEtcd | null>
}

/** Three members. A client waits for all of them. */
export function sharedCluster(args: readonly string[] = []): SharedCluster {
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
    leader: async () => {
      for (const member of cluster.members) {
        const { stdout } = await member.etcdctl(['endpoint', 'status', '--write-out=json'], pki.client)
        const [status] = JSON.parse(stdout) as { Status: { header: { member_id: number }; leader: number } }[]
        if (status !== undefined && status.Status.leader === status.Status.header.member_id) return member
      }
      return null
    },
    connect: (more = {}) =>
      createSecureClient({ endpoints: cluster.endpoints, credentials: pki.client, preflight: 'all', ...more }),
  }
}
