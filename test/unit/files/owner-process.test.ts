/** A process that works as another user: that user can stop it, end it, and answer in its place. */
import { spawn } from 'node:child_process'
import { mkdtempSync, chownSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { OwnerProcess, ownerFileSystem } from '../../../src/files/owner-process.js'

const USER = 54_322
let place: string

beforeAll(() => {
  place = mkdtempSync('/tmp/etcd-mtls-owner-')
  chownSync(place, USER, USER)
})
afterAll(() => {
  rmSync(place, { recursive: true, force: true })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Those that run: one that was killed stays in /proc until its parent has seen its end. */
function processesOfUser(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8')
        return status.includes(`\nUid:\t${String(USER)}\t`) && !/^State:\t[ZX]/m.test(status)
      } catch {
        // It has ended since.
        return false
      }
    })
    .map(Number)
}

/** A process that runs other code than ours. */
function hostile(code: string): OwnerProcess {
  return new OwnerProcess(USER, spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'ignore'] }))
}

const answering = (text: string): string => `process.stdin.once('data', () => process.stdout.write(${text}))`

it.each([
  ['is garbage', `'\\u0000\\u0001 not JSON\\n'`, 'another form'],
  ['is null', `'null\\n'`, 'another form'],
  ['answers a call that was not made', `'{"value":{}}\\n{"value":1}\\n'`, 'another form'],
  ['has no end', `'x'.repeat(5 * 1024 * 1024)`, 'too long'],
])('ends a process whose answer %s', async (_, text, words) => {
  const helper = hostile(answering(text))
  await helper.call('lstat', '/').catch(() => undefined)
  expect(helper.hasEnded).toBe(true)
  await expect(helper.call('lstat', '/')).rejects.toThrow(words)
})

it('puts neither control characters nor a long string of an answer into an error', async () => {
  const message = `code: 'E\\n', message: '\\u001b[2J' + 'x'.repeat(9999)`
  const helper = hostile(answering(`JSON.stringify({ ${message} }) + '\\n'`))
  const error = await helper.call('lstat', '/').catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: undefined })
  expect(String(error)).not.toMatch(/\p{Cc}/u)
  expect(String(error).length).toBeLessThan(2000)
})

it('fails every call that is under way when the process is killed, and starts another one for the next', async () => {
  const owner = ownerFileSystem(USER)
  const file = await owner.open(join(place, 'a'), 'wx', 0o600)
  for (const pid of processesOfUser()) process.kill(pid, 'SIGKILL')
  const outcome = async (): Promise<string> =>
    file.stat().then(
      () => 'answered',
      () => 'failed',
    )
  await expect.poll(outcome).toBe('failed')
  // The descriptor belongs to the process that is gone: closing it does nothing to a file of the next one.
  await file.close()
  // Calls that come together find one new process.
  const found = await Promise.all([1, 2, 3].map(() => owner.readdir(place)))
  expect(found).toEqual([['a'], ['a'], ['a']])
  expect(processesOfUser()).toHaveLength(1)
  await owner.unlink(join(place, 'a'))
  expect(readdirSync(place)).toEqual([])
})

it('does not wait longer than 30 s for a process that was stopped', async () => {
  const helper = hostile('process.stdin.resume()')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const call = expect(helper.call('lstat', '/')).rejects.toThrow('did not answer within 30 s')
  await vi.advanceTimersByTimeAsync(30_000)
  await call
})

it('ends a process that is idle, and not one with a call under way', async () => {
  // Its second answer takes a while.
  const helper = hostile(`
    let calls = 0
    require('node:readline').createInterface({ input: process.stdin }).on('line', () => {
      calls += 1
      setTimeout(() => process.stdout.write('{"value":1}\\n'), calls === 2 ? 50 : 0)
    })`)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await helper.call('lstat', '/')
  const second = helper.call('lstat', '/')
  // Longer than a process may be idle.
  await vi.advanceTimersByTimeAsync(600)
  expect(await second).toBe(1)
  await vi.advanceTimersByTimeAsync(600)
  expect(helper.hasEnded).toBe(true)
})
