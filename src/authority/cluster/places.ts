/** The folders of a layout in a directory, and the credentials in each. */
import { join } from 'node:path'
import { type FileSystem, lookAt } from '../../files/file-system.js'
import { writeFailed } from '../../files/write-failed.js'
import { isEtcdMtlsError } from '../../report/errors.js'
import { clientFolder, FOLDERS, type Layout, type LayoutFolder, memberFolders } from './layouts.js'

/** A folder that cannot be read, and why. */
interface BarredFolder {
  readonly path: string
  readonly reason: string
}

interface Places {
  readonly folders: readonly LayoutFolder[]
  readonly barred: readonly BarredFolder[]
}

/** The folders of a layout in a directory that exists. */
export async function findPlaces(fs: FileSystem, root: string, layout: Layout): Promise<Places> {
  const members =
    layout === 'kubeadm'
      ? await findNodes(fs, root)
      : await findBelow(fs, root, FOLDERS.members, (path) => memberFolders('etcd', path)[0])
  // Without a node, clients are those of the layout etcd.
  if (layout === 'kubeadm' && members.folders.length === 0) return members
  return together(members, await findBelow(fs, root, FOLDERS.clients, clientFolder))
}

function together(...places: readonly Places[]): Places {
  return { folders: places.flatMap(({ folders }) => folders), barred: places.flatMap(({ barred }) => barred) }
}

async function findNodes(fs: FileSystem, root: string): Promise<Places> {
  if (await holdsNode(fs, root)) return nodeAt(fs, root, '')
  const { folders, barred } = await findBelow(fs, root, '', (path) => ({ path, identities: [] }))
  const nodes: Places[] = []
  for (const { path } of folders) {
    if (await holdsNode(fs, join(root, path))) nodes.push(await nodeAt(fs, root, path))
  }
  return nodes.length === 0 ? { folders: [], barred: [] } : together({ folders: [], barred }, ...nodes)
}

async function nodeAt(fs: FileSystem, root: string, base: string): Promise<Places> {
  const [outer, ...inner] = memberFolders('kubeadm', base)
  const barred = await barrierAt(fs, root, join(base, FOLDERS.kubeadm))
  if (barred === 'nothing') return { folders: [outer], barred: [] }
  if (barred !== null) return { folders: [outer], barred: [barred] }
  return { folders: [...inner, outer], barred: [] }
}

/** Whether a directory is that of a node: it has one of the certificates. */
export async function holdsNode(fs: FileSystem, path: string): Promise<boolean> {
  const certificates = memberFolders('kubeadm', '').flatMap((folder) =>
    folder.identities.map(({ names }) => join(folder.path, names.cert)),
  )
  for (const name of certificates) {
    if ((await lookAt(fs, join(path, name))) !== null) return true
  }
  return false
}

/** The folders in a folder. Names that start with a dot are temporary. */
async function findBelow(
  fs: FileSystem,
  root: string,
  parent: string,
  folderAt: (path: string) => LayoutFolder,
): Promise<Places> {
  const state = parent === '' ? null : await barrierAt(fs, root, parent)
  if (state === 'nothing') return { folders: [], barred: [] }
  if (state !== null) return { folders: [], barred: [state] }
  let names: string[]
  try {
    names = await fs.readdir(join(root, parent))
  } catch (error) {
    return { folders: [], barred: [barredBy(root, parent, error)] }
  }
  const folders: LayoutFolder[] = []
  const barred: BarredFolder[] = []
  for (const name of names.filter((each) => !each.startsWith('.')).sort()) {
    const path = join(parent, name)
    const below = await barrierAt(fs, root, path)
    if (below === null) folders.push(folderAt(path))
    else if (below !== 'nothing') barred.push(below)
  }
  return { folders, barred }
}

/** Why a folder cannot be read; null if it can; `nothing` if it does not exist, or is a file. */
async function barrierAt(fs: FileSystem, root: string, path: string): Promise<BarredFolder | 'nothing' | null> {
  try {
    const state = await lookAt(fs, join(root, path))
    if (state?.isSymbolicLink() === true)
      return { path, reason: 'it is a symbolic link, which is not followed: pass the directory to which it leads' }
    return state?.isDirectory() === true ? null : 'nothing'
  } catch (error) {
    return barredBy(root, path, error)
  }
}

function barredBy(root: string, path: string, error: unknown): BarredFolder {
  const failure = isEtcdMtlsError(error, 'ERR_WRITE_FAILED') ? error : writeFailed(join(root, path), error)
  return { path, reason: failure.details.reason }
}
