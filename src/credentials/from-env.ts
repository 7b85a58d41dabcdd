import { resolve } from 'node:path'
import { checkOptions, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Inputs } from './assemble.js'
import type { ClientDefaults, WatchableSource } from './credentials.js'
import { type Environment, EnvironmentDefaults } from './env-defaults.js'
import { FileSource, type FilesOfSource } from './file-source.js'
import { finding } from './finding.js'
import type { Input } from './input.js'
import { fileOfOption, type NamedFile, readInputs, readPassphraseOption, unread } from './inputs.js'
import { isContentNotName } from './recognize.js'
import { readWatchOptions, type WatchOptions } from './follow/watch-options.js'

/** What {@link fromEnv} takes next to the environment. */
export interface FromEnvOptions {
  /**
   * The prefix of the variables' names, to which `CACERT`, `ENDPOINTS` and so on are appended. Default: `'ETCDCTL_'`, the
   * prefix of etcdctl's variables.
   */
  prefix?: string | undefined
  /** Decrypts the key. Default: none; etcdctl has no variable for it, since it reads no encrypted keys. */
  passphrase?: string | Uint8Array | undefined
  /** File of the CA certificates that etcd trusts for clients, if they are others than `CACERT`. Default: not known. */
  clientCa?: string | URL | undefined
  /** File of revocation lists in PEM, or of one in DER. Default: none. */
  crl?: string | URL | undefined
  /** How `watch()` follows the files. Default: looked at when the system reports a change, and every ten seconds. */
  watch?: WatchOptions | undefined
}

const VARIABLES = { ca: 'CACERT', cert: 'CERT', key: 'KEY' } as const
type Role = keyof typeof VARIABLES

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
 * @param env The environment. Default: `process.env`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is unknown or of a wrong type.
 */
export function fromEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
  options: FromEnvOptions = {},
): EnvironmentSource {
  const given: unknown = env
  if (typeof given !== 'object' || given === null) throw valueInvalid('env', given, 'an object, such as process.env')
  checkOptions('options', options, ['prefix', 'passphrase', 'clientCa', 'crl', 'watch'])
  const { prefix = 'ETCDCTL_' } = options
  if (typeof prefix !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(prefix)) {
    throw textInvalid('options.prefix', prefix, 'the prefix of a variable name, such as "ETCDCTL_"')
  }
  const passphrase = readPassphraseOption(options.passphrase)
  const clientCa = options.clientCa === undefined ? null : fileOfOption('ca', options.clientCa, 'clientCa')
  const crl = options.crl === undefined ? null : fileOfOption('crl', options.crl)
  const timing = readWatchOptions(options.watch)
  const names = Object.values(VARIABLES).map((name) => `${prefix}${name}`)
  const variable = (role: Role): NamedFile | Input => fileOfVariable(env, `${prefix}${VARIABLES[role]}`, role)
  const gather = (): Promise<Inputs> =>
    readInputs({ ca: variable('ca'), clientCa, cert: variable('cert'), key: variable('key'), crl }, passphrase)
  const paths = (): string[] => {
    const files = [...names.map((name) => env[name] ?? ''), clientCa?.path ?? '', crl?.path ?? '']
    return files.filter((file) => file !== '' && !isContentNotName(file)).map((file) => resolve(file))
  }
  const origin = `environment variables ${names.join(', ')}`
  return new VariableSource(new EnvironmentDefaults(env, prefix), origin, { gather, paths, timing })
}

class VariableSource extends FileSource implements EnvironmentSource {
  readonly #defaults: ClientDefaults

  constructor(defaults: ClientDefaults, origin: string, files: FilesOfSource) {
    super(origin, files)
    this.#defaults = defaults
  }

  clientDefaults(): ClientDefaults {
    return this.#defaults
  }
}

function fileOfVariable(env: Environment, variable: string, role: Role): NamedFile | Input {
  const file = env[variable]
  const namedBy = `environment variable ${variable}`
  if (file !== undefined && file !== '') return { role, file, variable, namedBy }
  const missing = finding('credentials/variable-missing', { variable, role, empty: file === '' })
  return unread(role, { origin: namedBy, file: null }, missing)
}
