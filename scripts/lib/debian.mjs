/** Debian's packages: installed where we may, or only unpacked into a folder of ours. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { say, Stop } from './lifecycle.mjs'
import { lastLines, must, run, which } from './process.mjs'

/** True where `apt-get install` is ours to call: a Debian-like system, as root. */
export function canInstall() {
  return process.getuid?.() === 0 && which('apt-get') !== null
}

/** True where packages can at least be fetched and unpacked, which needs no root. */
export function canUnpack() {
  return which('apt-get') !== null && which('dpkg-deb') !== null
}

/** Installs packages into the system. */
export async function aptInstall(packages, { signal } = {}) {
  say(`Installing ${packages.join(', ')} with apt-get …`)
  await aptUpdate({ signal })
  const args = ['install', '--yes', '--no-install-recommends', ...packages]
  const { code, stderr, stdout } = await run('apt-get', args, { signal, env: aptEnv() })
  if (code !== 0) throw new Stop(`apt-get could not install ${packages.join(', ')}: ${lastLines(stderr || stdout, 3)}`)
}

/**
 * Fetches packages and unpacks them into `folder`, which then looks like a small root file system. Nothing is installed:
 * etcd-server's own set-up would start an etcd on port 2379. Returns `folder`; a folder that is there already is kept.
 *
 * `suite` names another suite of Debian than this system's, such as `sid`. Its package lists stay in a temporary folder,
 * so the system's own configuration does not change.
 */
export async function aptUnpack(packages, folder, { signal, suite } = {}) {
  if (existsSync(folder)) return folder
  mkdirSync(join(folder, '..'), { recursive: true })
  const work = mkdtempSync(`${folder}.`)
  try {
    const from = suite === undefined ? '' : ` of ${suite}`
    say(`Fetching ${packages.join(', ')}${from} with apt-get (unpacked under .cache, not installed) …`)
    const options = suite === undefined ? [] : await privateApt(join(work, 'apt'), suite, { signal })
    const download = () => run('apt-get', [...options, 'download', ...packages], { cwd: work, signal, env: aptEnv() })
    let result = suite === undefined ? await download() : null
    if (result?.code !== 0 && (suite !== undefined || canInstall())) {
      await aptUpdate({ signal, options }) // the lists may be missing, or name a version that has been replaced
      result = await download()
    }
    if (result.code !== 0) {
      throw new Stop(`apt-get could not fetch ${packages.join(', ')}${from}: ${lastLines(result.stderr, 3)}`)
    }
    const tree = join(work, 'tree')
    for (const file of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
      await must('dpkg-deb', ['--extract', join(work, file), tree], { signal })
    }
    renameSync(tree, folder) // whole or not at all, also when two runs do this at once
  } catch (error) {
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return folder
}

/** Options that give apt-get a configuration of its own in `folder`, with `suite` from this system's mirror of Debian. */
async function privateApt(folder, suite, { signal }) {
  const format = '$(LABEL) $(COMPONENT) $(REPO_URI) $(SIGNED_BY)'
  const { stdout } = await must('apt-get', ['indextargets', '--format', format], { signal })
  const [, mirror, key] = /^Debian main (\S+) (\S+)$/m.exec(stdout) ?? []
  if (mirror === undefined) throw new Stop(`apt-get has no mirror of Debian from which to fetch packages of ${suite}.`)
  for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, part), { recursive: true })
  const sources = join(folder, 'sources.list')
  const signedBy = key.startsWith('/') ? `[signed-by=${key}] ` : ''
  writeFileSync(sources, `deb ${signedBy}${mirror} ${suite} main\n`)
  const settings = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(folder, 'lists'),
    // apt-get would otherwise choose the version that is installed, if that is newer, and find no source for it.
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
  }
  return Object.entries(settings).map(([name, value]) => `--option=${name}=${value}`)
}

async function aptUpdate({ signal, options = [] }) {
  const { code, stderr } = await run('apt-get', [...options, 'update'], { signal, env: aptEnv() })
  if (code !== 0) say(`apt-get update failed, so the package lists may be old: ${lastLines(stderr, 2)}`)
}

function aptEnv() {
  return { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
}
