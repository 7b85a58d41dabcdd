/** Where etcd is and how a client proves itself, in the configuration of Kubernetes itself. */
import { join } from 'node:path'
import type { WatchableSource } from '../../credentials/credentials.js'
import { fromFiles } from '../../credentials/from-files.js'
import { readMaterialFile } from '../../credentials/read-file.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { type ConfigText, decodeText, MAX_CONFIG_OCTETS } from '../read/text.js'
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

/** What was read; undefined for what is not set. A null path is one that is not on the host. */
export interface ReadAccess {
  readonly endpoints: readonly Placed[]
  readonly files: Readonly<Record<'ca' | 'cert' | 'key', (Placed & { readonly path: string | null }) | undefined>>
  readonly findings: readonly Finding[]
}

/** How the options are called where they are read. */
export type AccessNames = Readonly<Record<'endpoints' | 'ca' | 'cert' | 'key', string>>

const ROLES = ['ca', 'cert', 'key'] as const

/**
 * @param what Begins a sentence, as `The access to etcd of kube-apiserver`.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID`
 */
export function accessOf(
  what: string,
  read: ReadAccess,
  names: AccessNames,
  file: string | null,
  root: string,
): EtcdAccess {
  const findings = read.findings.filter(({ severity }) => severity === 'error')
  const missing = (option: string): Finding =>
    finding('config/option-needs', { option, file, line: null, column: null, kind: 'access', needs: [], for: '' })
  const [first, ...others] = read.endpoints.map(({ text }) => text)
  if (first === undefined) findings.push(missing(names.endpoints))
  for (const { text, place } of read.endpoints) {
    const reason = refuseEndpoint(text)
    if (reason !== null) findings.push(finding('config/url-invalid', { ...place, url: text, reason }))
  }
  const paths = { ca: '', cert: '', key: '' }
  for (const role of ROLES) {
    const named = read.files[role]
    if (named === undefined || named.text === '') findings.push(missing(names[role]))
    else if (named.path === null)
      findings.push(
        finding('config/volume-invalid', {
          ...named.place,
          kind: 'not on the host',
          names: [named.text],
          mounts: [],
          by: 'Kubernetes',
        }),
      )
    else paths[role] = join(root, named.path)
  }
  if (findings.length > 0 || first === undefined) throw configInvalid(what, findings, 'read')
  return { endpoints: [first, ...others], credentials: fromFiles(paths) }
}

function refuseEndpoint(text: string): string | null {
  const reading = readPlainUrl(text, 'advertise')
  if ('refused' in reading) return reading.refused
  return reading.url.isTls ? null : 'has no TLS'
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readRoot(options: AccessOptions): string {
  checkOptions('options', options, ['root'])
  const { root = '/' } = options
  if (typeof root !== 'string' || root === '' || root.includes('\0'))
    throw optionInvalid('options.root', 'must be a path')
  return root
}

/** The one key of an input that is set. */
export function onlyKey<K extends string>(input: object, keys: readonly K[]): K {
  checkOptions('input', input, keys)
  const set = keys.filter((key) => Reflect.get(input, key) !== undefined)
  const [key] = set
  if (key === undefined) throw optionInvalid('input', `is missing its contents: pass one of ${keys.join(', ')}`)
  if (set.length > 1) throw optionInvalid('input', `must have only one of ${keys.join(', ')}`)
  return key
}

/** A file of the control-plane node, or why it cannot be read. */
export async function readNodeFile(path: string, root: string): Promise<ConfigText | Finding> {
  const content = await readMaterialFile(root === '/' ? path : join(root, path), { file: path }, MAX_CONFIG_OCTETS)
  return 'code' in content ? content : decodeText(content.bytes, path)
}
