import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { must, run, which } from '../../../.config/lib/process.mjs'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

describe('run', () => {
  it('returns what the command wrote and how it ended', async () => {
    const result = await run('sh', ['-c', 'echo out; echo err >&2; exit 3'])
    expect(result).toEqual({ code: 3, signal: null, timedOut: false, stdout: 'out\n', stderr: 'err\n' })
  })

  it('rejects for a command that is not there', async () => {
    await expect(run('/no/such/program', [])).rejects.toThrow('ENOENT')
  })

  it('ends a command that takes too long', async () => {
    expect(await run('sleep', ['60'], { timeout: 50 })).toMatchObject({ timedOut: true, signal: 'SIGTERM' })
  })

  it('ends the command and all that it started when the signal aborts', async () => {
    const file = folder.file('pid')
    const stop = new AbortController()
    const ended = run('sh', ['-c', `sleep 60 & echo $! > ${file}; wait`], { signal: stop.signal })
    await expect.poll(() => existsSync(file) && readFileSync(file, 'utf8')).toMatch(/^\d+\n$/)
    stop.abort(new Error('enough'))
    await expect(ended).rejects.toThrow('enough')
    await expect.poll(() => isAlive(Number(readFileSync(file, 'utf8')))).toBe(false)
  })

  it('leaves nothing running that the command left in the background', async () => {
    const { stdout } = await run('sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!'])
    await expect.poll(() => isAlive(Number(stdout))).toBe(false)
  })

  it('starts nothing once the signal has aborted', async () => {
    const file = folder.file('made')
    await expect(run('touch', [file], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(existsSync(file)).toBe(false)
  })
})

it('must throws with the last words of a command that fails', async () => {
  await expect(must('sh', ['-c', 'echo one >&2; echo two >&2; exit 1'])).rejects.toThrow(/exit code 1: one \| two/)
})

it('which finds a program on the path, then in further folders, and ignores what cannot be run', () => {
  const path = folder.file('.')
  folder.file('tool', '')
  expect(which('tool', { path })).toBeNull()
  chmodSync(folder.file('tool'), 0o755)
  expect(which('tool', { path: '/nowhere', extra: [path] })).not.toBeNull()
  expect(which('tool', { path: '/nowhere' })).toBeNull()
})

/** Processes that have ended and wait to be buried count as ended. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'))
  } catch {
    return false
  }
}
