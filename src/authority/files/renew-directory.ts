/** Renews what is due in the files of a cluster. */
import { resolve } from 'node:path'
import { isEtcdMtlsError } from '../../report/errors.js'
import { checkDirectory } from '../../credentials/write.js'
import { writeFailed } from '../../files/write-file.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { type ClusterAuthorities, readAuthorities } from '../cluster.js'
import type { Issuer } from '../issuer.js'
import type { Ledger } from '../ledger.js'
import { Revocations } from '../revocations.js'
import { checkFlag, checkRenewalKey, type RenewalKey } from '../renew.js'
import { readFraction, readMoment } from '../renewal-due.js'
import { checkLayout } from './check-cluster.js'
import type { FileSystem } from '../../files/file-system.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { findRoot } from '../../files/folders.js'
import type { Layout } from './layouts.js'
import { lockPathOf, withLock } from '../../files/lock.js'
import { type KeptCredentials, type RenewalWork, type RenewedCredentials, renewFolder } from './renew-folder.js'
import { type BarredFolder, findPlaces } from './renewal-places.js'

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
