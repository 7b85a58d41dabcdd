/** What of a directory can be renewed: the folders of a layout, and which credentials each is for. */
import { join } from 'node:path'
import { type FileSystem, lookAt } from '../../files/file-system.js'
import { isNotThere, systemCode, writeFailed } from '../../files/write-file.js'
import { isEtcdMtlsError } from '../../report/errors.js'
import type { Role } from '../roles.js'
import {
  APISERVER_CLIENT,
  CLIENT,
  type FileNames,
  FOLDERS,
  HEALTHCHECK_CLIENT,
  type Layout,
  PEER,
  SERVER,
} from './layouts.js'

/** Credentials by the names of their files, and whose they are. */
export interface Identity {
  readonly role: Role
  readonly names: FileNames
}

/** A folder that changes as one. */
export interface RenewalFolder {
  /** From the directory; empty for that itself. */
  readonly path: string
  readonly identities: readonly Identity[]
}

/** A place that cannot be looked into, and why. */
export interface BarredFolder {
  readonly path: string
  readonly reason: string
}

/** What was found. */
interface RenewalPlaces {
  readonly folders: readonly RenewalFolder[]
  readonly barred: readonly BarredFolder[]
}

const MEMBER: readonly Identity[] = [
  { role: 'server', names: SERVER },
  { role: 'peer', names: PEER },
]
const USER: readonly Identity[] = [{ role: 'client', names: CLIENT }]
const NODE: readonly Identity[] = [...MEMBER, { role: 'client', names: HEALTHCHECK_CLIENT }]
const API_SERVER: readonly Identity[] = [{ role: 'client', names: APISERVER_CLIENT }]

/** The folders of a layout below a directory that is there. */
export async function findPlaces(fs: FileSystem, root: string, layout: Layout): Promise<RenewalPlaces> {
  return layout === 'etcd' ? findEtcd(fs, root) : findKubeadm(fs, root)
}

async function findEtcd(fs: FileSystem, root: string): Promise<RenewalPlaces> {
  const members = await findBelow(fs, root, FOLDERS.members)
  const clients = await findBelow(fs, root, FOLDERS.clients)
  return {
    folders: [
      ...members.paths.map((path) => ({ path, identities: MEMBER })),
      ...clients.paths.map((path) => ({ path, identities: USER })),
    ],
    barred: [...members.barred, ...clients.barred],
  }
}

async function findKubeadm(fs: FileSystem, root: string): Promise<RenewalPlaces> {
  const nodes = await findNodes(fs, root)
  // A layout is known by its nodes: clients alone are those of the layout etcd.
  if (nodes.folders.length === 0) return nodes
  const clients = await findBelow(fs, root, FOLDERS.clients)
  const users = clients.paths.map((path) => ({ path, identities: USER }))
  return { folders: [...nodes.folders, ...users], barred: [...nodes.barred, ...clients.barred] }
}

async function findNodes(fs: FileSystem, root: string): Promise<RenewalPlaces> {
  if (await holdsNode(fs, root)) return nodeAt(fs, root, '')
  const { paths, barred } = await findBelow(fs, root, '')
  const nodes: RenewalPlaces[] = []
  for (const path of paths) {
    if (await holdsNode(fs, join(root, path))) nodes.push(await nodeAt(fs, root, path))
  }
  // Whatever else lies beside the folders of nodes is none of the layout.
  const isAllOfIt = nodes.length === 0
  return {
    folders: nodes.flatMap((each) => each.folders),
    barred: [...(isAllOfIt ? [] : barred), ...nodes.flatMap((each) => each.barred)],
  }
}

async function nodeAt(fs: FileSystem, root: string, base: string): Promise<RenewalPlaces> {
  const inner = join(base, FOLDERS.kubeadm)
  const outer = { path: base, identities: API_SERVER }
  const folder = await lookAtFolder(fs, root, inner)
  if (folder === null) return { folders: [outer], barred: [] }
  if (typeof folder === 'object') return { folders: [outer], barred: [folder] }
  return { folders: [{ path: inner, identities: NODE }, outer], barred: [] }
}

/** Whether a directory is that of a node: one of its certificates is there. */
async function holdsNode(fs: FileSystem, path: string): Promise<boolean> {
  const certificates = [...NODE.map(({ names }) => join(FOLDERS.kubeadm, names.cert)), APISERVER_CLIENT.cert]
  for (const name of certificates) {
    try {
      if ((await lookAt(fs, join(path, name))) !== null) return true
    } catch (error) {
      if (systemCode(error) !== 'ENOTDIR') throw error
    }
  }
  return false
}

/** The folders in a folder. Names that start with a dot are those of what is there for a moment only. */
async function findBelow(
  fs: FileSystem,
  root: string,
  parent: string,
): Promise<{ paths: string[]; barred: BarredFolder[] }> {
  const found: { paths: string[]; barred: BarredFolder[] } = { paths: [], barred: [] }
  const state = parent === '' ? 'folder' : await lookAtFolder(fs, root, parent)
  if (state === null) return found
  if (typeof state === 'object') return { paths: [], barred: [state] }
  let names: string[]
  try {
    names = await fs.readdir(join(root, parent))
  } catch (error) {
    return { paths: [], barred: [barredBy(root, parent, error)] }
  }
  for (const name of names.filter((each) => !each.startsWith('.')).sort()) {
    const path = join(parent, name)
    const below = await lookAtFolder(fs, root, path)
    if (below === 'folder') found.paths.push(path)
    else if (below !== null) found.barred.push(below)
  }
  return found
}

/** null where nothing is there, or a file, which nobody takes for a folder. */
async function lookAtFolder(fs: FileSystem, root: string, path: string): Promise<'folder' | BarredFolder | null> {
  try {
    const state = await lookAt(fs, join(root, path))
    if (state?.isSymbolicLink() === true) {
      return {
        path,
        reason: 'a symbolic link stands there, which is not followed: give the directory that it leads to',
      }
    }
    return state?.isDirectory() === true ? 'folder' : null
  } catch (error) {
    if (isNotThere(error)) return null
    return barredBy(root, path, error)
  }
}

function barredBy(root: string, path: string, error: unknown): BarredFolder {
  const told = isEtcdMtlsError(error, 'ERR_WRITE_FAILED') ? error : writeFailed(join(root, path), error)
  return { path, reason: told.details.reason }
}
