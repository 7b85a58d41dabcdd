/** Files of src for Node processes of their own: bundled, so that they need nothing but Node. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { startChild } from './child.js'
import { compileSources, root } from './compiled.js'

export interface ChildModules extends Disposable {
  /**
   * Starts a process that runs `code`, in which `load('lock')` gives the module of the file `lock.ts`.
   *
   * @param command What starts it, as `ip netns exec NAME`. Default: nothing.
   */
  start(code: string, command?: readonly string[]): Child
}

export interface Child {
  readonly process: ChildProcess
  /** What it has written to its output until now. */
  output(): string
  /** Resolves when it has written that text. Rejects when it ends before. */
  says(text: string): Promise<void>
  /** What it wrote, once it has ended by itself or by SIGKILL. Rejects if it ended with an error. */
  ended: Promise<string>
}

/** Starts processes that run `code`, in which `load('client')` gives a subpath of the package as it is built for all tests. */
export async function packageModules(): Promise<ChildModules['start']> {
  const compiled = await compileSources()
  const prelude = `const load = (subpath) => import(${JSON.stringify(compiled.url('.'))} + '/' + subpath + '/index.js')\n`
  return (code, command) => start(prelude + code, command ?? [])
}

/** Bundles files, given from the root of the repository. */
export async function childModules(files: readonly string[]): Promise<ChildModules> {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', 'child-'))
  // Where a module lies in these bundles does not matter.
  const checks = { ineffectiveDynamicImport: false }
  const input = Object.fromEntries(files.map((file) => [basename(file, '.ts'), join(root, file)]))
  const build = await rolldown({ cwd: root, input, platform: 'node', external: /^[^./]/, tsconfig: false, checks })
  await build.write({ dir: folder, format: 'es', entryFileNames: '[name].mjs' })
  await build.close()
  const prelude = `const load = (name) => import(${JSON.stringify(pathToFileURL(`${folder}/`).href)} + name + '.mjs')\n`
  return {
    start: (code, command) => start(prelude + code, command ?? []),
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function start(code: string, command: readonly string[]): Child {
  const child = startChild([...command, process.execPath, '--input-type=module', '--eval', code], { cwd: root })
  const ended = child.ended.then(({ code: status, signal }) => {
    if (status === 0 || signal === 'SIGKILL') return child.written.out
    throw new Error(`The process ended with ${String(status ?? signal)}: ${child.written.err}`)
  })
  ended.catch(() => undefined)
  return { process: child.process, output: () => child.written.out, says: (text) => child.says(text), ended }
}
