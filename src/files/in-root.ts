/**
 * Opens paths of another machine below the folder where its root is mounted. As after chroot(2), `..` and links do not leave
 * that root, also while its owner replaces folders and files.
 */
import { codeOf } from '../report/errors.js'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'

/** A path of this machine, or a path below the root of another one. */
export type HostPath = string | InRoot

export interface InRoot {
  readonly root: string
  readonly path: string
}

/** The path on this machine. Only for people: links on it may leave the root. */
export function hostPathText(path: HostPath): string {
  return typeof path === 'string' ? path : join(path.root, path.path)
}

export function below(folder: HostPath, name: string): HostPath {
  return typeof folder === 'string' ? `${folder}/${name}` : { ...folder, path: `${folder.path}/${name}` }
}

export interface FoundFile {
  readonly stats: Stats
  /** The folders and links above it, and the file; of a path of this machine, only the file. */
  readonly trail: readonly Stats[]
  /** Opens what was found, for reading. It does not wait for a FIFO or a device. The caller closes it. */
  readonly open: () => Promise<FileHandle>
  readonly names: () => Promise<string[]>
  /** The name of the folder that holds it, after all links; empty for the root. */
  readonly folder: () => Promise<string>
}

/** The limit of Linux for one path (path_resolution(7)). */
const MAX_LINKS = 40
/** Limits the steps, links included, and so the open folders. Paths of etcd's files have fewer than ten names. */
const MAX_NAMES = 256

/** Finds a file and calls `use` with it. On a path of this machine, the operating system follows all links. */
export async function useHostFile<T>(path: HostPath, use: (found: FoundFile) => Promise<T>): Promise<T> {
  if (typeof path !== 'string') return useInRoot(path, use)
  // Without O_NONBLOCK, opening a FIFO waits for a writer. On Windows the constant is undefined and counts as 0.
  const stats = await stat(path)
  return use({
    stats,
    trail: [stats],
    open: () => open(path, O_RDONLY | O_NONBLOCK),
    names: () => readdir(path),
    folder: async () => basename(dirname(await realpath(path))),
  })
}

/** Whether there is a regular file; null if there is nothing, or it may not be seen. */
export async function isHostFile(path: HostPath): Promise<boolean | null> {
  try {
    return await useHostFile(path, ({ stats }) => Promise.resolve(stats.isFile()))
  } catch (error) {
    if (codeOf(error) === null) throw error
    return null
  }
}

/** The names in a folder, none if there is no such folder; null if it cannot be read. */
export async function hostFolder(path: HostPath): Promise<string[] | null> {
  try {
    return await useHostFile(path, ({ names }) => names())
  } catch (error) {
    const code = codeOf(error)
    if (code === null) throw error
    return code === 'ENOENT' || code === 'ENOTDIR' ? [] : null
  }
}

interface WalkOptions {
  /** Whether to open folders by their descriptors. @default whether that works here */
  readonly hasDescriptors?: boolean
}

/**
 * Finds a path below `root`, and calls `use` with it. An absolute link starts again at the root.
 *
 * On Linux each name is opened in the folder that is already open, so a folder that is replaced meanwhile leads nowhere else.
 * Node has no openat(2); the kernel resolves /proc/self/fd/N/NAME in the same way (proc_pid_fd(5)). Elsewhere, and without
 * /proc, the real path is compared before and after opening. That is not safe against each replacement.
 *
 * @throws Errors of the file system, among them ELOOP for too many links, ENAMETOOLONG for too many names, and {@link VIRTUAL} for a
 * part that a program makes, and for a file that the kernel makes.
 */
export async function useInRoot<T>(
  { root, path }: InRoot,
  use: (found: FoundFile) => Promise<T>,
  { hasDescriptors }: WalkOptions = {},
): Promise<T> {
  const top = await openRoot(root, hasDescriptors)
  const opened = [top]
  try {
    const { entry, folder } = await walk(top, path, opened)
    const { stats, isVirtual, open, names } = entry
    if (isVirtual && stats.isFile()) throw failure(VIRTUAL, path)
    return await use({
      ...{ stats, open, names },
      trail: opened.map((each) => each.stats),
      folder: () => Promise.resolve(folder),
    })
  } finally {
    await Promise.all(opened.map((each) => each.close()))
  }
}

interface Entry {
  readonly stats: Stats
  /** Whether the kernel makes it. */
  readonly isVirtual: boolean
  /** Null unless it is a link. */
  readonly target: string | null
  readonly child: (name: string) => Promise<Entry>
  readonly open: () => Promise<FileHandle>
  readonly names: () => Promise<string[]>
  readonly close: () => Promise<void>
}

interface Step {
  readonly entry: Entry
  readonly name: string
  /** The name of the folder that holds it. */
  readonly folder: string
}

/** @param opened Each entry that must be closed is appended. */
async function walk(top: Entry, path: string, opened: Entry[]): Promise<Step> {
  const left = path.split(SEPARATOR).reverse()
  const above: Step[] = []
  let here: Step = { entry: top, name: '', folder: '' }
  let links = 0
  for (let names = 0; left.length > 0;) {
    const name = left.pop() ?? ''
    if (name === '' || name === '.') continue
    if (++names > MAX_NAMES) throw failure('ENAMETOOLONG', path)
    // Not the parent that the kernel finds: the folder may have been moved out of the root.
    if (name === '..') {
      here = above.pop() ?? here
      continue
    }
    const entry = await here.entry.child(name)
    opened.push(entry)
    const { target } = entry
    if (target === null) {
      above.push(here)
      here = { entry, name, folder: here.name }
      continue
    }
    if (++links > MAX_LINKS) throw failure('ELOOP', path)
    if (SEPARATOR.test(target.slice(0, 1))) here = above.splice(0)[0] ?? here
    left.push(...target.split(SEPARATOR).reverse())
  }
  return here
}

const SEPARATOR = sep === '/' ? /\// : /[\\/]/

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

async function openRoot(root: string, hasDescriptors?: boolean): Promise<Entry> {
  if (hasDescriptors ?? process.platform === 'linux') {
    const handle = await open(root, O_PATH | O_DIRECTORY)
    const entry = await descriptorEntry(handle, null, await mountsOf(handle, root))
    if (hasDescriptors === true || (await isUsable(handle, entry.stats))) return entry
    await handle.close()
  }
  const top = await realpath(root)
  return pathEntry(top, top)
}

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants
/**
 * It opens a name without the right to read it and without effects on devices, and also a link (open(2)). Node does not
 * export it. The value is the same on each architecture that Node supports (asm-generic/fcntl.h).
 */
const O_PATH = 0o10000000

function descriptorPath({ fd }: FileHandle, name = ''): string {
  return `/proc/self/fd/${String(fd)}${name === '' ? '' : '/'}${name}`
}

/** Not if /proc is not mounted, nor after a change of the user, after which it belongs to root (PR_SET_DUMPABLE(2const)). */
async function isUsable(folder: FileHandle, { ino, dev }: Stats): Promise<boolean> {
  const same = await stat(descriptorPath(folder)).catch(() => null)
  return same?.ino === ino && same.dev === dev
}

/** The code of the error for a file that a program or the kernel makes when it is read. */
export const VIRTUAL = 'EVIRTUAL'
/** A program may never answer, not even after SIGKILL. virtiofs, the disk of a virtual machine, is not among them. */
const OF_PROGRAM = /^fuse(?:\.|$|blk$)/
/** Reading these files may have effects. */
const OF_KERNEL = /^(?:proc|sysfs|devtmpfs|debugfs|tracefs)$/

/** The types of mounts that a walk has met, and the table of the others (proc_pid_mountinfo(5)). */
interface Mounts {
  readonly table: string
  readonly types: Map<string | null, string>
}

/** Also a root on a file system of a program is read, if the caller chose it: it is not that of a process. */
async function mountsOf(top: FileHandle, root: string): Promise<Mounts> {
  const isOfProcess = basename(root) === 'root' && /^\d+$/.test(basename(dirname(root)))
  const table = isOfProcess ? `${dirname(root)}/mountinfo` : '/proc/self/mountinfo'
  return { table, types: new Map([[null, ''], ...(isOfProcess ? [] : [[await mountOf(top), ''] as const])]) }
}

/** Asks only the kernel (proc_pid_fdinfo(5)): statfs(2) waits for a program that does not answer. Null if it is not known. */
async function mountOf({ fd }: FileHandle): Promise<string | null> {
  const info = await readFile(`/proc/self/fdinfo/${String(fd)}`, 'latin1').catch(() => '')
  return /^mnt_id:\s*(\d+)$/m.exec(info)?.[1] ?? null
}

/** Whether the kernel makes the files there. Throws if a program does. */
async function isOfKernel(handle: FileHandle, { table, types }: Mounts): Promise<boolean> {
  const id = await mountOf(handle)
  const text = types.has(id) ? '' : await readFile(table, 'latin1').catch(() => '')
  const type = types.get(id) ?? new RegExp(`^${id ?? ''} .* - (\\S+) `, 'm').exec(text)?.[1] ?? ''
  types.set(id, type)
  if (OF_PROGRAM.test(type)) throw failure(VIRTUAL, type)
  return OF_KERNEL.test(type)
}

/** Closes the handle if it throws. */
async function descriptorEntry(handle: FileHandle, link: string | null, mounts: Mounts): Promise<Entry> {
  try {
    const isVirtual = await isOfKernel(handle, mounts)
    const stats = await handle.stat()
    return {
      stats,
      isVirtual,
      // If another link has replaced this one, that link is as good: both are resolved below the root.
      target: stats.isSymbolicLink() && link !== null ? await readlink(link) : null,
      child: async (name) => {
        const path = descriptorPath(handle, name)
        return descriptorEntry(await open(path, O_PATH | O_NOFOLLOW), path, mounts)
      },
      open: async () => open(descriptorPath(handle), O_RDONLY | O_NONBLOCK),
      names: async () => readdir(descriptorPath(handle)),
      close: async () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** @param top The real path of the root. */
async function pathEntry(path: string, top: string): Promise<Entry> {
  const stats = path === top ? await stat(path) : await lstat(path)
  return {
    stats,
    isVirtual: false,
    target: stats.isSymbolicLink() ? await readlink(path) : null,
    child: async (name) => pathEntry(join(path, name), top),
    open: async () => openUnmoved(path, top),
    names: async () => readdir(path),
    close: () => Promise.resolve(),
  }
}

/** Throws if the path leads out of `top`, or changes meanwhile. */
async function openUnmoved(path: string, top: string): Promise<FileHandle> {
  const before = await realpath(path)
  const handle = await open(before, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const [opened, now] = [await handle.stat({ bigint: true }), await lstat(before, { bigint: true })]
    const isInside = before === top || before.startsWith(top.endsWith(sep) ? top : `${top}${sep}`)
    const isSame = (await realpath(path)) === before && opened.ino === now.ino && opened.dev === now.dev
    if (isInside && isSame) return handle
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  throw failure('ESTALE', path)
}

const GENERATION = /^\.\.\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{16}$/

/** Whether a directory has the name of those that this package writes (publish.ts). The kubelet gives others to the files of a Secret. */
export function isGenerationName(name: string): boolean {
  return GENERATION.test(name)
}
