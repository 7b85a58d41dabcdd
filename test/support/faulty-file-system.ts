/** A file system that counts its calls, runs a callback between any two of them, and fails or dies at a given one. */
import { type FileSystem, nodeFileSystem, type OpenFile } from '../../src/files/file-system.js'

export interface Faults {
  /** The call (from 0) at which it happens. Default: never. */
  at?: number
  /**
   * `fail` lets that one call fail; `full` that one and all later ones that need space, as a full disk does; `kill` all
   * from there on, clean-up included, as after SIGKILL.
   */
  how?: 'fail' | 'full' | 'kill'
  /** The code of the error. Default: `ENOSPC`. */
  code?: string
  /** Called, and waited for, before each call is carried out. */
  before?: (call: string) => unknown
}

/** Calls that need space on the disk. */
const GROWING = new Set(['open w', 'writeFile', 'write', 'mkdir', 'symlink', 'link', 'sync'])

/** `calls`: what was called, in order. */
export function faultyFileSystem(faults: Faults = {}): FileSystem & { readonly calls: string[] } {
  const real = nodeFileSystem
  const { at = Number.POSITIVE_INFINITY, how = 'fail', code = 'ENOSPC', before } = faults
  const calls: string[] = []

  /** One call. `half` is what of it reaches the disk before it fails. */
  const step = async <T>(
    kind: string,
    path: string,
    work: () => Promise<T>,
    half?: () => Promise<unknown>,
  ): Promise<T> => {
    const number = calls.length
    calls.push(`${kind} ${path}`)
    await before?.(`${kind} ${path}`)
    const past = number > at && (how === 'kill' || (how === 'full' && GROWING.has(kind)))
    if (number === at) await half?.()
    if (number === at || past) throw Object.assign(new Error(`${code}: injected, ${kind} '${path}'`), { code })
    return work()
  }

  const wrap = (path: string, file: OpenFile): OpenFile => ({
    chmod: (mode) => step('fchmod', path, () => file.chmod(mode)),
    chown: (uid, gid) => step('fchown', path, () => file.chown(uid, gid)),
    utimes: (atime, mtime) => step('futimes', path, () => file.utimes(atime, mtime)),
    stat: () => step('fstat', path, () => file.stat()),
    read: (...where) => step('read', path, () => file.read(...where)),
    // Nobody here cuts the power, and flushing takes most of the time.
    sync: () => step('sync', path, () => Promise.resolve()),
    truncate: (size) => step('ftruncate', path, () => file.truncate(size)),
    write: (buffer, offset, length, position) => {
      const half = (): Promise<unknown> => file.write(buffer, offset, Math.floor(length / 2), position)
      return step('write', path, () => file.write(buffer, offset, length, position), half)
    },
    writeFile: (data) => {
      const bytes = Buffer.from(data)
      const half = (): Promise<unknown> => file.write(bytes, 0, Math.floor(bytes.length / 2), 0)
      return step('writeFile', path, () => file.writeFile(bytes), half)
    },
    // A process that is killed closes its files; so does this one, whatever it then tells.
    close: async () => {
      await file.close()
      await step('close', path, () => Promise.resolve())
    },
  })

  return {
    calls,
    open: (path, flags, mode) =>
      step(typeof flags === 'string' && flags !== 'r' ? 'open w' : 'open r', path, async () =>
        wrap(path, await real.open(path, flags, mode)),
      ),
    lstat: (path) => step('lstat', path, () => real.lstat(path)),
    readdir: (path) => step('readdir', path, () => real.readdir(path)),
    readlink: (path) => step('readlink', path, () => real.readlink(path)),
    realpath: (path) => step('realpath', path, () => real.realpath(path)),
    mkdir: (path, mode) => step('mkdir', path, () => real.mkdir(path, mode)),
    rename: (from, to) => step('rename', to, () => real.rename(from, to)),
    link: (existing, path) => step('link', path, () => real.link(existing, path)),
    symlink: (target, path) => step('symlink', path, () => real.symlink(target, path)),
    unlink: (path) => step('unlink', path, () => real.unlink(path)),
    rmdir: (path) => step('rmdir', path, () => real.rmdir(path)),
  }
}

/** The calls that change something: to be killed before one that only looks is to be killed before the next that does not. */
export function changingCalls({ calls }: { readonly calls: readonly string[] }): number[] {
  const looks = /^(lstat|readdir|readlink|realpath|open r|fstat|read|close|sync) /
  return [...calls.keys()].filter((at) => !looks.test(calls[at] ?? ''))
}
