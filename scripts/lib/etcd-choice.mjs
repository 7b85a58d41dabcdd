/** Where the quickstart's etcd comes from: the first of a few places that has one. */
import { delimiter } from 'node:path'
import { canUnpack } from './debian.mjs'
import { findEngine } from './engine.mjs'
import { etcdBinaries } from './etcd-binaries.mjs'
import { ensureEtcdImage } from './etcd-image.mjs'
import { say, Stop } from './lifecycle.mjs'
import { which } from './process.mjs'

/**
 * A container engine that runs; the etcd that `ETCD_MTLS_ETCD` names; an `etcd` on PATH; the system's packages. `env` has
 * the variables that choose it in `etcd-mtls/testing`.
 *
 * @throws {Stop} with one sentence that says what to install.
 */
export async function chooseEtcd({ root, signal }) {
  const engine = await findEngine()
  if (engine !== null) {
    try {
      const image = await ensureEtcdImage(engine, { root, signal })
      say(`etcd will run in a container (image ${image}).`)
      return { engine, env: { ETCD_MTLS_TEST_VIA: 'container', ETCD_MTLS_TEST_IMAGE: image } }
    } catch (error) {
      signal?.throwIfAborted()
      say(`A container engine runs, but it gets no image of etcd: ${error.message}`)
    }
  }
  const isGiven = Boolean(process.env.ETCD_MTLS_ETCD)
  const onPath = isGiven ? null : which('etcd')
  if (onPath !== null) {
    say(`etcd will run as a process (${onPath}).`)
    return { engine: null, env: { ETCD_MTLS_TEST_VIA: 'binary' } }
  }
  if (isGiven || canUnpack()) {
    const { etcd, folder } = await etcdBinaries({ root, signal })
    say(`etcd will run as a process (${etcd}).`)
    const PATH = [folder, process.env.PATH ?? ''].join(delimiter)
    return { engine: null, env: { ETCD_MTLS_TEST_VIA: 'binary', PATH } }
  }
  throw new Stop(
    'No etcd can be had here: start Docker or Podman, or install etcd 3.5 into a folder on PATH' +
      ' (https://github.com/etcd-io/etcd/releases; on Debian or Ubuntu "sudo apt-get install etcd-server").',
  )
}
