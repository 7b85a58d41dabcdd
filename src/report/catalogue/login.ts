/** Findings about etcd's own users: logging in with a password over the verified connection. */
import { row } from '../row.js'
import { shellArgument } from './place.js'

export const login = {
  'login/refused': row<{ username: string; detail: string }>({
    severity: 'error',
    meaning: 'etcd refused the user name or the password.',
    source: 'etcd server/auth/store.go: ErrAuthFailed, ErrNoPasswordUser',
    message: ({ username, detail }) => `etcd refuses the log-in of the user "${username}": ${detail}.`,
    remedy: ({ username }) =>
      `Check the option auth: "etcdctl user get ${shellArgument(username)}" must list the user. A user that was added with --no-password cannot log in; it is identified by the common name of a client certificate.`,
  }),
  'login/failed': row<{ username: string; detail: string }>({
    severity: 'error',
    meaning: 'Logging in failed for another reason than the user name or the password.',
    source: 'etcd etcdserverpb.Auth/Authenticate',
    message: ({ username, detail }) => `The user "${username}" could not be logged in: ${detail}.`,
    remedy: () => 'Check that the cluster has a leader ("etcdctl endpoint status --cluster") and read etcd’s log.',
  }),
  'login/not-enabled': row<{ username: string }>({
    severity: 'warning',
    meaning:
      'A user name and a password were given, but authentication is not enabled in etcd: every client has full access.',
    source: 'etcd server/auth/store.go: ErrAuthNotEnabled',
    message: ({ username }) => `Authentication is not enabled in etcd, so the log-in of "${username}" has no effect.`,
    remedy: () =>
      'Run "etcdctl user add root --no-password" if there is no user root, "etcdctl user grant-role root root" and "etcdctl auth enable". Or remove the option auth.',
  }),
}
