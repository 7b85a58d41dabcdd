/** Renews what is due in the files of a cluster. */
import { join, resolve } from 'node:path'
import type { Credentials } from '../../credentials/credentials.js'
import { checkDirectory, type CredentialFiles } from '../../credentials/write.js'
import { type FileSystem, lookAt } from '../../files/file-system.js'
import { findRoot } from '../../files/folders.js'
import { sweep } from '../../files/generation.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { lockPathOf, withLock } from '../../files/lock.js'
import { publish } from '../../files/publish.js'
import { type Survey, surveyDirectory } from '../../files/survey.js'
import { type FileContents, writeFailed } from '../../files/write-file.js'
import { isError, isEtcdMtlsError } from '../../report/errors.js'
import type { CertificateRef, Finding } from '../../report/finding.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { Issuer } from '../issuer.js'
import type { Ledger, LedgerEntry } from '../ledger.js'
import { checkFlag, checkRenewalKey, isFrom, issueAgain, type RenewalKey, whoseIsIt } from '../renew.js'
import { dueAt, endingFirst, isDue, readFraction, readMoment } from '../renewal-due.js'
import { Revocations } from '../revocation.js'
import type { Role } from '../roles.js'
import { checkLayout, type Layout, PEER, PEER_OF_ITS_OWN_CA } from './layouts.js'
import { type BarredFolder, findPlaces, type Identity, type RenewalFolder } from './places.js'
import { type ClusterAuthorities, readAuthorities } from './plan.js'
import { readPair, type ReadPair } from './read-folder.js'

/** What `renewDirectory` renews. */
export interface RenewDirectoryOptions {
  /** The layout of the directory: as `writeCluster` or kubeadm wrote it. */
  layout: Layout
  /** The share of the lifetime after which renewal is due, above 0 and below 1. Default: 2/3. */
  fraction?: number | undefined
  /** The moment by which renewal has to be due. One in the future renews earlier. Default: now, by the authority's clock. */
  at?: Date | undefined
  /** What becomes of the private keys. Default: `'new'`. */
  key?: RenewalKey | undefined
  /** Renews all that can be, due or not. Default: false. */
  force?: boolean | undefined
  /** Ends it before the next folder changes. */
  signal?: AbortSignal | undefined
}

/** What became of a directory. */
export interface DirectoryRenewal {
  /** What was renewed. */
  renewed: RenewedCredentials[]
  /** What was not, and why; `not-due` is the good reason. */
  kept: KeptCredentials[]
  /** When the first of what can be renewed is due next; null where nothing can be. */
  due: Date | null
}

/**
 * Renews the credentials in a directory that are due: the same subject, names and usages, for as long as before, see
 * `renew`. It is made to be run by a timer, on the machine that has the authority.
 *
 * Each folder (a member's server and peer, a client) changes as one: whoever reads it, at any instant and also after this
 * process was killed, finds the old pairs or the new ones. The ledger is told before. After a crash the same call again
 * completes what was begun, and renews nothing twice; of two processes at once, one waits and then finds nothing due.
 * Certificate files get their issuer's intermediates; CA files stay as they are. Permissions and owners stay, but for
 * rights of others to a key. Files that openssl or kubeadm wrote are replaced by links, as `writeCluster` does it.
 *
 * What cannot be renewed (of another CA, not to be read, without its key, refused by the authority or by the disk) stays
 * as it is, is told in `kept`, and stops nothing else.
 *
 * @param authorities Whose certificates these are; one for clients and one for peers, as for `issueCluster`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, and a directory in which nothing is of the layout.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` where the directory cannot be used at all: it is not there, or another process
 * holds its lock for too long.
 * @throws The reason of `signal`.
 */
export async function renewDirectory(
  authorities: ClusterAuthorities,
  directory: string,
  options: RenewDirectoryOptions,
): Promise<DirectoryRenewal> {
  return renewDirectoryOn(guardedFileSystem(), authorities, directory, options)
}

const KNOWN = ['layout', 'fraction', 'at', 'key', 'force', 'signal'] as const

/** {@link renewDirectory} on any file system. */
export async function renewDirectoryOn(
  fs: FileSystem,
  authorities: ClusterAuthorities,
  directory: string,
  options: RenewDirectoryOptions,
): Promise<DirectoryRenewal> {
  const { client, peer } = readAuthorities(authorities)
  checkDirectory(directory)
  checkOptions('options', options, KNOWN)
  const { layout, key = 'new', force = false, signal } = options
  checkLayout(layout)
  checkRenewalKey(key)
  checkFlag('force', force)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw optionInvalid('signal', 'must be an AbortSignal')
  const fraction = readFraction(options.fraction, 'fraction')
  const at = options.at === undefined ? client.issuer.settings.now() : readMoment(options.at, 'at')
  signal?.throwIfAborted()

  const place = resolve(directory)
  try {
    const root = await findRoot(fs, place)
    if (root === null) throw writeFailed(place, 'no directory is there: give the one that holds the files')
    const renewal: DirectoryRenewal = { renewed: [], kept: [], due: null }
    await withLock(
      lockPathOf(root),
      async (held) => {
        const { folders, barred } = await findPlaces(fs, root, layout)
        renewal.kept.push(...barred.map(keptFolder))
        const issuers = { client: client.issuer, peer: peer.issuer }
        const known = new Map<Ledger, Promise<Revocations>>()
        const revocationsOf = ({ settings: { ledger } }: Issuer): Promise<Revocations> => {
          const read = known.get(ledger) ?? Revocations.read(ledger)
          known.set(ledger, read)
          return read
        }
        const work: RenewalWork = {
          revocationsOf,
          fs,
          root,
          place,
          issuers,
          at,
          fraction,
          key,
          force,
          renewal,
          signal: held,
        }
        for (const folder of folders) await renewFolder(work, folder)
      },
      { signal, fileSystem: fs },
    )
    if (renewal.renewed.length + renewal.kept.length === 0) {
      throw optionInvalid('directory', `must hold files of the layout "${layout}", and "${place}" holds none`)
    }
    renewal.due = firstOf(renewal)
    return renewal
  } catch (error) {
    if (isEtcdMtlsError(error) || (signal?.aborted === true && error === signal.reason)) throw error
    throw writeFailed(place, error)
  }
}

function keptFolder({ path, reason }: BarredFolder): KeptCredentials {
  return { what: path, role: null, files: null, why: 'unreadable', reason, due: null, expired: false, findings: [] }
}

function firstOf({ renewed, kept }: DirectoryRenewal): Date | null {
  const dates = [...renewed, ...kept.filter(({ why }) => why === 'not-due')].map(
    ({ due }) => due?.getTime() ?? Infinity,
  )
  const first = Math.min(...dates)
  return Number.isFinite(first) ? new Date(first) : null
}

/** Credentials that were renewed. */
export interface RenewedCredentials {
  /** Their certificate's path from the directory, without `.crt`: `members/etcd-0/server`. */
  what: string
  role: Role
  files: CredentialFiles
  /** The new certificate. */
  certificate: CertificateRef
  notAfter: Date
  /** When the next renewal is due. */
  due: Date
}

/**
 * Why credentials were kept. `not-due`: all is well. `foreign-ca`: another CA issued them. `unreadable`: the files are not
 * what they should be. `key-missing`: there is no key beside the certificate. `nothing-gained`: the authority's own
 * certificates end no later. `refused`: the authority or its ledger refused. `write-failed`: the file system did.
 */
export type KeptReason =
  'not-due' | 'foreign-ca' | 'unreadable' | 'key-missing' | 'nothing-gained' | 'refused' | 'write-failed'

/** Credentials that were not renewed. */
export interface KeptCredentials {
  /** Their certificate's path from the directory, without `.crt`; that of a folder, where all of it cannot be read. */
  what: string
  /** null for a folder. */
  role: Role | null
  files: CredentialFiles | null
  why: KeptReason
  /** For people, a sentence without its full stop. */
  reason: string
  /** When renewal is or was due; null where that cannot be known. */
  due: Date | null
  expired: boolean
  /** What is wrong with the files, or would be with a new certificate. */
  findings: readonly Finding[]
}

/** What the renewal of a directory is about. */
interface RenewalWork {
  readonly fs: FileSystem
  /** The real path of the directory, and as it was given. */
  readonly root: string
  readonly place: string
  readonly issuers: { readonly client: Issuer; readonly peer: Issuer }
  readonly at: Date
  /** What the ledger of an issuer holds against issuing, read once. */
  readonly revocationsOf: (issuer: Issuer) => Promise<Revocations>
  readonly fraction: number
  readonly key: RenewalKey
  readonly force: boolean
  /** Gets what becomes of each. */
  readonly renewal: { readonly renewed: RenewedCredentials[]; readonly kept: KeptCredentials[] }
  /** Aborted with the caller's, and when the lock was lost. */
  readonly signal: AbortSignal
}

/** One of a folder, with all that is to be said about it. */
interface Candidate {
  readonly what: string
  readonly role: Role
  readonly files: CredentialFiles
  readonly identity: Identity
  readonly issuer: Issuer
}

/** One that is to be renewed. */
interface Order extends Candidate {
  readonly pair: ReadPair
}

/** One that was. */
interface Made extends Order {
  readonly credentials: Credentials
  readonly entry: LedgerEntry
}

/**
 * Renews what is due in a folder. Rejects only with the signal's reason.
 *
 * To be called under the lock of the directory.
 */
async function renewFolder(work: RenewalWork, folder: RenewalFolder): Promise<void> {
  const { fs, root, signal } = work
  signal.throwIfAborted()
  const path = join(root, folder.path)
  let survey: Survey
  let candidates: Candidate[]
  try {
    candidates = await candidatesOf(work, folder)
    const names = folder.identities.flatMap(({ names: { cert, key } }) => [cert, key])
    survey = await surveyDirectory(fs, path, names)
  } catch (error) {
    keepFolder(work, folder, 'unreadable', error)
    return
  }
  const made: Made[] = []
  for (const candidate of candidates) {
    const order = look(work, path, survey, candidate)
    const one = order === null ? null : await issueOne(work, order)
    if (one !== null) made.push(one)
  }
  if (made.length === 0) {
    // What a run that was killed has left, old keys among it.
    await sweep(fs, path).catch((error: unknown) => {
      keepFolder(work, folder, 'write-failed', error)
    })
    return
  }
  if (await note(work, made)) await write(work, path, survey, made)
}

async function candidatesOf({ fs, root, place, issuers }: RenewalWork, folder: RenewalFolder): Promise<Candidate[]> {
  const ownPeerCa = (await lookAt(fs, join(root, folder.path, PEER_OF_ITS_OWN_CA.ca))) !== null
  return folder.identities.map((identity) => {
    const { role, names } = identity
    const { ca, cert, key } = names === PEER && ownPeerCa ? PEER_OF_ITS_OWN_CA : names
    const at = (name: string): string => join(place, folder.path, name)
    return {
      what: join(folder.path, cert.replace(/\.crt$/, '')),
      role,
      files: { ca: at(ca), cert: at(cert), key: at(key) },
      identity,
      issuer: role === 'peer' ? issuers.peer : issuers.client,
    }
  })
}

/** Whether one is to be renewed. If not, that is told, unless nothing is there. */
function look(work: RenewalWork, path: string, survey: Survey, candidate: Candidate): Order | null {
  const { at, fraction, force } = work
  const { issuer, identity } = candidate
  const read = readPair(path, survey, identity.names)
  if (read === null) return null
  const { chain } = read
  const verdict = chain === null ? null : dueAt(endingFirst(chain), at, fraction)
  const keptFor = (why: KeptReason, reason: string, findings: readonly Finding[] = []): null => {
    keep(work, candidate, { why, reason, findings, due: verdict?.at ?? null, expired: verdict?.expired ?? false })
    return null
  }
  if ('why' in read) return keptFor(read.why, read.reason, read.findings)
  const [leaf] = read.chain
  if (!isFrom(issuer, leaf)) return keptFor('foreign-ca', whoseIsIt(issuer, leaf))
  if (!force && verdict?.due !== true) {
    return keptFor('not-due', `It is due at ${verdict?.at.toISOString() ?? 'no time'}`)
  }
  if (!force && !gains(work, read, issuer)) {
    return keptFor(
      'nothing-gained',
      `The authority "${issuer.certificate.subject.toString()}", or what it sends along, ends no later: renew the authority first`,
    )
  }
  return { ...candidate, pair: read }
}

/** Whether what is due would be better after a renewal: else each run would renew it again, to no use. */
function gains(
  { at, fraction }: RenewalWork,
  { chain }: ReadPair,
  { certificate: ca, intermediates }: Issuer,
): boolean {
  return chain.some((each, index) => {
    if ((index > 0 && each.isSelfIssued) || !isDue(each, at, fraction)) return false
    return index === 0 ? ca.notAfter > each.notAfter : !intermediates.some((sent) => sent.equals(each))
  })
}

async function issueOne(work: RenewalWork, order: Order): Promise<Made | null> {
  const { issuer, role, pair, files } = order
  // Anchors and lists are not written: those that are there stay.
  const held: Credentials = { ...pair, trustAnchors: [], crls: [], origin: files.cert }
  try {
    const revocations = await work.revocationsOf(issuer)
    const manner = { revocations, role, key: work.key, validity: null, foreign: false, skipEtcdChecks: false }
    return { ...order, ...(await issueAgain(issuer, held, manner)) }
  } catch (error) {
    keepOrders(work, [order], 'refused', error)
    return null
  }
}

/** Tells the ledgers, before anything is handed out; false where one refuses. */
async function note(work: RenewalWork, made: readonly Made[]): Promise<boolean> {
  try {
    for (const issuer of new Set(made.map((each) => each.issuer))) {
      const own = made.filter((each) => each.issuer === issuer)
      await issuer.settings.ledger.append(own.map(({ entry }) => entry))
    }
    return true
  } catch (error) {
    keepOrders(work, made, 'refused', error)
    return false
  }
}

async function write(work: RenewalWork, path: string, { seen }: Survey, made: readonly Made[]): Promise<void> {
  const { fs, signal, renewal, at, fraction } = work
  const files = new Map<string, FileContents>()
  for (const { identity, credentials } of made) {
    const { cert, key } = identity.names
    // Who could read the files before still has to: an etcd that is in the group of its key.
    files.set(cert, {
      content: credentials.chain.map((each) => each.toPem()).join(''),
      mode: modeOf(cert, 0o644, 0o777),
    })
    // A key that stays keeps its file, in whatever form that has it.
    if (work.key === 'new') files.set(key, { content: credentials.key.exportPem(), mode: modeOf(key, 0o600, 0o770) })
  }
  function modeOf(name: string, usual: number, most: number): number {
    const found = seen.get(name)?.file.mode
    return found === undefined ? usual : (found & most) | 0o600
  }
  try {
    await publish(fs, path, { files }, signal)
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw error
    keepOrders(work, made, 'write-failed', error)
    return
  }
  for (const { what, role, files: paths, credentials } of made) {
    const { certificate, notAfter, at: due } = dueAt(endingFirst(credentials.chain), at, fraction)
    renewal.renewed.push({ what, role, files: paths, certificate, notAfter, due })
  }
}

function keepFolder(work: RenewalWork, { path }: RenewalFolder, why: KeptReason, error: unknown): void {
  const { reason, findings } = told(error)
  const what = path === '' ? '.' : path
  work.renewal.kept.push({ what, role: null, files: null, why, reason, due: null, expired: false, findings })
}

function keepOrders(work: RenewalWork, orders: readonly Order[], why: KeptReason, error: unknown): void {
  for (const order of orders) {
    const { at: due, expired } = dueAt(endingFirst(order.pair.chain), work.at, work.fraction)
    keep(work, order, { why, ...told(error), due, expired })
  }
}

function keep(
  { renewal }: RenewalWork,
  { what, role, files }: Candidate,
  about: Omit<KeptCredentials, 'what' | 'role' | 'files'>,
): void {
  renewal.kept.push({ what, role, files, ...about })
}

function told(error: unknown): { reason: string; findings: readonly Finding[] } {
  if (isEtcdMtlsError(error, 'ERR_WRITE_FAILED')) return { reason: error.message, findings: [] }
  if (isEtcdMtlsError(error, 'ERR_ISSUE_REFUSED')) return error.details
  return { reason: isError(error) ? error.message : String(error), findings: [] }
}
