/** npm packages as package-lock.json lists them. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { say, Stop } from './lifecycle.mjs'
import { run } from './process.mjs'

/** Installs the packages when they are missing or not those of the lockfile; says what it does. */
export async function ensureDependencies(root, { signal } = {}) {
  const reason = staleReason(root)
  if (reason === null) return
  say(`Fetching the npm packages that package-lock.json lists (npm ci), since ${reason} …`)
  const npm = process.env.npm_execpath
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  // --include=dev: NODE_ENV=production in the caller's environment would leave the tools out.
  const args = [...first, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const env = { ...process.env, ETCD_MTLS_PREPARE: 'off' }
  const { code } = await run(command, args, { cwd: root, signal, output: 'show', env })
  if (code !== 0) throw new Stop('npm ci failed: the npm packages could not be installed (see above).')
}

/**
 * Why the installed packages are not those of the lockfile, or null when they are. Versions are compared, not file
 * times: a clone or a checkout changes the times alone.
 */
export function staleReason(root) {
  const installedFile = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedFile)) return 'node_modules is missing or incomplete'
  const wanted = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(installedFile)
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue
    const found = installed[path]
    // Packages for other platforms are listed and never installed.
    if (found === undefined && entry.optional === true) continue
    if (found?.version !== entry.version) return `${path} is not at version ${entry.version}`
  }
  return null
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {}
}
