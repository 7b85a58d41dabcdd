/**
 * What is expensive to make and many test files need: a folder or a program in .cache, made by the test file that asks first,
 * while the others wait, and kept until what it is made of changes.
 */
import { createHash, type Hash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const CACHE = join(root, '.cache')

/** Milliseconds for which results of other sources stay: another run may still use them. */
const KEPT = 24 * 60 * 60 * 1000

/** Milliseconds between two looks while another test file makes it. */
const PAUSE = 50

/**
 * The path of `.cache/<name>-<hash>`, where `make` has written, in this process or another.
 *
 * @param inputs Files and folders from the root of the repository that decide what is made.
 */
export async function madeOnce(
  name: string,
  inputs: readonly string[],
  make: (place: string) => Promise<void>,
): Promise<string> {
  const place = placeOf(name, hashOf(inputs))
  while (!existsSync(place)) {
    if (takeLock(name)) {
      try {
        if (existsSync(place)) break
        removeOld(name)
        await make(fresh(place))
        renameSync(fresh(place), place) // whole or not at all
      } finally {
        releaseLock(name)
      }
    } else await new Promise((resolve) => setTimeout(resolve, PAUSE))
  }
  return place
}

/** The same for what is made synchronously. `hash` has been given what decides what is made. */
export function madeOnceSync(name: string, hash: Hash, make: (place: string) => void): string {
  const place = placeOf(name, hash)
  while (!existsSync(place)) {
    if (takeLock(name)) {
      try {
        if (existsSync(place)) break
        removeOld(name)
        make(fresh(place))
        renameSync(fresh(place), place)
      } finally {
        releaseLock(name)
      }
    } else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE)
  }
  return place
}

/** The contents of files, and of every file below folders, with their paths. */
export function hashOf(inputs: readonly string[], hash: Hash = createHash('sha256')): Hash {
  for (const input of inputs) {
    const path = join(root, input)
    const below = statSync(path).isDirectory() ? readdirSync(path).sort() : null
    if (below === null) hash.update(`${input}\0`).update(readFileSync(path))
    else
      hashOf(
        below.map((each) => join(input, each)),
        hash,
      )
  }
  return hash
}

function placeOf(name: string, hash: Hash): string {
  mkdirSync(CACHE, { recursive: true })
  return join(CACHE, `${name}-${hash.digest('hex').slice(0, 16)}`)
}

const fresh = (place: string): string => `${place}.new`
const lockOf = (name: string): string => join(CACHE, `${name}.lock`)

/** Whether this process may make it; a lock whose owner is gone is taken away. */
function takeLock(name: string): boolean {
  const lock = lockOf(name)
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    if (!isRunning(Number(existsSync(lock) ? readFileSync(lock, 'utf8') : '0'))) rmSync(lock, { force: true })
    return false // somebody else makes it, or the lock is free at the next try
  }
}

function releaseLock(name: string): void {
  rmSync(lockOf(name), { force: true })
}

function isRunning(pid: number): boolean {
  try {
    return pid === 0 || process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Removes what was made of other sources, and what a process that was ended half way has left. */
function removeOld(name: string): void {
  for (const each of readdirSync(CACHE)) {
    const isOurs = each.startsWith(`${name}-`) && /^[0-9a-f]{16}(\.new)?$/.test(each.slice(name.length + 1))
    if (!isOurs) continue
    const path = join(CACHE, each)
    if (each.endsWith('.new') || Date.now() - statSync(path).mtimeMs > KEPT)
      rmSync(path, { recursive: true, force: true })
  }
}
