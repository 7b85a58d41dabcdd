/** Whether the user that etcd runs as may read its private key. */
import { readFileSync, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Finding } from '../../report/finding.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/settings.js'
import { finding } from './finding.js'

/** Bits of a mode: for the owner, and for the group or all others. Whose group it is, is not known here. */
const READ = { own: 0o400, others: 0o044 } as const
const SEARCH = { own: 0o100, others: 0o011 } as const

/** The key, or a folder on the way to it, that the user may not look into. */
export async function keyAccess({ text, place }: Setting, read: ReadMember, root: string | null): Promise<Finding[]> {
  const { user } = read.surroundings
  const path = read.hostPath(text)
  const uid = user === null ? null : userNumber(user, root)
  if (user === null || uid === null || uid === 0 || path === null || process.platform === 'win32') return []
  for (const { at, needs } of [...foldersOf(path).map((at) => ({ at, needs: SEARCH })), { at: path, needs: READ }]) {
    const stats = await stat(at).catch(() => null)
    if (stats === null) return []
    if (mayUse(stats, uid, needs)) continue
    const mode = `0${(stats.mode & 0o777).toString(8)}`
    return [finding('config/key-not-readable', { ...place, path: text, user, mode, barredBy: at === path ? null : at })]
  }
  return []
}

/** The folders of a path, from the root on. */
function foldersOf(path: string): string[] {
  const folder = dirname(path)
  return folder === path ? [] : [...foldersOf(folder), folder]
}

function mayUse({ mode, uid: owner }: Stats, uid: number, { own, others }: { own: number; others: number }): boolean {
  return (owner === uid && (mode & own) !== 0) || (mode & others) !== 0
}

/** The number of a user, by the machine’s own list of users; null where it is not known. */
function userNumber(user: string, root: string | null): number | null {
  if (/^\d+$/.test(user)) return Number(user)
  try {
    const line = readFileSync(join(root ?? '/', 'etc/passwd'), 'utf8')
      .split('\n')
      .find((each) => each.startsWith(`${user}:`))
    const number = line?.split(':')[2]
    return number === undefined ? null : Number(number)
  } catch {
    return null
  }
}
