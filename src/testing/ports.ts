/** Ports on 127.0.0.1 that stay free while a test holds them. */
import { randomInt, createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  readFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive, ownIdentity, type ProcessIdentity } from '../files/process-identity.js'
import { codeOf } from '../report/errors.js'
import { notStarted } from './log-buffer.js'

/** Ports below are those of well-known services. */
const FIRST = 10_000
/** The range of a machine that does not report its own: the kernels of macOS and Windows start at 49152. */
const USUAL: PortRange = { first: FIRST, last: 32_767 }
/** A smaller range is not worth using. */
const MIN_SIZE = 1_000
/** How many ports are tried in one call. */
const MAX_TRIES = 1_000

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * Ports that the kernel gives to nobody: below or above `ip_local_port_range` (ip(7)). From that range each outgoing
 * connection takes its port, so an etcd that was stopped there may find its port taken.
 */
export function portRange(ephemeral: string | null = readEphemeralRange()): PortRange {
  const [low, high] = (ephemeral ?? '').trim().split(/\s+/).map(Number)
  if (low === undefined || high === undefined) return USUAL
  const candidates = [
    { first: FIRST, last: low - 1 },
    { first: high + 1, last: 65_535 },
  ]
  return candidates.find(({ first, last }) => last - first + 1 >= MIN_SIZE) ?? USUAL
}

function readEphemeralRange(): string | null {
  try {
    return readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  } catch {
    return null // not Linux
  }
}

/**
 * Ports held by this process. Nobody who asks here, in this process or another one of this user, gets a port that is
 * held. Locks that a process leaves are removed by the next one.
 */
export class HeldPorts {
  readonly #range: PortRange
  readonly #roots: readonly string[] | undefined
  #folder = ''
  #owner = ''
  readonly #ports = new Set<number>()

  /** @param options `roots` are the folders in which the registry may lie; for tests. */
  constructor(options: { range?: PortRange; roots?: readonly string[] } = {}) {
    this.#range = options.range ?? portRange()
    this.#roots = options.roots
  }

  /**
   * Takes ports that nothing listens on, all different.
   *
   * @throws {EtcdMtlsError} `ERR_ETCD_NOT_STARTED` if there are not as many
   */
  async take(count: number): Promise<number[]> {
    if (this.#owner === '') {
      this.#folder = registryFolder(this.#roots)
      this.#owner = await lockOwner()
      await removeStaleLocks(this.#folder, this.#owner)
    }
    const taken: number[] = []
    const servers: Server[] = []
    try {
      for (let tries = 0; taken.length < count; tries++) {
        if (tries === MAX_TRIES) throw this.#exhausted()
        const port = randomInt(this.#range.first, this.#range.last + 1)
        if (!takeLock(this.#folder, port, this.#owner)) continue
        this.#ports.add(port)
        const server = await listen(port)
        if (server === null) {
          this.release([port])
          continue
        }
        taken.push(port)
        servers.push(server)
      }
      return taken
    } catch (error) {
      this.release(taken)
      throw error
    } finally {
      // A server that was closed earlier would let somebody else have its port before all are known.
      await Promise.all(servers.map(close))
    }
  }

  /** Releases these ports, or all; those that are not held are ignored. */
  release(ports: readonly number[] = [...this.#ports]): void {
    for (const port of ports) {
      if (this.#ports.delete(port)) releaseLock(this.#folder, port, this.#owner)
    }
  }

  #exhausted(): Error {
    const { first, last } = this.#range
    const range = `${String(first)} and ${String(last)}`
    return notStarted(`No port between ${range} is free after ${String(MAX_TRIES)} attempts.`, [])
  }
}

/** A server on the port; null if the port is taken, or this user may not have it. */
async function listen(port: number): Promise<Server | null> {
  const server = createServer()
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true })
    await once(server, 'listening')
    return server
  } catch {
    return null
  }
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

/** True if etcd, or the container engine, reports that something else has the port. */
export function isPortTaken(lines: readonly string[]): boolean {
  return lines.some((line) => /port is already allocated|address already in use/i.test(line))
}

/** How long a lock counts whose process cannot be looked up, such as one in another PID namespace. In milliseconds. */
const UNKNOWN_AGE = 24 * 60 * 60 * 1000

const OWNER = /^(\d+)\.(\d+|none)\.([0-9a-f]{16})$/

/**
 * The folder of the locks, mode 0700. It does not follow TMPDIR, which differs between runs of one machine.
 *
 * @throws {EtcdMtlsError} `ERR_ETCD_NOT_STARTED` if each candidate belongs to somebody else or is open to others
 */
export function registryFolder(roots: readonly string[] = usualRoots()): string {
  const user = process.geteuid?.()
  const folders = roots.map((root) => join(root, `etcd-mtls-ports${user === undefined ? '' : `-${String(user)}`}`))
  const usable = folders.find((folder) => isOurs(makeFolder(folder), user))
  if (usable !== undefined) return usable
  throw notStarted(
    `The folder of port locks must belong to this user with mode 0700; received ${folders.join(' and ')}. Remove it, or set TMPDIR to a folder of this user.`,
    [],
  )
}

function usualRoots(): string[] {
  return process.platform === 'win32' ? [tmpdir()] : [...new Set(['/tmp', tmpdir()])]
}

/** Null if the folder is not there and cannot be made. A symbolic link is not followed. */
function makeFolder(folder: string): Stats | null {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch {
    // It exists already, or the root is read-only or missing: the next line shows which.
  }
  return lstatSync(folder, { throwIfNoEntry: false }) ?? null
}

function isOurs(stats: Stats | null, user: number | undefined): boolean {
  if (stats?.isDirectory() !== true) return false
  return user === undefined || (stats.uid === user && (stats.mode & 0o077) === 0)
}

/** The name under which a process holds its locks. By default: this process. */
export async function lockOwner(identity?: ProcessIdentity): Promise<string> {
  const { pid, place, started } = identity ?? (await ownIdentity())
  return [pid, started ?? 'none', createHash('sha256').update(place).digest('hex').slice(0, 16)].join('.')
}

/**
 * Takes the lock on a port; false if it is held. A lock is a folder with one empty file, which is named after its owner.
 */
export function takeLock(folder: string, port: number, owner: string): boolean {
  const lock = join(folder, String(port))
  try {
    mkdirSync(lock, { mode: 0o700 })
    writeFileSync(join(lock, owner), '', { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    // EEXIST: it is held. ENOENT: another process removed the folder, which was empty, as a stale lock.
    if (hasCode(error, 'EEXIST', 'ENOENT')) return false
    throw error
  }
}

/** Releases a lock that `owner` holds. */
export function releaseLock(folder: string, port: number, owner: string): void {
  const lock = join(folder, String(port))
  remove(unlinkSync, join(lock, owner))
  remove(rmdirSync, lock)
}

/**
 * Removes the locks of dead processes. There is no race: a folder can be removed only while it is empty, so a lock that
 * was taken in the meantime stays.
 */
export async function removeStaleLocks(folder: string, own: string): Promise<void> {
  const answers = new Map<string, boolean | 'unknown'>()
  for (const port of readdirSync(folder)) {
    const lock = join(folder, port)
    for (const owner of ownersOf(lock)) {
      const alive = answers.get(owner) ?? (await isRunning(owner, own))
      answers.set(owner, alive)
      const file = join(lock, owner)
      if (alive === false || (alive === 'unknown' && isOld(file))) remove(unlinkSync, file)
    }
    remove(rmdirSync, lock)
  }
}

/** Empty if the lock is released in the meantime. */
function ownersOf(lock: string): string[] {
  try {
    return readdirSync(lock)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

async function isRunning(owner: string, own: string): Promise<boolean | 'unknown'> {
  const [holder, self] = [identityOf(owner), identityOf(own)]
  return holder === null || self === null ? 'unknown' : isAlive(holder, self)
}

function isOld(file: string): boolean {
  const since = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
  return Date.now() - since > UNKNOWN_AGE
}

function identityOf(owner: string): ProcessIdentity | null {
  const [, pid, started, place] = OWNER.exec(owner) ?? []
  if (pid === undefined || started === undefined || place === undefined) return null
  return { pid: Number(pid), started: started === 'none' ? null : started, place }
}

/** Removes what may be gone already, or may be in use again. */
function remove(by: (path: string) => void, path: string): void {
  try {
    by(path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  }
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(codeOf(error) ?? '')
}
