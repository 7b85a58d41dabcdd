/** What users do with a published package, each in an empty folder, with the registry of the rehearsal. */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Stop } from '../lifecycle.mjs'
import { installed, runtimeBinary } from '../node-binaries.mjs'
import { killGroup, lastLines, must, run, which } from '../process.mjs'
import { freePort } from './registry.mjs'

/** What the program of the README prints. */
const GREETING = 'hello over mTLS\n'
/** How long etcd may take to serve, in milliseconds. */
const START = 60_000

/**
 * The steps by name. They share `stage`: `root`, `folder` for the projects, `env` of a user, `etcd` (its path), `version`, `signal` and
 * `defer`; the first one adds `pki` and `program`, which the others run.
 */
export const STRANGERS = {
  'npm and the README': installsByTheReadme,
  doctor: runsDoctor,
  pnpm: (stage) => installsWith(stage, 'pnpm', ['npx', '--yes', 'pnpm@10', 'add', 'etcd-mtls'], ['node', 'app.mjs']),
  'Yarn with PnP': installsWithYarn,
  Bun: installsWithBun,
  Deno: installsWithDeno,
  action: runsTheAction,
  'pre-commit': runsTheHook,
  'one file': runsTheFile,
}

/** The lines of the README's quickstart, but for the ports; then its program. */
async function installsByTheReadme(stage) {
  const { root, env, etcd, signal, defer } = stage
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, install, init, start] =
    /\n(npm install etcd-mtls) .*\n(npx etcd-mtls init .*)\netcd (.*)\n/.exec(readme) ?? []
  const [, program] = /```ts\n(.*?)```/s.exec(readme) ?? []
  if (start === undefined || program === undefined) throw new Error('The README does not have the quickstart')
  const project = projectOf(stage, 'npm')
  const [port, peerPort] = [await freePort(), await freePort()]
  const options = { cwd: project, env, signal }
  await must('sh', ['-c', install], options)
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8'))
  const { version, resolved } = lock.packages['node_modules/etcd-mtls']
  if (version !== stage.version || !resolved.startsWith(env.npm_config_registry))
    throw new Error(`Installed ${resolved}`)
  await must('sh', ['-c', `${init} --client-port ${port} --peer-port ${peerPort}`], options)
  const server = spawn(etcd, start.split(' '), {
    cwd: project,
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  defer(() => killGroup(server, 'SIGKILL'))
  await serves(server, signal)
  stage.pki = join(project, 'pki')
  stage.endpoint = `https://localhost:${port}`
  stage.program = program.replace('https://localhost:2379', stage.endpoint)
  await greets(stage, project, ['node', 'app.mjs'])
}

/** By its name, in a folder without a project: npx fetches it. */
async function runsDoctor(stage) {
  const client = join(stage.pki, 'clients/my-service')
  const flags = [`--cacert=${client}/ca.crt`, `--cert=${client}/tls.crt`, `--key=${client}/tls.key`]
  const args = ['--yes', 'etcd-mtls', 'doctor', `--endpoints=${stage.endpoint}`, ...flags]
  const options = { cwd: mkdtempSync(join(stage.folder, 'empty-')), env: stage.env, signal: stage.signal }
  const { code, stdout, stderr } = await run('npx', args, options)
  // Other etcds of this machine are in its report too, and may be wrong.
  if (!/^etcd-0 +(?:localhost|127\.0\.0\.1):/m.test(stdout))
    throw new Error(`exit code ${code}: ${lastLines(stdout + stderr, 5)}`)
}

async function installsWith(stage, name, install, start, env = stage.env) {
  const project = projectOf(stage, name)
  const [program, ...args] = install
  await must(program, args, { cwd: project, env, signal: stage.signal })
  await greets(stage, project, start, env)
}

async function installsWithYarn(stage) {
  const yarn = join(
    await installed('@yarnpkg/cli-dist@4', { ...stage, as: 'yarn-4' }),
    'node_modules/@yarnpkg/cli-dist/bin/yarn.js',
  )
  const project = projectOf(stage, 'yarn')
  writeFileSync(join(project, 'yarn.lock'), '')
  await must(process.execPath, [yarn, 'add', 'etcd-mtls'], { cwd: project, env: stage.env, signal: stage.signal })
  await greets(stage, project, [process.execPath, yarn, 'node', 'app.mjs'])
}

async function installsWithBun(stage) {
  const { program } = await runtimeBinary('bun', stage)
  await installsWith(stage, 'bun', [program, 'add', 'etcd-mtls'], [program, 'app.mjs'])
}

async function installsWithDeno(stage) {
  const { program } = await runtimeBinary('deno', stage)
  const env = { ...stage.env, NPM_CONFIG_REGISTRY: stage.env.npm_config_registry }
  // Deno installs only what is a day old, unless it is told otherwise.
  const add = [program, 'add', '--minimum-dependency-age=0', 'npm:etcd-mtls']
  await installsWith(stage, 'deno', add, [program, 'run', '--allow-all', 'app.mjs'], env)
}

/** The lines of action.yml, with the package that they name. */
async function runsTheAction({ root, folder, env, signal }) {
  const { parse } = createRequire(import.meta.url)('yaml')
  const { inputs, runs } = parse(readFileSync(join(root, 'action.yml'), 'utf8'))
  const checkout = mkdtempSync(join(folder, 'action-'))
  writeFileSync(join(checkout, 'etcd.yml'), OPEN_ETCD)
  const variables = {
    LINT_PATHS: '.',
    LINT_ARGS: '',
    LINT_SARIF: '',
    LINT_PACKAGE: inputs.package.default,
    RUNNER_TEMP: folder,
  }
  const { code, stdout, stderr } = await run('bash', ['-c', runs.steps[0].run], {
    cwd: checkout,
    env: { ...env, ...variables },
    signal,
  })
  if (code !== 1 || !stdout.startsWith('::error file=etcd.yml'))
    throw new Error(`exit code ${code}: ${lastLines(stdout + stderr, 5)}`)
}

/** From a tag of a clone, as `rev` in docs/ci.md names it. */
async function runsTheHook({ root, folder, env, version, signal }) {
  const program = which('pre-commit')
  if (program === null)
    throw new Stop('pre-commit is needed: install it ("apt-get install pre-commit", or "pipx install pre-commit").')
  const [clone, checkout] = [join(folder, 'clone'), mkdtempSync(join(folder, 'hook-'))]
  const git = (cwd, ...args) =>
    must('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd, env, signal })
  await git(folder, 'clone', '--quiet', root, clone)
  await git(clone, 'tag', '--force', `v${version}`)
  await git(checkout, 'init', '--quiet')
  writeFileSync(join(checkout, 'etcd.yml'), OPEN_ETCD)
  const hook = `repos:\n  - repo: ${clone}\n    rev: v${version}\n    hooks:\n      - id: etcd-mtls-lint\n        args: [--no-read-files]\n`
  writeFileSync(join(checkout, '.pre-commit-config.yaml'), hook)
  await git(checkout, 'add', '.')
  const { code, stdout, stderr } = await run(program, ['run', '--all-files'], { cwd: checkout, env, signal })
  if (code !== 1 || !stdout.includes('config/plaintext-url'))
    throw new Error(`exit code ${code}: ${lastLines(stdout + stderr, 8)}`)
}

/** With its checksum, as the release has it, in a folder without packages. */
async function runsTheFile({ root, folder, env, version, signal }) {
  await must(process.execPath, [join(root, 'scripts/build.mjs'), '--single'], { cwd: root, signal })
  const place = mkdtempSync(join(folder, 'file-'))
  for (const name of ['etcd-mtls.mjs', 'etcd-mtls.mjs.sha256'])
    cpSync(join(root, 'dist/single', name), join(place, name))
  await must('sha256sum', ['--check', 'etcd-mtls.mjs.sha256'], { cwd: place, env, signal })
  const { stdout } = await must(process.execPath, ['etcd-mtls.mjs', '--version'], { cwd: place, env, signal })
  if (stdout.trim() !== version) throw new Error(`It prints ${stdout}`)
}

const OPEN_ETCD = 'name: a\nlisten-client-urls: http://10.0.0.1:2379\nadvertise-client-urls: http://10.0.0.1:2379\n'

/** Installs another version over the one of the first step, and runs the program. */
export async function upgrades(stage, version) {
  const project = join(stage.folder, 'with-npm')
  await installVersion(stage, project, version)
  await greets(stage, project, ['node', 'app.mjs'])
}

export async function installVersion({ env, signal }, project, version) {
  await must('npm', ['install', `etcd-mtls@${version}`], { cwd: project, env, signal })
  const { version: now } = JSON.parse(readFileSync(join(project, 'node_modules/etcd-mtls/package.json'), 'utf8'))
  if (now !== version) throw new Error(`npm installed ${now}`)
}

function projectOf({ folder, pki }, name) {
  const project = join(folder, `with-${name}`)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true }))
  if (pki !== undefined) cpSync(pki, join(project, 'pki'), { recursive: true })
  return project
}

async function greets(stage, project, [program, ...args], env = stage.env) {
  writeFileSync(join(project, 'app.mjs'), stage.program)
  const { stdout, stderr } = await must(program, args, { cwd: project, env, signal: stage.signal })
  if (stdout + stderr !== GREETING) throw new Error(`It prints ${JSON.stringify(stdout + stderr)}`)
}

async function serves(server, signal) {
  let log = ''
  server.stderr.on('data', (text) => (log += text))
  for (const end = Date.now() + START; !log.includes('ready to serve client requests'); await pause(50)) {
    if (Date.now() > end || server.exitCode !== null) throw new Error(`etcd does not serve: ${lastLines(log, 3)}`)
    signal?.throwIfAborted()
  }
}
