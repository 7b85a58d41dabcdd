/** Findings about etcd's own users: logging in with a password over the proved connection. */
import { row } from '../row.js'

export const login = {
  'login/refused': row<{ username: string; detail: string }>({
    severity: 'error',
    meaning: 'etcd refused the user name or the password.',
    source: 'etcd server/auth/store.go: ErrAuthFailed, ErrNoPasswordUser',
    message: ({ username, detail }) => `etcd does not let the user "${username}" log in: ${detail}.`,
    remedy: ({ username }) =>
      `Check the option auth against "etcdctl user get ${username}"; a user made with --no-password can only be the common name of a client certificate.`,
  }),
  'login/failed': row<{ username: string; detail: string }>({
    severity: 'error',
    meaning: 'Logging in failed for another reason than the user name or the password.',
    source: 'etcd etcdserverpb.Auth/Authenticate',
    message: ({ username, detail }) => `The user "${username}" could not be logged in: ${detail}.`,
    remedy: () => 'Check that the cluster has a leader ("etcdctl endpoint status --cluster") and look at etcd’s log.',
  }),
  'login/not-enabled': row<{ username: string }>({
    severity: 'warning',
    meaning:
      'A user name and a password were given, but authentication is not enabled in etcd: everybody may do everything.',
    source: 'etcd server/auth/store.go: ErrAuthNotEnabled',
    message: ({ username }) => `Authentication is not enabled in etcd, so the log-in of "${username}" has no effect.`,
    remedy: () =>
      'Enable it with "etcdctl auth enable", after giving the user root the role root; or leave the option auth out.',
  }),
}
