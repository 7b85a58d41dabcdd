/** Renews the credentials that are due in the files of a cluster, each folder as one change. */
import { basename, dirname, join, resolve } from 'node:path'
import type { Credentials } from '../../credentials/credentials.js'
import type { CredentialFiles } from '../../credentials/write.js'
import { type FileContents, type FileSystem, lookAt } from '../../files/file-system.js'
import { guardedFileSystem, type TrustedOwnerOption } from '../../files/guarded-file-system.js'
import { withDirectoryLock } from '../../files/lock.js'
import { publish, type DirectoryState, readDirectory, sweep } from '../../files/publish.js'
import { writeFailed } from '../../files/write-failed.js'
import { isError, isEtcdMtlsError } from '../../report/errors.js'
import type { CertificateRef, Finding } from '../../report/finding.js'
import { optionInvalid } from '../../report/option-error.js'
import { printable } from '../../report/printable.js'
import type { Authority } from '../authority.js'
import type { IssuingCa } from '../issuing-ca.js'
import type { Ledger, LedgerEntry } from '../ledger.js'
import { checkRenewalKey, isOwnCertificate, reissue, foreignReason } from '../renew.js'
import { dueAt, endingFirst, readFraction, readMoment, type renewalDue } from '../renewal-due.js'
import { Revocations } from '../revocation.js'
import type { Role } from '../issue-options.js'
import {
  checkLayoutCall,
  type FileNames,
  findFolders,
  type Identity,
  type Layout,
  type LayoutFolder,
  migrationOf,
  PEER_CA,
} from './layouts.js'
import { readAuthorities } from './issue-cluster.js'
import { certificatesIn, readPair, type ReadPair } from './read-folder.js'

/** Options of `renewDirectory`. */
export interface RenewDirectoryOptions extends TrustedOwnerOption {
  /** The layout of the directory: as `writeCluster` or kubeadm wrote it. */
  layout: Layout
  /** The share of the lifetime after which renewal is due, above 0 and below 1. @default 2/3 */
  fraction?: number | undefined
  /** Renews what is due at this time. @default now, by the authority's clock */
  at?: Date | undefined
  /** Whether the private keys are replaced. @default 'new' */
  key?: 'new' | 'same' | undefined
  /** Renews everything, due or not. @default false */
  force?: boolean | undefined
  /**
   * Also reissues certificates of another CA, as when a CA is replaced: where the CA file has the root of this authority already.
   *
   * @default false
   */
  foreign?: boolean | undefined
  /** Renews nothing: `kept` has what is due. @default false */
  dryRun?: boolean | undefined
  /** Stops before the next folder changes. @default none */
  signal?: AbortSignal | undefined
}

/** The result of `renewDirectory`. */
export interface DirectoryRenewal {
  /** Credentials that were renewed. */
  renewed: {
    /** The path of their certificate from the directory, without `.crt`: `members/etcd-0/server`. Escaped for display. */
    what: string
    role: Role
    files: CredentialFiles
    /** The new certificate. */
    certificate: CertificateRef
    notAfter: Date
    /** When the next renewal is due. */
    due: Date
  }[]
  /** Credentials that were not renewed. */
  kept: {
    /**
     * The path of their certificate from the directory, without `.crt`; of a folder, if it cannot be read. Escaped for
     * display; `files` has exact paths.
     */
    what: string
    /** null for a folder. */
    role: Role | null
    files: CredentialFiles | null
    /**
     * `not-due`: all is well. `due`: a run without `dryRun` would renew them. `foreign-ca`: another CA issued them. `unreadable`: the files are damaged, encrypted, or do
     * not match. `key-missing`: there is no key next to the certificate. `nothing-gained`: the authority's own certificates
     * do not expire later. `refused`: the authority or its ledger refused. `write-failed`: the file system did.
     */
    why: 'not-due' | 'due' | 'foreign-ca' | 'unreadable' | 'key-missing' | 'nothing-gained' | 'refused' | 'write-failed'
    /** For people, a sentence without its full stop. Escaped for display. */
    reason: string
    /** When renewal is or was due; null if that is unknown. */
    due: Date | null
    expired: boolean
    /** What is wrong with the files, or would be with a new certificate. */
    findings: readonly Finding[]
  }[]
  /** When the next renewal is due; null if nothing can be renewed. */
  due: Date | null
}

type Kept = DirectoryRenewal['kept'][number]

/**
 * Renews the credentials in a directory that are due, with the same subject, names, usages and lifetime, see `renewCredentials`. Run
 * it by a timer, on the machine of the authority.
 *
 * Each folder (a member's server and peer, a client) changes as one: a reader finds the old pairs or the new ones at any
 * time, also after this process was killed. The ledger has the entry first. After a crash the same call completes what was
 * interrupted, and renews nothing twice; of two processes at once, one waits and then finds nothing due. Certificate files
 * get their issuer's intermediates; CA files do not change. Permissions and owners stay, but other users lose access to
 * keys. Files of openssl or kubeadm are replaced by links, as by `writeCluster`.
 *
 * Credentials that cannot be renewed do not stop the run: `kept` has them with the reason.
 *
 * @example
 * ```ts
 * const { renewed } = await renewDirectory(authority, '/srv/pki', { layout: 'etcd' })
 * ```
 * @param authorities The authority of the certificates, or one for clients and one for peers, as for `issueCluster`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, and for a directory without files of the layout.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the directory does not exist, or another process holds its lock too long.
 * @throws The reason of `signal`.
 */
export async function renewDirectory(
  authorities: Authority | { client: Authority; peer: Authority },
  directory: string,
  options: RenewDirectoryOptions,
): Promise<DirectoryRenewal> {
  const { client, peer } = readAuthorities(authorities)
  checkLayoutCall(directory, options, ['force', 'dryRun', 'foreign'], ['fraction', 'at', 'key'])
  const { layout, key = 'new', force = false, dryRun = false, foreign = false, signal } = options
  checkRenewalKey(key)
  const fraction = readFraction(options.fraction, 'fraction')
  const at = options.at === undefined ? client.issuer.settings.now() : readMoment(options.at, 'at')
  signal?.throwIfAborted()

  const place = resolve(directory)
  const guarded = await guardedFileSystem(place, options, migrationOf(layout))
  const renewal: DirectoryRenewal = { renewed: [], kept: [], due: null }
  await withDirectoryLock(guarded, place, signal, async (root, held, fs) => {
    if (root === null) throw writeFailed(place, 'the directory does not exist: pass the one that holds the files')
    const { folders, unreadable } = await findFolders(fs, root, layout)
    const issuers = { client: client.issuer, peer: peer.issuer }
    const run: Run = {
      fs,
      root,
      place,
      issuers,
      at,
      fraction,
      key,
      force,
      foreign,
      dryRun,
      renewal,
      revocations: new Map(),
      signal: held,
    }
    for (const { path, reason } of unreadable) keepFolder(run, path, 'unreadable', { reason, findings: [] })
    for (const folder of folders) await renewFolder(run, folder)
  })
  const { renewed, kept } = renewal
  if (renewed.length + kept.length === 0)
    throw optionInvalid('directory', `must hold files of the layout "${layout}", and "${place}" holds none`)
  const next = [...renewed, ...kept.filter(({ why }) => why === 'not-due' || why === 'due')].map(
    ({ due }) => due?.getTime() ?? Infinity,
  )
  return { ...renewal, due: next.length === 0 ? null : new Date(Math.min(...next)) }
}

interface Run {
  readonly fs: FileSystem
  /** The real path of the directory, and the path as it was passed. */
  readonly root: string
  readonly place: string
  readonly issuers: { readonly client: IssuingCa; readonly peer: IssuingCa }
  /** Cached, so that each ledger is read once. */
  readonly revocations: Map<Ledger, Promise<Revocations>>
  readonly at: Date
  readonly fraction: number
  readonly key: 'new' | 'same'
  readonly force: boolean
  readonly foreign: boolean
  readonly dryRun: boolean
  readonly renewal: Pick<DirectoryRenewal, 'renewed' | 'kept'>
  /** Aborts with the caller's signal, and if the lock is lost. */
  readonly signal: AbortSignal
}

interface Candidate {
  readonly what: string
  readonly role: Role
  readonly files: CredentialFiles
  readonly names: FileNames
  readonly issuer: IssuingCa
  readonly due: ReturnType<typeof renewalDue> | null
}

interface Issued extends Candidate {
  readonly credentials: Credentials
  readonly entry: LedgerEntry
}

/** Rejects only with the signal's reason; other errors go into `kept`. */
async function renewFolder(run: Run, folder: LayoutFolder): Promise<void> {
  const { fs, root, signal } = run
  signal.throwIfAborted()
  const path = join(root, folder.path)
  let survey: DirectoryState
  let hasPeerCa: boolean
  try {
    hasPeerCa = (await lookAt(fs, join(path, PEER_CA))) !== null
    const names = folder.identities.flatMap(({ names: { cert, key } }) => [cert, key])
    survey = await readDirectory(fs, path, names)
  } catch (error) {
    keepFolder(run, folder.path, 'unreadable', describe(error))
    return
  }
  const issued: Issued[] = []
  for (const identity of folder.identities) {
    const ca = identity.role === 'peer' && hasPeerCa ? PEER_CA : identity.names.ca
    const one = await renewOne(run, folder.path, survey, identity, ca)
    if (one !== null) issued.push(one)
  }
  if (issued.length > 0) {
    if (await record(run, issued)) await write(run, path, issued)
    return
  }
  if (run.dryRun) return
  // Removes temporary files of a killed run, which include old keys.
  await sweep(fs, path).catch((error: unknown) => {
    keepFolder(run, folder.path, 'write-failed', describe(error))
  })
}

/** Null if not renewed: then `kept` has the credentials, unless the files do not exist. */
async function renewOne(
  run: Run,
  folder: string,
  survey: DirectoryState,
  { role, names }: Identity,
  ca: string,
): Promise<Issued | null> {
  const { at, fraction, dryRun, key } = run
  const read = readPair(join(run.root, folder), survey, names)
  if (read === null) return null
  const path = (name: string): string => join(run.place, folder, name)
  const issuer = role === 'peer' ? run.issuers.peer : run.issuers.client
  const due = read.chain === null ? null : dueAt(endingFirst(read.chain), at, fraction)
  const what = join(folder, names.cert.replace(/\.crt$/, ''))
  const files = { ca: path(ca), cert: path(names.cert), key: path(names.key) }
  const candidate: Candidate = { what, role, files, names, issuer, due }
  const keepFor = (why: Kept['why'], reason: string, findings: readonly Finding[] = []): null => {
    keep(run, candidate, why, { reason, findings })
    return null
  }
  if ('why' in read) return keepFor(read.why, read.reason, read.findings)
  const [leaf] = read.chain
  const foreign = run.foreign && !isOwnCertificate(issuer, leaf)
  if (!foreign && !isOwnCertificate(issuer, leaf)) return keepFor('foreign-ca', foreignReason(issuer, leaf))
  if (foreign && !(await isTrusted(run, join(run.root, folder, ca), issuer))) {
    const name = issuer.certificate.subject.toString()
    return keepFor('foreign-ca', `${path(ca)} does not trust "${name}": add it first, and restart what reads the file`)
  }
  const force = run.force || foreign
  if (!force && due?.due !== true) return keepFor('not-due', `It is due at ${due?.at.toISOString() ?? 'no time'}`)
  if (!force && !isImproved(run, read, issuer)) {
    const name = issuer.certificate.subject.toString()
    const remedy = 'renew the authority first'
    return keepFor(
      'nothing-gained',
      `The authority "${name}", or a certificate above it, does not expire later: ${remedy}`,
    )
  }
  if (dryRun) return keepFor('due', `It is due since ${due?.at.toISOString() ?? 'no time'}`)
  try {
    const { ledger } = issuer.settings
    const known = run.revocations.get(ledger) ?? Revocations.read(ledger)
    run.revocations.set(ledger, known)
    const options = { revocations: await known, role, key, validity: null, foreign, skipEtcdChecks: false }
    // Anchors and CRLs are not written, so those in the folder stay.
    const held: Credentials = { ...read, trustAnchors: [], crls: [], origin: files.cert }
    return { ...candidate, ...(await reissue(issuer, held, options)) }
  } catch (error) {
    keep(run, candidate, 'refused', describe(error))
    return null
  }
}

async function isTrusted({ fs }: Run, file: string, { trustAnchors }: IssuingCa): Promise<boolean> {
  const { seen } = await readDirectory(fs, dirname(file), [basename(file)])
  const known = certificatesIn(dirname(file), seen, basename(file), 'ca') ?? []
  return trustAnchors.every((root) => known.some((each) => each.equals(root)))
}

/** Whether a renewal replaces a due certificate by one that expires later; otherwise each run would renew it again. */
function isImproved(
  { at, fraction }: Run,
  { chain }: ReadPair,
  { certificate: ca, intermediates }: IssuingCa,
): boolean {
  return chain.some((each, index) => {
    if ((index > 0 && each.isSelfIssued) || !dueAt({ certificate: each, index }, at, fraction).due) return false
    return index === 0 ? ca.notAfter > each.notAfter : !intermediates.some((sent) => sent.equals(each))
  })
}

/** Called before the files are written. False if a ledger refuses. */
async function record(run: Run, issued: readonly Issued[]): Promise<boolean> {
  try {
    for (const issuer of new Set(issued.map((each) => each.issuer))) {
      const own = issued.filter((each) => each.issuer === issuer)
      await issuer.settings.ledger.append(own.map(({ entry }) => entry))
    }
    return true
  } catch (error) {
    for (const each of issued) keep(run, each, 'refused', describe(error))
    return false
  }
}

async function write(run: Run, path: string, issued: readonly Issued[]): Promise<void> {
  const { fs, signal, renewal, at, fraction } = run
  const files = new Map<string, FileContents>()
  for (const { names, credentials } of issued) {
    const { cert, key } = names
    const content = credentials.chain.map((each) => each.toPem()).join('')
    files.set(cert, { content, mode: 0o644 })
    // The file of an unchanged key is not rewritten, because its encoding may differ.
    if (run.key === 'new') files.set(key, { content: credentials.key.exportPem(), mode: 0o600 })
  }
  try {
    await publish(fs, path, { files }, signal)
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw error
    for (const each of issued) keep(run, each, 'write-failed', describe(error))
    return
  }
  for (const { what, role, files: paths, credentials } of issued) {
    const { certificate, notAfter, at: due } = dueAt(endingFirst(credentials.chain), at, fraction)
    renewal.renewed.push({ what: printable(what), role, files: paths, certificate, notAfter, due })
  }
}

type Reason = Pick<Kept, 'reason' | 'findings'>

function keepFolder({ renewal }: Run, path: string, why: Kept['why'], reason: Reason): void {
  const what = path === '' ? '.' : path
  renewal.kept.push({ ...forPeople(what, reason), role: null, files: null, why, due: null, expired: false })
}

function keep({ renewal }: Run, { what, role, files, due }: Candidate, why: Kept['why'], reason: Reason): void {
  const dates = { due: due?.at ?? null, expired: due?.expired ?? false }
  renewal.kept.push({ ...forPeople(what, reason), role, files, why, ...dates })
}

/** The names are those of folders, which their owner chose. */
function forPeople(what: string, { reason, findings }: Reason): Reason & Pick<Kept, 'what'> {
  return { what: printable(what), reason: printable(reason), findings }
}

function describe(error: unknown): Reason {
  if (isEtcdMtlsError(error, 'ERR_ISSUE_REFUSED')) return error.details
  return { reason: isError(error) ? error.message : String(error), findings: [] }
}
