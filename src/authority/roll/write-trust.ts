/** Replaces the trust anchors in the files of a cluster, and nothing else. */
import { basename, dirname, join, resolve } from 'node:path'
import { isEtcdMtlsError } from '../../report/errors.js'
import { checkDirectory } from '../../credentials/write.js'
import { systemCode, writeFailed } from '../../files/write-file.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { Certificate } from '../../x509/certificate.js'
import { checkLayout, checkNames } from '../files/check-cluster.js'
import { type FileSystem, lookAt } from '../../files/file-system.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { checkFolder, findRoot } from '../../files/folders.js'
import type { Layout } from '../files/layouts.js'
import { lockPathOf, withLock } from '../../files/lock.js'
import { publish } from '../files/publish.js'
import { leadsTo } from './leads-to.js'
import type { CaTraffic } from './plan-types.js'
import { readChainFile } from './read-chain.js'
import { type RollScope, rollFiles } from './roll-files.js'
import { checkAnchors, readTraffic } from './with-trust-anchors.js'

/** How `writeTrust` writes. */
export interface WriteTrustOptions {
  /** The layout in which the cluster was written. */
  layout: Layout
  /** Whose trust it is, where clients and peers have CAs of their own. The layout `kubeadm` knows one only. Default: `'all'`. */
  traffic?: CaTraffic | undefined
  /** Default: every member that is there. */
  members?: readonly string[] | undefined
  /** Default: every client that is there. */
  clients?: readonly string[] | undefined
  /** Writes anchors, too, that a certificate of these members and clients does not lead to. Default: false. */
  overwrite?: boolean | undefined
  /** Ends it before the next folder changes. */
  signal?: AbortSignal | undefined
}

/**
 * Replaces the CAs that members and clients trust: the old and the new one at the beginning of a roll, the new one at its
 * end. Certificates and keys stay as they are. Each file changes in one step, and certificates beside it with it never.
 *
 * Nothing is changed before every certificate of these members and clients was looked at: one that leads to none of the
 * anchors would be refused after the next restart, so it is an error unless `overwrite` is set.
 *
 * @param directory That of `writeCluster`.
 * @returns The files that hold these anchors now.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` where the file system refuses, a member or client is not there, or a
 * certificate would no longer be trusted.
 * @throws The reason of `signal`.
 */
export async function writeTrust(
  directory: string,
  trustAnchors: readonly Certificate[],
  options: WriteTrustOptions,
): Promise<string[]> {
  return writeTrustOn(guardedFileSystem(), directory, trustAnchors, options)
}

/** {@link writeTrust} on any file system. */
async function writeTrustOn(
  fs: FileSystem,
  directory: string,
  trustAnchors: readonly Certificate[],
  options: WriteTrustOptions,
): Promise<string[]> {
  checkDirectory(directory)
  checkAnchors(trustAnchors)
  checkOptions('options', options, ['layout', 'traffic', 'members', 'clients', 'overwrite', 'signal'])
  const { layout, members, clients, overwrite = false, signal } = options
  checkLayout(layout)
  const traffic = readTraffic(options.traffic)
  checkNames(members ?? [], 'options.members')
  checkNames(clients ?? [], 'options.clients')
  if (layout === 'kubeadm' && traffic !== 'all') {
    throw optionInvalid('options.traffic', "must be 'all' for the layout kubeadm, which has one CA for etcd")
  }
  signal?.throwIfAborted()
  const place = resolve(directory)
  try {
    const root = await findRoot(fs, place)
    if (root === null) throw writeFailed(place, 'there is no such directory: write the cluster there first')
    return await withLock(
      lockPathOf(root),
      async (held) => {
        const scope = await scopeIn(fs, root, { layout, traffic, members, clients })
        const { trust, certificates } = rollFiles(scope)
        await checkTrustFiles(fs, root, scope, trust)
        if (!overwrite) await checkCertificates(root, certificates, trustAnchors)
        const content = trustAnchors.map((anchor) => anchor.toPem()).join('')
        for (const file of trust) {
          const path = join(root, file)
          await publish(fs, dirname(path), { files: new Map([[basename(path), { content, mode: 0o644 }]]) }, held)
        }
        return trust.map((file) => join(place, file))
      },
      { signal, fileSystem: fs },
    )
  } catch (error) {
    if (isEtcdMtlsError(error) || (signal?.aborted === true && error === signal.reason)) throw error
    throw writeFailed(place, error)
  }
}

/** Where clients have their folders, in either layout. */
const CLIENTS = 'clients'

interface Asked {
  readonly layout: Layout
  readonly traffic: CaTraffic
  readonly members: readonly string[] | undefined
  readonly clients: readonly string[] | undefined
}

async function scopeIn(fs: FileSystem, root: string, { layout, traffic, members, clients }: Asked): Promise<RollScope> {
  if (layout === 'etcd') {
    return {
      layout,
      traffic,
      members: members ?? (await foldersIn(fs, join(root, 'members'))),
      clients: clients ?? (await foldersIn(fs, join(root, CLIENTS))),
    }
  }
  const isNode = (await lookInside(fs, join(root, 'etcd/server.crt'))) !== null
  // One name stands for the directory itself; which one makes no difference there.
  const nodes = async (): Promise<string[]> => (await foldersIn(fs, root)).filter((name) => name !== CLIENTS)
  const found = isNode ? ['node'] : (members ?? (await nodes()))
  if (!isNode && found.length === 1) {
    throw writeFailed(root, 'it holds one member in a folder of its name: give that folder as the directory')
  }
  return { layout, traffic, members: found, clients: clients ?? (await foldersIn(fs, join(root, CLIENTS))) }
}

async function foldersIn(fs: FileSystem, path: string): Promise<string[]> {
  if (!(await checkFolder(fs, path))) return []
  const folders: string[] = []
  for (const name of (await fs.readdir(path)).sort()) {
    if (!name.startsWith('.') && (await lookAt(fs, join(path, name)))?.isDirectory() === true) folders.push(name)
  }
  return folders
}

async function lookInside(fs: FileSystem, path: string): Promise<unknown> {
  try {
    return await lookAt(fs, path)
  } catch (error) {
    if (systemCode(error) === 'ENOTDIR') return null
    throw error
  }
}

/** A file of anchors that is not there is one that nobody reads: the layout is another, or the member. */
async function checkTrustFiles(
  fs: FileSystem,
  root: string,
  scope: RollScope,
  trust: readonly string[],
): Promise<void> {
  if (trust.length === 0) throw writeFailed(root, 'it holds no members or clients: give the directory of writeCluster')
  for (const file of trust) {
    const path = join(root, file)
    if ((await lookInside(fs, path)) === null) {
      throw writeFailed(path, 'it is not there: check `layout`, `traffic` and the names of members and clients')
    }
    const separate = join(dirname(path), 'peer-ca.crt')
    const hasSeparate = scope.layout === 'etcd' && (await lookInside(fs, separate)) !== null
    if (scope.traffic === 'all' && hasSeparate) {
      throw writeFailed(separate, "it is a CA of the peers' own: give `traffic: 'client'` or `traffic: 'peer'`")
    }
  }
}

async function checkCertificates(
  root: string,
  files: readonly string[],
  anchors: readonly Certificate[],
): Promise<void> {
  for (const file of files) {
    const path = join(root, file)
    const { chain, reason } = await readChainFile(path, file)
    if (reason === 'missing') continue
    if (chain === null) throw writeFailed(path, `it holds no certificate that can be read (${reason})`)
    if (leadsTo(chain, anchors)) continue
    const issuer = chain.at(-1)?.issuer.toString() ?? ''
    throw writeFailed(
      path,
      `its certificate leads to "${issuer}", which would be trusted no longer. Nothing was changed; keep that CA among the anchors until this certificate is issued anew, or give \`overwrite: true\``,
    )
  }
}
