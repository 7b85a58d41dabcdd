import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const lifecycle = fileURLToPath(new URL('../../../.config/lib/lifecycle.mjs', import.meta.url))

/** Runs a script inside `lifecycle` in a process of its own; a signal is sent when it has written "ready". */
async function script(
  body: string,
  signal?: NodeJS.Signals,
): Promise<{ code: number | null; out: string; err: string }> {
  const code = `import { lifecycle, say, Stop } from ${JSON.stringify(lifecycle)}
    await lifecycle(async ({ signal, defer }) => { ${body} }, { lastLine: (code) => 'last ' + code })`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code])
  let out = ''
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    if (signal !== undefined && out.includes('ready') && !child.killed) child.kill(signal)
  })
  return new Promise((resolve) => {
    child.on('close', (exitCode) => {
      resolve({ code: exitCode, out, err })
    })
  })
}

describe('a script', () => {
  it('ends with the code that its body returns, after its clean-ups, the last line last', async () => {
    const body = `defer(() => say('first made')); defer(async () => say('last made')); return 3`
    expect(await script(body)).toEqual({ code: 3, out: 'last made\nfirst made\nlast 3\n', err: '' })
  })

  it('that stops with a sentence shows the sentence alone', async () => {
    expect(await script(`throw new Stop('Install it.')`)).toEqual({ code: 1, out: 'last 1\n', err: 'Install it.\n' })
  })

  it('that breaks shows where', async () => {
    const { code, err } = await script(`throw new Error('broken')`)
    expect(code).toBe(1)
    expect(err).toMatch(/^Error: broken\n {4}at /)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('that is ended by %s cleans up and says so in its exit code', async (signal, code) => {
    const body = `defer(() => say('cleaned')); say('ready');
      await new Promise((_, reject) => {
        const timer = setTimeout(() => {}, 60_000)
        signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason) }) })`
    expect(await script(body, signal)).toEqual({ code, out: `ready\ncleaned\nlast ${String(code)}\n`, err: '' })
  })

  it('that npm started cleans up when npm is ended and does not tell', async () => {
    const waiting = `defer(() => say('cleaned')); say('ready'); const timer = setTimeout(() => {}, 60_000)
      await new Promise((_, reject) => signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason) }))`
    const code = `import { lifecycle, say } from ${JSON.stringify(lifecycle)}
      await lifecycle(async ({ signal, defer }) => { ${waiting} })`
    // The shell stays between, as npm's does, and dies of the signal.
    const child = spawn('sh', ['-c', `"$0" --input-type=module --eval "$1"; true`, process.execPath, code], {
      env: { ...process.env, npm_lifecycle_event: 'quickstart' },
    })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (out === 'ready\n') child.kill('SIGTERM')
    })
    await new Promise((resolve) => child.stdout.on('close', resolve))
    expect(out).toBe('ready\ncleaned\n')
  })

  it('goes on cleaning up when one clean-up fails', async () => {
    const body = `defer(() => say('cleaned')); defer(() => { throw new Stop('cannot be removed') }); return 0`
    expect(await script(body)).toEqual({ code: 1, out: 'cleaned\nlast 1\n', err: 'cannot be removed\n' })
  })
})
