/** One process at a time holds a lock, also if holders are killed. */
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeFileSystem } from '../../../src/files/file-system.js'
import { ownIdentity, type ProcessIdentity, withLock } from '../../../src/files/lock.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { childModules, type ChildModules } from '../../support/child-modules.js'
import { faultyFileSystem } from '../../support/faulty-file-system.js'
import { sample, scaled } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

const folder = temporaryFolder()
let count = 0
function fresh(): string {
  const directory = folder.file(`locked-${String(++count)}`)
  mkdirSync(directory)
  return `${directory}/.etcd-mtls.lock`
}

let own: ProcessIdentity
let dead: ProcessIdentity
let children: ChildModules
beforeAll(async () => {
  own = await ownIdentity()
  const { pid } = spawnSync(process.execPath, ['--version'])
  dead = { ...own, pid, started: '1' }
  children = await childModules(['src/files/lock.ts', 'src/files/file-system.ts'])
})
afterAll(() => {
  children[Symbol.dispose]()
})

const NONCE = 'a'.repeat(32)
function writeLock(path: string, holder: ProcessIdentity, nonce = NONCE): void {
  writeFileSync(path, `${JSON.stringify({ ...holder, nonce })}\n`)
}

const lock = async (path: string, ...rest: DropTwo<Parameters<typeof withLock<unknown>>>): Promise<unknown> =>
  withLock(nodeFileSystem, path, ...rest)
type DropTwo<T extends unknown[]> = T extends [unknown, unknown, ...infer R] ? R : never
const failure = (work: Promise<unknown>) => refused(work, 'ERR_WRITE_FAILED')
const namesNextTo = (path: string): string[] => readdirSync(dirname(path))
const got = async (): Promise<string> => Promise.resolve('got it')

it('runs one task of a process at a time, returns its result or error, and leaves nothing', async () => {
  const path = fresh()
  let inside = 0
  const work = async (): Promise<string> => {
    expect(++inside).toBe(1)
    await delay(1)
    inside--
    return got()
  }
  expect(await Promise.all(Array.from({ length: 20 }, () => lock(path, work)))).toEqual(Array(20).fill('got it'))
  await expect(lock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(namesNextTo(path)).toEqual([])
})

it('passes the signal to the task, and stops waiting when it is aborted', async () => {
  const path = fresh()
  const controller = new AbortController()
  const { signal } = controller
  const work = async (held: AbortSignal): Promise<void> => {
    const waiting = lock(path, got, { signal })
    setTimeout(() => {
      controller.abort('enough')
    }, 10)
    await expect(waiting).rejects.toBe('enough')
    expect(held.reason).toBe('enough')
  }
  await lock(path, work, { signal })
  await expect(lock(path, got, { signal })).rejects.toBe('enough')
  expect(namesNextTo(path)).toEqual([])
})

const elsewhere = (): ProcessIdentity => ({ ...dead, place: 'other-host boot pid:[1]' })

describe('an existing lock', () => {
  it.each<[string, () => ProcessIdentity | string, age: number, succeeded: boolean]>([
    ['a lock of a process that is gone is succeeded', () => dead, 0, true],
    ['a lock of another process with the same number is succeeded', () => ({ ...own, started: '1' }), 0, true],
    ['a lock of a running process is not succeeded, however old the file is', () => own, 1e9, false],
    ['a lock of another host is not succeeded for a minute', elsewhere, 59_000, false],
    ['a lock of another host is succeeded after a minute', elsewhere, 61_000, true],
    ['an empty lock is not succeeded for a minute', () => '', 59_000, false],
    ['an empty lock is succeeded after a minute', () => '', 61_000, true],
    ['a lock that is not JSON is succeeded after a minute', () => 'rubbish', 61_000, true],
    ['a lock that is null is succeeded after a minute', () => 'null', 61_000, true],
    [
      'a lock with other fields is succeeded after a minute',
      () => '{"pid":-1,"place":"x","started":null}',
      61_000,
      true,
    ],
  ])('%s', async (_, content, age, succeeded) => {
    const path = fresh()
    const holder = content()
    if (typeof holder === 'string') writeFileSync(path, holder)
    else writeLock(path, holder)
    // By the clock of the file system.
    const time = new Date(statSync(path).mtimeMs - age)
    utimesSync(path, time, time)
    if (succeeded) expect(await lock(path, got)).toBe('got it')
    else {
      const host = typeof holder === 'string' ? 'another process' : `process ${String(holder.pid)} on host`
      expect((await failure(lock(path, got, { timeout: 0 }))).details.reason).toContain(host)
    }
    expect(namesNextTo(path)).toEqual(succeeded ? [] : ['.etcd-mtls.lock'])
  })

  it('a lock of a zombie is succeeded', async () => {
    const path = fresh()
    // The second process takes the place of the shell and never asks after the first.
    const keeper = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'])
    try {
      const pid = await new Promise<number>((resolve) => {
        keeper.stdout.once('data', (data: Buffer) => {
          resolve(Number(data.toString()))
        })
      })
      await expect.poll(() => readFileSync(`/proc/${String(pid)}/stat`, 'utf8')).toMatch(/\) Z /)
      writeLock(path, { ...own, pid, started: null })
      expect(await lock(path, got, { timeout: 0 })).toBe('got it')
    } finally {
      keeper.kill()
    }
  })

  it('a lock is succeeded also if processes died while they succeeded it', async () => {
    const path = fresh()
    writeLock(path, dead)
    writeLock(`${path}.${NONCE}`, dead, 'b'.repeat(32))
    writeLock(`${path}.${'b'.repeat(32)}`, dead, 'c'.repeat(32))
    writeLock(`${path}.${'d'.repeat(32)}.new`, dead, 'd'.repeat(32))
    expect(await lock(path, got)).toBe('got it')
    expect(namesNextTo(path)).toEqual([])
  })
})

it('reports a lock whose successors form a circle, as another user can make it', async () => {
  const path = fresh()
  writeLock(path, dead)
  writeLock(`${path}.${NONCE}`, dead)
  expect((await failure(lock(path, got))).details.reason).toContain('more than 1000 successors')
})

it('the holder touches its lock, is informed if the lock was taken, and then does not release it', async () => {
  const path = fresh()
  const work = async (signal: AbortSignal): Promise<void> => {
    utimesSync(path, 0, 0)
    await expect.poll(() => statSync(path).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid })
    writeLock(path, dead)
    await expect.poll(() => signal.aborted).toBe(true)
    expect(String(signal.reason)).toContain('taken by another')
  }
  await lock(path, work, { beatEvery: 5 })
  expect(readFileSync(path, 'utf8')).toContain(NONCE)
})

describe('a stale lock is succeeded by one process', () => {
  /** Takes the lock while another call is at its step number `at`, and returns how many calls there were. */
  async function interleave(at: number): Promise<number> {
    const path = fresh()
    writeLock(path, dead)
    let inside = 0
    const hold = async (): Promise<void> => {
      expect(++inside).toBe(1)
      await delay(15)
      inside--
    }
    let calls = 0
    let other: Promise<unknown> = Promise.resolve()
    const before = async (): Promise<void> => {
      if (calls++ !== at) return
      // Until it is in, and stays there while this one goes on; or as far as it comes.
      const entered = new Promise<void>((resolve) => {
        other = lock(path, () => {
          resolve()
          return hold()
        })
      })
      await Promise.race([entered, delay(30)])
    }
    await withLock(faultyFileSystem({ before }), path, hold)
    await other
    expect(namesNextTo(path)).toEqual([])
    return calls
  }

  it('a stale lock is succeeded by one process while another one works between any two steps', async () => {
    const steps = await interleave(Number.POSITIVE_INFINITY)
    expect(steps).toBeGreaterThan(20)
    for (const at of sample(Array.from({ length: steps }).keys(), 8)) await interleave(at)
  })

  it('a stale lock is succeeded by the next process if its successor is killed at any step', async () => {
    const counted = faultyFileSystem()
    const stale = fresh()
    writeLock(stale, dead)
    await withLock(counted, stale, got)
    for (const at of sample(counted.calls.keys(), 8)) {
      const path = fresh()
      writeLock(path, dead)
      await withLock(faultyFileSystem({ at, how: 'kill' }), path, got).catch(() => undefined)
      // "Killed" was this process, which lives; its locks become those of a dead one.
      for (const name of namesNextTo(path)) {
        const file = `${dirname(path)}/${name}`
        const text = readFileSync(file, 'utf8').replace(`"pid":${String(process.pid)}`, `"pid":${String(dead.pid)}`)
        writeFileSync(file, text)
        // A lock that was not written completely is removed after a minute.
        if (!text.endsWith('\n')) utimesSync(file, 0, 0)
      }
      expect(await lock(path, got)).toBe('got it')
      expect(namesNextTo(path), counted.calls[at]).toEqual([])
    }
  })

  it('a stale lock is succeeded by one of many processes, also if they are killed while they hold it', async () => {
    const path = fresh()
    const log = `${path}-log`
    writeFileSync(log, '')
    writeLock(path, dead)
    const code = (name: string): string => `
      import { appendFileSync } from 'node:fs'
      import { setTimeout as delay } from 'node:timers/promises'
      const { withLock } = await load('lock')
      const { nodeFileSystem } = await load('file-system')
      const say = (what) => appendFileSync(${JSON.stringify(log)}, what + ' ${name}\\n')
      for (let i = 0; i < 20; i++) {
        await withLock(nodeFileSystem, ${JSON.stringify(path)}, async () => {
          say('in')
          await delay(Math.random() * 3)
          if (i > 2 && Math.random() < 0.08) {
            say('out')
            process.kill(process.pid, 'SIGKILL')
            await delay(10_000)
          }
          say('out')
        })
      }
      console.log('done')`
    const names = scaled({ short: ['a', 'b', 'c'], long: ['a', 'b', 'c', 'd', 'e', 'f'] })
    const started = names.map((name) => children.start(code(name)))
    await Promise.all(started.map(({ ended }) => ended))
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(12)
    for (let i = 0; i < lines.length; i += 2) {
      expect(lines[i]?.startsWith('in '), `line ${String(i)}`).toBe(true)
      expect(lines[i + 1]).toBe(lines[i]?.replace('in', 'out'))
    }
    await lock(path, got)
    expect(namesNextTo(path)).toEqual(['.etcd-mtls.lock-log'])
  })
})

it('reports an error of the file system', async () => {
  const path = fresh()
  expect((await failure(lock(`${path}/x/lock`, got))).details.reason).toContain('does not exist')
  symlinkSync('/etc/passwd', path)
  expect((await failure(lock(path, got))).details.reason).toContain('symbolic link')
  const other = fresh()
  mkdirSync(other)
  expect((await failure(lock(other, got))).details.path).toBe(other)
})

it('reports a full disk at any step, and then nothing is held', async () => {
  const counted = faultyFileSystem()
  await withLock(counted, fresh(), got)
  for (const at of sample(counted.calls.keys(), 8)) {
    const path = fresh()
    const outcome = await withLock(faultyFileSystem({ at }), path, got).catch((e: unknown) => e)
    if (outcome !== 'got it') expect(isEtcdMtlsError(outcome, 'ERR_WRITE_FAILED'), counted.calls[at]).toBe(true)
    // A lock that could not be released is reported, and stays while this process runs.
    if (existsSync(path)) expect(outcome).not.toBe('got it')
    else expect(await lock(path, got, { timeout: 0 }), counted.calls[at]).toBe('got it')
  }
})
