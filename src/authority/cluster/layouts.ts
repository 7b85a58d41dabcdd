/** The files of each layout: one table for each. */
import { join } from 'node:path'
import type { Credentials } from '../../credentials/credentials.js'
import type { CredentialFiles } from '../../credentials/write.js'
import { optionInvalid, textInvalid } from '../../report/option-error.js'
import type { Certificate } from '../../x509/certificate.js'
import type { CaMaterial, Cluster, ClusterFiles } from './cluster-credentials.js'

/**
 * How files are laid out: `etcd` has a folder for each member and client, `kubeadm` the files of `/etc/kubernetes/pki` of a
 * node.
 */
export type Layout = 'etcd' | 'kubeadm'

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkLayout(layout: unknown): asserts layout is Layout {
  if (layout !== 'etcd' && layout !== 'kubeadm') throw textInvalid('layout', layout, '"etcd" or "kubeadm"')
}

/** Names of the files of one identity; the trust anchors may be in another folder. */
export interface FileNames {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export const SERVER: FileNames = { ca: 'ca.crt', cert: 'server.crt', key: 'server.key' }
export const PEER: FileNames = { ca: 'ca.crt', cert: 'peer.crt', key: 'peer.key' }
/** etcd may have another CA for its peers, in a file of another name. */
export const PEER_OF_ITS_OWN_CA: FileNames = { ...PEER, ca: 'peer-ca.crt' }
export const CLIENT: FileNames = { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' }
export const HEALTHCHECK_CLIENT: FileNames = {
  ca: 'ca.crt',
  cert: 'healthcheck-client.crt',
  key: 'healthcheck-client.key',
}
export const APISERVER_CLIENT: FileNames = {
  ca: 'etcd/ca.crt',
  cert: 'apiserver-etcd-client.crt',
  key: 'apiserver-etcd-client.key',
}
const CA_KEYS = { client: 'ca.key', peer: 'peer-ca.key' } as const
const CA_CERTIFICATES = { client: 'ca.crt', peer: 'peer-ca.crt' } as const

/** The folders of members and clients. */
export const FOLDERS = { members: 'members', clients: 'clients', kubeadm: 'etcd' } as const

/** Credentials and their files in a folder. */
export interface PlacedCredentials {
  /** Their option, for errors: `cluster.members.etcd-0.server`. */
  readonly option: string
  readonly credentials: Credentials
  readonly names: FileNames
  /** The file that held the trust anchors before, if it exists. */
  readonly formerCa?: string | undefined
  /** The existing certificate must have the same subject, because the folder has no name of its own. */
  readonly sameSubject?: boolean | undefined
}

/** The key of a CA and its files in a folder. */
export interface PlacedCa {
  readonly authority: CaMaterial
  readonly cert: string
  readonly key: string
}

/** One folder, which changes as a whole. */
export interface FolderPlan {
  /** From the directory of the cluster; empty for the directory itself. */
  readonly path: string
  readonly credentials: readonly PlacedCredentials[]
  readonly authorities: readonly PlacedCa[]
  /** Files of this layout that are removed. */
  readonly remove: readonly string[]
}

/** Folders, each unit written in order, and the files in them. */
export interface LayoutPlan<M extends string, C extends string> {
  readonly units: readonly (readonly FolderPlan[])[]
  readonly files: ClusterFiles<M, C>
}

/** A folder and the files of a member or client, to remove them. */
export interface OwnFiles {
  readonly path: string
  readonly names: readonly string[]
}

export function ownFilesOf(layout: Layout, kind: 'members' | 'clients', name: string): OwnFiles[] {
  if (layout === 'kubeadm' && kind === 'members') {
    return [
      { path: join(name, FOLDERS.kubeadm), names: namesOf(SERVER, PEER, HEALTHCHECK_CLIENT) },
      { path: name, names: [APISERVER_CLIENT.cert, APISERVER_CLIENT.key] },
    ]
  }
  const names = kind === 'members' ? namesOf(SERVER, PEER_OF_ITS_OWN_CA) : namesOf(CLIENT)
  return [{ path: join(FOLDERS[kind], name), names }]
}

function namesOf(...rows: FileNames[]): string[] {
  return [...new Set(rows.flatMap(({ ca, cert, key }) => [ca, cert, key]))]
}

/** Plans the layout `etcd`. */
export function planEtcd<M extends string, C extends string>(
  directory: string,
  cluster: Cluster<M, C>,
  caKey: boolean,
): LayoutPlan<M, C> {
  const members = entriesOf(cluster.members).map(([name, { server, peer }]) => {
    const option = `cluster.members.${name}`
    const peerNames = haveSameAnchors(server, peer) ? PEER : PEER_OF_ITS_OWN_CA
    const folder: FolderPlan = {
      path: join(FOLDERS.members, name),
      credentials: [
        { option: `${option}.server`, credentials: server, names: SERVER },
        { option: `${option}.peer`, credentials: peer, names: peerNames, formerCa: PEER_OF_ITS_OWN_CA.ca },
      ],
      authorities: [],
      remove: peerNames === PEER ? [PEER_OF_ITS_OWN_CA.ca] : [],
    }
    const at = join(directory, folder.path)
    return { name, folder, files: { server: pathsIn(at, SERVER), peer: pathsIn(at, peerNames) } }
  })
  const clients = planClients(directory, cluster)
  const authorities = caKey ? [{ path: '', credentials: [], authorities: caFilesOf(cluster), remove: [] }] : []
  return {
    units: [authorities, ...[...members, ...clients].map(({ folder }) => [folder])],
    files: { members: byName(members), clients: byName(clients), kubeadm: {} },
  }
}

/** Other clients have their own folders in both layouts. */
function planClients<C extends string>(
  directory: string,
  cluster: Cluster<string, C>,
): { name: C; folder: FolderPlan; files: CredentialFiles }[] {
  return entriesOf(cluster.clients).map(([name, credentials]) => {
    const placed = { option: `cluster.clients.${name}`, credentials, names: CLIENT }
    const folder = { path: join(FOLDERS.clients, name), credentials: [placed], authorities: [], remove: [] }
    return { name, folder, files: pathsIn(join(directory, folder.path), CLIENT) }
  })
}

/**
 * Plans the layout `kubeadm`.
 *
 * @param form `one`: the directory is that of one node; `several`: it holds one such directory for each member.
 */
export function planKubeadm<M extends string, C extends string>(
  directory: string,
  cluster: Cluster<M, C>,
  { caKey, form }: { caKey: boolean; form: 'one' | 'several' },
): LayoutPlan<M, C> {
  const clients = planClients(directory, cluster)
  if (form === 'several' && clients.length > 0 && Object.hasOwn(cluster.members, FOLDERS.clients)) {
    throw optionInvalid(
      'cluster.members',
      `must not have the name "${FOLDERS.clients}", which is the folder of the clients`,
    )
  }
  const members = entriesOf(cluster.members).map(([name, { server, peer }]) => {
    const { healthcheckClient, apiserverClient } = kubeadmClientsOf(cluster, name)
    const option = `cluster.kubeadm.${name}`
    const placed: PlacedCredentials[] = [
      { option: `cluster.members.${name}.server`, credentials: server, names: SERVER, sameSubject: form === 'one' },
      { option: `cluster.members.${name}.peer`, credentials: peer, names: PEER },
      { option: `${option}.healthcheckClient`, credentials: healthcheckClient, names: HEALTHCHECK_CLIENT },
    ]
    const apiserver = { option: `${option}.apiserverClient`, credentials: apiserverClient, names: APISERVER_CLIENT }
    for (const each of [...placed, apiserver]) {
      if (haveSameAnchors(server, each.credentials)) continue
      throw optionInvalid(each.option, 'must be of the same CA as the others: kubeadm has one for etcd')
    }
    const base = form === 'one' ? '' : name
    const folders: FolderPlan[] = [
      { path: base, credentials: [apiserver], authorities: [], remove: [] },
      {
        path: join(base, FOLDERS.kubeadm),
        credentials: placed,
        authorities: caKey ? caFilesOf(cluster) : [],
        remove: [],
      },
    ]
    const [outer, inner] = [join(directory, base), join(directory, base, FOLDERS.kubeadm)]
    const ownClients = {
      healthcheckClient: pathsIn(inner, HEALTHCHECK_CLIENT),
      apiserverClient: pathsIn(outer, APISERVER_CLIENT),
    }
    return { name, folders, files: { server: pathsIn(inner, SERVER), peer: pathsIn(inner, PEER) }, ownClients }
  })
  return {
    units: [...members.map(({ folders }) => folders), ...clients.map(({ folder }) => [folder])],
    files: {
      members: byName(members),
      clients: byName(clients),
      kubeadm: byName(members.map(({ name, ownClients }) => ({ name, files: ownClients }))),
    },
  }
}

function kubeadmClientsOf<M extends string>(cluster: Cluster<M>, name: M): NonNullable<Cluster['kubeadm']>[string] {
  const clients = cluster.kubeadm?.[name]
  if (clients !== undefined) return clients
  throw optionInvalid(
    `cluster.kubeadm.${name}`,
    'is missing: issue the cluster with `kubeadm: true`, which adds the clients of the probe and of the API server',
  )
}

function caFilesOf({ authorities }: Cluster): PlacedCa[] {
  if (authorities === undefined) return []
  const { client, peer } = authorities
  const first = { authority: client, cert: CA_CERTIFICATES.client, key: CA_KEYS.client }
  if (client.certificate.equals(peer.certificate)) return [first]
  return [first, { authority: peer, cert: CA_CERTIFICATES.peer, key: CA_KEYS.peer }]
}

/** Whether two trust the same CAs, in any order. */
function haveSameAnchors(a: Credentials, b: Credentials): boolean {
  const prints = (certificates: readonly Certificate[]): string =>
    [...new Set(certificates.map(({ fingerprint256 }) => fingerprint256))].sort().join()
  return prints(a.trustAnchors) === prints(b.trustAnchors)
}

function pathsIn(directory: string, { ca, cert, key }: FileNames): CredentialFiles {
  return { ca: join(directory, ca), cert: join(directory, cert), key: join(directory, key) }
}

function entriesOf<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(record) as [K, V][] // its keys are those of the record
}

function byName<K extends string, V>(items: readonly { name: K; files: V }[]): Record<K, V> {
  return Object.fromEntries(items.map(({ name, files }) => [name, files])) as Record<K, V> // one item for each K
}
