/** One process at a time holds a lock, also if holders are killed. */
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { candidatePath, withLock } from '../../../src/files/lock.js'
import { ownIdentity, type ProcessIdentity } from '../../../src/files/process-identity.js'
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
  children = await childModules(['src/files/lock.ts'])
})
afterAll(() => {
  children[Symbol.dispose]()
})

const NONCE = 'a'.repeat(32)
function writeLock(path: string, holder: ProcessIdentity, nonce = NONCE): void {
  writeFileSync(path, `${JSON.stringify({ ...holder, nonce })}\n`)
}

const failure = (work: Promise<unknown>) => refused(work, 'ERR_WRITE_FAILED')

const namesNextTo = (path: string): string[] => readdirSync(dirname(path))
const got = async (): Promise<string> => Promise.resolve('got it')

describe('within one process', () => {
  it('runs one task at a time, and leaves nothing', async () => {
    const path = fresh()
    let inside = 0
    let done = 0
    const work = async (): Promise<void> => {
      expect(++inside).toBe(1)
      await delay(1)
      inside--
      done++
    }
    await Promise.all(Array.from({ length: 20 }, () => withLock(path, work)))
    expect(done).toBe(20)
    expect(namesNextTo(path)).toEqual([])
  })

  it('returns the result and the error of the task', async () => {
    const path = fresh()
    expect(await withLock(path, got)).toBe('got it')
    await expect(withLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(namesNextTo(path)).toEqual([])
  })

  it('names the holder after the timeout', async () => {
    const path = fresh()
    await withLock(path, async () => {
      const error = await failure(withLock(path, got, { timeout: 20 }))
      expect(error.details).toMatchObject({ path })
      expect(error.details.reason).toContain(`process ${String(process.pid)} on host`)
    })
  })

  it('passes the signal to the task, and stops waiting when it is aborted', async () => {
    const path = fresh()
    const controller = new AbortController()
    await withLock(
      path,
      async (signal) => {
        const waiting = withLock(path, got, { signal: controller.signal })
        setTimeout(() => {
          controller.abort('enough')
        }, 10)
        await expect(waiting).rejects.toBe('enough')
        expect(signal.reason).toBe('enough')
      },
      { signal: controller.signal },
    )
    await expect(withLock(path, got, { signal: controller.signal })).rejects.toBe('enough')
    expect(namesNextTo(path)).toEqual([])
  })
})

describe('a holder that is gone is detected', () => {
  it('by its process', async () => {
    const path = fresh()
    writeLock(path, dead)
    expect(await withLock(path, got)).toBe('got it')
    expect(namesNextTo(path)).toEqual([])
  })

  it('by the start time, if another process has its number', async () => {
    const path = fresh()
    writeLock(path, { ...own, started: '1' })
    expect(await withLock(path, got)).toBe('got it')
  })

  it('by its state, if it is a zombie', async () => {
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
      expect(await withLock(path, got, { timeout: 0 })).toBe('got it')
    } finally {
      keeper.kill()
    }
  })

  it('not while its process runs, however old the file is', async () => {
    const path = fresh()
    writeLock(path, own)
    utimesSync(path, 0, 0)
    await failure(withLock(path, got, { timeout: 30, staleAfter: 1 }))
    expect(existsSync(path)).toBe(true)
  })

  const elsewhere = (): ProcessIdentity => ({ ...dead, place: 'other-host boot pid:[1]' })

  it('on another host by the age of the file, by the clock of the file system', async () => {
    const path = fresh()
    writeLock(path, elsewhere())
    expect((await failure(withLock(path, got, { timeout: 30 }))).details.reason).toContain('on host "other-host"')
    const before = statSync(path).mtimeMs
    utimesSync(path, new Date(before - 59_000), new Date(before - 59_000))
    await failure(withLock(path, got, { timeout: 0 }))
    utimesSync(path, new Date(before - 61_000), new Date(before - 61_000))
    expect(await withLock(path, got)).toBe('got it')
    expect(namesNextTo(path)).toEqual([])
  })

  it('by the age of a file that cannot be read', async () => {
    for (const content of ['', 'rubbish', '{}', '{"pid":-1,"place":"x","started":null,"nonce":"y"}', 'null']) {
      const path = fresh()
      writeFileSync(path, content)
      await failure(withLock(path, got, { timeout: 0 }))
      utimesSync(path, 0, 0)
      expect(await withLock(path, got)).toBe('got it')
    }
  })

  it('also if processes died while they succeeded it', async () => {
    const path = fresh()
    writeLock(path, dead)
    writeLock(`${path}.${NONCE}`, dead, 'b'.repeat(32))
    writeLock(`${path}.${'b'.repeat(32)}`, dead, 'c'.repeat(32))
    writeLock(`${path}.${'d'.repeat(32)}.new`, dead, 'd'.repeat(32))
    writeFileSync(candidatePath(path, 'e'.repeat(32), dead), '')
    expect(await withLock(path, got)).toBe('got it')
    expect(namesNextTo(path)).toEqual([])
  })
})

describe('a holder', () => {
  it('touches its lock', async () => {
    const path = fresh()
    await withLock(
      path,
      async () => {
        utimesSync(path, 0, 0)
        await expect.poll(() => statSync(path).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
        expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid })
      },
      { beatEvery: 5 },
    )
  })

  it("is informed that its lock was taken, and does not release the other's", async () => {
    const path = fresh()
    await withLock(
      path,
      async (signal) => {
        writeLock(path, dead)
        await expect.poll(() => signal.aborted).toBe(true)
        expect(String(signal.reason)).toContain('taken by another')
      },
      { beatEvery: 5 },
    )
    expect(readFileSync(path, 'utf8')).toContain(NONCE)
  })
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
    let other: Promise<void> = Promise.resolve()
    const before = async (): Promise<void> => {
      if (calls++ !== at) return
      // Until it is in, and stays there while this one goes on; or as far as it comes.
      const entered = new Promise<void>((resolve) => {
        other = withLock(path, () => {
          resolve()
          return hold()
        })
      })
      await Promise.race([entered, delay(30)])
    }
    await withLock(path, hold, { fileSystem: faultyFileSystem({ before }) })
    await other
    expect(namesNextTo(path)).toEqual([])
    return calls
  }

  it('while another one works between any two steps', async () => {
    const steps = await interleave(Number.POSITIVE_INFINITY)
    expect(steps).toBeGreaterThan(20)
    for (const at of sample(Array.from({ length: steps }).keys(), 8)) await interleave(at)
  })

  it('and by the next one if it is killed at any step', async () => {
    const counted = faultyFileSystem()
    const stale = fresh()
    writeLock(stale, dead)
    await withLock(stale, got, { fileSystem: counted })
    for (const at of sample(counted.calls.keys(), 8)) {
      const path = fresh()
      writeLock(path, dead)
      await withLock(path, got, { fileSystem: faultyFileSystem({ at, how: 'kill' }) }).catch(() => undefined)
      // "Killed" was this process, which lives; its locks become those of a dead one.
      for (const before of namesNextTo(path)) {
        const name = before.replace(`.${String(process.pid)}-`, `.${String(dead.pid)}-`)
        const file = `${dirname(path)}/${name}`
        renameSync(`${dirname(path)}/${before}`, file)
        const text = readFileSync(file, 'utf8').replace(`"pid":${String(process.pid)}`, `"pid":${String(dead.pid)}`)
        writeFileSync(file, text)
      }
      expect(await withLock(path, got)).toBe('got it')
      expect(namesNextTo(path), counted.calls[at]).toEqual([])
    }
  })

  it('of many, also if they are killed while they hold it', async () => {
    const path = fresh()
    const log = `${path}-log`
    writeFileSync(log, '')
    writeLock(path, dead)
    const code = (name: string): string => `
      import { appendFileSync } from 'node:fs'
      import { setTimeout as delay } from 'node:timers/promises'
      const { withLock } = await load('lock')
      const say = (what) => appendFileSync(${JSON.stringify(log)}, what + ' ${name}\\n')
      for (let i = 0; i < 20; i++) {
        await withLock(${JSON.stringify(path)}, async () => {
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
    await withLock(path, got)
    expect(namesNextTo(path)).toEqual(['.etcd-mtls.lock-log'])
  })
})

describe('what the file system refuses', () => {
  it('is reported', async () => {
    const path = fresh()
    expect((await failure(withLock(`${path}/x/lock`, got))).details.reason).toContain('does not exist')
    symlinkSync('/etc/passwd', path)
    expect((await failure(withLock(path, got))).details.reason).toContain('symbolic link')
    const other = fresh()
    mkdirSync(other)
    expect((await failure(withLock(other, got))).details.path).toBe(other)
  })

  it.each(['ENOSPC', 'EROFS'])('%s at any step is reported, and nothing is held', async (code) => {
    const counted = faultyFileSystem()
    await withLock(fresh(), got, { fileSystem: counted })
    for (const at of sample(counted.calls.keys(), 8)) {
      const path = fresh()
      const outcome = await withLock(path, got, { fileSystem: faultyFileSystem({ at, code }) }).catch((e: unknown) => e)
      if (outcome !== 'got it') expect(isEtcdMtlsError(outcome, 'ERR_WRITE_FAILED'), counted.calls[at]).toBe(true)
      // Once it is to be removed, and that fails, it stays.
      if (counted.calls[at]?.includes('unlink') === true) continue
      expect(await withLock(path, got, { timeout: 0 }), counted.calls[at]).toBe('got it')
    }
  })
})
