/**
 * `npm run check -- release`: a rehearsal of a release. It builds and packs the package, publishes it to a registry on loopback, and
 * installs and runs it from there as users do: the README, npx, pnpm, Yarn, Bun, Deno, the action, the hook of pre-commit, the one
 * file; then a patch on top, an upgrade, and back. Then everything that must hold before a release.
 *
 * - `npm run check -- release pnpm Bun` runs these steps alone, after those that they need.
 * - `npm run check -- release --publish` also publishes to npm with provenance: release.yml calls it, and nothing else. It refuses
 *   another tag than the version, and figures that were measured before the last change of src.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { etcdBinaries } from './lib/etcd-binaries.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { lastLines, must, run } from './lib/process.mjs'
import { documents, pack, packAs, unexpectedFiles, unknownVersions } from './lib/release/contents.mjs'
import { goesThroughDeprecation } from './lib/release/deprecation.mjs'
import { planRelease } from './lib/release/plan.mjs'
import { startRegistry } from './lib/release/registry.mjs'
import { STRANGERS, upgrades } from './lib/release/strangers.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What every other step needs. */
const FIRST = {
  build: async ({ signal }) => {
    await must(process.execPath, [join(root, 'scripts/build.mjs')], { cwd: root, signal })
  },
  pack: async (stage) => {
    stage.tarball = await pack(root, stage.folder, stage)
    const wrong = [...(await unexpectedFiles(root, stage.tarball, stage)), ...wrongVersions()]
    if (wrong.length > 0) throw new Stop(wrong.join('\n'))
  },
  'publish locally': async (stage) => {
    Object.assign(stage, await startRegistry(stage.folder, stage))
    stage.etcd = (await etcdBinaries(stage)).etcd
    await publishLocally(stage, stage.tarball)
  },
}

/** The steps that publish other versions than this one. */
const LATER = {
  'upgrade and back': patches,
  deprecation: (stage) => goesThroughDeprecation(stage, (tarball) => publishLocally(stage, tarball)),
}

/** What must hold before a release, and needs no registry. */
const GATES = {
  audit: hasNoAdvisories,
  licences: ({ signal }) => must('npm', ['run', '--silent', 'check', '--', 'licences'], { cwd: root, signal }),
  figures: figuresAreNew,
  check: ({ signal }) => must('npm', ['run', '--silent', 'check'], { cwd: root, signal }),
}

await lifecycle(async ({ signal, defer }) => {
  const { isChosen, publish } = planRelease(process.argv.slice(2), [
    ...Object.keys(STRANGERS),
    ...Object.keys(LATER),
    ...Object.keys(GATES),
  ])
  await ensureDependencies(root, { signal })
  // Outside of the repository, whose packages would be found there.
  const folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-release-'))
  defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const stage = { root, folder, version, signal, defer, publish }
  const failed = []
  const step = async (name, work) => {
    const started = performance.now()
    try {
      await work(stage)
    } catch (error) {
      signal.throwIfAborted()
      failed.push(name)
      say(error instanceof Stop ? error.message : error.stack)
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    say(`${failed.at(-1) === name ? 'FAILED' : 'ok    '}  ${name.padEnd(18)} ${seconds.padStart(7)} s`)
  }
  for (const [name, work] of Object.entries(FIRST)) if (failed.length === 0) await step(name, work)
  if (failed.length > 0) return 1
  const [[first, readme], ...others] = Object.entries(STRANGERS)
  await step(first, readme)
  if (failed.length > 0) return 1
  for (const [name, work] of [...others, ...Object.entries(LATER), ...Object.entries(GATES)])
    if (isChosen(name)) await step(name, work)
  if (failed.length > 0) return 1
  if (publish) await step('publish to npm', publishToNpm)
  const isWhole = [...Object.keys(STRANGERS), ...Object.keys(LATER), ...Object.keys(GATES)].every(isChosen)
  if (failed.length > 0) say(`Failed: ${failed.join(', ')}`)
  else if (isWhole) say(`${version} can be released`)
  return failed.length === 0 ? 0 : 1
})

/** A patch on top of the version, an upgrade to it, and back. */
async function patches(stage) {
  const [major, minor, patch] = version.split('.').map(Number)
  const next = `${major}.${minor}.${patch + 1}`
  await publishLocally(stage, await packAs(stage.tarball, next, stage.folder, stage))
  await upgrades(stage, next)
  await upgrades(stage, version)
}

function publishLocally({ folder, env, signal }, tarball) {
  return must('npm', ['publish', '--ignore-scripts', tarball], { cwd: folder, env, signal })
}

function wrongVersions() {
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  return documents(root).flatMap((file) =>
    unknownVersions(readFileSync(file, 'utf8'), { version, changelog }).map(
      (each) => `${relative(root, file)} names version ${each}, which does not exist`,
    ),
  )
}

/** Some mirrors of npm's registry have no advisories: a rehearsal reports it, a release fails. */
async function hasNoAdvisories({ publish, signal }) {
  const { code, stdout, stderr } = await run('npm', ['audit', '--omit=dev', '--audit-level=high'], {
    cwd: root,
    signal,
  })
  if (code === 0) return
  if (publish || !stderr.includes('audit endpoint returned an error')) throw new Stop(lastLines(stdout + stderr, 20))
  say('a release is refused for this: the registry of this machine has no advisories.')
}

/** The benchmarks were written after the last change of src. */
async function figuresAreNew({ publish, signal }) {
  const git = async (...args) => (await must('git', args, { cwd: root, signal })).stdout.trim()
  const measured = await git('log', '-1', '--format=%H', '--', 'docs/benchmarks-all.md')
  const changed = await git('diff', '--name-only', measured, 'HEAD', '--', 'src')
  if (changed === '') return
  const message = `src changed after the figures of docs/benchmarks-all.md: "npm run bench -- --write" measures them again.`
  if (publish) throw new Stop(message)
  say(`a release is refused for this: ${message}`)
}

async function publishToNpm({ tarball, signal }) {
  const tag = process.env.GITHUB_REF_NAME
  if (tag !== `v${version}`) throw new Stop(`The tag ${tag} is not that of version ${version}.`)
  const { code } = await run('npm', ['publish', '--provenance', '--access', 'public', tarball], {
    cwd: root,
    signal,
    output: 'show',
  })
  if (code !== 0) throw new Stop('npm did not publish it.')
}
