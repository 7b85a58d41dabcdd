/** Checks whether the user that etcd runs as may read its private key. */
import type { Stats } from 'node:fs'
import { readMaterialFile } from '../../credentials/load-inputs.js'
import { passedBy } from '../../files/in-root.js'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/read-option.js'
import { onDisk } from '../read/text.js'

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
  const who = await processUser(read, root)
  if (user === null || who === null || who.uid === 0 || path === null || process.platform === 'win32') return null
  const { folders, file } = await passedBy(path)
  const folder = folders.find(({ stats }) => !mayUse(stats, who, SEARCH))
  const closed = folder ?? (file === null || mayUse(file.stats, who, READ) ? null : file)
  if (closed === null) return null
  const mode = `0${(closed.stats.mode & 0o777).toString(8)}`
  const kind = closed === folder ? ('directory' as const) : ('file' as const)
  return finding('config/key-not-readable', { ...place, kind, path: text, onHost: closed.path, user, mode, isDynamic })
}

/** Whether only the owner and a group of etcd's user can read the key. */
export async function isReadableOnlyByOwnGroup(
  { text }: Pick<Setting, 'text'>,
  read: ReadMember,
  root: string | null,
): Promise<boolean> {
  const gids = (await processUser(read, root))?.gids ?? null
  const path = gids === null ? null : read.hostPath(text)
  const { file } = path === null ? { file: null } : await passedBy(path)
  const stats = file?.stats
  return stats !== undefined && (stats.mode & 0o027) === 0 && gids?.has(stats.gid) === true
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

async function processUser(
  { context: { user, groups, isUserDynamic } }: ReadMember,
  root: string | null,
): Promise<ProcessUser | null> {
  if (user === null) return null
  const [users, allGroups] = [await linesOf('passwd', root), await linesOf('group', root)]
  const [uid, gid] = idsOf(user, users) ?? []
  const number = uid ?? (isUserDynamic ? DYNAMIC_UID : undefined)
  if (number === undefined) return null
  const given = groups.map((group) => idsOf(group, allGroups)?.[0])
  // If `user` is a UID, its passwd entry is not looked up, so its groups are not known.
  const isKnown = given.every((each) => each !== undefined) && (groups.length > 0 || gid !== undefined || isUserDynamic)
  const gids = isKnown
    ? new Set([...given, gid, ...memberships(user, allGroups)].filter((each) => each !== undefined))
    : null
  return { uid: number, gids }
}

/** The UID and the GID of a user, or the GID of a group. */
function idsOf(name: string, lines: readonly string[]): [id: number, gid: number | undefined] | null {
  if (/^\d+$/.test(name)) return [Number(name), undefined]
  const [own, , id, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? []
  return own === undefined ? null : [Number(id), /^\d+$/.test(gid ?? '') ? Number(gid) : undefined]
}

function memberships(user: string, lines: readonly string[]): number[] {
  return lines.flatMap((line) => {
    const [, , gid, members = ''] = line.split(':')
    return members.split(',').includes(user) ? [Number(gid)] : []
  })
}

/** In bytes. Larger tables are in a directory service, not in a file. */
const MAX_TABLE = 4 * 1024 * 1024

async function linesOf(table: 'passwd' | 'group', root: string | null): Promise<string[]> {
  const file = `/etc/${table}`
  const content = await readMaterialFile(onDisk(file, root), { file }, MAX_TABLE)
  return 'code' in content ? [] : content.bytes.toString('utf8').split('\n')
}
