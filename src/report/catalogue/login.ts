/** Findings about etcd's own users: logging in with a password over the verified connection. */
import { row } from '../row.js'
import { shellArgument } from './place.js'

export const login = {
  'login/failed': row<{
    username: string
    /** Whether etcd refused the name or the password. */
    refused: boolean
    detail: string
  }>({
    message: ({ username, refused, detail }) =>
      refused
        ? `etcd refuses the log-in of the user "${username}": ${detail}.`
        : `The user "${username}" could not be logged in: ${detail}.`,
    remedy: ({ username, refused }) =>
      refused
        ? `Check the option auth: "etcdctl user get ${shellArgument(username)}" must list the user. A user that was added with --no-password cannot log in; it is identified by the common name of a client certificate.`
        : 'Check that the cluster has a leader ("etcdctl endpoint status --cluster") and read etcd’s log.',
  }),
  'login/not-enabled': row<{ username: string }>({
    severity: 'warning',
    message: ({ username }) => `Authentication is not enabled in etcd, so the log-in of "${username}" has no effect.`,
    remedy: () =>
      'Run "etcdctl user add root --no-password" if there is no user root, "etcdctl user grant-role root root" and "etcdctl auth enable". Or remove the option auth.',
  }),
}
