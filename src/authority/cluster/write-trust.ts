/** Writes the CAs that a cluster trusts: both while a CA is replaced, then the new one. */
import { basename, dirname, join, resolve } from 'node:path'
import type { FileSystem } from '../../files/file-system.js'
import { guardedFileSystem, type TrustedOwnerOption } from '../../files/guarded-file-system.js'
import { withDirectoryLock } from '../../files/lock.js'
import { publish, readDirectory } from '../../files/publish.js'
import { writeFailed } from '../../files/write-failed.js'
import { optionInvalid } from '../../report/option-error.js'
import type { Certificate } from '../../x509/certificate.js'
import { findIssuers, isIssuedBy } from '../issuing-ca.js'
import { checkAnchors, checkNames, readTraffic } from './cluster-credentials.js'
import { certificatesIn } from './read-folder.js'
import {
  checkLayoutCall,
  findFolders,
  type Layout,
  type LayoutFolder,
  migrationOf,
  folderOf,
  PEER_CA,
} from './layouts.js'

/**
 * Replaces the CAs that members and clients trust: by both CAs at the beginning of a replacement, by the new one at its
 * end. Certificates and keys do not change. Each file changes in one step.
 *
 * All certificates of these members and clients are checked before anything changes: one that leads to none of the anchors
 * would be refused after the next restart, so it is an error unless `overwrite` is set.
 *
 * @example
 * ```ts
 * await writeTrust('/srv/pki', [...authority.trustAnchors, ...next.trustAnchors], { layout: 'etcd' })
 * ```
 * @param directory The directory of `writeCluster`.
 * @returns The files that hold the anchors now.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the file system refuses, a member or client does not exist, or a
 * certificate would no longer be trusted.
 * @throws The reason of `signal`.
 */
export async function writeTrust(
  directory: string,
  trustAnchors: readonly Certificate[],
  options: {
    /** The layout in which the cluster was written. */
    layout: Layout
    /**
     * The connections for which the CA is trusted: `client` between etcd and its clients, `peer` among members, `all`
     * if one CA is used for both, as always in the layout `kubeadm`.
     *
     * @default 'all'
     */
    traffic?: 'all' | 'client' | 'peer' | undefined
    /** @default every member in the directory */
    members?: readonly string[] | undefined
    /** @default every client in the directory */
    clients?: readonly string[] | undefined
    /** Also writes anchors to which a certificate of these members and clients does not lead. @default false */
    overwrite?: boolean | undefined
    /** Stops before the next folder changes. */
    signal?: AbortSignal | undefined
  } & TrustedOwnerOption,
): Promise<string[]> {
  checkLayoutCall(directory, options, ['overwrite'], ['traffic', 'members', 'clients'])
  checkAnchors(trustAnchors)
  const { layout, members, clients, overwrite = false, signal } = options
  const traffic = readTraffic(options.traffic)
  if (members !== undefined) checkNames(members, 'members')
  if (clients !== undefined) checkNames(clients, 'clients')
  if (layout === 'kubeadm' && traffic !== 'all') {
    throw optionInvalid('traffic', "must be 'all' for the layout kubeadm, which has one CA for etcd")
  }
  signal?.throwIfAborted()
  const place = resolve(directory)
  const guarded = await guardedFileSystem(place, options, migrationOf(layout))
  return withDirectoryLock(guarded, place, signal, async (root, held, fs) => {
    if (root === null) throw writeFailed(place, 'the directory does not exist: write the cluster there first')
    const trust = new Set<string>()
    for (const folder of await foldersOf(fs, root, options)) {
      for (const file of await checkFolderTrust(fs, root, folder, { traffic, trustAnchors, overwrite })) trust.add(file)
    }
    if (trust.size === 0)
      throw writeFailed(root, 'it holds no such members or clients: pass the directory of writeCluster')
    const content = trustAnchors.map((anchor) => anchor.toPem()).join('')
    for (const file of trust) {
      const files = new Map([[basename(file), { content, mode: 0o644 }]])
      await publish(fs, join(root, dirname(file)), { files }, held)
    }
    return [...trust].map((file) => join(place, file))
  })
}

async function foldersOf(
  fs: FileSystem,
  root: string,
  { layout, members, clients }: Parameters<typeof writeTrust>[2],
): Promise<LayoutFolder[]> {
  const { folders, unreadable } = await findFolders(fs, root, layout)
  const [first] = unreadable
  if (first !== undefined) throw writeFailed(join(root, first.path), first.reason)
  // A directory of one node has no folder for each member, so `members` is ignored.
  const isNode = folders.some(({ path }) => path === '')
  const requested = [
    ...(isNode ? [] : (members ?? []).map((name) => folderOf(layout, 'members', name))),
    ...(clients ?? []).map((name) => folderOf(layout, 'clients', name)),
  ]
  const missing = requested.find((path) => !folders.some((folder) => folder.path === path))
  if (missing !== undefined)
    throw writeFailed(join(root, missing), 'it does not exist: check `layout` and the names of members and clients')
  return folders.filter(({ path, identities }) => {
    const isClient = identities.every(({ kind }) => kind === 'client')
    const isEvery = isClient ? clients === undefined : isNode || members === undefined
    return isEvery || requested.includes(path) || requested.includes(dirname(path))
  })
}

interface Wanted {
  readonly traffic: 'all' | 'client' | 'peer'
  readonly trustAnchors: readonly Certificate[]
  readonly overwrite: boolean
}

/** Checks the certificates of a folder, and returns the paths of its trust anchors from the root. */
async function checkFolderTrust(
  fs: FileSystem,
  root: string,
  { path, identities }: LayoutFolder,
  { traffic, trustAnchors, overwrite }: Wanted,
): Promise<string[]> {
  const directory = join(root, path)
  // Without the keys, because this process need not have permission to read them.
  const names = identities.flatMap(({ names: { ca, cert } }) => [ca, cert]).filter((name) => dirname(name) === '.')
  const { seen, foreign } = await readDirectory(fs, directory, [...names, PEER_CA])
  const hasPeerCa = identities.some(({ role }) => role === 'peer') && seen.has(PEER_CA)
  if (traffic === 'all' && hasPeerCa) {
    const reason = "it is a CA for peers alone: set `traffic: 'client'` or `traffic: 'peer'`"
    throw writeFailed(join(directory, PEER_CA), reason)
  }
  const files = new Set<string>()
  for (const { role, names: own } of identities) {
    const file = role === 'peer' && (hasPeerCa || traffic === 'peer') ? PEER_CA : own.ca
    if (traffic === 'peer' ? role !== 'peer' : traffic === 'client' && file === PEER_CA) continue
    // The CA file of the API server's client is in another folder, which has its own check.
    if (dirname(file) === '.' && !seen.has(file) && !foreign.has(file))
      throw writeFailed(join(directory, file), 'it does not exist: check `layout`, `traffic` and the names of members')
    const chain = certificatesIn(directory, seen, own.cert, 'cert')
    const fault = overwrite || chain === null ? null : faultOf(chain, trustAnchors)
    if (fault !== null) throw writeFailed(join(directory, own.cert), fault)
    files.add(join(path, file))
  }
  return [...files]
}

const MAX_CHAIN = 10

/** Why a certificate would no longer be trusted. Checks only names and signatures; the validator checks the rest. */
function faultOf(chain: readonly Certificate[], anchors: readonly Certificate[]): string | null {
  const [leaf, ...sent] = chain.slice(0, MAX_CHAIN)
  if (leaf === undefined) return 'it holds no certificate that can be read'
  const isTrusted = (each: Certificate): boolean =>
    anchors.some((anchor) => anchor.equals(each) || isIssuedBy(each, anchor))
  if (findIssuers(leaf, sent, isTrusted).path !== null) return null
  const issuer = chain.at(-1)?.issuer.toString() ?? ''
  return `its certificate leads to "${issuer}", which would no longer be trusted. Nothing was changed; keep that CA among the anchors until this certificate is reissued, or set \`overwrite: true\``
}
