/** Renews the credentials of one folder, as one change. */
import { join } from 'node:path'
import type { CredentialFiles } from '../../credentials/write.js'
import type { FileContents } from '../../files/write-file.js'
import type { Credentials } from '../../credentials/credentials.js'
import { isEtcdMtlsError, isError } from '../../report/errors.js'
import type { CertificateRef, Finding } from '../../report/finding.js'
import type { Issuer } from '../issuer.js'
import type { Revocations } from '../revocations.js'
import type { LedgerEntry } from '../ledger.js'
import { isFrom, issueAgain, type RenewalKey, whoseIsIt } from '../renew.js'
import { dueAt, endingFirst, isDue } from '../renewal-due.js'
import type { Role } from '../roles.js'
import { type FileSystem, lookAt } from '../../files/file-system.js'
import { sweep } from '../../files/generation.js'
import { PEER, PEER_OF_ITS_OWN_CA } from './layouts.js'
import { publish } from './publish.js'
import { readIdentity, type ReadPair } from './read-identity.js'
import type { Identity, RenewalFolder } from './renewal-places.js'
import { type Survey, surveyDirectory } from './survey.js'

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
export interface RenewalWork {
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
export async function renewFolder(work: RenewalWork, folder: RenewalFolder): Promise<void> {
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
  const read = readIdentity(path, survey, identity.names)
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
    const manner = { revocations, role, key: work.key, validity: null, foreign: false, evenIfEtcdRefuses: false }
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
