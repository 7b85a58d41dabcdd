/** The folders of a layout in a directory. */
import { join } from 'node:path'
import { type FileSystem, lookAt } from '../../files/file-system.js'
import { writeFailed } from '../../files/write-failed.js'
import { isEtcdMtlsError } from '../../report/errors.js'
import { clientFolder, FOLDERS, type Layout, type LayoutFolder, memberFolders } from './layouts.js'

/** The folders that were found, and those that cannot be read. */
interface Places {
  readonly folders: LayoutFolder[]
  readonly barred: { readonly path: string; readonly reason: string }[]
}

/** The folders of a layout in a directory that exists. */
export async function findPlaces(fs: FileSystem, root: string, layout: Layout): Promise<Places> {
  const found: Places = { folders: [], barred: [] }
  const below = async (parent: string): Promise<string[]> => foldersIn(fs, root, parent, found.barred)
  if (layout === 'etcd') {
    for (const path of await below(FOLDERS.members)) found.folders.push(...memberFolders(layout, path))
  } else {
    const isOne = await holdsNode(fs, root)
    for (const base of isOne ? [''] : await below('')) {
      if (isOne || (await holdsNode(fs, join(root, base)))) await addNode(fs, root, base, found)
    }
    // Without a node, clients are those of the layout etcd.
    if (found.folders.length === 0) return { folders: [], barred: [] }
  }
  found.folders.push(...(await below(FOLDERS.clients)).map(clientFolder))
  return found
}

async function addNode(fs: FileSystem, root: string, base: string, { folders, barred }: Places): Promise<void> {
  const all = memberFolders('kubeadm', base)
  for (const folder of [...all].reverse()) {
    if (folder.path === base || (await isFolder(fs, root, folder.path, barred))) folders.push(folder)
  }
}

/** Whether a directory is that of a node: it has one of the certificates. */
export async function holdsNode(fs: FileSystem, path: string): Promise<boolean> {
  for (const folder of memberFolders('kubeadm', path)) {
    for (const { names } of folder.identities) {
      if ((await lookAt(fs, join(folder.path, names.cert))) !== null) return true
    }
  }
  return false
}

/** The folders in a folder. Names that start with a dot are temporary. */
async function foldersIn(fs: FileSystem, root: string, parent: string, barred: Places['barred']): Promise<string[]> {
  if (parent !== '' && !(await isFolder(fs, root, parent, barred))) return []
  const paths: string[] = []
  try {
    const names = (await fs.readdir(join(root, parent))).filter((each) => !each.startsWith('.')).sort()
    for (const name of names) {
      const path = join(parent, name)
      if (await isFolder(fs, root, path, barred)) paths.push(path)
    }
  } catch (error) {
    barred.push(barredBy(root, parent, error))
  }
  return paths
}

async function isFolder(fs: FileSystem, root: string, path: string, barred: Places['barred']): Promise<boolean> {
  try {
    const state = await lookAt(fs, join(root, path))
    if (state?.isSymbolicLink() === true)
      barred.push({
        path,
        reason: 'it is a symbolic link, which is not followed: pass the directory to which it leads',
      })
    return state?.isDirectory() === true
  } catch (error) {
    barred.push(barredBy(root, path, error))
    return false
  }
}

function barredBy(root: string, path: string, error: unknown): Places['barred'][number] {
  const failure = isEtcdMtlsError(error, 'ERR_WRITE_FAILED') ? error : writeFailed(join(root, path), error)
  return { path, reason: failure.details.reason }
}
