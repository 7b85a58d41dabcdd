import { realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { SecretKeys } from '../report/catalogue/file.js'
import type { MaterialRole } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { isError } from '../report/errors.js'
import { checkOptions, isPlainObject, optionInvalid, valueInvalid } from '../report/option-error.js'
import type { Inputs } from './assemble.js'
import type { WatchableSource } from './credentials.js'
import { FileSource } from './file-source.js'
import { finding } from './finding.js'
import { readWatchOptions, type WatchOptions } from './follow/watched-files.js'
import type { Input } from './parse-input.js'
import {
  GENERATION,
  namesIn,
  type NamedFile,
  readInputs,
  readPassphraseOption,
  readPathOption,
  statsOf,
  unreadableInput,
} from './load-inputs.js'

/** Options of {@link fromKubernetesSecret}. */
export interface FromKubernetesSecretOptions {
  /** Names of the files. @default those of a kubernetes.io/tls secret with a CA, as cert-manager writes it */
  names?:
    | {
        /** @default 'ca.crt' */
        ca?: string | undefined
        /** The CAs that etcd trusts for clients, if they differ from `ca`. @default 'client-ca.crt', if it is there */
        clientCa?: string | undefined
        /** @default 'tls.crt' */
        cert?: string | undefined
        /** @default 'tls.key' */
        key?: string | undefined
        /** CRLs. @default none are read */
        crl?: string | undefined
      }
    | undefined
  /** Decrypts the key. @default none */
  passphrase?: string | Uint8Array | undefined
  /** How `watch()` follows the files. @default when the system reports a change, and every ten seconds */
  watch?: WatchOptions | undefined
}

type Names = ReturnType<typeof readNames>

/** Maximum number of attempts if the kubelet replaces the files while they are read. It does so about once a minute at most. */
const MAX_ATTEMPTS = 3

/**
 * Credentials from a secret that Kubernetes mounted as a directory, read again at each `load()`, and followed by `watch()`. All
 * files come from one generation of the secret: the link `..data`, which the kubelet replaces as a whole, is followed once,
 * so an update between two reads cannot mix an old certificate with a new key. A directory without that link is read as it is.
 *
 * The modes of the files are not checked: they are those of the volume, which only the pod sees.
 *
 * @example
 * ```ts
 * const credentials = fromKubernetesSecret('/var/run/secrets/etcd')
 * ```
 * @param directory Where the secret is mounted.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is unknown or of a wrong type.
 */
export function fromKubernetesSecret(
  directory: string | URL,
  options: FromKubernetesSecretOptions = {},
): WatchableSource {
  const given: unknown = directory
  if (isPlainObject(given) && 'data' in given)
    throw valueInvalid(
      'directory',
      given,
      `the path of its mount: for a Secret object, pass its decoded values to fromPem, such as cert: Buffer.from(secret.data['tls.crt'], 'base64')`,
    )
  const shown = readPathOption('directory', directory)
  const mount = { shown, path: resolve(shown) }
  checkOptions('options', options, ['names', 'passphrase', 'watch'])
  const names = readNames(options.names)
  const passphrase = readPassphraseOption(options.passphrase)
  const timing = readWatchOptions(options.watch)
  // A directory without `..data` is read as it is.
  const files = Object.values(names).filter((name) => typeof name === 'string')
  const paths = [join(mount.path, GENERATION), mount.path].flatMap((each) => files.map((name) => join(each, name)))
  const gather = (): Promise<Inputs> => readFiles(mount, names, passphrase)
  return new FileSource(`Kubernetes secret ${shown}`, { gather, paths: () => paths, timing })
}

function readNames(given: NonNullable<FromKubernetesSecretOptions['names']> = {}) {
  checkOptions('names', given, ['ca', 'clientCa', 'cert', 'key', 'crl'])
  const { ca = 'ca.crt', clientCa = 'client-ca.crt', cert = 'tls.crt', key = 'tls.key', crl = null } = given
  for (const [name, value] of Object.entries({ ca, clientCa, cert, key, crl: crl ?? 'none' })) checkName(name, value)
  // The default client-ca.crt may be missing.
  return { ca, clientCa, isClientCaOptional: given.clientCa === undefined, cert, key, crl }
}

/** A volume can project items to paths below its directory, but not above it. */
function checkName(option: string, name: unknown): void {
  const parts = typeof name === 'string' ? name.split('/') : ['']
  if (parts.some((part) => part === '' || part === '..' || part.includes('\0'))) {
    throw optionInvalid(`names.${option}`, 'must be the name of a file inside the directory')
  }
}

async function readFiles(
  mount: { shown: string; path: string },
  names: Names,
  passphrase: Inputs['passphrase'],
): Promise<Inputs> {
  for (let attempt = 1; ; attempt++) {
    const generation = await generationOf(mount.path)
    const named = (role: MaterialRole, name: string, option: string = role): NamedFile => ({
      role,
      file: join(mount.shown, name),
      namedBy: `name of "${option}"`,
      path: join(generation, name),
      isSecret: true,
    })
    const read = await readInputs(
      {
        ca: named('ca', names.ca),
        clientCa: named('ca', names.clientCa, 'clientCa'),
        cert: named('cert', names.cert),
        key: named('key', names.key),
        crl: names.crl === null ? null : named('crl', names.crl),
      },
      passphrase,
    )
    const isAbsent = names.isClientCaOptional && read.clientCa?.findings.some(({ code }) => code === 'file/missing')
    const inputs = await withKeys(isAbsent === true ? { ...read, clientCa: null } : read, generation, mount.shown)
    const { ca, clientCa, cert, key, crl } = inputs
    const isComplete = [ca, clientCa, cert, key, crl].every((each) => each?.bytes !== null)
    if (isComplete || attempt === MAX_ATTEMPTS || (await generationOf(mount.path)) === generation) return inputs
    // The kubelet replaced the files while they were read; the new ones exist.
  }
}

/** The directory of the current files: the target of `..data`, or the mount if there is no such link. */
async function generationOf(mount: string): Promise<string> {
  try {
    return await realpath(join(mount, GENERATION))
  } catch (error) {
    // Reading the files below the mount reports the fault.
    if (isError(error) && 'code' in error) return mount
    throw error
  }
}

/** What is in place of the directory of the Secret; null if there is a directory, or it cannot be seen. */
async function mountFault(path: string): Promise<'missing' | 'file' | null> {
  const stats = await statsOf(path)
  return stats === null ? 'missing' : stats.isDirectory() ? null : 'file'
}

/** Adds the keys of the Secret to findings about files that are missing or empty. */
async function withKeys(inputs: Inputs, generation: string, shown: string): Promise<Inputs> {
  const names = await namesIn(generation)
  const mount = names === null ? await mountFault(generation) : null
  if (mount !== null) {
    // One finding, because its message is the same for each file.
    return mapInputs(inputs, ({ role, place }) =>
      unreadableInput(role, place, finding('file/missing', { file: shown, mount })),
    )
  }
  if (names === null) return inputs
  // The names of the kubelet's own files start with two dots.
  const own = names.filter((each) => !each.startsWith('..'))
  const lists = await Promise.all(own.slice(0, MAX_DIRECTORIES).map((each) => namesBelow(generation, each)))
  const keys = [...lists.flat(), ...own.slice(MAX_DIRECTORIES)]
  return mapInputs(inputs, (input, role) => ({
    ...input,
    findings: input.findings.map((each) => explain(each, { role, keys })),
  }))
}

function mapInputs(inputs: Inputs, change: (input: Input, role: SecretKeys['role']) => Input): Inputs {
  const { ca, clientCa = null, cert, key, crl } = inputs
  return {
    ...inputs,
    ca: change(ca, 'ca'),
    clientCa: clientCa && change(clientCa, 'clientCa'),
    cert: change(cert, 'cert'),
    key: change(key, 'key'),
    crl: crl && change(crl, 'crl'),
  }
}

/** Names of a Secret that are looked at as directories, which the items of a volume can make. */
const MAX_DIRECTORIES = 20

/** The name, or the paths of the files in the directory of that name. */
async function namesBelow(directory: string, name: string): Promise<string[]> {
  const isDirectory = (await statsOf(join(directory, name)))?.isDirectory() === true
  const names = isDirectory ? await namesIn(join(directory, name)) : null
  return names === null ? [name] : names.filter((each) => !each.startsWith('..')).map((each) => `${name}/${each}`)
}

function explain(found: Finding, secret: SecretKeys): Finding {
  if (found.code === 'file/missing' && found.details.target === undefined)
    return finding('file/missing', { ...found.details, secret })
  return found.code === 'file/empty' ? finding('file/empty', { ...found.details, secret }) : found
}
