/** A program in a process of its own: what it writes, and how it ends. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'

export interface Child extends AsyncDisposable {
  readonly process: ChildProcess
  /** What it has written until now: to its output, to its error output, and to both as it came. */
  readonly written: { readonly out: string; readonly err: string; readonly all: string }
  /** Resolves when it has ended, and all that it wrote was read. Rejects if it cannot be started. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Resolves when what it has written is as it should be. Rejects with all of it if the program ends before. */
  readonly says: (isSaid: string | ((all: string) => boolean)) => Promise<void>
  /** Ends it by SIGKILL, and waits for its end. */
  readonly stop: () => Promise<void>
}

export function startChild([program = '', ...args]: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  const written = { out: '', err: '', all: '' }
  const listeners = new Set<() => void>()
  for (const name of ['out', 'err'] as const) {
    child[`std${name}`]?.setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
      written.all += text
      for (const look of listeners) look()
    })
  }
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => {
      resolve({ code, signal })
    })
  })
  // Who does not wait for its end does not want to hear of it.
  ended.catch(() => undefined)
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await Promise.allSettled([ended])
  }
  return {
    process: child,
    written,
    ended,
    says: (isSaid) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (typeof isSaid === 'string' ? !written.all.includes(isSaid) : !isSaid(written.all)) return
          listeners.delete(look)
          resolve()
        }
        listeners.add(look)
        look()
        ended.then(() => {
          reject(new Error(`${program} ended: ${written.all}`))
        }, reject)
      }),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
