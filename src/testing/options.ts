/**
 * The options of a test etcd. Some have defaults from the environment, so that one test suite runs both on a laptop and in a pipeline
 * that has another engine, another image registry, or no engine.
 */
import { checkCredentials, hasMethod } from '../credentials/internal.js'
import type { Credentials } from '../credentials/index.js'
import { checkOptions, optionInvalid, parseDuration, textInvalid, valueInvalid } from '../report/internal.js'
import type { Certificate } from '../x509/internal.js'
import type { EtcdFiles, EtcdPlace } from './machine.js'

/** Label on every container and network of one test run. */
export const RUN_LABEL = 'etcd-mtls.run'

/** The official image, in the version of etcd that Debian 13 ships. */
const DEFAULT_IMAGE = 'gcr.io/etcd-development/etcd:v3.5.16'

/** What etcd runs in. */
export type Runtime = 'container' | 'binary'

/**
 * `ETCD_MTLS_TEST_RUN`: value of the label {@link RUN_LABEL}. A pipeline that sets it can remove what a killed test has left:
 * `docker ps --all --quiet --filter label=etcd-mtls.run=VALUE`.
 */
export function runLabel(): string {
  return process.env['ETCD_MTLS_TEST_RUN'] ?? String(process.pid)
}

/** `ETCD_MTLS_TEST_IMAGE` */
export function defaultImage(): string {
  return process.env['ETCD_MTLS_TEST_IMAGE'] ?? DEFAULT_IMAGE
}

/**
 * etcd logs this line when it serves (server/embed/serve.go of 3.5 and 3.6; 3.4 logs "requests on"). It logs "ready to serve client
 * requests" before it reads the certificates, so also if it cannot use them.
 */
const READY_LINE = /serving client (traffic|requests on)/

/** Options of one etcd, and of each member of a cluster. */
export interface RunOptions {
  /**
   * Runs etcd in a container (with the package testcontainers), or as the program `etcd` of this machine.
   *
   * @default the environment variable ETCD_MTLS_TEST_VIA, otherwise 'container'
   */
  via?: Runtime | undefined
  /** The image for containers. @default ETCD_MTLS_TEST_IMAGE, else etcd's official image of 3.5 */
  image?: string | undefined
  /** The program for `via: 'binary'`; etcdctl is expected next to it. @default etcd on PATH */
  binary?: string | undefined
  /** Certificates that clients' certificates must chain to. @default the trust anchors of server */
  clientCa?: readonly Certificate[] | undefined
  /** Whether clients must present a certificate (`--client-cert-auth`). @default true */
  clientCertAuth?: boolean | undefined
  /** More files for etcd, such as a CRL. They are in {@link EtcdPlace.directory}, and only etcd can read them. */
  files?: EtcdFiles | undefined
  /** More flags for etcd: an array, or a function of the place where etcd runs. They take precedence. */
  args?: readonly string[] | ((place: EtcdPlace) => readonly string[]) | undefined
  /** The log line that means that etcd serves. @default serving client traffic securely */
  readyLine?: RegExp | undefined
  /** How long etcd may take to start. @default '30s' */
  startTimeout?: string | undefined
  /** Cancels the start, and removes everything that it created. */
  signal?: AbortSignal | undefined
}

/** Options of {@link startEtcd}. */
export interface EtcdOptions extends RunOptions {
  /** The certificate that etcd presents to clients. It must cover `127.0.0.1`, unless the test needs a refusal. */
  server: Credentials
}

/** One member of {@link startEtcdCluster}. */
export interface MemberOptions<Name extends string = string> {
  /** The member's name. In containers it is also the host name that the other members use. */
  name: Name
  /** The certificate that the member presents to clients. It must cover `127.0.0.1`. */
  server: Credentials
  /**
   * The certificate that the member presents to other members. It must cover `name`, or `127.0.0.1` for
   * `via: 'binary'`.
   */
  peer: Credentials
}

/** Options of {@link startEtcdCluster}. */
export interface EtcdClusterOptions<Name extends string = string> extends RunOptions {
  members: readonly [MemberOptions<Name>, ...MemberOptions<Name>[]]
}

/** {@link RunOptions} with every default filled in. */
export interface Plan extends Pick<RunOptions, 'clientCa' | 'signal'> {
  readonly via: Runtime
  readonly image: string
  readonly binary: string
  readonly clientCertAuth: boolean
  readonly files: EtcdFiles
  readonly args: (place: EtcdPlace) => readonly string[]
  readonly readyLine: RegExp
  /** Milliseconds. */
  readonly startTimeout: number
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkEtcdOptions(options: EtcdOptions): Plan {
  checkOptions('options', options, ['server', ...RUN_OPTIONS])
  checkCredentials(options.server, 'server')
  return planOf(options)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkClusterOptions(options: EtcdClusterOptions): Plan {
  checkOptions('options', options, ['members', ...RUN_OPTIONS])
  // Read as unknown: callers without a compiler may pass anything.
  const members: unknown = options.members
  if (!Array.isArray(members) || members.length === 0)
    throw valueInvalid('members', members, 'an array of at least one member')
  const names = new Set<string>()
  options.members.forEach((member, index) => {
    const where = `members[${String(index)}]`
    checkOptions(where, member, ['name', 'server', 'peer'])
    const name: unknown = member.name
    if (typeof name !== 'string' || !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
      throw textInvalid(`${where}.name`, name, 'a host name of lower-case letters, digits and hyphens')
    if (names.has(name)) throw optionInvalid(`${where}.name`, `repeats the name "${name}"`)
    names.add(name)
    checkCredentials(member.server, `${where}.server`)
    checkCredentials(member.peer, `${where}.peer`)
  })
  return planOf(options)
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '' && !/\0|-----BEGIN /.test(value)

/** Options with a plain type check. */
const ACCEPTED: Readonly<
  Partial<Record<keyof RunOptions, [description: string, accepts: (value: unknown) => boolean]>>
> = {
  image: ['the name of an image', isText],
  binary: ['the path or the name of a program', isText],
  clientCa: [
    'a list of certificates',
    (value) => Array.isArray(value) && value.every((each) => hasMethod(each, 'toPem')),
  ],
  clientCertAuth: ['true or false', (value) => typeof value === 'boolean'],
  args: [
    'a list of flags, or a function that returns one',
    (value) => Array.isArray(value) || typeof value === 'function',
  ],
  readyLine: ['a RegExp', (value) => value instanceof RegExp],
  signal: ['an AbortSignal', (value) => value instanceof AbortSignal],
}

const RUN_OPTIONS = [...Object.keys(ACCEPTED), 'via', 'files', 'startTimeout']

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkFiles(files: EtcdFiles): void {
  const given: unknown = files
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw valueInvalid('files', files, 'an object of file names and contents')
  for (const [name, content] of Object.entries<unknown>(files)) {
    if (!/^[\w.-]+$/.test(name) || name === '.' || name === '..')
      throw optionInvalid(`files.${name}`, 'must be a plain file name')
    if (typeof content !== 'string' && !(content instanceof Uint8Array))
      throw valueInvalid(`files.${name}`, content, 'a string or a Buffer')
  }
}

function planOf(options: RunOptions): Plan {
  for (const [option, [description, accepts]] of Object.entries(ACCEPTED)) {
    const value: unknown = Reflect.get(options, option)
    if (value !== undefined && !accepts(value)) throw valueInvalid(option, value, description)
  }
  const { files = {}, args = [], image = defaultImage(), binary = 'etcd', clientCa, signal } = options
  const { clientCertAuth = true, readyLine = READY_LINE, startTimeout = '30s' } = options
  const variable = 'ETCD_MTLS_TEST_VIA'
  // Read as unknown: callers without a compiler may pass anything.
  const { via = process.env[variable] ?? 'container' }: { via?: unknown } = options
  if (via !== 'container' && via !== 'binary')
    throw textInvalid(options.via === undefined ? variable : 'via', via, "'container' or 'binary'")
  checkFiles(files)
  return {
    via,
    image,
    binary,
    clientCa,
    signal,
    clientCertAuth,
    files,
    args: typeof args === 'function' ? args : () => args,
    readyLine,
    startTimeout: parseDuration(startTimeout, 'startTimeout'),
  }
}
