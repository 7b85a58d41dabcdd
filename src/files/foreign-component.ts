/** The error for a path in which another user than root can rename, with the remedy for that part of the path. */
import type { Stats } from 'node:fs'
import { lstat, realpath } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { shellArgument } from '../report/catalogue/place.js'
import type { EtcdMtlsError } from '../report/errors.js'
import { groupName, localUser } from './accounts.js'
import { writeFailed } from './write-failed.js'

/**
 * The commands that give a folder of another user to root. Null if it must stay as it is.
 *
 * @param folder The target of the caller, or a folder below it.
 * @param group The group that reads the keys there.
 * @param path The path of the folder from the target.
 */
export type Migration = (folder: string, group: string, path: string) => readonly string[] | null

/**
 * Gives a tree to root and its keys to a group that reads them.
 *
 * The order and `\;` matter: each folder is root's before its entries are changed, so that the former owner cannot put a link in
 * their place. The keys stay readable for the group at every moment. The second chmod is for an owner who changes the mode
 * between the first one and chown.
 *
 * @param keys The names of the keys that the group reads.
 * @param others Whether the tree has keys that only root reads.
 */
export function giveToGroup(folder: string, group: string, keys: readonly string[], others: boolean): string[] {
  const named = keys.map((name) => `-name ${shellArgument(name)}`)
  return [
    giveTo(`root:${group}`, '0750', folder, '-type d'),
    ...(named.length === 0 ? [] : [giveTo(`root:${group}`, '0640', folder, `-type f \\( ${named.join(' -o ')} \\)`)]),
    ...(others
      ? [giveTo('root:root', '0600', folder, `-type f -name '*.key' ${named.map((name) => `! ${name}`).join(' ')}`)]
      : []),
  ]
}

/** Gives the folder of a CA to root alone. */
export function giveToRoot(folder: string): string[] {
  return [giveTo('root:root', '0700', folder, '-type d'), giveTo('root:root', '0600', folder, '-type f')]
}

function giveTo(owner: string, mode: string, folder: string, which: string): string {
  const chmod = `-exec chmod ${mode} {} \\;`
  return `find ${shellArgument(folder)} ${which} ${chmod} -exec chown ${shellArgument(owner)} {} \\; ${chmod}`
}

export interface ForeignComponent {
  readonly path: string
  readonly state: Stats
  /**
   * `owner`: the folder or link belongs to another user. `shared`: others can write to the folder. `in-sticky`: it is in a
   * folder where every user can create entries.
   */
  readonly why: 'owner' | 'shared' | 'in-sticky'
}

const OTHERS_WRITE = 0o002
const SETGID = 0o2000

export async function refusal(
  component: ForeignComponent,
  target: string,
  migration: Migration,
): Promise<EtcdMtlsError<'ERR_WRITE_FAILED'>> {
  const { path, state, why } = component
  const user = await localUser(state.uid)
  const owner = user === null ? `UID ${String(state.uid)}` : `${user.name} (UID ${String(state.uid)})`
  const mode = `0${(state.mode & 0o7777).toString(8)}`
  const who = (state.mode & OTHERS_WRITE) !== 0 ? 'every user' : 'a group, or a user in an access control list,'
  const problem = {
    owner: 'and that user can rename entries in it',
    shared: `so ${who} can rename entries in it`,
    'in-sticky': 'in a folder where every user can create entries',
  }[why]
  const remedy = await remedyFor(component, user, target, migration)
  return writeFailed(target, `"${path}" belongs to ${owner} with mode ${mode}, ${problem}: ${remedy}`)
}

type LocalUser = Awaited<ReturnType<typeof localUser>>

async function remedyFor(
  { path, state, why }: ForeignComponent,
  user: LocalUser,
  target: string,
  migration: Migration,
): Promise<string> {
  const { uid, gid, mode } = state
  const trust = uid === 0 ? '' : `; if this user may act as root, set the option trustedOwner: ${String(uid)}`
  if (why === 'in-sticky') return `choose another name, or a folder of root such as /etc/etcd/pki${trust}`
  const real = await realpath(target).catch(() => target)
  const isMount = (await lstat(dirname(path))).dev !== state.dev
  const isPlain = state.isDirectory() && !isMount && path !== user?.home
  if (why === 'owner' && isPlain && (path === real || path.startsWith(join(real, sep)))) {
    // `chown etcd` without a group leaves the group of root, which the user is not in.
    const group = await groupName(gid === 0 && user !== null ? user.gid : gid)
    const commands = migration(path, group, relative(real, path))
    if (commands !== null) return `run "${commands.join(' && ')}"${trust}`
  }
  // Volumes of Kubernetes have the bit setgid (fsGroup).
  const isOwnFolder = why === 'shared' && isPlain && path === real && (mode & SETGID) === 0
  const chmod = isOwnFolder ? `run "chmod go-w ${shellArgument(path)}", or ` : ''
  return `${chmod}${elsewhere(state, user)}${why === 'shared' ? '' : trust}`
}

/** The folder is not changed: it is a home, a checkout, a mount, or shared on purpose. */
function elsewhere({ uid, gid }: Stats, user: LocalUser): string {
  const ids = uid === 0 ? 'UID:GID' : `${String(uid)}:${String(user?.gid ?? gid)}`
  const run =
    user === null
      ? `setpriv --reuid ${String(uid)} --regid ${String(gid)} --clear-groups …`
      : `runuser -u ${uid === 0 ? 'USER' : shellArgument(user.name)} -- …`
  const runAsUser = uid === 0 ? 'UID' : String(uid)
  return (
    `run this as ${uid === 0 ? 'the user of the service' : 'this user'} ` +
    `("${run}", "docker run --user ${ids}" or securityContext.runAsUser: ${runAsUser}), ` +
    'or choose a folder of root such as /etc/etcd/pki'
  )
}
