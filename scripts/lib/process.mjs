/** Child processes that leave nothing behind: each runs in a group of its own, and the whole group ends with it. */
import { spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** How long a child may take to end on its own after SIGTERM, in milliseconds; the default of `grace`. */
const GRACE = 10_000

/**
 * Runs a command to its end. An exit code other than 0 is an answer, not an error; a command that cannot be started
 * rejects. With `signal`, an abort sends the group SIGTERM and, after `grace` milliseconds, SIGKILL.
 *
 * `output: 'show'` passes the child's output through; `'keep'` (the default) returns it; `'both'` does both; a number
 * is the descriptor of the file that receives it.
 *
 * @returns {Promise<{ code: number | null, signal: string | null, timedOut: boolean, stdout: string, stderr: string }>}
 */
export function run(command, args, options = {}) {
  const { cwd, env = process.env, signal, timeout, grace = GRACE, output = 'keep', input, onMessage } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stream = { show: 'inherit', keep: 'pipe', both: 'pipe' }[output] ?? output
    const stdio = [input === undefined ? 'ignore' : input, stream, stream, ...(onMessage ? ['ipc'] : [])]
    const child = spawn(command, args, { cwd, env, stdio, detached: process.platform !== 'win32' })
    const timers = []
    let timedOut = false
    const end = () => {
      killGroup(child, 'SIGTERM')
      timers.push(setTimeout(() => killGroup(child, 'SIGKILL'), grace))
    }
    if (timeout !== undefined) {
      timers.push(
        setTimeout(() => {
          timedOut = true
          end()
        }, timeout),
      )
    }
    signal?.addEventListener('abort', end, { once: true })
    const stdout = collect(child.stdout)
    const stderr = collect(child.stderr)
    if (output === 'both') {
      child.stdout.pipe(process.stdout, { end: false })
      child.stderr.pipe(process.stderr, { end: false })
    }
    if (onMessage) child.on('message', onMessage)
    const settle = () => {
      for (const timer of timers) clearTimeout(timer)
      signal?.removeEventListener('abort', end)
    }
    child.on('error', (error) => {
      settle()
      reject(error)
    })
    child.on('exit', () => killGroup(child, 'SIGKILL'))
    child.on('close', (code, by) => {
      settle()
      if (signal?.aborted) return reject(signal.reason)
      resolve({ code, signal: by, timedOut, stdout: stdout(), stderr: stderr() })
    })
  })
}

/** Runs a command that has to succeed; otherwise throws with the last lines it wrote. */
export async function must(command, args, options = {}) {
  const result = await run(command, args, options)
  if (result.code === 0) return result
  const how = result.timedOut ? 'took too long' : `ended with ${result.signal ?? `exit code ${result.code}`}`
  const words = lastLines(result.stderr || result.stdout, 5)
  throw new Error(`"${[command, ...args].join(' ')}" ${how}${words === '' ? '' : `: ${words}`}`)
}

/** Sends a signal to a child and all that it started. A group that has ended already is not an error. */
export function killGroup(child, signal) {
  if (child.pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error
  }
}

/** The full path of a program on `PATH`, or null. `extra` lists folders that are looked at after `PATH`. */
export function which(program, { path = process.env.PATH ?? '', extra = [''] } = {}) {
  for (const folder of [...path.split(delimiter), ...extra]) {
    if (folder === '') continue
    const file = join(folder, program)
    try {
      accessSync(file, constants.X_OK)
      if (statSync(file).isFile()) return file
    } catch {
      // Not there, or not ours to run: the next folder may have it.
    }
  }
  return null
}

/** The last lines of a text, joined into one. */
export function lastLines(text, count) {
  return text.trim().split('\n').slice(-count).join(' | ')
}

function collect(stream) {
  const chunks = []
  stream?.on('data', (chunk) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}
