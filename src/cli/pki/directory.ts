/** The directory of `init`: its CA with the ledger, and the files of members and clients. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Authority, fileLedger, openAuthority, renewalDue } from '../../authority/index.js'
import { readHosts } from '../../authority/internal.js'
import { type CredentialFiles, type Credentials, fromFiles } from '../../credentials/index.js'
import { codeOf } from '../../report/internal.js'
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
