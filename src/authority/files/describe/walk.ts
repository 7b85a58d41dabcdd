/** Every file of a folder, found within limits; nothing but plain files and folders is opened. */
import type { Stats } from 'node:fs'
import { lstat, opendir, realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { systemCode } from '../../../files/write-file.js'
import type { Finding } from '../../../report/finding.js'
import { DATA_LINK, isGenerationName, isTemporaryName } from '../../../files/generation.js'
import { finding } from './finding.js'

export const LIMITS = { entries: 10_000, depth: 8 } as const

/** A plain file. */
export interface FoundFile {
  /** From the folder, as it is seen: through links. */
  readonly file: string
  /** Where it is. */
  readonly path: string
  readonly size: number
  /** Permission bits and owner; null on Windows, which has none. */
  readonly mode: number | null
  readonly owner: number | null
}

/** A folder, the outermost one included as `.`. */
export type FoundFolder = Omit<FoundFile, 'size'>

export interface Found {
  readonly files: readonly FoundFile[]
  readonly folders: readonly FoundFolder[]
  readonly findings: readonly Finding[]
}

/** Walks through a folder. @param root Its real path. */
export async function walk(root: string): Promise<Found> {
  const walker = new Walker(root)
  await walker.folder('', root, 0)
  return walker
}

class Walker implements Found {
  readonly files: FoundFile[] = []
  readonly folders: FoundFolder[] = []
  readonly findings: Finding[] = []
  readonly #root: string
  /** Real places that were visited, so that a link in a circle ends and each file is read once. */
  readonly #seen = new Set<string>()
  #left: number = LIMITS.entries
  #tooDeep = false

  constructor(root: string) {
    this.#root = root
  }

  async folder(name: string, path: string, depth: number): Promise<void> {
    if (this.#seen.has(path)) return
    this.#seen.add(path)
    if (depth > LIMITS.depth) {
      if (!this.#tooDeep) this.#tell(finding('directory/limit-reached', { what: 'depth', limit: LIMITS.depth }))
      this.#tooDeep = true
      return
    }
    const state = await this.#attempt(name, () => lstat(path))
    const names = state === null ? null : await this.#attempt(name, () => this.#namesIn(path))
    if (state === null || names === null) return
    this.folders.push({ file: name === '' ? '.' : name, path, ...permissionsOf(state) })
    // What is seen by plain names comes first: it leads into the generation in use, which needs no second look.
    const ordered = [...names.filter((each) => !each.startsWith('.')), ...names.filter((each) => each.startsWith('.'))]
    const used = names.includes(DATA_LINK) ? await this.#attempt(name, () => realpath(join(path, DATA_LINK))) : null
    for (const each of ordered) await this.#entry(join(name, each), join(path, each), { depth, used })
  }

  /** Stops in the middle of a folder with a hundred thousand files. */
  async #namesIn(path: string): Promise<string[]> {
    const names: string[] = []
    for await (const { name } of await opendir(path)) {
      if (this.#left === 0) {
        this.#tell(finding('directory/limit-reached', { what: 'entries', limit: LIMITS.entries }))
        this.#left = -1
      }
      if (this.#left < 0) break
      this.#left -= 1
      names.push(name)
    }
    return names.sort()
  }

  async #entry(name: string, path: string, at: { depth: number; used: string | null }): Promise<void> {
    const state = await this.#attempt(name, () => lstat(path))
    if (state === null) return
    const last = name.slice(name.lastIndexOf(sep) + 1)
    if (state.isSymbolicLink()) {
      if (last !== DATA_LINK) await this.#link(name, path, at.depth)
      return
    }
    const isLeftOver = isTemporaryName(last) || (path !== at.used && (isGenerationName(last) || isKubeletName(last)))
    if (isLeftOver) this.#tell(finding('directory/left-over', { file: name }))
    if (state.isDirectory()) await this.folder(name, path, at.depth + 1)
    else this.#file(name, path, state)
  }

  async #link(name: string, path: string, depth: number): Promise<void> {
    const target = await realpath(path).catch((error: unknown) => systemCode(error) ?? 'unknown')
    if (!target.startsWith(sep) && !/^[A-Za-z]:/.test(target)) {
      const is = target === 'ELOOP' ? 'a link that leads in a circle' : `a link that leads nowhere (${target})`
      this.#tell(finding('directory/not-looked-at', { file: name, is }))
      return
    }
    const inside = relative(this.#root, target)
    if (inside === '..' || inside.startsWith(`..${sep}`) || inside.startsWith(sep)) {
      this.#tell(finding('directory/not-looked-at', { file: name, is: 'a link that leads out of the folder' }))
      return
    }
    const state = await this.#attempt(name, () => stat(target))
    if (state === null) return
    if (state.isDirectory()) await this.folder(name, target, depth + 1)
    else this.#file(name, target, state)
  }

  #file(name: string, path: string, state: Stats): void {
    if (!state.isFile()) {
      const is = state.isFIFO() ? 'a FIFO' : state.isSocket() ? 'a socket' : 'a device'
      this.#tell(finding('directory/not-looked-at', { file: name, is }))
      return
    }
    if (this.#seen.has(path)) return
    this.#seen.add(path)
    this.files.push({ file: name, path, size: state.size, ...permissionsOf(state) })
  }

  async #attempt<T>(name: string, look: () => Promise<T>): Promise<T | null> {
    try {
      return await look()
    } catch (error) {
      this.#tell(
        finding('directory/unreadable', { file: name === '' ? '.' : name, reason: systemCode(error) ?? 'unknown' }),
      )
      return null
    }
  }

  #tell(each: Finding): void {
    // A folder can hold thousands of such things; a hundred tell enough.
    if (this.findings.length < 100) this.findings.push(each)
  }
}

function permissionsOf({ mode, uid }: Stats): { mode: number | null; owner: number | null } {
  return process.platform === 'win32' ? { mode: null, owner: null } : { mode: mode & 0o7777, owner: uid }
}

/** Generations of the kubelet's own volumes, as `..2026_01_02_03_04_05.678901234`. */
function isKubeletName(name: string): boolean {
  return /^\.\.\d{4}(?:_\d{2}){5}\./.test(name)
}
