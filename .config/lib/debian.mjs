/** Debian's packages: installed where we may, or only unpacked into a folder of ours. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
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
 */
export async function aptUnpack(packages, folder, { signal } = {}) {
  if (existsSync(folder)) return folder
  mkdirSync(join(folder, '..'), { recursive: true })
  const work = mkdtempSync(`${folder}.`)
  try {
    say(`Fetching ${packages.join(', ')} with apt-get (unpacked under .cache, not installed) …`)
    const download = () => run('apt-get', ['download', ...packages], { cwd: work, signal, env: aptEnv() })
    let result = await download()
    if (result.code !== 0 && canInstall()) {
      await aptUpdate({ signal }) // the lists may be missing, or name a version that has been replaced
      result = await download()
    }
    if (result.code !== 0) {
      throw new Stop(`apt-get could not fetch ${packages.join(', ')}: ${lastLines(result.stderr, 3)}`)
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

async function aptUpdate({ signal }) {
  const { code, stderr } = await run('apt-get', ['update'], { signal, env: aptEnv() })
  if (code !== 0) say(`apt-get update failed, so the package lists may be old: ${lastLines(stderr, 2)}`)
}

function aptEnv() {
  return { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
}
