/** The package's JavaScript and declarations, as `npm run build` writes them, for tests that need them as files. */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { madeOnce } from './made-once.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Compiled {
  /** The address of a file of dist, as `validate/index.js`. */
  url(file: string): string
  /** Its path. */
  path(file: string): string
  /** The modules of the sources in a file of dist, by its path: `src/validate/path-walker.ts`. */
  modules(path: string): readonly string[]
}

/** What decides what is built. */
const INPUTS = [
  'src',
  'scripts/lib',
  '.config/tsconfig.build.json',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
]

/** The bundle in its folder, and what is in each of its files. */
const [DIST, MODULES] = ['dist', 'modules.json']

/** The JavaScript, in a folder inside the repository, where packages resolve as they do for dist. All test files share it. */
export async function compileSources(): Promise<Compiled> {
  return compiledIn(await madeOnce('compiled', INPUTS, bundleInto))
}

/** Another copy of it, for its caller alone, who disposes of it. */
export async function compileCopy(): Promise<Compiled & Disposable> {
  const compiled = await compileSources()
  const folder = mkdtempSync(join(root, '.cache', 'copy-'))
  cpSync(join(compiled.path('.'), '..'), folder, { recursive: true })
  return {
    ...compiledIn(folder),
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * The folder of the declarations, which all test files share. Types are not checked here: `npm run types` does that, and
 * it takes twice as long as writing them.
 */
export async function compileDeclarations(): Promise<string> {
  return madeOnce('declarations', INPUTS, async (place) => {
    const { bundleDeclarations } = await import('../../scripts/lib/declarations.mjs')
    await bundleDeclarations(root, place, { noCheck: true })
  })
}

async function bundleInto(folder: string): Promise<void> {
  const { bundle } = await import('../../scripts/lib/bundle.mjs')
  const modules: Record<string, string[]> = {}
  for (const file of await bundle(root, join(folder, DIST))) {
    if (file.type !== 'chunk') continue
    const rendered = Object.entries(file.modules).filter(
      ([id, { renderedLength }]) => renderedLength > 0 && !id.startsWith('\0'),
    )
    modules[file.fileName] = rendered.map(([id]) => relative(root, id).replaceAll('\\', '/'))
  }
  writeFileSync(join(folder, MODULES), JSON.stringify(modules))
  // The program reads these.
  const { renderFindingsJson } = await import('../../scripts/lib/findings-json.mjs')
  const { catalogue } = await import('../../src/report/catalogue.js')
  const { findingUrl } = await import('../../src/report/links.js')
  writeFileSync(join(folder, DIST, 'findings.json'), renderFindingsJson(root, catalogue, findingUrl))
  const { renderLogLinesJson } = await import('../../scripts/lib/log-lines.mjs')
  writeFileSync(join(folder, DIST, 'log-lines.json'), renderLogLinesJson(root))
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
}

function compiledIn(folder: string): Compiled {
  const modules = JSON.parse(readFileSync(join(folder, MODULES), 'utf8')) as Record<string, string[]>
  return {
    url: (file) => pathToFileURL(join(folder, DIST, file)).href,
    path: (file) => join(folder, DIST, file),
    modules: (path) => modules[relative(join(folder, DIST), path)] ?? [],
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
