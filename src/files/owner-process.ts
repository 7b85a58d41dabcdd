/**
 * A process that accesses files with the rights of another user, for a caller that runs as root.
 *
 * Root must not write in a directory of another user: between two system calls that user can replace a file or directory by
 * a link, and root would change the target of the link. A process of that user cannot change more than the user can.
 */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { printable } from '../report/printable.js'
import type { FileState, FileSystem, OpenFile } from './file-system.js'
import { systemCode } from './write-failed.js'

/** Limit of one call in milliseconds, because the user can suspend the process. */
const CALL_TIMEOUT = 30_000
/** The process ends after this time in milliseconds without a call and an open file. */
const IDLE_TIMEOUT = 200
/** Most bytes of a file in one call. */
const CHUNK = 1024 * 1024
/** Most characters of an answer: a chunk in base64, or the names in a directory. */
const MAX_ANSWER = 4 * CHUNK
/** The group for an unknown user: on most systems "nogroup", which has no rights. */
const NO_GROUP = 65_534

/**
 * The program of the process. It reads one call and writes one answer per line, in JSON. It is a string, because a bundler
 * may merge this module into another file.
 */
const PROGRAM = `
const fs = require('node:fs')
const state = (s) => ({ type: s.isDirectory() ? 'directory' : s.isFile() ? 'file' : s.isSymbolicLink() ? 'link' : 'other',
  mode: s.mode, uid: s.uid, gid: s.gid, size: s.size, mtimeMs: s.mtimeMs })
const calls = {
  lstat: (path) => state(fs.lstatSync(path)),
  realpath: (path) => fs.realpathSync.native(path),
  fstat: (file) => state(fs.fstatSync(file)),
  read: (file, length, position) => {
    const buffer = Buffer.alloc(length)
    return buffer.subarray(0, fs.readSync(file, buffer, 0, length, position)).toString('base64')
  },
  write: (file, data, position) => {
    const buffer = Buffer.from(data, 'base64')
    for (let at = 0; at < buffer.length; ) at += fs.writeSync(file, buffer, at, buffer.length - at, position === null ? null : position + at)
  },
}
for (const name of ['open', 'readdir', 'readlink', 'mkdir', 'rename', 'link', 'symlink', 'unlink', 'rmdir', 'fchmod', 'ftruncate', 'fsync', 'close'])
  calls[name] = (...args) => fs[name + 'Sync'](...args)
let rest = ''
process.stdin.setEncoding('utf8')
process.stdin.on('data', (text) => {
  const lines = (rest + text).split('\\n')
  rest = lines.pop()
  for (const line of lines) {
    const [name, args] = JSON.parse(line)
    let answer
    try { answer = { value: calls[name](...args) ?? null } }
    catch (error) { answer = { code: error.code ?? null, message: error.message } }
    process.stdout.write(JSON.stringify(answer) + '\\n')
  }
})
process.stdin.on('end', () => process.exit(0))
`

/** Makes the calls in a process of the user, which starts at the first call. */
export function ownerFileSystem(uid: number): FileSystem {
  let helper: Promise<OwnerProcess> | null = null
  const start = async (): Promise<OwnerProcess> => {
    const known = helper
    const before = await known
    if (before?.hasEnded === false) return before
    // If it has ended, the first of several parallel calls starts another one.
    if (helper === known) helper = startOwnerProcess(uid)
    return helper ?? start()
  }
  const call = async <T>(read: (value: unknown) => T, name: string, ...args: readonly unknown[]): Promise<T> =>
    read(await (await start()).call(name, ...args))
  return {
    open: async (path, flags, mode) => {
      const owner = await start()
      const file = asNumber(await owner.call('open', path, flags, mode ?? 0o666))
      owner.opened.add(file)
      return openFile(owner, file)
    },
    lstat: async (path) => call(asState, 'lstat', path),
    readdir: async (path) => call(asNames, 'readdir', path),
    readlink: async (path) => call(asString, 'readlink', path),
    realpath: async (path) => call(asString, 'realpath', path),
    mkdir: async (path, mode) => call(asNothing, 'mkdir', path, mode),
    rename: async (from, to) => call(asNothing, 'rename', from, to),
    link: async (existing, path) => call(asNothing, 'link', existing, path),
    symlink: async (target, path) => call(asNothing, 'symlink', target, path),
    unlink: async (path) => call(asNothing, 'unlink', path),
    rmdir: async (path) => call(asNothing, 'rmdir', path),
  }
}

function openFile(helper: OwnerProcess, file: number): OpenFile {
  const run = async (name: string, ...args: readonly unknown[]): Promise<void> => {
    await helper.call(name, file, ...args)
  }
  const write = async (data: Uint8Array, position: number | null): Promise<void> => {
    for (let at = 0; at < data.length; at += CHUNK) {
      const text = Buffer.from(data.subarray(at, at + CHUNK)).toString('base64')
      await run('write', text, position === null ? null : position + at)
    }
  }
  return {
    chmod: async (mode) => run('fchmod', mode),
    // The process cannot change the owner, so the files belong to its user.
    chown: async (_uid, gid) => setGroup(helper, file, gid),
    stat: async () => asState(await helper.call('fstat', file)),
    sync: async () => run('fsync'),
    truncate: async (size) => run('ftruncate', size),
    read: async (buffer, offset, length, position) => {
      const data = asString(await helper.call('read', file, Math.min(length, CHUNK), position))
      return { bytesRead: Buffer.from(data, 'base64').copy(buffer, offset, 0, length) }
    },
    write: async (buffer, offset, length, position) => write(buffer.subarray(offset, offset + length), position),
    writeFile: async (data) => write(Buffer.from(data), null),
    close: async () => {
      // A process that ended has closed its files.
      if (helper.hasEnded) return
      helper.opened.delete(file)
      await run('close')
    },
  }
}

/**
 * Sets the group of an open file as root, because the user may not be in that group. The file must belong to the user.
 */
async function setGroup(helper: OwnerProcess, file: number, gid: number): Promise<void> {
  if (asState(await helper.call('fstat', file)).gid === gid) return
  // proc(5): the link leads to the open file itself, so it does not depend on paths that the user can change.
  const same = await open(`/proc/${String(helper.pid)}/fd/${String(file)}`, 'r')
  try {
    const state = await same.stat()
    const isOwn = state.uid === helper.uid && (state.isDirectory() || (state.isFile() && state.nlink === 1))
    if (!isOwn)
      throw new Error(`the open file of the process of user ${String(helper.uid)} does not belong to that user`)
    await same.chown(helper.uid, gid)
  } finally {
    await same.close()
  }
}

/** One process, which answers one call at a time. Exported for tests with a hostile process. */
export class OwnerProcess {
  readonly uid: number
  /** Descriptors of the open files of the process. */
  readonly opened = new Set<number>()
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  /** Settles when the last call ends. */
  #last: Promise<unknown> = Promise.resolve()
  #calls = 0
  #waiting: { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void } | null = null
  #rest = ''
  #end: Error | null = null
  #idle: NodeJS.Timeout | undefined

  constructor(uid: number, child: ChildProcessByStdio<Writable, Readable, null>) {
    this.uid = uid
    this.#child = child
    child.once('error', (error) => {
      const reason = `no process of user ${String(uid)} could be started (${error.message})`
      this.#stop(Object.assign(new Error(reason), { code: systemCode(error) ?? undefined }))
    })
    child.once('exit', () => {
      this.#stop(new Error(`the process of user ${String(uid)} ended`))
    })
    for (const stream of [child.stdin, child.stdout]) {
      stream.on('error', (error: Error) => {
        this.#stop(error)
      })
      // The process does not keep this one alive, and ends when its input ends.
      if (stream instanceof Socket) stream.unref()
    }
    child.unref()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#receive(text)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get hasEnded(): boolean {
    return this.#end !== null
  }

  async call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    clearTimeout(this.#idle)
    this.#calls += 1
    const answer = this.#last.then(() => this.#ask(`${JSON.stringify([name, args])}\n`))
    this.#last = answer.catch(() => undefined)
    try {
      return await answer
    } finally {
      this.#calls -= 1
      if (this.#calls === 0 && this.opened.size === 0) {
        this.#idle = setTimeout(() => {
          this.#stop(new Error('the process was idle'))
        }, IDLE_TIMEOUT).unref()
      }
    }
  }

  async #ask(line: string): Promise<unknown> {
    const end = this.#end
    if (end !== null) throw end
    const limit = `${String(CALL_TIMEOUT / 1000)} s`
    const timer = setTimeout(() => {
      this.#stop(new Error(`the process of user ${String(this.uid)} did not answer within ${limit}`))
    }, CALL_TIMEOUT)
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.#waiting = { resolve, reject }
        this.#child.stdin.write(line)
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Does not trust the answer, because the user can control the process. */
  #receive(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > MAX_ANSWER) this.#stop(new Error('an answer is too long'))
    for (const line of lines) {
      const answer = parseAnswer(line)
      const waiting = this.#waiting
      if (answer === null || waiting === null) {
        this.#stop(unexpected())
        return
      }
      this.#waiting = null
      if ('error' in answer) waiting.reject(answer.error)
      else waiting.resolve(answer.value)
    }
  }

  #stop(error: Error): void {
    this.#end ??= error
    clearTimeout(this.#idle)
    this.#child.kill('SIGKILL')
    this.#waiting?.reject(this.#end)
    this.#waiting = null
  }
}

/** Bun and Deno do not have the module `node:sea`. */
const WITHOUT_SEA = { isSea: () => false }

async function startOwnerProcess(uid: number): Promise<OwnerProcess> {
  // In a single executable application, execPath would start the application again.
  const { isSea } = await import('node:sea').catch(() => WITHOUT_SEA)
  if (isSea())
    throw new Error(`a single executable application cannot work as user ${String(uid)}: run it as that user`)
  const options = { uid, gid: await primaryGroup(uid), cwd: '/', env: {} }
  return new OwnerProcess(
    uid,
    spawn(process.execPath, ['-e', PROGRAM], { ...options, stdio: ['pipe', 'pipe', 'ignore'] }),
  )
}

/** Uses `id`, which reads every user database of the system. */
async function primaryGroup(uid: number): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)('id', ['-g', String(uid)], { env: { PATH: '/usr/bin:/bin' } })
    return /^\d{1,10}\n$/.test(stdout) ? Number(stdout) : NO_GROUP
  } catch {
    // The user has no name, as in a container, or `id` does not exist.
    return NO_GROUP
  }
}

/** The value or the error of an answer; null if it is malformed. */
function parseAnswer(line: string): { readonly value: unknown } | { readonly error: Error } | null {
  let answer: unknown
  try {
    answer = JSON.parse(line)
  } catch {
    return null
  }
  if (typeof answer !== 'object' || answer === null) return null
  if ('value' in answer) return { value: answer.value }
  if (!('message' in answer && typeof answer.message === 'string' && 'code' in answer)) return null
  const code = typeof answer.code === 'string' && /^[A-Z0-9_]{1,40}$/.test(answer.code) ? answer.code : undefined
  return { error: Object.assign(new Error(printable(answer.message.slice(0, 1000))), { code }) }
}

function unexpected(): Error {
  return new Error('an answer has another form than expected')
}

function asNothing(): void {
  // The answer of these calls has no value.
}

function asString(value: unknown): string {
  if (typeof value !== 'string') throw unexpected()
  return value
}

function asNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw unexpected()
  return value
}

function asNames(value: unknown): string[] {
  if (!Array.isArray(value)) throw unexpected()
  // Names are joined to paths, so a separator would lead to another directory.
  return value.map((name) => {
    if (typeof name !== 'string' || name === '' || name === '.' || name === '..' || /[/\0]/.test(name))
      throw unexpected()
    return name
  })
}

function asState(value: unknown): FileState {
  if (typeof value !== 'object' || value === null) throw unexpected()
  const { type, mode, uid, gid, size, mtimeMs } = value as Readonly<Record<string, unknown>>
  if (typeof mtimeMs !== 'number') throw unexpected()
  return {
    isDirectory: () => type === 'directory',
    isFile: () => type === 'file',
    isSymbolicLink: () => type === 'link',
    mode: asNumber(mode),
    uid: asNumber(uid),
    gid: asNumber(gid),
    size: asNumber(size),
    mtimeMs,
  }
}
