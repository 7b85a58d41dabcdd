/** Writes the files of a cluster. The files of each folder are replaced together. */
import { basename, dirname, join, resolve } from 'node:path'
import { readGroup } from '../../files/accounts.js'
import {
  checkGroupEnters,
  directoryExists,
  type FileContents,
  type FileSystem,
  findRoot,
  makeDirectories,
} from '../../files/file-system.js'
import { guardedFileSystem, type TrustedOwnerOption } from '../../files/guarded-file-system.js'
import { withDirectoryLock } from '../../files/lock.js'
import { type Change, publish, readDirectory, sweep } from '../../files/publish.js'
import { failureOf, writeFailed } from '../../files/write-failed.js'
import type { Certificate } from '../../x509/certificate.js'
import { Authority } from '../authority.js'
import { checkReplaceable } from './read-folder.js'
import { KUBEADM_CLIENTS } from '../issue-options.js'
import { type CaMaterial, checkCluster, type Cluster, type ClusterFiles } from './cluster-credentials.js'
import {
  checkLayoutCall,
  type FolderPlan,
  FOLDERS,
  holdsNode,
  type Layout,
  MEMBER_KEYS,
  migrationOf,
  planLayout,
} from './layouts.js'

/** Options of `writeCluster`. */
export interface WriteClusterOptions extends TrustedOwnerOption {
  /**
   * `etcd`: `members/<name>/{ca,server,peer}.crt` with `server.key` and `peer.key`, and `clients/<name>/{ca,tls}.crt` with
   * `tls.key`; peers with their own CA get `peer-ca.crt`. `kubeadm`: the files of `/etc/kubernetes/pki`, directly in the
   * directory for a cluster of one member, in `<member>/` for more.
   */
  layout: Layout
  /** Also replaces files of another PKI, and keys that have no certificate. @default false */
  overwrite?: boolean | undefined
  /**
   * Also writes the keys of the authorities, which can issue anything. `etcd`: `ca.crt` and `ca.key` in the directory
   * itself. `kubeadm`: `etcd/ca.key` of each member.
   *
   * @default false, with a warning of the process (once for each authority, code ETCD_MTLS_CA_KEY_NOT_KEPT) if
   *   createAuthority made the CA and its key was not exported: nothing could be renewed
   */
  caKey?: boolean | undefined
  /**
   * The group of etcd's user, by name or id: `server.key` and `peer.key` get this group and mode 0640, and folders of
   * members that are created 0750. Other keys stay 0600. Without root, a group of this process.
   *
   * @default keys that are replaced keep owner, group and mode; new ones get 0600
   */
  group?: string | number | undefined
  /** Stops before the next folder changes. @default none */
  signal?: AbortSignal | undefined
}

/** Units written concurrently; more do not make a disk faster. */
const CONCURRENCY = 8

/**
 * Writes the files of a cluster: for its members and its clients.
 *
 * Each folder changes as one: a reader finds all old files or all new ones at any time, also after this process was killed,
 * never a key without its certificate or next to another one. After a crash, the same call completes the interrupted one.
 * Members and clients that are not in the cluster, and files that are not part of the layout, do not change. New keys get mode
 * 0600, certificates 0644, folders 0700, whatever the umask is. Replaced files keep owner, group and mode, but keys lose the
 * access of other users. Two processes that write to one directory wait for each other. Run as root, it writes only where no user
 * but root and `trustedOwner` can rename, see docs/files.md.
 *
 * All existing files are checked before anything changes: files of another PKI (no common trust anchor), a key that does
 * not match its certificate or has none, and files that cannot be read are an error unless `overwrite` is set. A symbolic
 * link with the name of a file is replaced and not followed.
 *
 * @example
 * ```ts
 * await writeCluster('/srv/pki', cluster, { layout: 'etcd' })
 * ```
 * @param directory The directory of the cluster. It is created if it does not exist.
 * @returns The paths of all files, by the names of the cluster.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a cluster that cannot be written in this layout: names that are not plain
 * file names, or differ only by case; `layout: 'kubeadm'` with two CAs. Also for a `group` that this machine does not have.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the authority does not issue kubeadm's clients.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the file system refuses, existing files may not be replaced, `group` cannot
 * enter a folder, root would write where another user can rename, or another process holds the lock too long.
 * @throws The reason of `signal`.
 */
export async function writeCluster<M extends string, C extends string>(
  directory: string,
  given: Cluster<M, C>,
  options: WriteClusterOptions,
): Promise<ClusterFiles<M, C>> {
  checkLayoutCall(directory, options, ['overwrite', 'caKey'], ['group'])
  const { overwrite = false, caKey = false, signal, layout } = options
  checkCluster(given, caKey)
  if (caKey) Object.values(given.authorities ?? {}).forEach(keyOf)
  const gid = await readGroup(options.group)
  signal?.throwIfAborted()
  const cluster = layout === 'kubeadm' ? await withKubeadmClients(given) : given
  const place = resolve(directory)
  const guarded = await guardedFileSystem(place, options, migrationOf(layout))
  // Planned before anything changes, because it throws for a wrong cluster. kubeadm's form depends on existing files, see below.
  let plan = planLayout(layout, place, cluster, { caKey, form: 'several' })
  signal?.throwIfAborted()

  const made: string[] = []
  try {
    if ((await findRoot(guarded, place)) === null) await makeDirectories(guarded, place, { gid, made })
    return await withDirectoryLock(guarded, place, signal, async (found, held, fs) => {
      const root = found ?? place
      if (layout === 'kubeadm') {
        const form = await kubeadmForm(fs, root, Object.keys(cluster.members).length)
        plan = planLayout(layout, place, cluster, { caKey, form })
      }
      const folders = plan.units.flat()
      for (const folder of folders) {
        await checkFolderPlan(fs, root, folder, overwrite)
        if (gid === null || !folder.isOfMember) continue
        for (const path of pathsDownTo(root, folder.path)) await checkGroupEnters(fs, path, gid)
      }
      // publish() creates and sweeps the folders that it writes; the others are prepared here.
      const own = new Set(folders.map(({ path }) => join(root, path)))
      const parents = [...own].filter((path) => path !== root).map((path) => dirname(path))
      for (const parent of new Set([root, ...parents.filter((path) => !own.has(path))])) {
        // Under the lock, all temporary files are those of killed processes.
        if (await directoryExists(fs, parent)) await sweep(fs, parent)
        else await makeDirectories(fs, parent, { gid: basename(parent) === FOLDERS.clients ? null : gid, made })
      }
      await forEachConcurrently(plan.units, CONCURRENCY, async (unit) => {
        for (const folder of unit) await publish(fs, join(root, folder.path), changeOf(folder, gid), held)
      })
      if (caKey) keepKeys(cluster)
      else if (options.caKey === undefined) warnOfLostKeys(cluster)
      return plan.files
    })
  } catch (error) {
    // A folder that cannot be removed is harmless, and must not hide the error.
    for (const path of made.reverse()) await guarded.rmdir(path).catch(() => undefined)
    throw failureOf(place, error, signal)
  }
}

/**
 * The key in PEM. `export()` counts it as kept, which it is not before it is written.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if a signer holds the key.
 */
function keyOf(authority: CaMaterial): string {
  const key = authority instanceof Authority ? authority.issuer.key : null
  return key?.exportPem() ?? authority.export().key
}

function keepKeys({ authorities }: Cluster): void {
  for (const authority of Object.values(authorities ?? {}))
    if (authority instanceof Authority) authority.issuer.keyState.isKept = true
}

/** Once for each authority that was created in this process. */
function warnOfLostKeys({ authorities }: Cluster): void {
  for (const authority of Object.values(authorities ?? {})) {
    const state = authority instanceof Authority ? authority.issuer.keyState : null
    if (state === null || state.isKept || state.isWarned === true) continue
    state.isWarned = true
    const message =
      `The key of the CA "${authority.certificate.subject.toString()}" is only in this process. When it ends, the certificates that` +
      ' were written cannot be renewed. Create the CA with openAuthority, save the result of export(), or set `caKey: true`;' +
      ' `caKey: false` turns this warning off.'
    process.emitWarning(message, { code: 'ETCD_MTLS_CA_KEY_NOT_KEPT' })
  }
}

async function checkFolderPlan(fs: FileSystem, root: string, folder: FolderPlan, overwrite: boolean): Promise<void> {
  const path = join(root, folder.path)
  if (folder.path !== '') await directoryExists(fs, dirname(path))
  if (!(await directoryExists(fs, path))) return
  const { files, remove = [] } = changeOf(folder, null)
  // Also throws for unusable entries, such as a directory with the name of a file.
  const { seen } = await readDirectory(fs, path, [...files.keys(), ...remove])
  if (!overwrite) checkReplaceable(path, seen, folder)
}

/** After an error no new work starts, and the promise rejects when the started work has ended. */
async function forEachConcurrently<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = []
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && failures.length === 0; item = queue.shift()) {
      await work(item).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: limit }, worker))
  if (failures.length > 0) throw failures[0]
}

function pathsDownTo(root: string, path: string): string[] {
  return path === '' ? [root] : [...pathsDownTo(root, dirname(`/${path}`).slice(1)), join(root, path)]
}

/** @param group The group that reads the keys of members. */
function changeOf({ credentials, authorities, remove, isOfMember }: FolderPlan, group: number | null): Change {
  const gid = isOfMember ? group : null
  const files = new Map<string, FileContents>()
  const certificates = (name: string, all: readonly Certificate[]): void => {
    files.set(name, { content: all.map((each) => each.toPem()).join(''), mode: 0o644 })
  }
  for (const { credentials: each, names } of credentials) {
    // The trust anchors of the API server's client are in another folder.
    if (dirname(names.ca) === '.') certificates(names.ca, each.trustAnchors)
    certificates(names.cert, each.chain)
    const isShared = gid !== null && MEMBER_KEYS.some((name) => name === names.key)
    files.set(names.key, { content: each.key.exportPem(), ...(isShared ? { mode: 0o640, gid } : { mode: 0o600 }) })
  }
  for (const { authority, cert, key } of authorities) {
    if (!files.has(cert)) certificates(cert, [authority.certificate])
    files.set(key, { content: keyOf(authority), mode: 0o600 })
  }
  return { files, remove, gid }
}

/**
 * The form of a kubeadm directory. Existing files decide, so that one of several members can be reissued.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if it is that of one node, and several are written.
 */
async function kubeadmForm(fs: FileSystem, root: string, members: number): Promise<'one' | 'several'> {
  const isOne = await holdsNode(fs, root)
  if (isOne && members > 1)
    throw writeFailed(root, 'it holds the files of one node: write a cluster of several members to another directory')
  if (isOne || members > 1) return isOne ? 'one' : 'several'
  for (const name of await fs.readdir(root)) if (await holdsNode(fs, join(root, name))) return 'several'
  return 'one'
}

/**
 * Adds the clients of the liveness probe and of the API server, if the cluster lacks them and its authority can issue them. Otherwise
 * planLayout reports what is missing.
 */
async function withKubeadmClients<M extends string, C extends string>(cluster: Cluster<M, C>): Promise<Cluster<M, C>> {
  const authority = cluster.authorities?.client
  if (cluster.kubeadm !== undefined || authority?.issue === undefined) return cluster
  const kubeadm: Partial<Record<string, NonNullable<Cluster['kubeadm']>[string]>> = {}
  for (const name of Object.keys(cluster.members)) {
    kubeadm[name] = {
      healthcheckClient: await authority.issue({ role: 'client', name: KUBEADM_CLIENTS.healthcheckClient }),
      apiserverClient: await authority.issue({ role: 'client', name: KUBEADM_CLIENTS.apiserverClient }),
    }
  }
  return { ...cluster, kubeadm: kubeadm as NonNullable<Cluster<M>['kubeadm']> } // its keys are those of the members
}
