/** Reads what a configuration sets, without checking it. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { resolve } from 'node:path'
import { readMaterialFile } from '../credentials/load-inputs.js'
import { openInput, readCertificates, readCrls } from '../credentials/parse-input.js'
import { type HostPath, useHostFile } from '../files/in-root.js'
import { systemCode } from '../files/write-failed.js'
import type { Finding, FindingPlace, Unchecked } from '../report/finding.js'
import { checkOptions, isPlainObject, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import { LintMember, type LintSide } from './lint/member.js'
import { uncheckedValues } from './lint/unchecked-values.js'
import { type ConfigInput, type ReadMember, readMembers } from './read/input.js'
import type { Setting } from './read/read-option.js'
import type { GivenValues } from './read/unknown.js'

/** A file that a configuration names. Of a key, only the public half is kept. */
export interface EtcdConfigFile {
  /** The path as written, which may be inside a container. */
  readonly path: string
  readonly place: FindingPlace
  /** Octal, such as `'0640'`; null if the file was not found on this machine. */
  readonly mode: string | null
  readonly certificates: readonly Certificate[]
  readonly crls: readonly Crl[]
  /** Of a key in PEM that is not encrypted; otherwise null. */
  readonly publicKey: KeyObject | null
  /** Why it was not read; null if it was. */
  readonly problem: Finding | null
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
  /** How the configuration is wrong as a text: broken syntax, unknown options. {@link lintEtcdConfig} reports more. */
  readonly findings: readonly Finding[]
  /** What was not read. */
  readonly unchecked: readonly Unchecked[]
}

/** How a configuration is read. */
export interface ReadConfigOptions {
  /** As for {@link lintEtcdConfig}. @default none */
  variables?: Readonly<Record<string, string>> | undefined
  /** The directory where the disk of etcd's machine is mounted. @default none */
  root?: string | undefined
}

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function readEtcdConfig(
  config: ConfigInput,
  options: ReadConfigOptions = {},
): Promise<[EtcdConfigMember, ...EtcdConfigMember[]]> {
  checkOptions('options', options, ['variables', 'root'])
  const [first, ...others] = await readMembers(config, { readFiles: true, ...resolveReading(options) })
  const members: [EtcdConfigMember, ...EtcdConfigMember[]] = [await memberOf(first)]
  for (const each of others) members.push(await memberOf(each))
  return members
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function resolveReading({ variables = {}, root }: ReadConfigOptions): {
  readonly root: string | null
  readonly given: GivenValues
} {
  if (root !== undefined && (typeof root !== 'string' || root === ''))
    throw textInvalid('root', root, 'the path of a directory')
  if (!isPlainObject(variables) || !Object.values(variables).every((each) => typeof each === 'string'))
    throw valueInvalid('variables', variables, 'an object of strings, by the names of variables')
  return { root: root === undefined ? null : resolve(root), given: { ...variables } }
}

async function memberOf(read: ReadMember): Promise<EtcdConfigMember> {
  const member = new LintMember(read, null)
  const name = member.server('name')
  return {
    name: name.isUnresolved ? null : name.text,
    client: await sideOf(member.client, read),
    peer: await sideOf(member.peer, read),
    metricsUrls: [...member.server('metricsUrls').values],
    findings: read.findings,
    unchecked: [...read.unchecked, ...uncheckedValues(member)],
  }
}

async function sideOf(side: LintSide, read: ReadMember): Promise<EtcdConfigSide> {
  const isKnown = !(['trustedCaFile', 'clientCertAuth', 'autoTls'] as const).some(
    (field) => side.get(field).isUnresolved,
  )
  const file = (field: Parameters<LintSide['get']>[0]): Promise<EtcdConfigFile | null> =>
    side.isAutoTls ? Promise.resolve(null) : fileOf(side.get(field), read)
  return {
    listenUrls: [...side.get('listenUrls').values],
    advertiseUrls: [...side.get('advertiseUrls').values],
    httpUrls: side.block === 'client' ? [...side.get('httpUrls').values] : [],
    requiresCertificates: isKnown ? side.requiresCertificates : null,
    autoTls: side.isAutoTls,
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
): Promise<EtcdConfigFile | null> {
  if (!isSet || isUnresolved) return null
  const nothing = { path, place, mode: null, certificates: [], crls: [], publicKey: null, problem: null }
  const host = read.hostPath(path)
  const given = host === null ? read.givenText(path) : null
  if (host === null && given === null) return nothing
  const found = { ...nothing, mode: host === null ? null : await modeOf(host) }
  const content =
    host === null ? { bytes: Buffer.from(given?.text ?? '') } : await readMaterialFile(host, { file: path }, MAX_BYTES)
  if ('code' in content) return { ...found, problem: content }
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

async function modeOf(path: HostPath): Promise<string | null> {
  try {
    return await useHostFile(path, ({ stats }) => Promise.resolve(`0${(stats.mode & 0o777).toString(8)}`))
  } catch (error) {
    // `problem` has the reason.
    if (systemCode(error) === null) throw error
    return null
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
