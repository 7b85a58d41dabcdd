/** The settings of a client in etcdctl's environment variables. */
import { optionInvalid } from '../report/option-error.js'
import { parseGoDuration } from '../report/duration.js'
import type { ClientDefaults } from './credentials.js'

/** 24 days: Node's timers count milliseconds in 31 bits. */
const MAX_NANOSECONDS = 24n * 24n * 3_600_000_000_000n

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads each variable when the client asks for its setting, so that one that an option overrides cannot fail. An empty
 * variable counts as not set (etcd pkg/flags/flag.go, setFlagFromEnv). Passwords are not stored here.
 */
export class EnvironmentDefaults implements ClientDefaults {
  readonly endpointsName: string
  readonly discoveryNames: { readonly domain: string; readonly name: string }
  readonly #env: Environment
  readonly #prefix: string

  constructor(env: Environment, prefix: string) {
    this.#env = env
    this.#prefix = prefix
    this.endpointsName = `${prefix}ENDPOINTS`
    this.discoveryNames = { domain: `${prefix}DISCOVERY_SRV`, name: `${prefix}DISCOVERY_SRV_NAME` }
  }

  /** Go reads a flag by strconv.ParseBool. What is not false there is refused, so that a mistake is not taken for false. */
  check(): void {
    const name = 'INSECURE_SKIP_TLS_VERIFY'
    const value = this.#read(name)
    if (value === undefined || /^(?:0|f|F|false|FALSE|False)$/.test(value)) return
    throw optionInvalid(
      `${this.#prefix}${name}`,
      'must be false or not set: the client always verifies certificates of servers',
    )
  }

  /** etcdctl prefers it to the endpoints (etcdctl/ctlv3/command/global.go, endpointsFromCmd). */
  get discovery(): { domain: string; name: string | undefined } | undefined {
    const domain = this.#read('DISCOVERY_SRV')
    return domain === undefined ? undefined : { domain, name: this.#read('DISCOVERY_SRV_NAME') }
  }

  /** Addresses without a scheme are https: etcdctl takes TLS for them once it has certificates. */
  get endpoints(): string | undefined {
    return this.#read('ENDPOINTS')
      ?.split(',')
      .map((each) => each.trim())
      .map((each) => (each === '' || each.includes('://') ? each : `https://${each}`))
      .join(',')
  }

  /** As etcdctl reads them (etcdctl/ctlv3/command/global.go, authCfgFromCmd), which asks for a missing password. */
  get auth(): { username: string; password: string } | undefined {
    const user = this.#read('USER')
    if (user === undefined) return undefined
    const password = this.#read('PASSWORD')
    if (password !== undefined) return { username: user, password }
    const colon = user.indexOf(':')
    const parts = { username: user.slice(0, colon), password: user.slice(colon + 1) }
    if (colon !== -1 && parts.username !== '' && parts.password !== '') return parts
    throw optionInvalid(
      `${this.#prefix}USER`,
      `must be "name:password", or ${this.#prefix}PASSWORD must be set; received ${colon === -1 ? 'a name alone' : 'an empty name or password'}`,
    )
  }

  get dialTimeout(): string | undefined {
    return this.#readDuration('DIAL_TIMEOUT')
  }

  get callTimeout(): string | undefined {
    return this.#readDuration('COMMAND_TIMEOUT')
  }

  #read(name: string): string | undefined {
    const value = this.#env[`${this.#prefix}${name}`]
    return value === '' ? undefined : value
  }

  #readDuration(name: string): string | undefined {
    const text = this.#read(name)
    if (text === undefined) return undefined
    const nanoseconds = parseGoDuration(text)
    if (nanoseconds !== null && nanoseconds > 0n && nanoseconds <= MAX_NANOSECONDS)
      return `${String((nanoseconds + 999_999n) / 1_000_000n)}ms`
    const shown = text.length <= 40 ? JSON.stringify(text) : 'a longer string'
    throw optionInvalid(
      `${this.#prefix}${name}`,
      `must be a duration of Go from "1ms" to "576h", such as "5s" or "1m30s"; received ${shown}`,
    )
  }
}
