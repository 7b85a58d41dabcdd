/** The command `etcd-mtls doctor` next to one etcd, where no process of another test is visible: it would dial the etcds of other tests. */

/** What runs a program where it sees no process of another test: of more than 32 etcds, doctor examines 32, and says that it is not all. */
export const outOfSight = ['unshare', '--pid', '--fork', '--mount-proc'] as const

/**
 * What runs a program in a PID namespace of its own, next to an etcd that serves. Both end together. For the option `before` of `runCommand`.
 */
export function nextToEtcd(args: readonly string[], log: string): string[] {
  const quoted = args.map((each) => `'${each.replaceAll("'", `'\\''`)}'`).join(' ')
  const start = `: >'${log}'; etcd ${quoted} >'${log}' 2>&1 & until grep -q 'serving client' '${log}'; do kill -0 $! && sleep 0.1; done; exec "$@"`
  return [...outOfSight, 'sh', '-ec', start, 'sh']
}
