/** A registry for npm on loopback, with a storage of its own: our name is only there, every other name comes from npm's registry. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Stop } from '../lifecycle.mjs'
import { installed } from '../node-binaries.mjs'
import { killGroup, lastLines, must } from '../process.mjs'

/** verdaccio 6 is fetched into .cache: no development dependency, because it brings more than 300 packages. */
const REGISTRY = 'verdaccio@6'
/** How long it may take to start, in milliseconds. */
const START = 60_000

/**
 * @param {string} folder an empty folder for its storage
 * @returns {Promise<{ url: string, env: Record<string, string> }>} `env` makes npm, pnpm, Yarn, Bun and Deno use it, without the
 *   caches and the configuration of this user
 */
export async function startRegistry(folder, { root, signal, defer }) {
  const program = join(await installed(REGISTRY, { root, signal }), 'node_modules/verdaccio/bin/verdaccio')
  const port = await freePort()
  const { stdout } = await must('npm', ['config', 'get', 'registry'], { signal, cwd: root })
  const config = join(folder, 'config.json')
  writeFileSync(config, JSON.stringify(configOf(folder, stdout.trim())))
  const child = spawn(process.execPath, [program, '--config', config, '--listen', `127.0.0.1:${port}`], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  defer(() => killGroup(child, 'SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  const url = `http://127.0.0.1:${port}/`
  for (const end = Date.now() + START; !(await answers(`${url}-/ping`)); await pause(100)) {
    if (Date.now() > end || child.exitCode !== null)
      throw new Stop(`The registry did not start: ${lastLines(output, 5)}`)
    signal?.throwIfAborted()
  }
  return { url, env: environment(folder, url) }
}

function configOf(folder, npm) {
  return {
    storage: join(folder, 'storage'),
    uplinks: { npm: { url: npm, timeout: '60s' } },
    packages: {
      'etcd-mtls': { access: '$all', publish: '$all' },
      '**': { access: '$all', proxy: 'npm' },
    },
    max_body_size: '20mb',
    log: { type: 'stdout', level: 'warn' },
  }
}

/** That of a user who has only installed the programs. */
function environment(folder, url) {
  const home = join(folder, 'home')
  mkdirSync(home)
  // npm publishes only with a token; this registry takes any.
  writeFileSync(join(home, '.npmrc'), `registry=${url}\n${url.replace(/^http:/, '')}:_authToken=none\n`)
  return {
    PATH: process.env.PATH,
    HOME: home,
    npm_config_registry: url,
    npm_config_cache: join(folder, 'npm'),
    npm_config_update_notifier: 'false',
    npm_config_store_dir: join(folder, 'pnpm'),
    npm_config_minimum_release_age: '0',
    YARN_NPM_REGISTRY_SERVER: url,
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
    YARN_GLOBAL_FOLDER: join(folder, 'yarn'),
    YARN_ENABLE_TELEMETRY: '0',
    YARN_NPM_MINIMAL_AGE_GATE: '0',
    BUN_INSTALL_CACHE_DIR: join(folder, 'bun'),
    DENO_DIR: join(folder, 'deno'),
    PRE_COMMIT_HOME: join(folder, 'pre-commit'),
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function answers(url) {
  try {
    return (await fetch(url)).ok
  } catch {
    return false // it does not listen yet
  }
}
