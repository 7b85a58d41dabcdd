/** Findings about the users and roles of etcd: the user of a call, its permissions, and the login with a password. */
import { error, warning } from '../row.js'
import { listed } from '../words.js'
import { shellArgument } from './place.js'

/** The user of a call, and how etcd determined it. */
export interface AccessDetails {
  /**
   * The token of a password login, or nothing. `common-name`: the common name of the client certificate, unless a proxy that
   * leaves no trace presents another one. `hidden`: etcd does not see it, because the server did not request the certificate or
   * because a proxy answered: it sent the header `server`, or gRPC status 2 as etcd's grpc-proxy does.
   */
  identity: 'common-name' | 'password' | 'none' | 'hidden'
  /** Null if absent. */
  user: string | null
  /** The call, as `KV/Put`. */
  method: string
}

/** A permission that a call requires. */
export interface RequiredPermission {
  /** A permission on the key, or the role `root`. */
  permission: 'read' | 'write' | 'root'
  /** The key, or the first key of the range; null if the call has no key. */
  key: string | null
  /** The end of the range, exclusive; null for a single key. */
  rangeEnd: string | null
}

export interface PermissionDetails extends AccessDetails {
  /** A transaction requires those of its comparisons and of both branches. Empty if they are not known. */
  required: RequiredPermission[]
}

/** `named`: whether etcd sees a user name, and has no user of that name. */
export type NoUser = AccessDetails & { named: boolean }

export const access = {
  'access/permission-denied': error((d: PermissionDetails) => [
    `etcd refuses ${d.method}${d.required.length === 0 ? '' : `, which requires ${listed(d.required.map(describePermission))},`} to ${describeUser(d)}.`,
    d.identity === 'hidden'
      ? BEHIND_PROXY
      : d.user === null
        ? 'Present a certificate with a common name that is an etcd user, or log in with the option auth.'
        : `${decideUser(d)} On "user name not found", run "etcdctl user add ${argument(d.user, 'NAME')} --no-password". Then run, as root, ${grantCommands(argument(d.user, 'NAME'), d.required)}.`,
  ]).refusedAs({ etcd: ['etcdserver: permission denied', 'auth: permission denied'] }),
  'access/no-user': error((d: NoUser) => [
    d.named
      ? `etcd refuses ${d.method}: it has no user for ${describeUser(d)}.`
      : d.identity === 'common-name' && d.user !== null
        ? `etcd refuses ${d.method}: it sees no user, although the certificate has the common name "${d.user}".`
        : `etcd refuses ${d.method}: it sees no user, and ${d.identity === 'hidden' ? 'it does not see the certificate of this client' : 'the certificate has no common name'}.`,
    d.identity === 'hidden'
      ? BEHIND_PROXY
      : d.named
        ? `Add it with "etcdctl user add ${d.user === null ? 'NAME' : argument(d.user, 'NAME')} --no-password" and grant it a role, or present a certificate with the name of a user that exists.${d.identity === 'common-name' ? ` If ${OTHER_CERTIFICATE}, etcd has no user for that one.` : ''}`
        : d.user === null
          ? 'Present a certificate whose common name is an etcd user, or log in with the option auth.'
          : `Start etcd with --client-cert-auth=true, without which it ignores the common name; or log in with the option auth. If ${OTHER_CERTIFICATE}, that one has no common name: use the URLs of the members.`,
  ]).refusedAs([
    { etcd: ['etcdserver: user name not found', 'auth: user not found'], when: ({ named }) => named },
    { etcd: ['etcdserver: user name is empty', 'auth: user name is empty'], when: ({ named }) => !named },
  ]),
  'access/token-refused': error((d: AccessDetails) => [
    `etcd refuses ${d.method}: the token of ${describeUser(d)} is not valid.`,
    'Run "etcdctl endpoint status --cluster", and "etcdctl user list" on each member: they must agree. Do not set the metadata "token" or "authorization" on calls.',
  ]).refusedAs({ etcd: ['etcdserver: invalid auth token', 'etcdserver: revision of auth store is old'] }),
  'login/failed': error((d: Failed) => [
    d.refused
      ? `etcd refuses the login of the user "${d.username}": ${d.lineBreakIn === null ? '' : `${d.lineBreakIn === 'username' ? 'that name' : 'the password'} ends with a line break, as "echo NAME | base64" and a file leave it. etcd answers: `}${d.detail}.`
      : `The user "${d.username}" could not be logged in: ${d.detail}.`,
    d.refused && d.lineBreakIn !== null
      ? `Remove the line break: call .trimEnd() after reading the ${d.lineBreakIn === 'username' ? 'name' : 'password'}, and encode it with "printf %s VALUE | base64" in a Secret.${d.lineBreakIn === 'username' ? ` "etcdctl user get ${argument(withoutBreak(d.username), 'NAME')}" must list the user.` : ''}`
      : d.detail.includes('no password user')
        ? `The user has no password, and "etcdctl user passwd" does not give it one: delete it ("etcdctl user delete ${argument(d.username, 'NAME')}"), add it with one ("etcdctl user add ${argument(d.username, 'NAME')}") and grant its roles again. Or remove the option auth: the common name of the client certificate is then the user.`
        : d.refused
          ? `Check the user name and the password of the option auth: "etcdctl user get ${argument(d.username, 'NAME')}" must list the user, and "etcdctl user passwd ${argument(d.username, 'NAME')}" sets another password.`
          : 'Check that the cluster has a leader ("etcdctl endpoint status --cluster") and read etcd\'s log.',
  ]),
  'login/not-enabled': warning((d: { username: string }) => [
    `Authentication is not enabled in etcd, so the login of "${d.username}" has no effect.`,
    'Run "etcdctl user add root --no-password" if there is no user root, "etcdctl user grant-role root root" and "etcdctl auth enable". Or remove the option auth.',
  ]),
}

/** The name without the line breaks at its end, which messages show in this form. */
function withoutBreak(name: string): string {
  return name.replace(/(?<!\\u\{[ad]\})(?:\\u\{[ad]\})+$/, '')
}

const BEHIND_PROXY =
  "If a proxy is in front of etcd, etcd sees the user of the proxy's certificate. Grant that user the role, let the proxy forward TCP connections, use the URLs of the members, or log in with the option auth. Otherwise start etcd with --client-cert-auth and --trusted-ca-file."

const OTHER_CERTIFICATE = 'a proxy in front of etcd presents a certificate of its own'

/** Only etcd knows the user that it sees: a proxy may end TLS without a trace in its answers. */
function describeUser({ identity, user }: Pick<AccessDetails, 'identity' | 'user'>): string {
  if (identity === 'hidden') return "the user that it sees, which is not the common name of this client's certificate"
  if (user === null) return 'a caller without a user'
  return identity === 'password'
    ? `the user "${user}" (by password)`
    : `the user that it sees: "${user}", the common name of this client's certificate, or the user of a proxy that presents a certificate of its own`
}

/** A user may read itself and no other user, which decides whom etcd sees (etcd server/etcdserver/apply/apply_auth.go, checkForUserGet). */
function decideUser({ identity, user }: Pick<AccessDetails, 'identity' | 'user'>): string {
  const command = `"etcdctl user get ${argument(user ?? '', 'NAME')}"`
  return identity === 'password'
    ? `Run ${command}.`
    : `Run ${command} with this client's certificate and endpoint. On "permission denied", etcd sees the certificate of a proxy: grant the role to its user. On "user name is empty", start etcd with --client-cert-auth=true.`
}

function describePermission({ permission, key, rangeEnd: end }: RequiredPermission): string {
  if (permission === 'root') return 'the role root'
  if (key === null) return `the permission to ${permission}`
  if (end === null || end === '') return `the permission to ${permission} the key "${key}"`
  if (end === NO_END)
    return `the permission to ${permission} every key${key === '' || key === NO_END ? '' : ` from "${key}"`}`
  return `the permission to ${permission} the whole range from "${key}" to "${end}"`
}

/** The end of an unbounded range: the byte 0, escaped as in a finding. */
const NO_END = '\\u{0}'

/** The arguments of etcdctl for a range (etcdctl/ctlv3/command/role_command.go). */
function rangeArguments(key: string | null, end: string | null): string {
  if (key === null) return 'KEY'
  if (end === NO_END) return key === '' || key === NO_END ? "--prefix=true ''" : `--from-key=true ${argument(key)}`
  return end === null || end === '' ? argument(key) : `${argument(key)} ${argument(end)}`
}

/** A shell argument. An unprintable key is replaced, because nobody can type it. */
function argument(text: string, unprintable = 'KEY'): string {
  return /\\u\{|\ufffd/.test(text) ? unprintable : shellArgument(text)
}

function grantCommands(user: string, required: readonly RequiredPermission[]): string {
  if (required.some(({ permission }) => permission === 'root'))
    return `"etcdctl user grant-role ${user} root", if it must administer the cluster`
  const commands = grantArguments(required).map((each) => `"etcdctl role grant-permission ROLE ${each}"`)
  const shown =
    commands.length === 0 ? ['"etcdctl role grant-permission ROLE readwrite KEY"'] : commands.slice(0, MOST_GRANTS)
  const more = commands.length > MOST_GRANTS ? ', the same for the other keys' : ''
  return `"etcdctl role add ROLE" for a new role, ${shown.join(', ')}${more} and "etcdctl user grant-role ${user} ROLE"`
}

/** Maximum number of commands in one remedy. */
const MOST_GRANTS = 2

/** One grant for each range: a second grant for a range replaces the first (etcd server/auth/store.go, RoleGrantPermission). */
function grantArguments(required: readonly RequiredPermission[]): string[] {
  const byRange = new Map<string, Set<string>>()
  for (const { permission, key, rangeEnd } of required) {
    const range = rangeArguments(key, rangeEnd)
    byRange.set(range, (byRange.get(range) ?? new Set()).add(permission))
  }
  return [...byRange].map(([range, kinds]) => `${kinds.size > 1 ? 'readwrite' : [...kinds].join('')} ${range}`)
}

export interface Failed {
  username: string
  /** Whether etcd refused the name or the password. */
  refused: boolean
  detail: string
  /** The option that ends with a line break; null or absent if none does. */
  lineBreakIn: 'username' | 'password' | null
}
