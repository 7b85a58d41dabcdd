/** Removes members and clients from the files of a cluster. */
import { dirname, join, resolve } from 'node:path'
import { checkDirectory } from '../../credentials/write.js'
import { type FileSystem, flushDirectory, removeAll } from '../../files/file-system.js'
import { checkFolder } from '../../files/folders.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { withDirectoryLock } from '../../files/lock.js'
import { newTemporaryName, publish, sweep } from '../../files/publish.js'
import { DATA_LINK, isGenerationName, surveyDirectory } from '../../files/survey.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { checkNames } from './cluster-credentials.js'
import { checkLayout, clientFolder, type Layout, memberFolders, namesIn, pathOf, PEER_CA } from './layouts.js'

/**
 * Removes the files of members and clients, keys first if not everything can be removed in one step. Other files stay, and
 * then their folder; so does the key of a CA with its certificate. The certificates stay valid: revoke them if needed.
 *
 * @param parts The members and clients to remove, by name.
 * @param options `layout`: in which the cluster was written; in `kubeadm` each member has a folder. `signal` stops before the
 *   next folder is removed.
 * @returns The members and clients of which files existed. The call can be repeated after a crash.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED`
 * @throws The reason of `signal`.
 */
export async function removeFromCluster(
  directory: string,
  parts: { members?: readonly string[] | undefined; clients?: readonly string[] | undefined },
  options: { layout: Layout; signal?: AbortSignal | undefined },
): Promise<{ members: string[]; clients: string[] }> {
  return removeFromClusterOn(guardedFileSystem(), directory, parts, options)
}

/** {@link removeFromCluster} on any file system. */
export async function removeFromClusterOn(
  fs: FileSystem,
  ...[directory, parts, options]: Parameters<typeof removeFromCluster>
): Promise<{ members: string[]; clients: string[] }> {
  checkDirectory(directory)
  checkOptions('parts', parts, ['members', 'clients'])
  checkOptions('options', options, ['layout', 'signal'])
  const { layout, signal } = options
  checkLayout(layout)
  const named = { members: readNames(parts.members, 'members'), clients: readNames(parts.clients, 'clients') }
  signal?.throwIfAborted()

  const place = resolve(directory)
  const removed: { members: string[]; clients: string[] } = { members: [], clients: [] }
  await withDirectoryLock(fs, place, signal, async (root, held) => {
    if (root === null) return
    for (const kind of ['members', 'clients'] as const) {
      for (const name of named[kind]) {
        held.throwIfAborted()
        const base = join(root, pathOf(layout, kind, name))
        const folders = kind === 'clients' ? [clientFolder(base)] : memberFolders(layout, base)
        const more = layout === 'etcd' && kind === 'members' ? [PEER_CA] : []
        const own = folders
          .map(({ path, identities }) => ({ path, names: [...namesIn(identities), ...more] }))
          .reverse()
        if (await removeOne(fs, own)) removed[kind].push(name)
      }
    }
  })
  return removed
}

function readNames(names: unknown, kind: 'members' | 'clients'): string[] {
  const option = `parts.${kind}`
  if (names === undefined) return []
  if (!Array.isArray(names)) throw optionInvalid(option, 'must be a list of names')
  const list: readonly unknown[] = names
  checkNames(list, option)
  return list.filter((name) => typeof name === 'string')
}

/** The folders of one member or client, the inner ones first; false if there were none. */
async function removeOne(
  fs: FileSystem,
  folders: readonly { readonly path: string; readonly names: readonly string[] }[],
): Promise<boolean> {
  let wasThere = false
  const outermost = dirname(folders.at(-1)?.path ?? '')
  if (!(await checkFolder(fs, outermost))) return false
  // What a killed run has left.
  await sweep(fs, outermost)
  for (const { path, names: all } of folders) {
    if (!(await checkFolder(fs, dirname(path))) || !(await checkFolder(fs, path))) continue
    const names = await withoutHeldKeys(fs, path, all)
    // For its errors, such as a directory with the name of a file.
    const { seen, foreign } = await surveyDirectory(fs, path, names)
    if (await holdsOthers(fs, path, names)) {
      if (names.some((name) => seen.has(name) || foreign.has(name))) wasThere = true
      await publish(fs, path, { files: new Map(), remove: names })
      continue
    }
    wasThere = true
    const aside = join(dirname(path), newTemporaryName())
    await fs.rename(path, aside)
    await flushDirectory(fs, dirname(path))
    await removeAll(fs, aside)
  }
  return wasThere
}

/** Without the certificates of keys that stay, such as that of a CA. */
async function withoutHeldKeys(fs: FileSystem, path: string, names: readonly string[]): Promise<string[]> {
  const there = new Set(await fs.readdir(path))
  return names.filter((name) => {
    const key = name.replace(/\.crt$/, '.key')
    return names.includes(key) || !there.has(key)
  })
}

async function holdsOthers(fs: FileSystem, path: string, names: readonly string[]): Promise<boolean> {
  await sweep(fs, path)
  const all = await fs.readdir(path)
  return all.some((name) => !names.includes(name) && name !== DATA_LINK && !isGenerationName(name))
}
