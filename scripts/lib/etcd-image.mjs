/** The etcd image that the tests run: the official one where it can be had, else made from this system's binaries. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { hasImage, importImage, pullImage } from './engine-api.mjs'
import { etcdBinaries } from './etcd-binaries.mjs'
import { say, Stop } from './lifecycle.mjs'
import { must } from './process.mjs'

/** The number of the recipe below. An image that another recipe made is not used. */
const RECIPE = 1

/** The image's name on this machine, wherever it came from. */
export const IMAGE = `etcd-mtls-test/etcd:3.5-${RECIPE}`

/** The version that Debian 13 ships, so that both kinds of image behave alike. */
const VERSION = 'v3.5.16'
const REGISTRIES = ['gcr.io/etcd-development/etcd', 'quay.io/coreos/etcd']

/** How long a registry may stay silent, in milliseconds. */
const SILENCE = 10_000

/**
 * Makes sure that the engine has {@link IMAGE}, or the image of the etcd that `ETCD_MTLS_ETCD` names, and returns its
 * name.
 *
 * @throws {Stop} when the image can neither be pulled nor made.
 */
export async function ensureEtcdImage(docker, { root, signal }) {
  if (process.env.ETCD_MTLS_ETCD) return imageOfGiven(docker, { root, signal })
  if (await hasImage(docker, IMAGE)) return IMAGE
  for (const registry of REGISTRIES) {
    const name = `${registry}:${VERSION}`
    if (!(await hasImage(docker, name))) {
      say(`Pulling the image ${name} …`)
      try {
        await pullImage(docker, name, { signal, silence: SILENCE })
      } catch (error) {
        signal?.throwIfAborted()
        say(`It cannot be pulled: ${error.message}`)
        continue
      }
    }
    await docker.getImage(name).tag(split(IMAGE))
    return IMAGE
  }
  await makeImage(docker, IMAGE, await etcdBinaries({ root, signal }), { signal })
  return IMAGE
}

/** The tag names the contents, so that the images of two etcds of one version are two images. */
async function imageOfGiven(docker, { root, signal }) {
  const binaries = await etcdBinaries({ root, signal })
  const hash = createHash('sha256')
  for (const file of [binaries.etcd, binaries.etcdctl]) hash.update(readFileSync(file))
  const image = `etcd-mtls-test/etcd:${binaries.version}-${hash.digest('hex').slice(0, 12)}-${RECIPE}`
  if (!(await hasImage(docker, image))) await makeImage(docker, image, binaries, { signal })
  return image
}

async function makeImage(docker, image, binaries, { signal }) {
  if (process.platform !== 'linux') {
    throw new Stop(
      'The image of etcd cannot be pulled, and only on Linux can it be made: give this machine access to gcr.io or quay.io.',
    )
  }
  say(`Making the image ${image} from ${binaries.etcd} (${binaries.version}) …`)
  const tree = mkdtempSync(join(tmpdir(), 'etcd-mtls-image-'))
  try {
    await layOut(tree, binaries, { signal })
    const changes = ['ENV PATH=/usr/local/bin:/usr/bin', 'CMD ["/usr/local/bin/etcd"]']
    const tar = spawn('tar', ['--create', '--owner=0', '--group=0', '--numeric-owner', '--directory', tree, '.'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await importImage(docker, split(image), changes, tar.stdout, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw new Stop(`The image of etcd can be neither pulled nor made: ${error.message}`)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** A root file system with etcd, etcdctl, the libraries they load, and what name look-ups read. Nothing else. */
async function layOut(tree, binaries, { signal }) {
  const put = (from, to) => {
    const target = join(tree, to)
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(from, target)
    chmodSync(target, 0o755)
  }
  const libraries = new Set()
  for (const name of ['etcd', 'etcdctl']) {
    put(binaries[name], `/usr/local/bin/${name}`)
    for (const library of await librariesOf(binaries[name], { signal })) libraries.add(library)
  }
  for (const library of libraries) {
    put(library, library)
    // Before glibc 2.34 name look-ups were plug-ins, loaded by name.
    for (const plugin of ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2']) {
      const file = join(dirname(library), plugin)
      if (existsSync(file)) put(file, file)
    }
  }
  for (const folder of ['etc', 'tmp', 'var/lib/etcd']) mkdirSync(join(tree, folder), { recursive: true })
  chmodSync(join(tree, 'tmp'), 0o1777)
  writeFileSync(join(tree, 'etc/nsswitch.conf'), 'hosts: files dns\n')
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/sbin/nologin\n')
  writeFileSync(join(tree, 'etc/group'), 'root:x:0:\n')
}

async function librariesOf(binary, { signal }) {
  try {
    return parseLdd((await must('ldd', [binary], { signal })).stdout)
  } catch (error) {
    if (/not a dynamic executable/.test(error.message)) return []
    throw error
  }
}

/** Paths in the output of `ldd`: `libc.so.6 => /lib/… (0x…)` and `/lib64/ld-linux… (0x…)`. */
export function parseLdd(output) {
  return [...output.matchAll(/(?:=>\s+|^\s+)(\/\S+)\s+\(0x/gm)].map((match) => match[1])
}

function split(name) {
  const at = name.lastIndexOf(':')
  return { repo: name.slice(0, at), tag: name.slice(at + 1) }
}
