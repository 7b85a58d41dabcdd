/** Which files of a layout a roll changes. */
import { join } from 'node:path'
import type { Layout } from '../files/layouts.js'
import type { CaRollFiles, CaTraffic } from './plan-types.js'

/** Members and clients of a cluster, and for whom the CA stands. */
export interface RollScope {
  readonly layout: Layout
  readonly traffic: CaTraffic
  readonly members: readonly string[]
  readonly clients: readonly string[]
}

/**
 * The files, from the directory of the cluster. The layout `kubeadm` holds one node directly or several in folders of their
 * names; for one member both places are possible, and the first is meant.
 */
export function rollFiles(scope: RollScope): CaRollFiles {
  const { layout, members, clients } = scope
  if (layout === 'kubeadm') {
    const bases = members.length === 1 ? [''] : members
    return {
      trust: [...bases.map((base) => join(base, 'etcd/ca.crt')), ...filesOf(clients, 'ca.crt')],
      certificates: [
        ...bases.flatMap((base) => KUBEADM.map((name) => join(base, name))),
        ...filesOf(clients, 'tls.crt'),
      ],
    }
  }
  const { trust, certificates } = ETCD[scope.traffic]
  const inMembers = (names: readonly string[]): string[] =>
    members.flatMap((member) => names.map((name) => join('members', member, name)))
  const ofClients = scope.traffic === 'peer' ? [] : clients
  return {
    trust: [...inMembers(trust), ...filesOf(ofClients, 'ca.crt')],
    certificates: [...inMembers(certificates), ...filesOf(ofClients, 'tls.crt')],
  }
}

function filesOf(clients: readonly string[], name: string): string[] {
  return clients.map((client) => join('clients', client, name))
}

const KUBEADM = ['etcd/server.crt', 'etcd/peer.crt', 'etcd/healthcheck-client.crt', 'apiserver-etcd-client.crt']

/** The files of a member in the layout `etcd`. A CA of the peers' own lies in a file of its own. */
const ETCD: Readonly<Record<CaTraffic, CaRollFiles>> = {
  all: { trust: ['ca.crt'], certificates: ['server.crt', 'peer.crt'] },
  client: { trust: ['ca.crt'], certificates: ['server.crt'] },
  peer: { trust: ['peer-ca.crt'], certificates: ['peer.crt'] },
}
