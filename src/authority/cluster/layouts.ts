/** The files of each layout: one table, from which folders are written, found and removed. */
import { dirname, join } from 'node:path'
import type { Credentials } from '../../credentials/credentials.js'
import type { CredentialFiles } from '../../credentials/write.js'
import { optionInvalid, textInvalid } from '../../report/option-error.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Role } from '../roles.js'
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

/** A certificate with its key, and its files in a folder. */
export interface Identity {
  readonly kind: 'server' | 'peer' | 'healthcheckClient' | 'apiserverClient' | 'client'
  readonly role: Role
  readonly names: FileNames
}

/** A folder, which changes as one. */
export interface LayoutFolder {
  /** From the directory of the cluster; empty for the directory itself. */
  readonly path: string
  readonly identities: readonly Identity[]
}

function identity(kind: Identity['kind'], role: Role, name: string, ca = 'ca.crt'): Identity {
  return { kind, role, names: { ca, cert: `${name}.crt`, key: `${name}.key` } }
}

const SERVER = identity('server', 'server', 'server')
const PEER = identity('peer', 'peer', 'peer')
const HEALTHCHECK_CLIENT = identity('healthcheckClient', 'client', 'healthcheck-client')
const APISERVER_CLIENT = identity('apiserverClient', 'client', 'apiserver-etcd-client', 'etcd/ca.crt')
const CLIENT = identity('client', 'client', 'tls')

/** The trust anchors of a peer, if etcd has another CA for its peers. */
export const PEER_CA = 'peer-ca.crt'

/** The folders of members and clients. */
export const FOLDERS = { members: 'members', clients: 'clients', kubeadm: 'etcd' } as const

/** The folders of a member, the outermost first. @param base Empty for the only node of a directory. */
export function memberFolders(layout: Layout, base: string): [LayoutFolder, ...LayoutFolder[]] {
  if (layout === 'etcd') return [{ path: base, identities: [SERVER, PEER] }]
  const inner = { path: join(base, FOLDERS.kubeadm), identities: [SERVER, PEER, HEALTHCHECK_CLIENT] }
  return [{ path: base, identities: [APISERVER_CLIENT] }, inner]
}

/** The folder of a client, which is the same in both layouts. */
export function clientFolder(path: string): LayoutFolder {
  return { path, identities: [CLIENT] }
}

/** The outermost folder of a member or client. */
export function pathOf(layout: Layout, kind: 'members' | 'clients', name: string): string {
  return layout === 'kubeadm' && kind === 'members' ? name : join(FOLDERS[kind], name)
}

/** Names of files in the folder itself: the trust anchors of the API server's client are in the one below. */
export function namesIn(identities: readonly Identity[]): string[] {
  const all = identities.flatMap(({ names: { ca, cert, key } }) => [ca, cert, key])
  return [...new Set(all)].filter((name) => dirname(name) === '.')
}

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

/** The files to write in one folder. */
export interface FolderPlan {
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

/**
 * Plans the files of a cluster.
 *
 * @param form Of the layout `kubeadm`. `one`: the directory is that of one node; `several`: it holds one such directory for
 *   each member.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a cluster that cannot be written in this layout.
 */
export function planLayout<M extends string, C extends string>(
  layout: Layout,
  directory: string,
  cluster: Cluster<M, C>,
  { caKey, form }: { caKey: boolean; form: 'one' | 'several' },
): LayoutPlan<M, C> {
  const clients = entriesOf(cluster.clients).map(([name, credentials]) => {
    const { path } = clientFolder(pathOf(layout, 'clients', name))
    const placed = { option: `cluster.clients.${name}`, credentials, names: CLIENT.names }
    return { name, folder: folderOf(path, [placed]), files: pathsIn(join(directory, path), CLIENT.names) }
  })
  if (layout === 'etcd') {
    const members = entriesOf(cluster.members).map(([name, member]) => planMember(directory, name, member))
    const authorities = caKey ? [folderOf('', [], { authorities: caFilesOf(cluster) })] : []
    return {
      units: [authorities, ...[...members, ...clients].map(({ folder }) => [folder])],
      files: { members: byName(members), clients: byName(clients), kubeadm: {} },
    }
  }
  if (form === 'several' && clients.length > 0 && Object.hasOwn(cluster.members, FOLDERS.clients)) {
    throw optionInvalid(
      'cluster.members',
      `must not have the name "${FOLDERS.clients}", which is the folder of the clients`,
    )
  }
  const nodes = entriesOf(cluster.members).map(([name]) => planNode(directory, cluster, name, { caKey, form }))
  return {
    units: [...nodes.map(({ folders }) => folders), ...clients.map(({ folder }) => [folder])],
    files: {
      members: byName(nodes),
      clients: byName(clients),
      kubeadm: byName(nodes.map(({ name, ownClients }) => ({ name, files: ownClients }))),
    },
  }
}

function folderOf(
  path: string,
  credentials: readonly PlacedCredentials[],
  more: Partial<Pick<FolderPlan, 'authorities' | 'remove'>> = {},
): FolderPlan {
  return { path, credentials, authorities: [], remove: [], ...more }
}

/** Plans a member of the layout `etcd`. */
function planMember<M extends string>(directory: string, name: M, { server, peer }: Cluster['members'][string]) {
  const option = `cluster.members.${name}`
  const isSame = haveSameAnchors(server, peer)
  const peerNames = isSame ? PEER.names : { ...PEER.names, ca: PEER_CA }
  const credentials = [
    { option: `${option}.server`, credentials: server, names: SERVER.names },
    { option: `${option}.peer`, credentials: peer, names: peerNames, formerCa: PEER_CA },
  ]
  const folder = folderOf(pathOf('etcd', 'members', name), credentials, { remove: isSame ? [PEER_CA] : [] })
  const at = join(directory, folder.path)
  return { name, folder, files: { server: pathsIn(at, SERVER.names), peer: pathsIn(at, peerNames) } }
}

/** Plans a member of the layout `kubeadm`. */
function planNode<M extends string>(
  directory: string,
  cluster: Cluster<M>,
  name: M,
  { caKey, form }: { caKey: boolean; form: 'one' | 'several' },
) {
  const clients = cluster.kubeadm?.[name]
  if (clients === undefined)
    throw optionInvalid(
      `cluster.kubeadm.${name}`,
      'is missing: issue the cluster with `kubeadm: true`, which adds the clients of the probe and of the API server',
    )
  const held = { ...cluster.members[name], ...clients }
  const base = form === 'one' ? '' : name
  const files: Partial<Record<Identity['kind'], CredentialFiles>> = {}
  const folders = memberFolders('kubeadm', base).map(({ path, identities }) => {
    const placed = identities.map(({ kind, names }) => {
      if (kind === 'client') throw new TypeError('a node has no such client')
      const option = `cluster.${kind === 'server' || kind === 'peer' ? 'members' : 'kubeadm'}.${name}.${kind}`
      if (!haveSameAnchors(held.server, held[kind]))
        throw optionInvalid(option, 'must be of the same CA as the others: kubeadm has one for etcd')
      files[kind] = pathsIn(join(directory, path), names)
      return { option, credentials: held[kind], names, sameSubject: kind === 'server' && form === 'one' }
    })
    return folderOf(path, placed, { authorities: caKey && path !== base ? caFilesOf(cluster) : [] })
  })
  const { server, peer, healthcheckClient, apiserverClient } = files as Record<Identity['kind'], CredentialFiles> // each was set
  return { name, folders, files: { server, peer }, ownClients: { healthcheckClient, apiserverClient } }
}

function caFilesOf({ authorities }: Cluster): PlacedCa[] {
  if (authorities === undefined) return []
  const { client, peer } = authorities
  const first = { authority: client, cert: 'ca.crt', key: 'ca.key' }
  if (client.certificate.equals(peer.certificate)) return [first]
  return [first, { authority: peer, cert: PEER_CA, key: 'peer-ca.key' }]
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
