/** Configurations of members for tests. */
import type { MemberConfig } from '../../src/config/model.js'

/** What may differ from {@link memberConfig}; of a side, what is not named stays. */
export type ConfigChanges = Partial<Omit<MemberConfig, 'client' | 'peer'>> & {
  client?: Partial<MemberConfig['client']>
  peer?: Partial<MemberConfig['peer']>
}

/** A member with TLS and client certificates on both sides, whatever `changes` say. */
export function memberConfig({ client, peer, ...changes }: ConfigChanges = {}): MemberConfig {
  return {
    name: 'etcd-0',
    dataDir: '/var/lib/etcd',
    client: {
      listenUrls: ['https://0.0.0.0:2379'],
      advertiseUrls: ['https://10.0.0.1:2379'],
      certFile: '/etc/etcd/server.crt',
      keyFile: '/etc/etcd/server.key',
      trustedCaFile: '/etc/etcd/ca.crt',
      ...client,
    },
    peer: {
      listenUrls: ['https://0.0.0.0:2380'],
      advertiseUrls: ['https://10.0.0.1:2380'],
      certFile: '/etc/etcd/peer.crt',
      keyFile: '/etc/etcd/peer.key',
      trustedCaFile: '/etc/etcd/peer-ca.crt',
      ...peer,
    },
    initialCluster: { 'etcd-0': ['https://10.0.0.1:2380'] },
    ...changes,
  }
}
