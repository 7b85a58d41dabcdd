/** The connection to etcd that flags and variables of etcdctl describe. */
import { type EnvironmentSource, fromEnv } from '../credentials/index.js'
import type { Call } from './command.js'
import { UsageError } from './command.js'
import { CONNECTION_VARIABLES, REFUSED_OPTIONS } from './connection-options.js'

/** What Go (strconv.ParseBool) reads as false. */
const FALSE = /^(?:|0|f|F|false|FALSE|False)$/

/**
 * The variables of etcdctl, with the flags in their place. `ETCDCTL_API` and `ETCDCTL_WRITE_OUT` have no effect here.
 *
 * @throws {UsageError} for a variable that switches verification off
 */
export function connectionEnv({ options, env }: Pick<Call, 'options' | 'env'>): Record<string, string | undefined> {
  for (const [flag, reason] of REFUSED_OPTIONS) {
    const variable = `ETCDCTL_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`
    if (!FALSE.test(env[variable] ?? '')) throw new UsageError(`${variable} is not supported: ${reason}`)
  }
  const given = Object.entries(CONNECTION_VARIABLES).flatMap(([option, variable]) => {
    const value = options.text(option)
    return value === undefined ? [] : [[variable, value] as const]
  })
  // A flag for a list of endpoints has precedence over a variable for SRV records, and a flag for a user over the password of another one.
  const isListed = options.text('endpoints') !== undefined && options.text('discoverySrv') === undefined
  const isOtherUser = options.text('user') !== undefined && options.text('password') === undefined
  return {
    ...env,
    ...(isListed ? { [CONNECTION_VARIABLES.discoverySrv]: undefined } : {}),
    ...(isOtherUser ? { [CONNECTION_VARIABLES.password]: undefined } : {}),
    ...Object.fromEntries(given),
  }
}

/** Whether flags or variables name a connection at all. */
export function namesConnection(env: Readonly<Record<string, string | undefined>>): boolean {
  const { endpoints, cacert, cert, key, discoverySrv } = CONNECTION_VARIABLES
  return [endpoints, cacert, cert, key, discoverySrv].some((variable) => (env[variable] ?? '') !== '')
}

/** The credentials, endpoints, user and timeouts of the connection. */
export function connectionSource(call: Pick<Call, 'options' | 'env'>): EnvironmentSource {
  return fromEnv(connectionEnv(call))
}
