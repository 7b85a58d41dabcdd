/** Reads what a configuration sets, without checking it. */
import { codeOf } from '../report/errors.js'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { isAbsolute, resolve } from 'node:path'
import { isVirtual, readMaterialFile } from '../credentials/load-inputs.js'
import { openInput, readCertificates, readCrls } from '../credentials/parse-input.js'
import { type HostPath, isGenerationName, useHostFile } from '../files/in-root.js'
import type { Finding, FindingPlace, Unchecked } from '../report/finding.js'
import { checkOptions, isPlainObject, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import { acceptedUrl, LintMember, type LintSide } from './lint/member.js'
import { uncheckedValues } from './lint/unchecked-values.js'
import { type ConfigInput, type ReadMember, readMembers } from './read/input.js'
import type { Setting } from './read/read-option.js'
import type { GivenValues } from './read/references.js'

/** A file that a configuration names. Of a key, only the public half is kept. */
export interface EtcdConfigFile {
  /** The path as written, which may be inside a container. */
  readonly path: string
  readonly place: FindingPlace
  /** The path on this machine: below `root`, if the disk of etcd is mounted there. Null if it is not on this machine, or not read. */
  readonly hostPath: string | { readonly root: string; readonly path: string } | null
  /** Octal, such as `'0640'`; null if the file was not found on this machine, or not read. */
  readonly mode: string | null
  /** When its contents were last changed (mtime), which `cp -p` and others set; null as `mode`. */
  readonly modifiedAt: Date | null
  /**
   * When it was last written, renamed or given other permissions (ctime), which no program sets; null as `mode`. Of a file that
   * this package published, its mtime: the next publication copies what has not changed, and only then keeps its date.
   */
  readonly changedAt: Date | null
  readonly certificates: readonly Certificate[]
  readonly crls: readonly Crl[]
  /** Of a key in PEM that is not encrypted; otherwise null. */
  readonly publicKey: KeyObject | null
  /** Why it was not read; null if it was, or with `readFiles: false`. */
  readonly problem: Finding | null
}

/** A directory of etcd. */
export interface EtcdConfigDirectory {
  /** The path as written, which may be inside a container. */
  readonly path: string
  /** As in a file. */
  readonly hostPath: EtcdConfigFile['hostPath']
}

/** One side of a member, as its configuration has it. URLs may have references to what is not known. */
export interface EtcdConfigSide {
  readonly listenUrls: readonly string[]
  readonly advertiseUrls: readonly string[]
  /** Separate URLs for HTTP; only for clients. */
  readonly httpUrls: readonly string[]
  /** Whether a client or member must present a certificate; null if that is not known. */
  readonly requiresCertificates: boolean | null
  readonly autoTls: boolean
  /** The only common names that it accepts in the certificates of the other side; empty: each. */
  readonly allowedCommonNames: readonly string[]
  /** The names of which such a certificate must have one in its SANs; empty: any. */
  readonly allowedHostnames: readonly string[]
  /** Whether a member accepts certificates that do not cover the address that the other member connects from. */
  readonly skipClientSanVerification: boolean
  readonly cert: EtcdConfigFile | null
  readonly key: EtcdConfigFile | null
  readonly ca: EtcdConfigFile | null
  readonly crl: EtcdConfigFile | null
  /** What etcd presents when it dials; null if that is `cert` and `key`. */
  readonly clientCert: EtcdConfigFile | null
  readonly clientKey: EtcdConfigFile | null
}

/** A member, as its configuration has it. */
export interface EtcdConfigMember {
  /** Null if it is not known. */
  readonly name: string | null
  readonly client: EtcdConfigSide
  readonly peer: EtcdConfigSide
  readonly metricsUrls: readonly string[]
  /** `--data-dir`; null if it is not known. */
  readonly dataDir: EtcdConfigDirectory | null
  /** `--wal-dir`, else `member/wal` of the data directory; null if it is not known. */
  readonly walDir: EtcdConfigDirectory | null
  /** The entries of `--initial-cluster`, which etcd reads at its first start; empty if it is not set. */
  readonly initialCluster: readonly { readonly name: string; readonly url: string }[]
  /** `--initial-cluster-token`, which separates clusters whose members have equal names; null if it is not known. */
  readonly initialClusterToken: string | null
  /** How the configuration is wrong as a text: broken syntax, unknown options. {@link lintEtcdConfig} reports more. */
  readonly findings: readonly Finding[]
  /** What was not read. */
  readonly unchecked: readonly Unchecked[]
}

/** How a configuration is read. */
export interface ReadConfigOptions {
  /**
   * Whether to read the files that the configuration names: certificates, keys, CRLs, a configuration file, files of
   * variables and drop-ins of a unit. With false, only a configuration file and files of variables that were not read
   * make the result incomplete.
   *
   * @default true
   */
  readFiles?: boolean | undefined
  /**
   * The values of variables that are not in the input, by their names: `{ POD_IP: '10.0.0.1' }`; of specifiers of
   * systemd as `'%i'`; of expressions of a template by what is between the braces.
   *
   * @default none
   */
  variables?: Readonly<Record<string, string>> | undefined
  /** The directory where the disk of etcd's machine is mounted. @default none */
  root?: string | undefined
  /** The working directory of etcd, for relative paths. @default that of the unit or container, else of this process */
  directory?: string | undefined
}

/**
 * Reads what a configuration of etcd sets, for tools that compare them with something else: for each member its name, its URLs, and for each side the files with
 * their certificates, CRLs and modes. It never holds a private key or a password.
 *
 * @example
 * ```ts
 * const [member] = await readEtcdConfig({ file: '/etc/etcd/etcd.conf.yml' })
 * console.log(member.name, member.client.cert?.certificates[0]?.notAfter)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function readEtcdConfig(
  config: ConfigInput,
  options: ReadConfigOptions = {},
): Promise<[EtcdConfigMember, ...EtcdConfigMember[]]> {
  checkOptions('options', options, ['readFiles', 'variables', 'root', 'directory'])
  return readConfigMembers(config, options)
}

/** @param label Stands for the input in places and in errors. */
export async function readConfigMembers(
  config: ConfigInput,
  options: ReadConfigOptions,
  label: string | null = null,
): Promise<[EtcdConfigMember, ...EtcdConfigMember[]]> {
  const reading = resolveReading(options)
  const [first, ...others] = await readMembers(config, reading, label)
  const members: [EtcdConfigMember, ...EtcdConfigMember[]] = [await memberOf(first, reading.readFiles)]
  for (const each of others) members.push(await memberOf(each, reading.readFiles))
  return members
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function resolveReading({ readFiles = true, variables = {}, root, directory }: ReadConfigOptions): {
  readonly readFiles: boolean
  readonly root: string | null
  readonly directory: string | null
  readonly given: GivenValues
} {
  if (typeof readFiles !== 'boolean') throw valueInvalid('readFiles', readFiles, 'true or false')
  if (directory !== undefined && (typeof directory !== 'string' || !isAbsolute(directory)))
    throw textInvalid('directory', directory, 'an absolute path')
  if (root !== undefined && (typeof root !== 'string' || root === ''))
    throw textInvalid('root', root, 'the path of a directory')
  if (!isPlainObject(variables) || !Object.values(variables).every((each) => typeof each === 'string'))
    throw valueInvalid('variables', variables, 'an object of strings, by the names of variables')
  const given = { ...variables }
  return { readFiles, root: root === undefined ? null : resolve(root), directory: directory ?? null, given }
}

async function memberOf(read: ReadMember, readFiles: boolean): Promise<EtcdConfigMember> {
  const member = new LintMember(read, null)
  const name = member.server('name')
  const token = member.server('initialClusterToken')
  const data = member.server('dataDir')
  const dataDir = data.text.replace('${name}', name.text)
  const wal = member.used('wal-dir')
  const isKnown = !data.isUnresolved && (data.isSet || !name.isUnresolved)
  const directory = (path: string): EtcdConfigDirectory => ({ path, hostPath: readFiles ? read.hostPath(path) : null })
  return {
    name: name.isUnresolved ? null : name.text,
    client: await sideOf(member.client, read, readFiles),
    peer: await sideOf(member.peer, read, readFiles),
    metricsUrls: [...member.server('metricsUrls').values],
    dataDir: isKnown ? directory(dataDir) : null,
    walDir: (wal?.isUnresolved ?? !isKnown) ? null : directory(wal?.text ?? `${dataDir}/member/wal`),
    initialCluster: member.listed,
    initialClusterToken: token.isUnresolved ? null : token.text,
    findings: read.findings,
    unchecked: [...read.unchecked, ...uncheckedValues(member)],
  }
}

async function sideOf(side: LintSide, read: ReadMember, readFiles: boolean): Promise<EtcdConfigSide> {
  const isKnown = !(['trustedCaFile', 'clientCertAuth', 'autoTls'] as const).some(
    (field) => side.get(field).isUnresolved,
  )
  const file = (field: Parameters<LintSide['get']>[0]): Promise<EtcdConfigFile | null> =>
    side.isAutoTls ? Promise.resolve(null) : fileOf(side.get(field), read, readFiles)
  return {
    listenUrls: [...side.get('listenUrls').values],
    advertiseUrls: [...side.get('advertiseUrls').values],
    httpUrls: side.block === 'client' ? [...side.get('httpUrls').values] : [],
    requiresCertificates: isKnown ? side.requiresCertificates : null,
    autoTls: side.isAutoTls,
    allowedCommonNames: [...side.get('allowedCn').values],
    allowedHostnames: [...side.get('allowedHostname').values],
    skipClientSanVerification: side.block === 'peer' && side.isOn('skipClientSanVerification'),
    cert: await file('certFile'),
    key: await file('keyFile'),
    ca: await file('trustedCaFile'),
    crl: await file('crlFile'),
    clientCert: await file('clientCertFile'),
    clientKey: await file('clientKeyFile'),
  }
}

const MAX_BYTES = 1024 * 1024

/** Null if no option names it. */
async function fileOf(
  { text: path, isSet, isUnresolved, place, row }: Setting,
  read: ReadMember,
  readFiles: boolean,
): Promise<EtcdConfigFile | null> {
  if (!isSet || isUnresolved) return null
  const unread = { certificates: [], crls: [], publicKey: null, problem: null }
  const absent = { path, place, hostPath: null, ...NO_STATS, ...unread }
  if (!readFiles) return absent
  const host = read.hostPath(path)
  const given = host === null ? read.givenText(path) : null
  if (host === null && given === null) return absent
  const found = { ...absent, hostPath: host, ...(host === null ? NO_STATS : await statsOf(host)) }
  const content =
    host === null ? { bytes: Buffer.from(given?.text ?? '') } : await readMaterialFile(host, { file: path }, MAX_BYTES)
  if ('code' in content) return isVirtual(content) ? absent : { ...found, problem: content }
  const { bytes } = content
  if (/key/i.test(row.field ?? '')) {
    const publicKey = publicKeyIn(bytes)
    bytes.fill(0)
    return { ...found, publicKey }
  }
  const role = row.field === 'crlFile' ? 'crl' : 'cert'
  const origin = { origin: `${path} (from ${place.option})`, file: path }
  const opened = openInput({ role, place: origin, bytes, exposure: null, findings: [] })
  if (role === 'crl') {
    const { crls, findings } = readCrls(opened)
    return { ...found, crls, problem: firstError(findings) }
  }
  const { certificates, findings } = readCertificates(opened)
  return {
    ...found,
    certificates: certificates.map(({ certificate }) => certificate),
    problem: firstError(findings),
  }
}

function firstError(findings: readonly Finding[]): Finding | null {
  return findings.find(({ severity }) => severity === 'error') ?? null
}

const NO_STATS = { mode: null, modifiedAt: null, changedAt: null }

export async function statsOf(path: HostPath): Promise<Pick<EtcdConfigFile, keyof typeof NO_STATS>> {
  try {
    return await useHostFile(path, async ({ stats: { mode, mtime, ctime }, folder }) => ({
      mode: `0${(mode & 0o777).toString(8)}`,
      modifiedAt: mtime,
      changedAt: isGenerationName(await folder()) ? mtime : ctime,
    }))
  } catch (error) {
    // `problem` has the reason.
    if (codeOf(error) === null) throw error
    return NO_STATS
  }
}

/** Null for what is no key in PEM, or an encrypted one. */
function publicKeyIn(bytes: Buffer): KeyObject | null {
  try {
    return createPublicKey(bytes)
  } catch {
    return null // Node says only that it cannot be read, and the lint says why.
  }
}

/** The hosts of the URLs of members, without those of each machine. */
export function hostsOf(members: readonly EtcdConfigMember[]): string[] {
  const sides = members.flatMap(({ client, peer }) => [client, peer])
  const urls = sides.flatMap(({ advertiseUrls, listenUrls }) => [...advertiseUrls, ...listenUrls])
  const read = urls.flatMap((url) => acceptedUrl(url) ?? [])
  return read.flatMap(({ host, isLocal, isUnspecified }) => (isLocal || isUnspecified ? [] : [host]))
}

/** The URLs at which clients of this machine reach it: those that it advertises first, because its certificate covers them. */
export function localEndpointsOf({ client }: EtcdConfigMember): string[] {
  const urls = [...client.advertiseUrls, ...client.listenUrls].flatMap((each) => acceptedUrl(each) ?? [])
  const tls = urls.filter(({ isTls, port }) => isTls && port !== '')
  const usable = tls.filter(({ isUnspecified }) => !isUnspecified).map(({ text }) => text)
  return usable.length > 0 ? usable : tls.map(({ port }) => `https://127.0.0.1:${port}`)
}
