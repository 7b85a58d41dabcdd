import { resolve } from 'node:path'
import { parseGoDuration } from '../report/go-duration.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import { listed } from '../report/words.js'
import type { Inputs } from './assemble.js'
import type { ClientDefaults, WatchableSource } from './credentials.js'
import { FileSource } from './file-source.js'
import { finding } from './finding.js'
import type { Input } from './parse-input.js'
import {
  fileOfOption,
  isContentNotName,
  type NamedFile,
  readInputs,
  readPassphraseOption,
  unreadableInput,
} from './load-inputs.js'
import { readWatchOptions, type WatchOptions } from './follow/watched-files.js'

/** Options of {@link fromEnv}. */
export interface FromEnvOptions {
  /**
   * The prefix of the variables' names, to which `CACERT`, `ENDPOINTS` and so on are appended.
   *
   * @default 'ETCDCTL_', the prefix of etcdctl's variables
   */
  prefix?: string | undefined
  /** Decrypts the key. @default none; etcdctl has no variable for it, since it reads no encrypted keys */
  passphrase?: string | Uint8Array | undefined
  /** File of the CA certificates that etcd trusts for clients, if they differ from `CACERT`. @default unknown */
  clientCa?: string | URL | undefined
  /** File of CRLs in PEM, or of one in DER. @default none */
  crl?: string | URL | undefined
  /** How `watch()` follows the files. @default when the system reports a change, and every ten seconds */
  watch?: WatchOptions | undefined
}

const VARIABLES = { ca: 'CACERT', cert: 'CERT', key: 'KEY' } as const
type Role = keyof typeof VARIABLES

/** Names of etcdctl v2 (etcdctl/ctlv2/ctlv2.go), and of etcd itself, that are taken for those of etcdctl. */
const OTHER_VARIABLES: Readonly<Record<Role, { readonly etcdctl: string; readonly etcd: string }>> = {
  ca: { etcdctl: 'CA_FILE', etcd: 'ETCD_TRUSTED_CA_FILE' },
  cert: { etcdctl: 'CERT_FILE', etcd: 'ETCD_CERT_FILE' },
  key: { etcdctl: 'KEY_FILE', etcd: 'ETCD_KEY_FILE' },
}
/** A scheme, also one with a mistake that the client reports. */
const HAS_SCHEME = /:\/\/|^(?:https?|unixs?)[:;]?\//i
const OTHER_ENDPOINTS = ['PEERS', 'PEER', 'ENDPOINT']

/** A source that also has the endpoints and other settings of the client. */
export interface EnvironmentSource extends WatchableSource {
  clientDefaults(): ClientDefaults
}

/**
 * Credentials from the files in `ETCDCTL_CACERT`, `ETCDCTL_CERT` and `ETCDCTL_KEY`, as etcdctl reads them. The variables and
 * the files are read at each `load()`; `watch()` follows both. A variable that is not set is a finding, as is everything else
 * that {@link fromFiles} reports.
 *
 * `createSecureClient({ credentials: fromEnv() })` also reads the variables `ETCDCTL_ENDPOINTS`, `ETCDCTL_DISCOVERY_SRV`,
 * `ETCDCTL_DISCOVERY_SRV_NAME`, `ETCDCTL_USER`, `ETCDCTL_PASSWORD`, `ETCDCTL_DIAL_TIMEOUT` and `ETCDCTL_COMMAND_TIMEOUT`, each
 * unless an option says the same. It refuses `ETCDCTL_INSECURE_SKIP_TLS_VERIFY=true`.
 *
 * @example
 * ```ts
 * const client = await createSecureClient({ credentials: fromEnv() })
 * ```
 * @param env The environment. Default: `process.env`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is unknown or of a wrong type.
 */
export function fromEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
  options: FromEnvOptions = {},
): EnvironmentSource {
  return environmentSource(env, options)
}

/**
 * {@link fromEnv} with other names for the variables in findings and errors: a command has flags in their place.
 *
 * @param nameOf The name of a variable for people.
 */
export function environmentSource(
  env: Environment,
  options: FromEnvOptions,
  nameOf: NameOf = (variable) => variable,
): EnvironmentSource {
  const given: unknown = env
  if (typeof given !== 'object' || given === null) throw valueInvalid('env', given, 'an object, such as process.env')
  checkOptions('options', options, ['prefix', 'passphrase', 'clientCa', 'crl', 'watch'])
  const { prefix = 'ETCDCTL_' } = options
  if (typeof prefix !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(prefix)) {
    throw textInvalid('prefix', prefix, 'the prefix of a variable name, such as "ETCDCTL_"')
  }
  const passphrase = readPassphraseOption(options.passphrase)
  const clientCa = options.clientCa === undefined ? null : fileOfOption('ca', options.clientCa, 'clientCa')
  const crl = options.crl === undefined ? null : fileOfOption('crl', options.crl)
  const timing = readWatchOptions(options.watch)
  const names = Object.values(VARIABLES).map((name) => `${prefix}${name}`)
  const variable = (role: Role): NamedFile | Input => fileOfVariable(env, { prefix, role, nameOf })
  const gather = (): Promise<Inputs> =>
    readInputs({ ca: variable('ca'), clientCa, cert: variable('cert'), key: variable('key'), crl }, passphrase)
  const paths = (): string[] => {
    const files = [...names.map((name) => env[name] ?? ''), clientCa?.path ?? '', crl?.path ?? '']
    return files.filter((file) => file !== '' && !isContentNotName(file)).map((file) => resolve(file))
  }
  const areVariables = names.every((name) => nameOf(name) === name)
  const origin = `${areVariables ? 'environment variables ' : ''}${names.map(nameOf).join(', ')}`
  const defaults = new EnvironmentDefaults(env, prefix, nameOf)
  return Object.assign(new FileSource(origin, { gather, paths, timing }), { clientDefaults: () => defaults })
}

interface VariableOfFile {
  readonly prefix: string
  readonly role: Role
  readonly nameOf: NameOf
}

function fileOfVariable(env: Environment, { prefix, role, nameOf }: VariableOfFile): NamedFile | Input {
  const variable = `${prefix}${VARIABLES[role]}`
  const file = env[variable]
  const name = nameOf(variable)
  const namedBy = name === variable ? `environment variable ${variable}` : `option ${name}`
  if (file !== undefined && file !== '') return { role, file, variable: name, namedBy }
  const { etcdctl, etcd } = OTHER_VARIABLES[role]
  const instead = firstSet(env, [`${prefix}${etcdctl}`, etcd])
  const missing = finding('credentials/variable-missing', { variable, role, empty: file === '', instead })
  return unreadableInput(role, { origin: namedBy, file: null }, missing)
}

function firstSet(env: Environment, names: readonly string[]): string | null {
  return names.find((name) => (env[name] ?? '') !== '') ?? null
}

/** 24 days: the longest delay of a Node timer is 2^31 - 1 milliseconds. */
const MAX_NANOSECONDS = 24n * 24n * 3_600_000_000_000n

type Environment = Readonly<Record<string, string | undefined>>
type NameOf = (variable: string) => string

/**
 * Reads each variable when the client asks for its setting, so that one that an option overrides cannot fail. An empty
 * variable counts as not set (etcd pkg/flags/flag.go, setFlagFromEnv). Passwords are not stored here.
 */
class EnvironmentDefaults implements ClientDefaults {
  readonly names: Readonly<Record<string, string>>
  readonly #env: Environment
  readonly #prefix: string
  readonly #nameOf: NameOf

  constructor(env: Environment, prefix: string, nameOf: NameOf) {
    this.#env = env
    this.#prefix = prefix
    this.#nameOf = nameOf
    this.names = {
      endpoints: this.#name('ENDPOINTS'),
      'endpoints.srv': this.#name('DISCOVERY_SRV'),
      'endpoints.name': this.#name('DISCOVERY_SRV_NAME'),
    }
  }

  #name(name: string): string {
    return this.#nameOf(`${this.#prefix}${name}`)
  }

  /** Accepts only what Go (strconv.ParseBool) reads as false: an invalid value must not count as false. */
  check(): void {
    const name = 'INSECURE_SKIP_TLS_VERIFY'
    const value = this.#read(name)
    if (value === undefined || /^(?:0|f|F|false|FALSE|False)$/.test(value)) return
    throw optionInvalid(
      `${this.#prefix}${name}`,
      'must be false or not set: the client always verifies certificates of servers',
    )
  }

  /**
   * SRV records take precedence over URLs, as in etcdctl (etcdctl/ctlv3/command/global.go, endpointsFromCmd). Addresses without a
   * scheme get https, as etcdctl uses TLS for them if it has certificates.
   */
  get endpoints(): ClientDefaults['endpoints'] {
    const srv = this.#read('DISCOVERY_SRV')
    if (srv !== undefined) return { srv, name: this.#read('DISCOVERY_SRV_NAME') }
    const given = this.#read('ENDPOINTS')
    const names = OTHER_ENDPOINTS.map((name) => `${this.#prefix}${name}`)
    const other = given === undefined ? firstSet(this.#env, names) : null
    if (other !== null) {
      const reason = `is missing: ${other} is set, which is not a variable of etcdctl with the v3 API. Rename it`
      throw optionInvalid(`${this.#prefix}ENDPOINTS`, reason)
    }
    const unset = Object.values(VARIABLES).filter((name) => this.#read(name) === undefined)
    if (given === undefined && unset.length > 0) {
      const all = listed(unset.map((name) => `${this.#prefix}${name}`))
      throw optionInvalid(
        `${this.#prefix}ENDPOINTS`,
        `is missing, and so ${unset.length > 1 ? 'are' : 'is'} ${all}. Set them`,
      )
    }
    return given
      ?.split(',')
      .map((each) => each.trim())
      .map((each) => (each === '' || HAS_SCHEME.test(each) ? each : `https://${each}`))
      .join(',')
  }

  /** As in etcdctl, which prompts for a missing password (etcdctl/ctlv3/command/global.go, authCfgFromCmd). */
  get auth(): { username: string; password: string } | undefined {
    const user = this.#read('USER')
    if (user === undefined) return undefined
    const password = this.#read('PASSWORD')
    if (password !== undefined) return { username: user, password }
    const colon = user.indexOf(':')
    const parts = { username: user.slice(0, colon), password: user.slice(colon + 1) }
    if (colon !== -1 && parts.username !== '' && parts.password !== '') return parts
    throw optionInvalid(
      this.#name('USER'),
      `must be "name:password", or ${this.#name('PASSWORD')} must be set; received ${colon === -1 ? 'a name alone' : 'an empty name or password'}`,
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
      this.#name(name),
      `must be a duration of Go from "1ms" to "576h", such as "5s" or "1m30s"; received ${shown}`,
    )
  }
}
