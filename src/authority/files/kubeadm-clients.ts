/** The clients that the layout `kubeadm` has on each node. */
import type { Credentials } from '../../credentials/credentials.js'
import { KUBEADM } from '../roles.js'
import type { ClusterCredentials, KubeadmClients } from './cluster-shape.js'

/**
 * The cluster with the clients of the liveness probe and of the API server for each member: its own, or else new ones of
 * the authority that the cluster is from. Without either it stays as it is, and the layout says what is missing.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
 */
export async function withKubeadmClients<M extends string, C extends string>(
  cluster: ClusterCredentials<M, C>,
): Promise<ClusterCredentials<M, C>> {
  const authority = cluster.authorities?.client
  if (cluster.kubeadm !== undefined || authority?.issue === undefined) return cluster
  const kubeadm: [string, KubeadmClients<Credentials>][] = []
  for (const name of Object.keys(cluster.members)) {
    kubeadm.push([
      name,
      {
        healthcheckClient: await authority.issue({ role: 'client', name: KUBEADM.healthcheckClient.name }),
        apiserverClient: await authority.issue({ role: 'client', name: KUBEADM.apiserverClient.name }),
      },
    ])
  }
  // The keys are those of the members.
  return { ...cluster, kubeadm: Object.fromEntries(kubeadm) as Record<M, KubeadmClients<Credentials>> }
}
