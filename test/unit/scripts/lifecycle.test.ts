import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { startChild } from '../../support/child.js'

const lifecycle = fileURLToPath(new URL('../../../scripts/lib/lifecycle.mjs', import.meta.url))

const WAITING = `defer(() => say('cleaned')); say('ready'); const timer = setTimeout(() => {}, 60_000)
  await new Promise((_, reject) => signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason) }))`

/**
 * Runs a script inside `lifecycle` in a process of its own; a signal is sent when it has written "ready". As npm runs it, a shell
 * stays between, which dies of the signal.
 */
async function script(
  body: string,
  signal?: NodeJS.Signals,
  byNpm = false,
): Promise<{ code: number | null; out: string; err: string }> {
  const code = `import { lifecycle, say, Stop } from ${JSON.stringify(lifecycle)}
    await lifecycle(async ({ signal, defer }) => { ${body} }, { lastLine: (code) => 'last ' + code })`
  const {
    process: child,
    written,
    says,
    ended,
  } = byNpm
    ? startChild(['sh', '-c', `"$0" --input-type=module --eval "$1"; true`, process.execPath, code], {
        env: { ...process.env, npm_lifecycle_event: 'quickstart' },
      })
    : startChild([process.execPath, '--input-type=module', '--eval', code])
  if (signal !== undefined) {
    await says('ready')
    child.kill(signal)
  }
  const { code: exitCode } = await ended
  return { code: exitCode, out: written.out, err: written.err }
}

describe('a script', () => {
  it('ends with the code that its body returns, after its clean-ups, the last line last', async () => {
    const body = `defer(() => say('first made')); defer(async () => say('last made')); return 3`
    expect(await script(body)).toEqual({ code: 3, out: 'last made\nfirst made\nlast 3\n', err: '' })
  })

  it('a script that stops with a sentence shows the sentence alone', async () => {
    expect(await script(`throw new Stop('Install it.')`)).toEqual({ code: 1, out: 'last 1\n', err: 'Install it.\n' })
  })

  it('a script that breaks shows the place', async () => {
    const { code, err } = await script(`throw new Error('broken')`)
    expect(code).toBe(1)
    expect(err).toMatch(/^Error: broken\n {4}at /)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('a script that is ended by %s cleans up, and its exit code names the signal', async (signal, code) => {
    expect(await script(WAITING, signal)).toEqual({ code, out: `ready\ncleaned\nlast ${String(code)}\n`, err: '' })
  })

  it('a script that npm started cleans up when npm is ended and does not pass the signal on', async () => {
    expect((await script(WAITING, 'SIGTERM', true)).out).toMatch(/^ready\ncleaned\n/)
  })

  it('goes on cleaning up when one clean-up fails', async () => {
    const body = `defer(() => say('cleaned')); defer(() => { throw new Stop('cannot be removed') }); return 0`
    expect(await script(body)).toEqual({ code: 1, out: 'cleaned\nlast 1\n', err: 'cannot be removed\n' })
  })
})
