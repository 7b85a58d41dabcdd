/** Other versions of Node, other runtimes, and packages, from npm, in .cache. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { say, Stop } from './lifecycle.mjs'
import { must } from './process.mjs'

/**
 * The path and the full version of the newest Node in the range `range`, such as `24`. A version that is in .cache
 * already is kept; delete its folder to get a newer one.
 */
export async function nodeBinary(range, { root, signal }) {
  const name = packageName()
  const folder = await installed(`${name}@${range}`, { root, signal, as: `node-${range}` })
  const program = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const { stdout } = await must(program, ['--version'], { signal })
  return { program, version: stdout.trim().replace(/^v/, '') }
}

/** Where npm's package of a runtime has the program, and what comes before the file to run. */
const RUNTIMES = {
  bun: { scope: '@oven', path: ['bin', 'bun'], args: [] },
  deno: { scope: '@deno', path: ['deno'], args: ['run', '--allow-all', '--node-modules-dir=manual'] },
}

/** The path, the version and the arguments of Bun or Deno. */
export async function runtimeBinary(runtime, { root, signal }) {
  const { scope, path, args } = RUNTIMES[runtime]
  const folder = join(await installed(`${runtime}@latest`, { root, signal, as: runtime }), 'node_modules', scope)
  // npm installs the package of this system alone.
  const program = join(folder, readdirSync(folder)[0], ...path)
  chmodSync(program, 0o755)
  const { stdout } = await must(program, ['--version'], { signal })
  return { program, args, version: /\d+(\.\d+)+/.exec(stdout)[0] }
}

/** The folder of .cache whose `node_modules` holds the package `spec`, such as `testcontainers@12`. */
export async function installed(spec, { root, signal, as = spec.replace('@', '-') }) {
  const folder = join(root, '.cache', as)
  if (!existsSync(folder)) await install(spec, folder, { signal })
  return folder
}

/** The package that holds the program. `node` itself has none: its install script fetches this one. */
function packageName() {
  const system = process.platform === 'win32' ? 'win' : process.platform
  const prefix = system === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'
  return [prefix, system, process.arch].join('-')
}

async function install(spec, folder, { signal }) {
  say(`Fetching ${spec} from npm (into .cache) …`)
  mkdirSync(join(folder, '..'), { recursive: true })
  const work = mkdtempSync(`${folder}.`)
  try {
    const args = ['install', '--prefix', work, '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', spec]
    await must('npm', args, { signal, cwd: work })
    // Tests start this Node as another user, and a temporary folder is its maker's alone.
    chmodSync(work, 0o755)
    if (!existsSync(folder)) renameSync(work, folder)
  } catch (error) {
    signal?.throwIfAborted()
    throw new Stop(`npm could not install ${spec}: ${error.message}`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
