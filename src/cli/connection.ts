/** The connection to etcd that flags and variables of etcdctl describe. */
import type { EnvironmentSource } from '../credentials/index.js'
import { environmentSource } from '../credentials/internal.js'
import type { Call } from './command.js'
import { kebab, UsageError } from './command.js'
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

/** The credentials, endpoints, user and timeouts of the connection. Findings and errors name the flags that were given. */
export function connectionSource(call: Pick<Call, 'options' | 'env'>): EnvironmentSource {
  const flags = new Map<string, string>(
    Object.entries(CONNECTION_VARIABLES)
      .filter(([option]) => call.options.text(option) !== undefined)
      .map(([option, variable]) => [variable, `--${kebab(option)}`]),
  )
  // A flag for the user removes the variable for the password.
  if (flags.has(CONNECTION_VARIABLES.user)) flags.set(CONNECTION_VARIABLES.password, '--password')
  return environmentSource(connectionEnv(call), {}, (variable) => flags.get(variable) ?? variable)
}
