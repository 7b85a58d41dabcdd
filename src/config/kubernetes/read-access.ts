/** Reads endpoints and credentials of etcd from the configuration of kube-apiserver or kubeadm. */
import { posix, resolve } from 'node:path'
import type { WatchableSource } from '../../credentials/credentials.js'
import { sourceOf } from '../../credentials/from-files.js'
import { type HostPath, hostPathText } from '../../files/in-root.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { configInvalid, finding, withoutPlace } from '../finding.js'
import { isManifest, podsOf } from '../read/manifest.js'
import { mountsOf, objectsIn, withMaps } from '../read/mounts.js'
import { onHost } from '../read/effective.js'
import type { Mount } from '../read/read-option.js'
import { type ConfigText, onDisk, type PlaceOf, placesIn, readConfigFile, refuseText } from '../read/text.js'
import { processTokens, splitTokens, type Token, tokenAt } from '../read/tokenizer.js'
import {
  at,
  entriesOf,
  itemsAt,
  readYaml,
  scalarsOf,
  textAt,
  type YamlReading,
  type YamlScalar,
  type YamlValue,
} from '../read/yaml.js'
import { readPlainUrl } from '../url.js'
import { KUBEADM_VERSIONS } from './kube-apiserver.js'

/** The options of `createSecureClient`: `createSecureClient(await fromKubeApiserver({ file }))`. */
export interface EtcdAccess {
  endpoints: [string, ...string[]]
  /** The files, read again at each `load()` and followed by `watch()`. */
  credentials: WatchableSource
}

/** Options of the readers. */
export interface AccessOptions {
  /**
   * The folder at which the root of the control-plane node is mounted, for a tool in a pod. No path and no link leaves
   * it: an absolute link of the node leads below it.
   *
   * @default '/'
   */
  root?: string | undefined
}

/** How kube-apiserver is started: exactly one of these. */
export interface KubeApiserverInput {
  /** The path of its manifest, of a file with its command line, or of /proc/PID/cmdline. */
  file?: string | undefined
  /** Its command line: one line for a shell, an array of arguments, or arguments separated by NUL. */
  flags?: string | readonly string[] | undefined
  /** The text of its manifest. */
  manifest?: string | undefined
}

/** A configuration of kubeadm: exactly one of these. */
export interface KubeadmInput {
  /** The path of the file that `kubeadm init --config` was given. */
  file?: string | undefined
  /** Its text, or the ConfigMap `kubeadm-config` of the namespace `kube-system`. */
  yaml?: string | undefined
}

const ROLES = ['ca', 'cert', 'key'] as const
type Role = (typeof ROLES)[number]

/** The value of an option. */
interface Placed {
  readonly text: string
  readonly place: ConfigPlace
}

interface PlacedFile extends Placed {
  /** Null if it is not on the host. */
  readonly path: HostPath | null
}

/** Returns undefined for a file that no option names. */
interface ReadAccess {
  readonly endpoints: readonly Placed[]
  file(role: Role): PlacedFile | undefined
}

/** `what` begins a sentence; the other fields name the options for endpoints and files. */
interface Program extends Readonly<Record<'endpoints' | Role, string>> {
  readonly kind: 'kube-apiserver' | 'kubeadm'
  readonly what: string
}

const APISERVER: Program = {
  kind: 'kube-apiserver',
  what: 'The access to etcd of kube-apiserver',
  endpoints: '--etcd-servers',
  ca: '--etcd-cafile',
  cert: '--etcd-certfile',
  key: '--etcd-keyfile',
}
const KUBEADM: Program = {
  kind: 'kubeadm',
  what: "The access to etcd of kubeadm's configuration",
  endpoints: 'etcd.external.endpoints',
  ca: 'etcd.external.caFile',
  cert: 'etcd.external.certFile',
  key: 'etcd.external.keyFile',
}

function refused({ what }: Program, ...findings: readonly Finding[]): Error {
  return configInvalid(what, findings, 'read')
}

function notFound(program: Program, file: string | null, looked: string): Error {
  return refused(program, finding('config/no-etcd', { kind: program.kind, file, looked }))
}

/**
 * The etcd of a kube-apiserver, and the credentials that it uses there, as on a control-plane node.
 *
 * Paths in the container are translated to paths on the host. These credentials allow everything in that etcd.
 * `credentials.load()` reads the files.
 *
 * @example
 * ```ts
 * const client = await createSecureClient(
 *   await fromKubeApiserver({ file: '/etc/kubernetes/manifests/kube-apiserver.yaml' }),
 * )
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` if something is missing or cannot be read, or if etcd has no TLS.
 */
export async function fromKubeApiserver(input: KubeApiserverInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  const root = readRoot(input, options)
  const keys = ['file', 'flags', 'manifest'] as const
  checkOptions('input', input, keys)
  const { file, flags, manifest } = input
  // An argument cannot contain NUL.
  const text = Array.isArray(flags) && flags.every((each) => typeof each === 'string') ? flags.join('\0') : flags
  const source = await open(APISERVER, { file, flags: text, manifest }, keys, root)
  const isPod = manifest !== undefined || (file !== undefined && isManifest(source.text))
  const { tokens, place, mounts } = isPod ? await inManifest(source) : readCommandLine(source, Array.isArray(flags))
  const given = flagsOf(tokens, place)
  const read: ReadAccess = {
    // For a repeated flag, pflag appends to a list; otherwise the last value is in force.
    endpoints: given.filter(({ place: { option } }) => option === APISERVER.endpoints).flatMap(entries),
    file: (role) => {
      const value = given.findLast(({ place: { option } }) => option === APISERVER[role])
      return value && { ...value, path: onHost(value.text, { directory: null, mounts }, root) }
    },
  }
  return access(APISERVER, read, source.file)
}

/**
 * The URLs of the etcds that hold some resources apart, such as events: `GROUP/RESOURCE#URL;URL` (`--etcd-servers-overrides`, in
 * k8s.io/apiserver pkg/server/options/etcd.go).
 */
export async function overridesIn(manifest: string): Promise<string[][]> {
  const { tokens, place } = await inManifest({ text: manifest, file: null })
  const given = flagsOf(tokens, place).filter(({ place: { option } }) => option === '--etcd-servers-overrides')
  return given.flatMap(entries).map(({ text }) => text.slice(text.indexOf('#') + 1).split(';'))
}

/**
 * The etcd of a kubeadm cluster, and the credentials that its kube-apiserver uses there. For an external etcd it reads
 * the configuration. If kubeadm runs etcd, it is the member on this node. `apiServer.extraArgs` takes precedence, as
 * for kube-apiserver.
 *
 * @example
 * ```ts
 * const { endpoints, credentials } = await fromKubeadmConfig({ file: '/etc/kubernetes/kubeadm.yaml' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` if something is missing or cannot be read, or if etcd has no TLS.
 */
export async function fromKubeadmConfig(input: KubeadmInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  const root = readRoot(input, options)
  const source = await open(KUBEADM, input, ['file', 'yaml'], root)
  return access(KUBEADM, await inClusterConfiguration(source, root), source.file)
}

/**
 * Null for the root of this machine.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
function readRoot(input: object, options: AccessOptions): string | null {
  if (Reflect.has(Object(input) as object, 'root')) {
    throw optionInvalid('input.root', 'is an option of the second argument: pass `{ root }` after the input')
  }
  checkOptions('options', options, ['root'])
  const { root = '/' } = options
  if (typeof root !== 'string' || root === '' || root.includes('\0')) throw textInvalid('root', root, 'a path')
  return resolve(root) === resolve('/') ? null : resolve(root)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, `ERR_CONFIG_INVALID` */
async function open<K extends string>(
  program: Program,
  input: Readonly<Partial<Record<K, unknown>>>,
  keys: readonly K[],
  root: string | null,
): Promise<ConfigText> {
  checkOptions('input', input, keys)
  const [key, second] = keys.filter((each) => input[each] !== undefined)
  if (key === undefined) throw optionInvalid('input', `is missing: pass one of ${keys.join(', ')}`)
  if (second !== undefined) throw optionInvalid('input', `must have only one of ${keys.join(', ')}`)
  const value: unknown = input[key]
  if (typeof value !== 'string' || value === '') throw valueInvalid(`input.${key}`, value, 'a string that is not empty')
  const content = key === 'file' ? await readConfigFile(onDisk(value, root), value) : { text: value, file: null }
  if ('code' in content) throw refused(program, content)
  const wrong = refuseText(content)
  if (wrong !== null) throw refused(program, wrong)
  return content
}

/** @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` */
function access(program: Program, read: ReadAccess, file: string | null): EtcdAccess {
  const findings: Finding[] = []
  const missing = (option: string): void => {
    findings.push(finding('config/option-needs', { ...withoutPlace(option, file), kind: 'access' }))
  }
  const [first, ...others] = read.endpoints.map(({ text }) => text)
  if (first === undefined) missing(program.endpoints)
  for (const { text, place } of read.endpoints) {
    const reading = readPlainUrl(text, 'advertise')
    const reason = 'refused' in reading ? reading.refused : reading.url.isTls ? null : 'has no TLS'
    if (reason !== null) findings.push(finding('config/url-invalid', { ...place, url: text, reason }))
  }
  const [ca, cert, key] = ROLES.map((role) => {
    const named = read.file(role)
    if (named === undefined || named.text === '') missing(program[role])
    else if (named.path === null)
      findings.push(finding('config/volume-invalid', { ...named.place, names: [named.text] }))
    const path = named?.path ?? ''
    return { role, file: hostPathText(path), namedBy: program[role], path }
  })
  if (findings.length > 0 || first === undefined || ca === undefined || cert === undefined || key === undefined)
    throw refused(program, ...findings)
  return { endpoints: [first, ...others], credentials: sourceOf({ ca, cert, key }) }
}

function entries({ text, place }: Placed): Placed[] {
  return text.split(',').flatMap((each) => (each.trim() === '' ? [] : [{ text: each.trim(), place }]))
}

interface Command {
  readonly tokens: readonly Token[]
  /** Null outside of containers. */
  readonly mounts: readonly Mount[] | null
  readonly place: PlaceOf
}

/** @param isList Whether the caller passed an array, whose arguments have no line numbers. */
function readCommandLine(source: ConfigText, isList: boolean): Command {
  const isProcess = isList || source.text.includes('\0')
  const tokens = afterProgram(isProcess ? processTokens(source.text) : splitTokens(source.text, 'shell'))
  if (tokens === null) throw notFound(APISERVER, source.file, 'no word of it is kube-apiserver')
  return { tokens, mounts: null, place: isList ? (_, option) => withoutPlace(option) : placesIn(source) }
}

async function inManifest(source: ConfigText): Promise<Command> {
  const yaml = await readWhole(source, APISERVER)
  const objects = yaml.documents.flatMap(objectsIn)
  const kubeOf = withMaps(yaml, objects)
  for (const { spec, namespace } of objects.flatMap(podsOf)) {
    for (const container of itemsAt(spec, 'containers')) {
      const given = ['command', 'args'].flatMap((key) => scalarsOf(at(container, key)))
      const words = given.map(({ text, offset }) => tokenAt(text, offset))
      const isImage = /(?:^|\/)kube-apiserver(?:-[a-z0-9]+)?(?:[:@]|$)/.test(textAt(container, 'image') ?? '')
      const tokens = afterProgram(words) ?? (isImage ? words : null)
      if (tokens !== null) return { tokens, mounts: mountsOf(container, spec, kubeOf(namespace)), place: yaml.place }
    }
  }
  throw notFound(APISERVER, source.file, 'no container of it does')
}

/** @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` if it is not valid YAML. */
async function readWhole(source: ConfigText, program: Program): Promise<YamlReading> {
  const yaml = await readYaml(source, 'all')
  const errors = yaml.findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw refused(program, ...errors)
  return yaml
}

/** The arguments of kube-apiserver, also within a shell's `-c`. A list of flags without a program is accepted. */
function afterProgram(tokens: readonly Token[], isScript = false): readonly Token[] | null {
  const index = tokens.findIndex(({ text }) => /(?:^|\/)kube-apiserver$/.test(text))
  if (index !== -1) {
    const rest = tokens.slice(index + 1)
    const end = rest.findIndex(({ isEnd }) => isEnd)
    return end === -1 ? rest : rest.slice(0, end)
  }
  if (tokens[0]?.text.startsWith('-') === true) return tokens
  const script = tokens.find(({ text }) => /(?:^|[\s/])kube-apiserver\s/.test(text))
  if (script === undefined || isScript) return null
  const inner = splitTokens(script.text, 'shell').map((token) => ({ ...token, offset: script.offset }))
  return afterProgram(inner, true)
}

/** The flags for etcd, by the rules of pflag. kube-apiserver accepts `_` for `-` in names. */
function flagsOf(tokens: readonly Token[], place: PlaceOf): Placed[] {
  return tokens.flatMap(({ text: token, offset }, index) => {
    const [, name, given] = /^(--etcd[-_a-z]+)(?:=([\s\S]*))?$/.exec(token) ?? []
    const text = given ?? tokens[index + 1]?.text
    return name === undefined || text === undefined ? [] : [{ text, place: place(offset, name.replaceAll('_', '-')) }]
  })
}

/** kubeadm's default `certificatesDir` and file names (cmd/kubeadm/app/constants). */
const CERTIFICATES = '/etc/kubernetes/pki'
const LOCAL = { ca: 'etcd/ca.crt', cert: 'apiserver-etcd-client.crt', key: 'apiserver-etcd-client.key' }
/** Flags in `apiServer.extraArgs` take precedence (getAPIServerCommand). */
const OVERRIDES = { endpoints: 'etcd-servers', ca: 'etcd-cafile', cert: 'etcd-certfile', key: 'etcd-keyfile' }

/** Line numbers refer to the inner text of a ConfigMap, which is the part that users edit. */
async function inClusterConfiguration(source: ConfigText, root: string | null): Promise<ReadAccess> {
  const yaml = await readWhole(source, KUBEADM)
  const { file } = source
  const inMap = textAt(ofKind(yaml, 'ConfigMap'), 'data', 'ClusterConfiguration')
  if (inMap !== undefined) return inClusterConfiguration({ text: inMap, file }, root)
  const configuration = ofKind(yaml, 'ClusterConfiguration')
  if (configuration === null) throw notFound(KUBEADM, file, 'there is no ClusterConfiguration in it')
  const version = textAt(configuration, 'apiVersion') ?? ''
  if (!KUBEADM_VERSIONS.some((known) => version === `kubeadm.k8s.io/${known}`))
    throw notFound(KUBEADM, file, `its version "${version}" is not known`)
  return accessIn(configuration, yaml, root)
}

function ofKind({ documents }: YamlReading, kind: string): YamlValue | null {
  return documents.find((document) => textAt(document, 'kind') === kind) ?? null
}

/** Reads an external etcd, or the member on this node. `extraArgs` take precedence. */
function accessIn(configuration: YamlValue, yaml: YamlReading, root: string | null): ReadAccess {
  const external = at(configuration, 'etcd', 'external')
  const args = argumentsOf(at(configuration, 'apiServer', 'extraArgs'))
  const placed = ({ text, offset }: YamlScalar, option: string): Placed => ({ text, place: yaml.place(offset, option) })
  const local = (text: string): Placed => ({ text, place: withoutPlace('certificatesDir') })
  const file = (role: Role): PlacedFile | undefined => {
    const given = args.findLast(({ name }) => name === OVERRIDES[role])
    const path = posix.join(textAt(configuration, 'certificatesDir') ?? CERTIFICATES, LOCAL[role])
    if (given === undefined && external === null) return { ...local(path), path: onDisk(path, root) }
    const value = given?.value ?? at(external, `${role}File`)
    const option = given === undefined ? KUBEADM[role] : `apiServer.extraArgs.${given.name}`
    return value?.kind === 'scalar' && value.type !== 'null'
      ? { ...placed(value, option), path: onDisk(value.text, root) }
      : undefined
  }
  const overriding = args
    .filter(({ name }) => name === OVERRIDES.endpoints)
    .flatMap(({ name, value }) => scalarsOf(value).map((each) => placed(each, `apiServer.extraArgs.${name}`)))
    .flatMap(entries)
  const address = textAt(ofKind(yaml, 'InitConfiguration'), 'localAPIEndpoint', 'advertiseAddress') ?? ''
  // kubeadm uses the loopback address of the same family as the advertised address.
  const own = local(`https://${address.includes(':') ? '[::1]' : '127.0.0.1'}:2379`)
  const listed = itemsAt(external, 'endpoints').flatMap(scalarsOf)
  const endpoints = external === null ? [own] : listed.map((each) => placed(each, KUBEADM.endpoints))
  return { endpoints: overriding.length === 0 ? endpoints : overriding, file }
}

/** `extraArgs` is a mapping in v1beta3, and a list of names and values in v1beta4. */
function argumentsOf(extraArgs: YamlValue | null): { name: string; value: YamlValue }[] {
  if (extraArgs?.kind === 'map') return entriesOf(extraArgs).map(({ key, value }) => ({ name: key, value }))
  return itemsAt(extraArgs).flatMap((item) => {
    const [name, value] = [textAt(item, 'name'), at(item, 'value')]
    return name === undefined || value === null ? [] : [{ name, value }]
  })
}
