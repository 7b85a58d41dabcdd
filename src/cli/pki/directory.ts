/** The directory of `init`: its CA with the ledger, and the files of members and clients. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Authority, type Certificate, fileLedger, openAuthority, renewalDue } from '../../authority/index.js'
import { readHosts } from '../../authority/internal.js'
import { type CredentialFiles, type Credentials, fromFiles } from '../../credentials/index.js'
import { fileInput, fileOfOption, openInput, readCertificates } from '../../credentials/internal.js'
import { codeOf, listed } from '../../report/internal.js'
import { isEtcdMtlsError } from '../../report/index.js'
import type { Host } from '../../x509/internal.js'
import { type Options, UsageError } from '../command.js'
import { stateOf } from '../input.js'

export const CA_FOLDER = 'ca'
/** In the directory of each member. */
export const CONFIG_FILE = 'etcd.conf.yml'

/** The options of a CA that does not exist yet. */
type NewCa = Partial<Pick<Parameters<typeof openAuthority>[1], 'name' | 'validity'>>

export function hasCa(folder: string): boolean {
  return existsSync(join(folder, 'ca.crt')) || existsSync(join(folder, 'ca.key'))
}

/** Opens the CA in a folder, or creates it there. */
export function openCa(folder: string, options: Options, ca: NewCa = {}): Promise<Authority> {
  const trustedOwner = options.account('trustedOwner')
  const ledger = fileLedger(join(folder, 'ledger'), { trustedOwner })
  return openAuthority(folder, { name: 'etcd-ca', ...ca, ledger, trustedOwner })
}

/** @throws {UsageError} if there is no CA: these commands never create one */
export async function openExistingCa(folder: string, options: Options): Promise<Authority> {
  // Refuses a directory that may not be read: its CA is not missing.
  const states = await Promise.all(['ca.crt', 'ca.key'].map((name) => stateOf(join(folder, name))))
  if (states.some((each) => each !== null)) return openCa(folder, options)
  throw new UsageError(`"${folder}" has no CA. Create one with etcd-mtls init, or restore ca.crt and ca.key.`)
}

/**
 * The CAs that the members in a directory trust; empty without members.
 *
 * @throws {UsageError} if this CA is none of them, as the old one after its replacement
 */
export async function trustedIn(directory: string, folder: string, authority: Authority): Promise<Certificate[]> {
  const trusted = new Map<string, Certificate>()
  for (const name of await namesIn(directory, 'members')) {
    const file = filesOf(directory, 'members', name, 'server').ca
    const { certificates } = readCertificates(openInput(await fileInput(fileOfOption('ca', file))))
    const anchors = certificates.map(({ certificate }) => certificate)
    for (const each of anchors) trusted.set(each.fingerprint256, each)
    const isTrusted = authority.trustAnchors.some((root) => anchors.some((each) => each.equals(root)))
    if (isTrusted || anchors.length === 0) continue
    const [own, others] = [authority.certificate.subject, listed(anchors.map(({ subject }) => `"${String(subject)}"`))]
    throw new UsageError(`${file} does not trust the CA in "${folder}", "${String(own)}": it has ${others}.`, [
      `If that CA replaced this one, move its ca.crt, ca.key and ledger to "${folder}", or pass their directory with --ca-dir.`,
    ])
  }
  return [...trusted.values()]
}

/** The names of members or clients that have files. */
export async function namesIn(directory: string, kind: 'members' | 'clients'): Promise<string[]> {
  try {
    const entries = await readdir(join(directory, kind), { withFileTypes: true })
    return entries.flatMap(({ name }) => (name.startsWith('.') ? [] : [name])).sort()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

export function filesOf(directory: string, kind: 'members' | 'clients', name: string, pair: string): CredentialFiles {
  const [ca, cert, key] = ['ca.crt', `${pair}.crt`, `${pair}.key`].map((file) => join(directory, kind, name, file))
  return { ca: ca ?? '', cert: cert ?? '', key: key ?? '' }
}

/** The credentials in these files, if this CA issued them for exactly these hosts; null if not, and if files are missing. */
export async function usable(
  files: CredentialFiles,
  authority: Authority,
  hosts: readonly string[] | null,
): Promise<Credentials | null> {
  let held: Credentials
  try {
    held = await fromFiles(files).load()
  } catch (error) {
    // writeCluster checks again what it may replace, and names what it may not.
    if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) return null
    throw error
  }
  const [leaf] = held.chain
  const names = leaf.subjectAltNames.map(({ kind, value }) => `${kind} ${value}`)
  const isOwn = leaf.isSignedBy(authority.certificate) && held.key.matches(leaf)
  return isOwn && (hosts === null || isSame(names, readHosts(hosts, 'hosts').map(labelOf))) ? held : null
}

function labelOf({ kind, value }: Host): string {
  return `${kind} ${value}`
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join() === [...other].sort().join()
}

export function datesOf(credentials: Credentials): { notAfter: Date; due: Date } {
  const { notAfter, at } = renewalDue(credentials)
  return { notAfter, due: at }
}
