/** The package's JavaScript, as `npm run build` writes it, for tests that need a Node process of their own. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { bundle } from '../../.config/lib/bundle.mjs'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Compiled extends Disposable {
  /** The address of a file of dist, as `validate/index.js`. */
  url(file: string): string
  /** Its path. */
  path(file: string): string
  /** The modules of the sources in a file of dist, by its path: `src/validate/path.ts`. */
  modules(path: string): readonly string[]
}

/** Bundles src into a new folder inside the repository, where packages resolve as they do for dist. */
export async function compileSources(): Promise<Compiled> {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', 'compiled-'))
  const modules = new Map<string, readonly string[]>()
  for (const file of await bundle(root, folder)) {
    if (file.type !== 'chunk') continue
    const rendered = Object.entries(file.modules).filter(
      ([id, { renderedLength }]) => renderedLength > 0 && !id.startsWith('\0'),
    )
    modules.set(
      join(folder, file.fileName),
      rendered.map(([id]) => relative(root, id).replaceAll('\\', '/')),
    )
  }
  return {
    url: (file) => pathToFileURL(join(folder, file)).href,
    path: (file) => join(folder, file),
    modules: (path) => modules.get(path) ?? [],
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs a module in a new Node process and gives what it wrote; anything on stderr, such as a warning, is a failure. */
export async function runModule(code: string, flags: string[] = []): Promise<string> {
  const args = [...flags, '--input-type=module', '--eval', code]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
  if (stderr !== '') throw new Error(`The process wrote to stderr:\n${stderr}`)
  return stdout
}
