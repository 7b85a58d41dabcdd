/** Removes members and clients from the files of a cluster. */
import { dirname, join, resolve } from 'node:path'
import type { TrustedOwnerOption } from '../../files/accounts.js'
import { directoryExists, type FileSystem, flushDirectory, removeAll } from '../../files/file-system.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { withDirectoryLock } from '../../files/lock.js'
import { DATA_LINK, isGenerationName, newTemporaryName, publish, readDirectory, sweep } from '../../files/publish.js'
import { checkOptions } from '../../report/option-error.js'
import { checkNames } from './cluster-credentials.js'
import {
  checkLayoutCall,
  clientFolder,
  type Layout,
  memberFolders,
  migrationOf,
  namesIn,
  pathOf,
  PEER_CA,
} from './layouts.js'

export async function removeFromCluster(
  directory: string,
  parts: { members?: readonly string[] | undefined; clients?: readonly string[] | undefined },
  options: { layout: Layout; signal?: AbortSignal | undefined } & TrustedOwnerOption,
  given?: FileSystem,
): Promise<{ members: string[]; clients: string[] }> {
  checkOptions('parts', parts, ['members', 'clients'])
  checkLayoutCall(directory, options, [])
  const { layout, signal } = options
  const kinds = ['members', 'clients'] as const
  for (const kind of kinds) if (parts[kind] !== undefined) checkNames(parts[kind], `parts.${kind}`)
  signal?.throwIfAborted()

  const place = resolve(directory)
  const fs = given ?? (await guardedFileSystem(place, options.trustedOwner, migrationOf(layout)))
  const removed: { members: string[]; clients: string[] } = { members: [], clients: [] }
  await withDirectoryLock(fs, place, signal, async (root, held) => {
    if (root === null) return
    for (const kind of kinds) {
      for (const name of parts[kind] ?? []) {
        held.throwIfAborted()
        const base = join(root, pathOf(layout, kind, name))
        const folders = kind === 'clients' ? [clientFolder(base)] : memberFolders(layout, base)
        const more = layout === 'etcd' && kind === 'members' ? [PEER_CA] : []
        let existed = false
        // Removes temporary files of a killed run.
        if (await directoryExists(fs, dirname(base))) await sweep(fs, dirname(base))
        for (const { path, identities } of [...folders].reverse()) {
          if (await removeFolder(fs, path, [...namesIn(identities), ...more])) existed = true
        }
        if (existed) removed[kind].push(name)
      }
    }
  })
  return removed
}

/** Removes these files, and the folder if it has no others. False if none existed. */
async function removeFolder(fs: FileSystem, path: string, all: readonly string[]): Promise<boolean> {
  if (!(await directoryExists(fs, dirname(path))) || !(await directoryExists(fs, path))) return false
  await sweep(fs, path)
  const present = await fs.readdir(path)
  // A certificate stays if its key stays, as for a CA.
  const names = all.filter((name) => {
    const key = name.replace(/\.crt$/, '.key')
    return all.includes(key) || !present.includes(key)
  })
  // Also throws for unusable entries, such as a directory with the name of a file.
  const { seen, foreign } = await readDirectory(fs, path, names)
  if (present.some((name) => !names.includes(name) && name !== DATA_LINK && !isGenerationName(name))) {
    await publish(fs, path, { files: new Map(), remove: names })
    return names.some((name) => seen.has(name) || foreign.has(name))
  }
  const aside = join(dirname(path), newTemporaryName())
  await fs.rename(path, aside)
  await flushDirectory(fs, dirname(path))
  await removeAll(fs, aside)
  return true
}
