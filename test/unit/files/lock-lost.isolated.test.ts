/** A holder that was paused writes nothing more, since another process may hold the lock. */
import { linkSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { readlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { nodeFileSystem } from '../../../src/files/file-system.js'
import { ownIdentity, type ProcessIdentity, withLock } from '../../../src/files/lock.js'
import { faultyFileSystem } from '../../support/faulty-file-system.js'
import { temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

vi.mock(import('node:fs/promises'), { spy: true })

const folder = temporaryFolder()
let count = 0
function fresh(): string {
  const directory = folder.file(`lost-${String(++count)}`)
  mkdirSync(directory)
  return `${directory}/.etcd-mtls.lock`
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
  vi.mocked(readlink).mockReset()
})

const ELSEWHERE: ProcessIdentity = { pid: 1, place: 'other-host boot pid:[1]', started: '1' }
const NONCE = 'a'.repeat(32)

/** Writes the lock of another process, last touched `age` milliseconds ago by the clock of the file system. */
function writeLock(path: string, holder: ProcessIdentity, age: number): void {
  writeFileSync(path, `${JSON.stringify({ ...holder, nonce: NONCE })}\n`)
  const time = new Date(statSync(path).mtimeMs - age)
  utimesSync(path, time, time)
}

const pause = (milliseconds: number): void => {
  vi.setSystemTime(Date.now() + milliseconds)
}
const namesNextTo = (path: string): string[] => readdirSync(dirname(path))
const got = async (): Promise<string> => Promise.resolve('got it')
const failure = async (work: Promise<unknown>): Promise<string> =>
  (await refused(work, 'ERR_WRITE_FAILED')).details.reason

it('refuses every change by a holder that was paused for more than half a minute, then frees the lock', async () => {
  const path = fresh()
  const other = `${dirname(path)}/other`
  await withLock(nodeFileSystem, path, async (signal, fs) => {
    const file = await fs.open(other, 'w')
    await file.writeFile('before')
    pause(29_000)
    await file.write(Buffer.from('B'), 0, 1, 0)
    expect(signal.aborted).toBe(false)
    pause(2000)
    for (const change of [
      () => file.writeFile('after'),
      () => file.truncate(0),
      () => fs.rename(other, `${other}2`),
      () => fs.unlink(other),
      () => fs.mkdir(`${other}3`, 0o700),
    ])
      expect(await failure(change())).toContain('this process was paused')
    expect(signal.aborted).toBe(true)
    await file.close()
  })
  expect(readFileSync(other, 'utf8')).toBe('Before')
  expect(namesNextTo(path)).toEqual(['other'])
})

it('leaves the lock to the process that succeeded it during a pause', async () => {
  const path = fresh()
  const successor = await withLock(nodeFileSystem, path, async () => {
    pause(61_000)
    const { nonce } = JSON.parse(readFileSync(path, 'utf8')) as { nonce: string }
    writeLock(`${path}.${nonce}`, ELSEWHERE, 0)
    return Promise.resolve(`${path}.${nonce}`)
  })
  expect(readFileSync(successor, 'utf8')).toContain(NONCE)
  expect(await failure(withLock(nodeFileSystem, path, got, { timeout: 0 }))).toContain('on host "other-host"')
})

it('lets no other process succeed a lock that its holder removes after a pause', async () => {
  const path = fresh()
  const other = `${dirname(path)}/other`
  writeLock(other, ELSEWHERE, 0)
  let successor = ''
  const before = (call: string): void => {
    if (!call.startsWith('readdir')) return
    expect(() => {
      linkSync(other, successor)
    }).toThrow('EEXIST')
  }
  const work = async (): Promise<string> => {
    const { nonce } = JSON.parse(readFileSync(path, 'utf8')) as { nonce: string }
    successor = `${path}.${nonce}`
    pause(61_000)
    return got()
  }
  expect(await withLock(faultyFileSystem({ before }), path, work)).toBe('got it')
  expect(namesNextTo(path)).toEqual(['other'])
  expect.assertions(3)
})

it('keeps the lock over any time if the holder touches it', async () => {
  const path = fresh()
  const work = async (signal: AbortSignal): Promise<string> => {
    for (let times = 0; times < 4; times++) {
      pause(14_000)
      utimesSync(path, 0, 0)
      await expect.poll(() => statSync(path).mtimeMs).toBeGreaterThan(0)
    }
    signal.throwIfAborted()
    return got()
  }
  expect(await withLock(nodeFileSystem, path, work, { beatEvery: 5 })).toBe('got it')
})

it('does not succeed a lock that is touched after the clock of the file system was read', async () => {
  const path = fresh()
  writeLock(path, ELSEWHERE, 61_000)
  const before = (call: string): void => {
    if (call.startsWith('lstat')) utimesSync(path, new Date(), new Date())
  }
  await failure(withLock(faultyFileSystem({ before }), path, got, { timeout: 0 }))
  expect(namesNextTo(path)).toEqual(['.etcd-mtls.lock'])
})

it('goes by the age of a lock alone if /proc shows the processes of another PID namespace', async () => {
  const path = fresh()
  const own = await ownIdentity()
  vi.mocked(readlink).mockResolvedValueOnce('1')
  const { place, started } = await ownIdentity()
  expect(started).toBeNull()
  expect(own.place.startsWith(`${place} `)).toBe(true)
  for (const [age, isStale] of [
    [59_000, false],
    [61_000, true],
  ] as const) {
    writeLock(path, { ...own, pid: 2 ** 22, place }, age)
    vi.mocked(readlink).mockResolvedValueOnce('1')
    const outcome = withLock(nodeFileSystem, path, got, { timeout: 0 })
    if (isStale) expect(await outcome).toBe('got it')
    else expect(await failure(outcome)).toContain('holds the lock')
  }
})
