/** Of a cluster, what is written to files. */
import type { Credentials } from '../../credentials/credentials.js'
import { checkCredentials, checkFileName, type CredentialFiles } from '../../credentials/write.js'
import { optionInvalid, valueInvalid } from '../../report/option-error.js'
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

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkCluster(cluster: ClusterCredentials, caKey: boolean): void {
  const given = recordOf(cluster, 'cluster')
  const members = recordOf(given['members'], 'cluster.members')
  const clients = recordOf(given['clients'], 'cluster.clients')
  checkNames(Object.keys(members), 'cluster.members')
  checkNames(Object.keys(clients), 'cluster.clients')
  for (const [name, member] of Object.entries(members)) {
    const { server, peer } = recordOf(member, `cluster.members.${name}`)
    checkPair(server, `cluster.members.${name}.server`)
    checkPair(peer, `cluster.members.${name}.peer`)
  }
  for (const [name, client] of Object.entries(clients)) checkPair(client, `cluster.clients.${name}`)
  for (const [name, pair] of Object.entries(cluster.kubeadm ?? {})) {
    const { healthcheckClient, apiserverClient } = recordOf(pair, `cluster.kubeadm.${name}`)
    checkPair(healthcheckClient, `cluster.kubeadm.${name}.healthcheckClient`)
    checkPair(apiserverClient, `cluster.kubeadm.${name}.apiserverClient`)
  }
  if (caKey) checkAuthorities(cluster)
}

function recordOf(value: unknown, option: string): Readonly<Record<string, unknown>> {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isRecord) throw valueInvalid(option, value, 'what issueCluster returns there')
  return value as Readonly<Record<string, unknown>> // its members are looked at one by one
}

function checkPair(value: unknown, option: string): void {
  const credentials = value as Credentials // checked on the next line
  checkCredentials(credentials, option)
  if (!credentials.key.matches(credentials.chain[0]))
    throw optionInvalid(option, 'must have the key of its certificate')
}

function checkAuthorities({ authorities }: ClusterCredentials): void {
  if (authorities === undefined) {
    throw optionInvalid('caKey', 'must not be set: this cluster does not say which authority it is from')
  }
  for (const authority of [authorities.client, authorities.peer]) {
    // A CA's key lies beside its certificate, which is the trust anchor.
    if (!authority.certificate.isSelfIssued) {
      throw optionInvalid('caKey', 'must not be set for an intermediate authority: keep what its export() gives')
    }
    // Of a key that a signer holds there is nothing to write, which is better known before the first file.
    authority.export()
  }
}

/**
 * Checks that names can be those of folders.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function checkNames(names: readonly unknown[], option: string): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    const plain = checkFileName(name, option)
    // Names with a dot at the start are those of what is there for a moment only.
    if (plain.startsWith('.'))
      throw optionInvalid(option, `must hold no name that starts with a dot, as "${plain}" does`)
    const folded = plain.normalize('NFC').toLowerCase()
    const other = seen.get(folded)
    if (other !== undefined) {
      throw optionInvalid(option, `must hold names that differ on every file system, unlike "${other}" and "${plain}"`)
    }
    seen.set(folded, plain)
  }
}
