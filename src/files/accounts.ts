/** Users and groups of this machine, by name or id. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { checkAccount, optionInvalid, textInvalid } from '../report/option-error.js'

type Database = 'passwd' | 'group'

const KIND = { passwd: 'user', group: 'group' } as const

/** Milliseconds; a directory server may not answer. */
const GETENT_TIMEOUT = 10_000

/** The ID of the trusted user; null if the option is not set, or this process is not root. */
export async function readTrustedOwner(value: unknown): Promise<number | null> {
  if (value !== undefined) checkAccount('trustedOwner', value, 'user')
  return value === undefined || process.geteuid?.() !== 0 ? null : readAccount('trustedOwner', value, 'passwd')
}

/**
 * The ID of the group that may read; null if the option is not set.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` on Windows, for an unknown group, and without root for a group of others.
 */
export async function readGroup(value: unknown): Promise<number | null> {
  if (value === undefined) return null
  checkAccount('group', value, 'group')
  if (process.geteuid === undefined)
    throw optionInvalid('group', 'must not be set on Windows, which has no such groups')
  const gid = await readAccount('group', value, 'group')
  const own = ownGroups()
  if (process.geteuid() !== 0 && !own.includes(gid)) {
    const accepted = `a group of this process, which is not root: ${own.join(', ')}`
    throw textInvalid('group', value, accepted)
  }
  return gid
}

/** The groups that a process without root may give to its files; empty on Windows. */
export function ownGroups(): number[] {
  const effective = process.getegid?.()
  return effective === undefined ? [] : [...new Set([effective, ...(process.getgroups?.() ?? [])])]
}

/** The name, the primary group and the home of a user in /etc/passwd; null for other users. */
export async function localUser(uid: number): Promise<{ name: string; gid: number; home: string } | null> {
  const [name, , , gid, , home = ''] = (await entryInFile('passwd', (fields) => Number(fields[2]) === uid)) ?? []
  return name === undefined ? null : { name, gid: Number(gid), home }
}

export async function groupName(gid: number): Promise<string> {
  return (await entryInFile('group', (fields) => Number(fields[2]) === gid))?.[0] ?? String(gid)
}

async function readAccount(option: string, value: string | number, database: Database): Promise<number> {
  if (typeof value === 'number') return value
  const [, , id = ''] =
    (await entryInFile(database, ([name]) => name === value)) ?? (await entryOfGetent(database, value)) ?? []
  // An entry without an ID is not that of root, whose ID is 0.
  if (/^\d{1,10}$/.test(id)) return Number(id)
  const accepted = `a ${KIND[database]} that "getent ${database}" prints, or the ID of one`
  throw textInvalid(option, value, accepted)
}

async function entryInFile(database: Database, isWanted: (fields: string[]) => boolean): Promise<string[] | null> {
  // Not every system has the file. Then getent is asked, or the ID is shown instead of the name.
  const text = await readFile(`/etc/${database}`, 'utf8').catch(() => '')
  return fieldsOf(text).find(isWanted) ?? null
}

/** Asks the other databases of the system, such as LDAP. */
async function entryOfGetent(database: Database, name: string): Promise<string[] | null> {
  const options = { env: { PATH: '/usr/bin:/bin' }, timeout: GETENT_TIMEOUT }
  // It fails for an unknown name, and does not exist on every system.
  const found = await promisify(execFile)('getent', [database, name], options).catch(() => null)
  return fieldsOf(found?.stdout ?? '')[0] ?? null
}

function fieldsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.includes(':'))
    .map((line) => line.split(':'))
}
