/** Of a cluster, what is written to files. */
import type { CredentialFiles } from '../../credentials/write.js'
import type { Credentials } from '../../credentials/credentials.js'
import type { Certificate } from '../../x509/certificate.js'

/** The credentials of a cluster, by the names of its members and clients. */
export interface ClusterCredentials<M extends string = string, C extends string = string> {
  readonly members: Readonly<Record<M, { readonly server: Credentials; readonly peer: Credentials }>>
  readonly clients: Readonly<Record<C, Credentials>>
  /** The two clients that kubeadm makes on each node. `authorities` issue them for the layout `kubeadm` if they are not here. */
  readonly kubeadm?: Readonly<Record<M, KubeadmClients<Credentials>>> | undefined
  /** The authorities behind it, for clients and for peers; the same twice where there is one. Needed for `caKey`, and for kubeadm’s clients. */
  readonly authorities?: { readonly client: CaMaterial; readonly peer: CaMaterial } | undefined
}

/** The clients of etcd on a node that kubeadm sets up. */
export interface KubeadmClients<T> {
  /** Of the liveness probe: CN `kube-etcd-healthcheck-client`. */
  readonly healthcheckClient: T
  /** Of the API server: CN `kube-apiserver-etcd-client`. */
  readonly apiserverClient: T
}

/** An authority, as far as its files go. */
export interface CaMaterial {
  readonly certificate: Certificate
  export(): { readonly key: string }
  /** Issues the clients of the layout `kubeadm` where the cluster has none. */
  issue?(request: { role: 'client'; name: string }): Promise<Credentials>
}

/** Where everything was written. */
export interface ClusterFiles<M extends string = string, C extends string = string> {
  members: Record<M, { server: CredentialFiles; peer: CredentialFiles }>
  clients: Record<C, CredentialFiles>
  /** The clients of the layout `kubeadm`, by member; empty in the layout `etcd`. */
  kubeadm: Partial<Record<M, KubeadmClients<CredentialFiles>>>
}
