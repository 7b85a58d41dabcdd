/** Checks whether the user that etcd runs as may read its private key. */
import { readFileSync, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/read-option.js'
import { resolveInRoot } from '../read/text.js'

const READ = { own: 0o400, group: 0o040, others: 0o004 } as const
const SEARCH = { own: 0o100, group: 0o010, others: 0o001 } as const

/** The first UID that systemd uses for DynamicUser=. No file belongs to these UIDs. */
const DYNAMIC_UID = 61_184

interface ProcessUser {
  readonly uid: number
  /** Null if not all of its groups are known. */
  readonly gids: ReadonlySet<number> | null
}

/** Returns a finding if the user may not read the key, or may not enter a folder on the path to it. */
export async function keyPermissions(
  { text, place }: Pick<Setting, 'text' | 'place'>,
  read: ReadMember,
  root: string | null,
): Promise<Finding | null> {
  const { user, isUserDynamic: isDynamic } = read.context
  const path = read.hostPath(text)
  const who = processUser(read, root)
  if (user === null || who === null || who.uid === 0 || path === null || process.platform === 'win32') return null
  const folders = foldersOf(path).filter((folder) => root === null || folder.startsWith(join(root, '/')))
  for (const { at, needs } of [...folders.map((at) => ({ at, needs: SEARCH })), { at: path, needs: READ }]) {
    const stats = await stat(at).catch(() => null)
    if (stats === null) return null
    if (mayUse(stats, who, needs)) continue
    const mode = `0${(stats.mode & 0o777).toString(8)}`
    // The path on etcd's machine, whose disk may be mounted below `root`.
    const own = (each: string): string => (root === null ? each : each.replace(join(root, '/'), '/'))
    const kind = at === path ? ('file' as const) : ('directory' as const)
    return finding('config/key-not-readable', { ...place, kind, path: text, onHost: own(at), user, mode, isDynamic })
  }
  return null
}

/** Whether only the owner and a group of etcd's user can read the key. */
export async function isReadableOnlyByOwnGroup(
  { text }: Pick<Setting, 'text'>,
  read: ReadMember,
  root: string | null,
): Promise<boolean> {
  const gids = processUser(read, root)?.gids ?? null
  const path = gids === null ? null : read.hostPath(text)
  const stats = path === null ? null : await stat(path).catch(() => null)
  return stats !== null && (stats.mode & 0o027) === 0 && gids?.has(stats.gid) === true
}

function foldersOf(path: string): string[] {
  const folder = dirname(path)
  return folder === path ? [] : [...foldersOf(folder), folder]
}

/** The first matching class decides (path_resolution(7)). Without the groups of the user, either class may match. */
function mayUse(
  { mode, uid, gid }: Stats,
  who: ProcessUser,
  needs: { own: number; group: number; others: number },
): boolean {
  if (uid === who.uid) return (mode & needs.own) !== 0
  if (who.gids === null) return (mode & (needs.group | needs.others)) !== 0
  return (mode & (who.gids.has(gid) ? needs.group : needs.others)) !== 0
}

function processUser(
  { context: { user, groups, isUserDynamic } }: ReadMember,
  root: string | null,
): ProcessUser | null {
  if (user === null) return null
  const [, uid, gid] = entryOf('passwd', user, root) ?? []
  const number = uid ?? (isUserDynamic ? DYNAMIC_UID : undefined)
  if (number === undefined) return null
  const given = groups.map((group) => entryOf('group', group, root)?.[1])
  // If `user` is a UID, its passwd entry is not looked up, so its groups are not known.
  const isKnown = given.every((each) => each !== undefined) && (groups.length > 0 || gid !== undefined || isUserDynamic)
  const gids = isKnown
    ? new Set([...given, gid, ...memberships(user, root)].filter((each) => each !== undefined))
    : null
  return { uid: number, gids }
}

function entryOf(
  table: 'passwd' | 'group',
  name: string,
  root: string | null,
): [name: string, id: number, gid: number | undefined] | null {
  if (/^\d+$/.test(name)) return [name, Number(name), undefined]
  const [own, , id, gid] =
    linesOf(table, root)
      .find((line) => line.startsWith(`${name}:`))
      ?.split(':') ?? []
  return own === undefined ? null : [own, Number(id), table === 'passwd' ? Number(gid) : undefined]
}

function memberships(user: string, root: string | null): number[] {
  return linesOf('group', root).flatMap((line) => {
    const [, , gid, members = ''] = line.split(':')
    return members.split(',').includes(user) ? [Number(gid)] : []
  })
}

function linesOf(table: 'passwd' | 'group', root: string | null): string[] {
  try {
    return readFileSync(resolveInRoot(root ?? '/', `/etc/${table}`), 'utf8').split('\n')
  } catch {
    return []
  }
}
