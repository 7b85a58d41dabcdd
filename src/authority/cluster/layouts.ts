/** The folders and files of each layout, for writing and finding. */
import { join, sep } from 'node:path'
import { checkDirectory, checkSignal } from '../../credentials/checks.js'
import type { Credentials } from '../../credentials/credentials.js'
import type { CredentialFiles } from '../../credentials/write.js'
import { checkOptions, optionInvalid, textInvalid } from '../../report/option-error.js'
import type { Certificate } from '../../x509/certificate.js'
import { checkFlag } from '../options.js'
import type { Role } from '../issue-options.js'
import type { CaMaterial, Cluster, ClusterFiles } from './cluster-credentials.js'
import { type FileSystem, lookAt } from '../../files/file-system.js'
import { giveToGroup, type Migration } from '../../files/foreign-component.js'
import { writeFailed } from '../../files/write-failed.js'
import { isEtcdMtlsError } from '../../report/errors.js'

/**
 * How files are laid out: `etcd` has a folder for each member and client, `kubeadm` the files of `/etc/kubernetes/pki` of a
 * node.
 */
export type Layout = 'etcd' | 'kubeadm'

/** Checks the arguments that all calls about a directory share. @param flags The names of boolean options. */
export function checkLayoutCall(
  directory: unknown,
  options: { readonly layout: unknown; readonly signal?: unknown },
  flags: readonly string[],
  others: readonly string[] = [],
): void {
  checkDirectory(directory)
  checkOptions('options', options, ['layout', 'signal', 'trustedOwner', ...flags, ...others])
  const { layout, signal } = options
  if (layout !== 'etcd' && layout !== 'kubeadm') throw textInvalid('layout', layout, '"etcd" or "kubeadm"')
  checkSignal(signal)
  for (const flag of flags) {
    const value: unknown = Reflect.get(options, flag)
    if (value !== undefined) checkFlag(flag, value)
  }
}

/** File names relative to the folder; `ca` may be in another folder. */
export type FileNames = Readonly<Record<'ca' | 'cert' | 'key', string>>

export interface Identity {
  readonly kind: 'server' | 'peer' | 'healthcheckClient' | 'apiserverClient' | 'client'
  readonly role: Role
  readonly names: FileNames
}

/** A folder whose files are replaced together. */
export interface LayoutFolder {
  /** Relative to the directory of the cluster; empty for that directory. */
  readonly path: string
  readonly identities: readonly Identity[]
}

function identity<K extends Identity['kind']>(kind: K, role: Role, name: string, ca = 'ca.crt') {
  return { kind, role, names: { ca, cert: `${name}.crt`, key: `${name}.key` } } as const
}

const SERVER = identity('server', 'server', 'server')
const PEER = identity('peer', 'peer', 'peer')
const HEALTHCHECK_CLIENT = identity('healthcheckClient', 'client', 'healthcheck-client')
const APISERVER_CLIENT = identity('apiserverClient', 'client', 'apiserver-etcd-client', 'etcd/ca.crt')
const CLIENT = identity('client', 'client', 'tls')

/** The trust anchors of a peer, if etcd has another CA for its peers. */
export const PEER_CA = 'peer-ca.crt'

export const FOLDERS = { members: 'members', clients: 'clients', kubeadm: 'etcd' } as const

export const MEMBER_KEYS = [SERVER.names.key, PEER.names.key] as const

/** How folders of another user become root's. The directory of kubeadm has other keys than etcd's, so it is not changed. */
export function migrationOf(layout: Layout): Migration {
  return (folder, group, path) => {
    const [first] = path.split(sep)
    if (layout === 'kubeadm' && first === '') return null
    if (first === FOLDERS.clients) return giveToGroup(folder, group, [CLIENT.names.key], false)
    return giveToGroup(folder, group, MEMBER_KEYS, true)
  }
}

/** The folders of a member, the outermost first. @param base Empty if the directory is that of one node. */
export function memberFolders(layout: Layout, base: string) {
  if (layout === 'etcd') return [{ path: base, identities: [SERVER, PEER] }] as const
  const inner = { path: join(base, FOLDERS.kubeadm), identities: [SERVER, PEER, HEALTHCHECK_CLIENT] }
  return [{ path: base, identities: [APISERVER_CLIENT] }, inner] as const
}

/** The same in both layouts. */
export function clientFolder(path: string): LayoutFolder {
  return { path, identities: [CLIENT] }
}

export function folderOf(layout: Layout, kind: 'members' | 'clients', name: string): string {
  return layout === 'kubeadm' && kind === 'members' ? name : join(FOLDERS[kind], name)
}

export interface PlacedCredentials {
  readonly credentials: Credentials
  readonly names: FileNames
  /** The file in which an earlier write may have put the trust anchors. */
  readonly formerCa?: string | undefined
  /** Whether an existing certificate must have the same subject, because the folder has no name that identifies the node. */
  readonly sameSubject?: boolean
}

export interface PlacedCa {
  readonly authority: CaMaterial
  readonly cert: string
  readonly key: string
}

/** The files to write in one folder, and those of this layout to remove. */
export interface FolderPlan {
  readonly path: string
  readonly credentials: readonly PlacedCredentials[]
  readonly authorities: readonly PlacedCa[]
  readonly remove: readonly string[]
  readonly isOfMember: boolean
}

/** The folders of one unit are written in order; units are written concurrently. */
interface LayoutPlan<M extends string, C extends string> {
  readonly units: readonly (readonly FolderPlan[])[]
  readonly files: ClusterFiles<M, C>
}

interface PlanOptions {
  readonly caKey: boolean
  /** For `kubeadm`: whether the directory is that of one node, or has a subdirectory for each member. */
  readonly form: 'one' | 'several'
}

/**
 * Plans the files of a cluster.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a cluster that cannot be written in this layout.
 */
export function planLayout<M extends string, C extends string>(
  layout: Layout,
  directory: string,
  cluster: Cluster<M, C>,
  options: PlanOptions,
): LayoutPlan<M, C> {
  const names = Object.keys(cluster.members) as M[] // its keys are those of the record
  const clients = Object.entries<Credentials>(cluster.clients).map(([name, credentials]) => {
    const path = folderOf(layout, 'clients', name)
    const folder = {
      path,
      credentials: [{ credentials, names: CLIENT.names }],
      authorities: [],
      remove: [],
      isOfMember: false,
    }
    return { name: name as C, folder, files: pathsIn(join(directory, path), CLIENT.names) }
  })
  const { form, caKey } = options
  if (
    layout === 'kubeadm' &&
    form === 'several' &&
    clients.length > 0 &&
    Object.hasOwn(cluster.members, FOLDERS.clients)
  ) {
    const reason = `must not have the name "${FOLDERS.clients}", which is the folder of the clients`
    throw optionInvalid('cluster.members', reason)
  }
  const members = names.map((name) => planMember(layout, directory, cluster, name, options))
  const root = { path: '', credentials: [], authorities: caFilesOf(cluster), remove: [], isOfMember: false }
  return {
    units: [
      layout === 'etcd' && caKey ? [root] : [],
      ...members.map(({ folders }) => folders),
      ...clients.map(({ folder }) => [folder]),
    ],
    files: {
      members: byName(members),
      clients: byName(clients),
      kubeadm: layout === 'etcd' ? {} : byName(members.map(({ name, clients: files }) => ({ name, files }))),
    },
  }
}

function planMember<M extends string>(
  layout: Layout,
  directory: string,
  cluster: Cluster<M>,
  name: M,
  { caKey, form }: PlanOptions,
) {
  const isEtcd = layout === 'etcd'
  const clients = isEtcd ? undefined : cluster.kubeadm?.[name]
  if (!isEtcd && clients === undefined) {
    const add = 'issue the cluster with `kubeadm: true`, which adds the clients of the probe and of the API server'
    throw optionInvalid(`cluster.kubeadm.${name}`, `is missing: ${add}`)
  }
  const { server, peer } = cluster.members[name]
  const held = { server, peer, healthcheckClient: server, apiserverClient: server, ...clients }
  const hasPeerCa = !haveSameAnchors(server, peer)
  const base = !isEtcd && form === 'one' ? '' : folderOf(layout, 'members', name)
  const paths: Partial<Record<keyof typeof held, CredentialFiles>> = {}
  const folders = memberFolders(layout, base).map(({ path, identities }): FolderPlan => {
    const credentials = identities.map(({ kind, names }) => {
      const option = `cluster.${kind in cluster.members[name] ? 'members' : 'kubeadm'}.${name}.${kind}`
      if (!isEtcd && !haveSameAnchors(server, held[kind]))
        throw optionInvalid(option, 'must be of the same CA as the others: kubeadm has one for etcd')
      const isPeer = isEtcd && kind === 'peer'
      const own = isPeer && hasPeerCa ? { ...names, ca: PEER_CA } : names
      paths[kind] = pathsIn(join(directory, path), own)
      const formerCa = isPeer ? PEER_CA : undefined
      return { credentials: held[kind], names: own, formerCa, sameSubject: kind === 'server' && base === '' }
    })
    const authorities = !isEtcd && caKey && path !== base ? caFilesOf(cluster) : []
    return { path, credentials, authorities, remove: isEtcd && !hasPeerCa ? [PEER_CA] : [], isOfMember: true }
  })
  const { server: ofServer, peer: ofPeer, ...ofClients } = paths as Required<typeof paths> // those of the layout were set
  return { name, folders, files: { server: ofServer, peer: ofPeer }, clients: ofClients }
}

function caFilesOf({ authorities }: Cluster): PlacedCa[] {
  if (authorities === undefined) return []
  const { client, peer } = authorities
  const first = { authority: client, cert: 'ca.crt', key: 'ca.key' }
  if (client.certificate.equals(peer.certificate)) return [first]
  return [first, { authority: peer, cert: PEER_CA, key: 'peer-ca.key' }]
}

/** In any order. */
function haveSameAnchors(a: Credentials, b: Credentials): boolean {
  const prints = (certificates: readonly Certificate[]): string =>
    [...new Set(certificates.map(({ fingerprint256 }) => fingerprint256))].sort().join()
  return prints(a.trustAnchors) === prints(b.trustAnchors)
}

function pathsIn(directory: string, { ca, cert, key }: FileNames): CredentialFiles {
  return { ca: join(directory, ca), cert: join(directory, cert), key: join(directory, key) }
}

function byName<K extends string, V>(items: readonly { name: K; files: V }[]): Record<K, V> {
  return Object.fromEntries(items.map(({ name, files }) => [name, files])) as Record<K, V> // one item for each K
}

interface FoundFolders {
  readonly folders: LayoutFolder[]
  readonly unreadable: { readonly path: string; readonly reason: string }[]
}

/** @param root An existing directory. */
export async function findFolders(fs: FileSystem, root: string, layout: Layout): Promise<FoundFolders> {
  const found: FoundFolders = { folders: [], unreadable: [] }
  const below = async (parent: string): Promise<string[]> => foldersIn(fs, root, parent, found.unreadable)
  if (layout === 'etcd') {
    for (const path of await below(FOLDERS.members)) found.folders.push(...memberFolders(layout, path))
  } else {
    const isOne = await holdsNode(fs, root)
    for (const base of isOne ? [''] : await below('')) {
      try {
        if (isOne || (await holdsNode(fs, join(root, base)))) await addNode(fs, root, base, found)
      } catch (error) {
        found.unreadable.push(unreadableFolder(root, base, error))
      }
    }
    // Without a node, the clients belong to the layout `etcd`.
    if (found.folders.length === 0) return { folders: [], unreadable: [] }
  }
  found.folders.push(...(await below(FOLDERS.clients)).map(clientFolder))
  return found
}

async function addNode(
  fs: FileSystem,
  root: string,
  base: string,
  { folders, unreadable }: FoundFolders,
): Promise<void> {
  const all = memberFolders('kubeadm', base)
  for (const folder of [...all].reverse()) {
    if (folder.path === base || (await isFolder(fs, root, folder.path, unreadable))) folders.push(folder)
  }
}

export async function holdsNode(fs: FileSystem, path: string): Promise<boolean> {
  for (const folder of memberFolders('kubeadm', path)) {
    for (const { names } of folder.identities) {
      if ((await lookAt(fs, join(folder.path, names.cert))) !== null) return true
    }
  }
  return false
}

/** Skips names that start with a dot, which are temporary. */
async function foldersIn(
  fs: FileSystem,
  root: string,
  parent: string,
  unreadable: FoundFolders['unreadable'],
): Promise<string[]> {
  if (parent !== '' && !(await isFolder(fs, root, parent, unreadable))) return []
  const paths: string[] = []
  try {
    const names = (await fs.readdir(join(root, parent))).filter((each) => !each.startsWith('.')).sort()
    for (const name of names) {
      const path = join(parent, name)
      if (await isFolder(fs, root, path, unreadable)) paths.push(path)
    }
  } catch (error) {
    unreadable.push(unreadableFolder(root, parent, error))
  }
  return paths
}

async function isFolder(
  fs: FileSystem,
  root: string,
  path: string,
  unreadable: FoundFolders['unreadable'],
): Promise<boolean> {
  try {
    const state = await lookAt(fs, join(root, path))
    if (state?.isSymbolicLink() === true)
      unreadable.push({
        path,
        reason: 'it is a symbolic link, which is not followed: pass the directory to which it leads',
      })
    return state?.isDirectory() === true
  } catch (error) {
    unreadable.push(unreadableFolder(root, path, error))
    return false
  }
}

function unreadableFolder(root: string, path: string, error: unknown): FoundFolders['unreadable'][number] {
  const failure = isEtcdMtlsError(error, 'ERR_WRITE_FAILED') ? error : writeFailed(join(root, path), error)
  return { path, reason: failure.details.reason }
}
