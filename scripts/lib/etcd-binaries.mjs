/** etcd and etcdctl on this machine: the given pair, else the pair on PATH, else Debian's, unpacked into .cache. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { aptUnpack, canUnpack } from './debian.mjs'
import { Stop } from './lifecycle.mjs'
import { must, which } from './process.mjs'

const PACKAGES = ['etcd-server', 'etcd-client']

/**
 * The paths of etcd and etcdctl, and the version that etcd reports. `ETCD_MTLS_ETCD` decides alone when it is set: it
 * holds the path of etcd, with etcdctl next to it. Without it a pair of 3.5 on PATH is used; Debian's packages are
 * fetched otherwise, and if that is not possible, a pair of any version is used.
 *
 * @throws {Stop} with one sentence that says what to install.
 */
export async function etcdBinaries({ root, signal }) {
  const given = process.env.ETCD_MTLS_ETCD
  return given ? givenEtcd(given, { signal }) : foundEtcd({ root, signal })
}

/** The path of etcd that an entry of `ETCD_MTLS_ETCD` stands for: a path, or `debian:SUITE` for Debian's packages. */
export async function etcdOf(entry, { root, signal }) {
  const suite = /^debian:([a-z-]+)$/.exec(entry)?.[1]
  if (suite === undefined) {
    if (!existsSync(entry)) throw new Stop(`ETCD_MTLS_ETCD names ${entry}, which does not exist.`)
    return resolve(entry)
  }
  if (!canUnpack()) throw new Stop(`ETCD_MTLS_ETCD=${entry} needs apt-get and dpkg-deb: name the path of an etcd.`)
  const folder = await aptUnpack(PACKAGES, join(root, '.cache', `debian-${suite}-etcd`), { signal, suite })
  return join(folder, 'usr', 'bin', 'etcd')
}

/** Makes `folder` with links to etcd and etcdctl alone, to put first on PATH. */
export function linkBinaries(folder, { etcd, etcdctl }) {
  mkdirSync(folder)
  symlinkSync(etcd, join(folder, 'etcd'))
  symlinkSync(etcdctl, join(folder, 'etcdctl'))
  return folder
}

async function givenEtcd(given, { signal }) {
  if (given.includes(',')) {
    throw new Stop(
      'ETCD_MTLS_ETCD lists several etcds, which only "npm run check -- matrix" runs: name the path of one.',
    )
  }
  const etcd = resolve(given)
  const etcdctl = join(dirname(etcd), 'etcdctl')
  for (const file of [etcd, etcdctl]) {
    if (!existsSync(file)) throw new Stop(`ETCD_MTLS_ETCD=${given}: the file ${file} does not exist.`)
  }
  return describe(etcd, etcdctl, { signal })
}

async function foundEtcd({ root, signal }) {
  const onPath = await etcdOnPath({ signal })
  if (onPath !== null && (onPath.version.startsWith('3.5.') || !canUnpack())) return onPath
  if (!canUnpack()) {
    throw new Stop(
      'etcd is needed: install etcd 3.5 and etcdctl (https://github.com/etcd-io/etcd/releases) into a folder on PATH.',
    )
  }
  const folder = await aptUnpack(PACKAGES, join(root, '.cache', 'debian-etcd'), { signal })
  const bin = join(folder, 'usr', 'bin')
  if (!existsSync(join(bin, 'etcd'))) throw new Stop("Debian's package etcd-server brought no program etcd.")
  return describe(join(bin, 'etcd'), join(bin, 'etcdctl'), { signal })
}

/** The pair on PATH, or null. */
export async function etcdOnPath({ signal } = {}) {
  const etcd = which('etcd')
  const etcdctl = which('etcdctl')
  return etcd === null || etcdctl === null ? null : describe(etcd, etcdctl, { signal })
}

async function describe(etcd, etcdctl, { signal }) {
  return { etcd, etcdctl, folder: dirname(etcd), version: await versionOf(etcd, { signal }) }
}

/** The version that an etcd reports. */
export async function versionOf(etcd, { signal } = {}) {
  const { stdout } = await must(etcd, ['--version'], { signal })
  const version = /etcd Version: (\S+)/.exec(stdout)?.[1]
  if (version === undefined) throw new Stop(`"${etcd} --version" does not print a version of etcd.`)
  return version
}
