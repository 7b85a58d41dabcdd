/** etcd and etcdctl on this machine: from PATH, else Debian's, unpacked into .cache. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { aptUnpack, canUnpack } from './debian.mjs'
import { Stop } from './lifecycle.mjs'
import { must, which } from './process.mjs'

/**
 * Where etcd and etcdctl are and which version etcd says it is. A pair of 3.5 on PATH is used; Debian's packages are
 * fetched otherwise, and where that is not possible a pair of any version will do.
 *
 * @throws {Stop} with one sentence that says what to install.
 */
export async function etcdBinaries({ root, signal }) {
  const onPath = await etcdOnPath({ signal })
  if (onPath !== null && (onPath.version.startsWith('3.5.') || !canUnpack())) return onPath
  if (!canUnpack()) {
    throw new Stop(
      'etcd is needed: install etcd 3.5 and etcdctl (https://github.com/etcd-io/etcd/releases) into a folder on PATH.',
    )
  }
  const folder = await aptUnpack(['etcd-server', 'etcd-client'], join(root, '.cache', 'debian-etcd'), { signal })
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
  const { stdout } = await must(etcd, ['--version'], { signal })
  const version = /etcd Version: (\S+)/.exec(stdout)?.[1]
  if (version === undefined) throw new Stop(`"${etcd} --version" does not answer as etcd does.`)
  return { etcd, etcdctl, folder: dirname(etcd), version }
}
