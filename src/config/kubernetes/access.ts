/** Where etcd is and with which credentials a client connects, in the configuration of Kubernetes itself. */
import { join } from 'node:path'
import type { WatchableSource } from '../../credentials/credentials.js'
import { fromFiles } from '../../credentials/from-files.js'
import { readMaterialFile } from '../../credentials/inputs.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { type ConfigText, decodeText, MAX_CONFIG_OCTETS, refuseText } from '../read/text.js'
import { configInvalid } from '../refuse.js'
import { readPlainUrl } from '../url.js'
import { finding } from '../finding.js'

/** What `createSecureClient` needs, as it takes it: `createSecureClient(await fromKubeApiserver({ file }))`. */
export interface EtcdAccess {
  endpoints: [string, ...string[]]
  /** The files, read again at each `load()` and followed by `watch()`. */
  credentials: WatchableSource
}

/** What the readers of this folder take next to their input. */
export interface AccessOptions {
  /** Where the root of the control-plane node is seen, for a tool in a pod that mounts it. Default: `'/'`. */
  root?: string | undefined
}

/** A value, and where it stands. */
export interface Placed {
  readonly text: string
  readonly place: ConfigPlace
}

/** A file, with its path on the host; null if it is not there. */
export type PlacedFile = Placed & { readonly path: string | null }

/** What was read; undefined for what is not set. */
export interface ReadAccess {
  readonly endpoints: readonly Placed[]
  readonly files: Readonly<Record<Role, PlacedFile | undefined>>
}

export type Role = (typeof ROLES)[number]
export const ROLES = ['ca', 'cert', 'key'] as const

/** The options that are read, by what they set. */
type AccessNames = Readonly<Record<'endpoints' | Role, string>>

/** Reads the access to etcd from one kind of configuration. */
export class AccessReader {
  readonly #what: string
  readonly #names: AccessNames

  /** @param what Begins a sentence, as `The access to etcd of kube-apiserver`. */
  constructor(what: string, names: AccessNames) {
    this.#what = what
    this.#names = names
  }

  /**
   * The text of an input: of a file of the control-plane node, or as it was passed.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, `ERR_CONFIG_INVALID`
   */
  async open<K extends string>(
    input: Readonly<Partial<Record<K, unknown>>>,
    keys: readonly K[],
    root: string,
  ): Promise<ConfigText & { readonly key: K }> {
    const key = onlyKey(input, keys)
    const value: unknown = input[key]
    if (typeof value !== 'string' || value === '')
      throw optionInvalid(`input.${key}`, 'must be a string that is not empty')
    const content = key === 'file' ? await readNodeFile(value, root) : { text: value, file: null }
    const refused = 'code' in content ? content : refuseText(content)
    if (refused !== null || 'code' in content) throw this.refused(refused === null ? [] : [refused])
    return { ...content, key }
  }

  refused(findings: readonly Finding[]): Error {
    return configInvalid(this.#what, findings, 'read')
  }

  /** @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` */
  access(read: ReadAccess, file: string | null, root: string): EtcdAccess {
    const missing = (option: string): Finding =>
      finding('config/option-needs', { option, file, line: null, column: null, kind: 'access', needs: [], for: '' })
    const [first, ...others] = read.endpoints.map(({ text }) => text)
    const findings: Finding[] = first === undefined ? [missing(this.#names.endpoints)] : []
    for (const { text, place } of read.endpoints) {
      const reading = readPlainUrl(text, 'advertise')
      const reason = 'refused' in reading ? reading.refused : reading.url.isTls ? null : 'has no TLS'
      if (reason !== null) findings.push(finding('config/url-invalid', { ...place, url: text, reason }))
    }
    const paths = { ca: '', cert: '', key: '' }
    for (const role of ROLES) {
      const named = read.files[role]
      if (named === undefined || named.text === '') findings.push(missing(this.#names[role]))
      else if (named.path !== null) paths[role] = join(root, named.path)
      else {
        const details = { kind: 'not on the host' as const, names: [named.text], mounts: [], by: 'Kubernetes' as const }
        findings.push(finding('config/volume-invalid', { ...named.place, ...details }))
      }
    }
    if (findings.length > 0 || first === undefined) throw this.refused(findings)
    return { endpoints: [first, ...others], credentials: fromFiles(paths) }
  }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readRoot(options: AccessOptions): string {
  checkOptions('options', options, ['root'])
  const { root = '/' } = options
  if (typeof root !== 'string' || root === '' || root.includes('\0'))
    throw optionInvalid('options.root', 'must be a path')
  return root
}

function onlyKey<K extends string>(input: Readonly<Partial<Record<K, unknown>>>, keys: readonly K[]): K {
  checkOptions('input', input, keys)
  const [key, second] = keys.filter((each) => input[each] !== undefined)
  if (key === undefined) throw optionInvalid('input', `is missing: pass one of ${keys.join(', ')}`)
  if (second !== undefined) throw optionInvalid('input', `must have only one of ${keys.join(', ')}`)
  return key
}

async function readNodeFile(path: string, root: string): Promise<ConfigText | Finding> {
  const content = await readMaterialFile(root === '/' ? path : join(root, path), { file: path }, MAX_CONFIG_OCTETS)
  return 'code' in content ? content : decodeText(content.bytes, path)
}

/** The entries of a list with commas. */
export function placedEntries({ text, place }: Placed): Placed[] {
  return text.split(',').flatMap((each) => (each.trim() === '' ? [] : [{ text: each.trim(), place }]))
}
