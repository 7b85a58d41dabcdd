import { resolve } from 'node:path'
import { checkOptions, optionInvalid } from '../misuse.js'
import type { Inputs } from './assemble.js'
import type { WatchableSource } from './credentials.js'
import { FileSource } from './file-source.js'
import { finding } from './finding.js'
import type { Input } from './input.js'
import { fileInput, readPassphraseOption, readPathOption, unread } from './inputs.js'
import { isContentNotName } from './recognize.js'
import { readWatchOptions, type WatchOptions } from './watch-options.js'

/** What {@link fromEnv} takes beside the environment. */
export interface FromEnvOptions {
  /**
   * What the names of the variables begin with; `CACERT`, `CERT` and `KEY` are appended as they are. Default: `'ETCDCTL_'`, so
   * that etcdctl's own variables are read.
   */
  prefix?: string | undefined
  /** Decrypts the key. Default: none; etcdctl has no variable for it, since it reads no encrypted keys. */
  passphrase?: string | Uint8Array | undefined
  /** File of revocation lists in PEM, or of one in DER. Default: none. */
  crl?: string | URL | undefined
  /** How `watch()` follows the files. Default: looked at when the system reports a change, and every ten seconds. */
  watch?: WatchOptions | undefined
}

const VARIABLES = { ca: 'CACERT', cert: 'CERT', key: 'KEY' } as const
type Role = keyof typeof VARIABLES

/**
 * Credentials from the files that environment variables name: `ETCDCTL_CACERT`, `ETCDCTL_CERT` and `ETCDCTL_KEY`, as
 * etcdctl reads them. The variables are looked at, and the files read, at each `load()`; `watch()` follows both. A variable
 * that is not set is a finding, as is everything else that {@link fromFiles} finds.
 *
 * @param env The environment. Default: `process.env`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is unknown or of a wrong type.
 */
export function fromEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
  options: FromEnvOptions = {},
): WatchableSource {
  const given: unknown = env
  if (typeof given !== 'object' || given === null) throw optionInvalid('env', 'must be an object, as process.env is')
  checkOptions('options', options, ['prefix', 'passphrase', 'crl', 'watch'])
  const { prefix = 'ETCDCTL_' } = options
  if (typeof prefix !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(prefix)) {
    throw optionInvalid('options.prefix', 'must be the beginning of a variable name, as "ETCDCTL_"')
  }
  const passphrase = readPassphraseOption(options.passphrase)
  const crl = options.crl === undefined ? null : readPathOption('options.crl', options.crl)
  const timing = readWatchOptions(options.watch)
  const names = Object.values(VARIABLES).map((name) => `${prefix}${name}`)
  const gather = async (): Promise<Inputs> => {
    const [caInput, certInput, keyInput, crlInput] = await Promise.all([
      variableInput(env, prefix, 'ca'),
      variableInput(env, prefix, 'cert'),
      variableInput(env, prefix, 'key'),
      crl === null ? null : fileInput({ role: 'crl', file: crl, namedBy: 'option "crl"' }),
    ])
    return { ca: caInput, cert: certInput, key: keyInput, crl: crlInput, passphrase }
  }
  const paths = (): string[] => {
    const files = [...names.map((name) => env[name] ?? ''), crl ?? '']
    return files.filter((file) => file !== '' && !isContentNotName(file)).map((file) => resolve(file))
  }
  return new FileSource(`environment variables ${names.join(', ')}`, { gather, paths, timing })
}

async function variableInput(
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
  role: Role,
): Promise<Input> {
  const variable = `${prefix}${VARIABLES[role]}`
  const file = env[variable]
  const namedBy = `environment variable ${variable}`
  if (file === undefined || file === '') {
    const details = { variable, role, empty: file === '' }
    return unread(role, { origin: namedBy, file: null }, finding('credentials/variable-missing', details))
  }
  return fileInput({ role, file, variable, namedBy })
}
