/** The package as npm packs it, installed into a project of its own, for tests of what users receive. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { renderPlanSchema } from '../../scripts/lib/plan-schema.mjs'
import { PLAN_SCHEMA } from '../../src/cli/pki/plan-schema.js'
import { compileDeclarations, compileSources, root } from './compiled.js'
import { reportSchemaText } from './report-schema.js'

interface PackedFile {
  path: string
  size: number
}

export interface Project extends Disposable {
  /** Its folder, below the repository, so that it resolves the dependencies that are installed there. */
  readonly folder: string
  /** What npm packs of the package. */
  readonly files: readonly PackedFile[]
  /** Writes a file of the project and returns its path. */
  write(file: string, text: string): string
  /** Runs a program in the project. */
  run(command: string, args: readonly string[]): Promise<Result>
}

export interface Result {
  code: number
  stdout: string
  stderr: string
}

/** Packs the package and installs it as `etcd-mtls` into a new project in .cache. */
export async function createProject(): Promise<Project> {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', 'project-'))
  const home = join(folder, 'node_modules', 'etcd-mtls')
  cpSync((await compileSources()).path('.'), join(home, 'dist'), { recursive: true })
  cpSync(await compileDeclarations(), join(home, 'dist'), { recursive: true })
  writeFileSync(join(home, 'dist', 'report.schema.json'), reportSchemaText)
  writeFileSync(join(home, 'dist', 'plan.schema.json'), renderPlanSchema(PLAN_SCHEMA))
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] }
  for (const name of ['package.json', 'README.md', 'LICENSE', ...files]) {
    if (name !== 'dist' && existsSync(join(root, name))) cpSync(join(root, name), join(home, name), { recursive: true })
  }
  // Of another name than ours: inside this repository Node would resolve our name to the repository itself. Bundlers and
  // compilers would read the repository's tsconfig.json.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'project', private: true }))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ files: [] }))
  const { stdout } = await run(home, 'npm', ['pack', '--dry-run', '--json', '--ignore-scripts'])
  const packed = Object.values(JSON.parse(stdout) as Record<string, { files: PackedFile[] }>)
  return {
    folder,
    files: packed[0]?.files ?? [],
    write: (file, text) => {
      writeFileSync(join(folder, file), text)
      return join(folder, file)
    },
    run: (command, args) => run(folder, command, args),
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function run(cwd: string, command: string, args: readonly string[]): Promise<Result> {
  try {
    return { code: 0, ...(await promisify(execFile)(command, args, { cwd, maxBuffer: 2 ** 24 })) }
  } catch (error) {
    const { code, stdout, stderr } = error as Partial<Result>
    if (typeof code !== 'number' || stdout === undefined || stderr === undefined) throw error
    return { code, stdout, stderr }
  }
}
