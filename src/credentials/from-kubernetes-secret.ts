import { isError } from '../report/errors.js'
import { realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { MaterialRole } from '../report/catalogue/place.js'
import type { Inputs } from './assemble.js'
import type { WatchableSource } from './credentials.js'
import { FileSource } from './file-source.js'
import type { Input } from './input.js'
import { fileInput, readPassphraseOption, readPathOption } from './inputs.js'
import { readWatchOptions, type WatchOptions } from './follow/watch-options.js'

/** Names of the files inside the directory of a mounted secret. */
export interface SecretFileNames {
  /** Default: `'ca.crt'`. */
  ca?: string | undefined
  /** The CAs that etcd trusts for clients, if they are others than those in `ca`. Default: `'client-ca.crt'`, if it is there. */
  clientCa?: string | undefined
  /** Default: `'tls.crt'`. */
  cert?: string | undefined
  /** Default: `'tls.key'`. */
  key?: string | undefined
  /** Revocation lists. Default: none are read. */
  crl?: string | undefined
}

/** What {@link fromKubernetesSecret} takes next to the directory. */
export interface FromKubernetesSecretOptions {
  /** Names of the files. Default: those of a `kubernetes.io/tls` secret with a CA, as cert-manager writes it. */
  names?: SecretFileNames | undefined
  /** Decrypts the key. Default: none. */
  passphrase?: string | Uint8Array | undefined
  /** How `watch()` follows the files. Default: looked at when the system reports a change, and every ten seconds. */
  watch?: WatchOptions | undefined
}

interface Names {
  ca: string
  clientCa: string
  /** Whether a secret without that file is complete. */
  clientCaOptional: boolean
  cert: string
  key: string
  crl: string | null
}

/** The link to the current generation of a secret, which the kubelet replaces. */
const GENERATION = '..data'

/** How often the files are read when the kubelet replaces them meanwhile. It does so about once a minute at most. */
const MAX_ATTEMPTS = 3

/**
 * Credentials from a secret that Kubernetes mounted as a directory, read again at each `load()`, and followed by `watch()`. All
 * files come from one generation of the secret: the link `..data`, which the kubelet replaces as a whole, is followed once,
 * so an update between two reads cannot mix an old certificate with a new key. A directory without that link is read as it is.
 *
 * The modes of the files are not checked: they are those of the volume, which only the pod sees.
 *
 * @param directory Where the secret is mounted.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is unknown or of a wrong type.
 */
export function fromKubernetesSecret(
  directory: string | URL,
  options: FromKubernetesSecretOptions = {},
): WatchableSource {
  const shown = readPathOption('directory', directory)
  const mount = { shown, path: resolve(shown) }
  checkOptions('options', options, ['names', 'passphrase', 'watch'])
  const names = readNames(options.names ?? {})
  const passphrase = readPassphraseOption(options.passphrase)
  const timing = readWatchOptions(options.watch)
  const gather = async (): Promise<Inputs> => ({ ...(await readFiles(mount, names)), passphrase })
  const files = Object.values(names).filter((name) => typeof name === 'string')
  // Where the files are read, and where they are seen: a directory without `..data` is read as it is.
  const paths = [join(mount.path, GENERATION), mount.path].flatMap((each) => files.map((name) => join(each, name)))
  return new FileSource(`Kubernetes secret ${shown}`, { gather, paths: () => paths, timing })
}

function readNames(given: SecretFileNames): Names {
  checkOptions('options.names', given, ['ca', 'clientCa', 'cert', 'key', 'crl'])
  const { ca = 'ca.crt', clientCa = 'client-ca.crt', cert = 'tls.crt', key = 'tls.key', crl } = given
  for (const [name, value] of Object.entries({ ca, clientCa, cert, key, crl: crl ?? 'none' })) checkName(name, value)
  return { ca, clientCa, clientCaOptional: given.clientCa === undefined, cert, key, crl: crl ?? null }
}

/** The items of a volume can be projected to paths below its directory, never above. */
function checkName(option: string, name: unknown): void {
  const parts = typeof name === 'string' ? name.split('/') : ['']
  if (parts.some((part) => part === '' || part === '..' || part.includes('\0'))) {
    throw optionInvalid(`options.names.${option}`, 'must be the name of a file inside the directory')
  }
}

async function readFiles(mount: { shown: string; path: string }, names: Names): Promise<Omit<Inputs, 'passphrase'>> {
  for (let attempt = 1; ; attempt++) {
    const generation = await generationOf(mount.path)
    const read = (role: MaterialRole, name: string, option: string = role): Promise<Input> =>
      fileInput({
        role,
        file: join(mount.shown, name),
        namedBy: `name of "${option}"`,
        path: join(generation, name),
        checkMode: false,
      })
    const clientCa = await read('ca', names.clientCa, 'clientCa')
    const inputs = {
      ca: await read('ca', names.ca),
      clientCa: names.clientCaOptional && isMissing(clientCa) ? null : clientCa,
      cert: await read('cert', names.cert),
      key: await read('key', names.key),
      crl: names.crl === null ? null : await read('crl', names.crl),
    }
    const complete = Object.values(inputs).every((each) => each?.bytes !== null)
    if (complete || attempt === MAX_ATTEMPTS || (await generationOf(mount.path)) === generation) return inputs
    // The kubelet removed the generation while it was read: the next one is there already.
  }
}

function isMissing({ findings }: Input): boolean {
  return findings.some(({ code }) => code === 'file/missing')
}

/** The directory that holds the current files: the target of `..data`, or the mount itself if there is no such link. */
async function generationOf(mount: string): Promise<string> {
  try {
    return await realpath(join(mount, GENERATION))
  } catch (error) {
    // No such link, or no way to it: opening the files below the mount gives the findings that say why.
    if (isError(error) && 'code' in error) return mount
    throw error
  }
}
