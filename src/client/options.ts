/** The options of `createSecureClient`, checked once and resolved. */
import type { ClientDefaults, Credentials, CredentialSource } from '../credentials/credentials.js'
import { isEtcdMtlsError } from '../report/errors.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Host } from '../x509/names.js'
import { MAX_DELAY, parseDuration } from '../report/duration.js'
import { checkEtcd3Options, type Etcd3Options } from './connect.js'
import { readDiscovery, type ResolvedDiscovery } from './discovery.js'
import { type Endpoint, parseEndpoints, readServerName } from './endpoints.js'
import { type ResolvedTls, resolveTls, type TlsOptions } from './tls-options.js'
import type { DrainPolicy, RotationOptions } from './tls-session.js'

/** Options of {@link createSecureClient}. */
export interface SecureClientOptions {
  /**
   * The members' client URLs: an array, or one string with commas, as in `ETCDCTL_ENDPOINTS`. `https` only, or `unixs` for a
   * unix socket. The default port is 2379. An entry `{ url, serverName }` has a server name of its own, to expect in this server's
   * certificate, and to send as SNI. Default: the client's `serverName`, else the host.
   */
  endpoints: string | readonly (string | { url: string; serverName?: string | undefined })[]
  /** Where the credentials come from (`fromFiles`, `fromPem`, …), or the credentials themselves (`authority.issue`). */
  credentials: CredentialSource | Credentials
  /** The name to expect in every server's certificate, and to send as SNI. Default: the host of each endpoint. */
  serverName?: string | undefined
  /**
   * Which endpoints must be verified before the promise resolves: `'any'` one (the others are tried too, and reported in
   * `client.tls.endpoints`), `'all'`, or `'none'`. Default: `'any'`.
   */
  preflight?: 'any' | 'all' | 'none' | undefined
  /** How long dialling may take, all endpoints at the same time, diagnosis included. Also the limit for each later attempt. Default: `'5s'`. */
  dialTimeout?: string | undefined
  /**
   * Logs in with a password, over the same verified connections; etcd then uses this user and not the common name. The password never
   * prints: no error, report or property of the client holds it. Default: none.
   */
  auth?: { username: string; password: string } | undefined
  /**
   * Whether a member that has no leader refuses calls and streams, so that they go to another member (etcd's metadata `hasleader`).
   * Serializable reads are never refused. `false`: for callers that prefer such a member to none. Default: `true`.
   */
  requireLeader?: boolean | undefined
  /** TLS parameters. Default: TLS 1.2 to 1.3, Node's cipher suites. */
  tls?: TlsOptions | undefined
  /**
   * Whether the client switches to new credentials when the source yields them. `'off'`: only by `client.tls.rotate()`. Default: on, for
   * sources that can be watched.
   */
  rotation?: 'off' | RotationOptions | undefined
  /**
   * How often the endpoints are looked up again while the client lives, as `'5m'`: in DNS with `discovery`, else in the cluster's own
   * member list, whose client URLs must be reachable from here. At least `'1s'`. Default: never.
   */
  refreshEndpoints?: string | undefined
  /** Options that are passed to etcd3. Default: none. */
  etcd3?: Etcd3Options | undefined
  /** Gives up creating the client at once. After that it has no effect. Default: none. */
  signal?: AbortSignal | undefined
}

export type PasswordAuth = NonNullable<SecureClientOptions['auth']>

/** All options of {@link createSecureClient}: with endpoints, or without them if DNS or the source of the credentials has them. */
export type ClientOptions =
  | SecureClientOptions
  | (Omit<SecureClientOptions, 'endpoints'> & {
      /** The endpoints are looked up once, or every `refreshEndpoints`, as etcdctl does it with `--discovery-srv` and `--insecure-discovery=false`. */
      discovery: {
        /** As `example.com`. SRV records of `_etcd-client-ssl._tcp.example.com` are taken, and every server has to cover `example.com`. */
        domain: string
        /** As etcdctl's `--discovery-srv-name`: `_etcd-client-ssl-NAME._tcp` is asked for. Default: none. */
        name?: string | undefined
      }
    })
  | (Omit<SecureClientOptions, 'endpoints' | 'credentials'> & {
      /** Takes precedence over the endpoints of the source. */
      endpoints?: SecureClientOptions['endpoints'] | undefined
      /** A source that has the endpoints, as `fromEnv` does. */
      credentials: CredentialSource & Required<Pick<CredentialSource, 'clientDefaults'>>
    })

/** The resolved options before the look-up of the endpoints in DNS. */
export type UnlocatedOptions = Omit<ResolvedOptions, 'endpoints'> & { readonly discovery: ResolvedDiscovery }

/** The resolved options. */
export interface ResolvedOptions {
  readonly endpoints: readonly [Endpoint, ...Endpoint[]]
  readonly source: CredentialSource
  /** Null: each endpoint's own host. */
  readonly serverName: Host | null
  readonly preflight: 'any' | 'all' | 'none'
  /** Milliseconds. */
  readonly dialTimeout: number
  readonly auth: PasswordAuth | null
  readonly requireLeader: boolean
  readonly tls: ResolvedTls
  readonly rotation: ResolvedRotation
  /** Milliseconds; null: never. */
  readonly refreshEndpoints: number | null
  readonly etcd3: Etcd3Options
  readonly signal: AbortSignal | null
}

interface ResolvedRotation {
  /** Whether the source is watched, if it can be. */
  readonly follow: boolean
  readonly drain: DrainPolicy
}

const KNOWN = [
  'endpoints',
  'discovery',
  'credentials',
  'serverName',
  'preflight',
  'dialTimeout',
  'auth',
  'requireLeader',
  'tls',
  'rotation',
  'refreshEndpoints',
  'etcd3',
  'signal',
] as const

/**
 * Checks and resolves options.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, naming the option.
 */
export function resolveOptions(options: SecureClientOptions): ResolvedOptions
export function resolveOptions(options: ClientOptions): ResolvedOptions | UnlocatedOptions
export function resolveOptions(options: ClientOptions): ResolvedOptions | UnlocatedOptions {
  const shared = resolveShared(options)
  const endpoints: unknown = Reflect.get(options, 'endpoints')
  const discovery: unknown = Reflect.get(options, 'discovery')
  if (discovery !== undefined) {
    if (endpoints !== undefined) throw optionInvalid('discovery', 'cannot be combined with "endpoints"')
    return unlocated(shared, readDiscovery(discovery))
  }
  const defaults = defaultsOf(shared.source)
  if (endpoints === undefined && defaults.discovery !== undefined) {
    return unlocated(shared, readDiscovery(defaults.discovery, defaults.discoveryNames))
  }
  return { ...shared, endpoints: resolveEndpoints(endpoints, defaults) }
}

function unlocated(shared: Omit<ResolvedOptions, 'endpoints'>, discovery: ResolvedDiscovery): UnlocatedOptions {
  return { ...shared, serverName: shared.serverName ?? discovery.domain, discovery }
}

function defaultsOf(source: CredentialSource): ClientDefaults {
  return source.clientDefaults?.() ?? {}
}

function resolveShared(options: Omit<SecureClientOptions, 'endpoints'>): Omit<ResolvedOptions, 'endpoints'> {
  refuseEtcd3Forms(options)
  checkOptions('options', options, KNOWN)
  const { preflight = 'any', requireLeader = true, serverName, signal } = options
  if (typeof requireLeader !== 'boolean') throw valueInvalid('requireLeader', requireLeader, 'true or false')
  if (!['any', 'all', 'none'].includes(preflight)) throw textInvalid('preflight', preflight, '"any", "all" or "none"')
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw valueInvalid('signal', signal, 'an AbortSignal')
  const source = resolveSource(options.credentials)
  const defaults = defaultsOf(source)
  defaults.check?.()
  const auth = options.auth ?? defaults.auth
  return {
    source,
    serverName: serverName === undefined ? null : readServerName(serverName, 'serverName'),
    preflight,
    dialTimeout: resolveTimeout(options.dialTimeout ?? defaults.dialTimeout ?? '5s', 'dialTimeout'),
    auth: auth === undefined ? null : resolveAuth(auth),
    requireLeader,
    tls: resolveTls(options.tls ?? {}),
    rotation: resolveRotation(options.rotation ?? {}),
    refreshEndpoints: resolveRefresh(options.refreshEndpoints),
    etcd3: withCallTimeout(checkEtcd3Options(options.etcd3 ?? {}), defaults.callTimeout),
    signal: signal ?? null,
  }
}

function resolveEndpoints(given: unknown, defaults: ClientDefaults): ResolvedOptions['endpoints'] {
  if (given !== undefined) return parseEndpoints(given)
  const { endpoints, endpointsName = 'endpoints' } = defaults
  if (endpoints === undefined) {
    const other = endpointsName === 'endpoints' ? 'use fromEnv() and set ETCDCTL_ENDPOINTS' : `set ${endpointsName}`
    throw optionInvalid('endpoints', `is missing: pass URLs such as "https://10.0.0.1:2379", or ${other}`)
  }
  try {
    return parseEndpoints(endpoints)
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
    throw optionInvalid(endpointsName, error.details.reason)
  }
}

/** The same options, with a deadline for each unary call that has none. */
function withCallTimeout(etcd3: Etcd3Options, callTimeout: string | undefined): Etcd3Options {
  if (callTimeout === undefined) return etcd3
  const milliseconds = resolveTimeout(callTimeout, 'callTimeout')
  const { defaultCallOptions = {} } = etcd3
  return {
    ...etcd3,
    defaultCallOptions: (context) => {
      const own = typeof defaultCallOptions === 'function' ? defaultCallOptions(context) : defaultCallOptions
      return context.isStream || own.deadline !== undefined ? own : { ...own, deadline: Date.now() + milliseconds }
    },
  }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything else than a source or credentials. */
export function resolveSource(credentials: unknown, option = 'credentials'): CredentialSource {
  if (isSource(credentials)) return credentials
  if (isCredentials(credentials)) {
    return { origin: credentials.origin, load: () => Promise.resolve(credentials) }
  }
  throw valueInvalid(option, credentials, 'a credential source, such as fromFiles({ ca, cert, key }), or credentials')
}

function isSource(value: unknown): value is CredentialSource {
  return typeof memberOf(value, 'load') === 'function'
}

function isCredentials(value: unknown): value is Credentials {
  return has(value, 'key') && ['trustAnchors', 'chain', 'crls'].every((each) => Array.isArray(memberOf(value, each)))
}

function resolveTimeout(text: string, option: string): number {
  const milliseconds = parseDuration(text, option)
  if (milliseconds < 1 || milliseconds > MAX_DELAY) throw textInvalid(option, text, 'from "1ms" to "24d"')
  return milliseconds
}

function resolveRefresh(interval: string | undefined): number | null {
  if (interval === undefined) return null
  const milliseconds = resolveTimeout(interval, 'refreshEndpoints')
  if (milliseconds < 1000) throw textInvalid('refreshEndpoints', interval, 'at least "1s"')
  return milliseconds
}

function resolveAuth(auth: PasswordAuth): PasswordAuth {
  checkOptions('auth', auth, ['username', 'password'])
  const { username, password } = auth
  if (typeof username !== 'string' || username === '')
    throw valueInvalid('auth.username', username, 'a string that is not empty')
  if (typeof password !== 'string' || password === '')
    throw valueInvalid('auth.password', password, 'a string that is not empty')
  return { username, password }
}

function resolveRotation(rotation: unknown): ResolvedRotation {
  if (rotation === 'off') return { follow: false, drain: 'now' }
  return { follow: true, drain: resolveDrain('rotation', rotation) ?? 'now' }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for options that hold anything else than a drain policy. */
export function resolveDrain(option: string, options: unknown): DrainPolicy | undefined {
  checkOptions(option, options, ['drain'])
  const drain: unknown = Reflect.get(Object(options), 'drain')
  if (drain === undefined || drain === 'now' || drain === 'streams-finish') return drain
  throw textInvalid(`${option}.drain`, drain, '"now" or "streams-finish"')
}

/** Options of etcd3's constructor that have another name here. `retry` and `backoffStrategy` are from etcd3 0.x. */
const ETCD3_NAMES: Readonly<Record<string, string>> = {
  hosts: 'use "endpoints", with https URLs such as "https://10.0.0.1:2379"',
  retry: 'leave it out, or set a policy in "etcd3: { faultHandling }"',
  backoffStrategy: 'use "etcd3: { faultHandling: { watchBackoff } }"',
  faultHandling: 'use "etcd3: { faultHandling }"',
  grpcOptions: 'use "etcd3: { grpcOptions }"',
  defaultCallOptions: 'use "etcd3: { defaultCallOptions }"',
}

const TARGET_NAME = 'grpc.ssl_target_name_override'
const ETCD3_CREDENTIALS = ['rootCertificate', 'privateKey', 'certChain']

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option by etcd3's name, or in etcd3's form. */
function refuseEtcd3Forms(options: unknown): void {
  for (const [name, remedy] of Object.entries(ETCD3_NAMES)) {
    if (has(options, name)) throw optionInvalid(name, `is etcd3's name: ${remedy}`)
  }
  if (ETCD3_CREDENTIALS.some((name) => has(memberOf(options, 'credentials'), name))) {
    const form = 'fromPem({ ca: rootCertificate, cert: certChain, key: privateKey }), or fromFiles({ ca, cert, key })'
    throw optionInvalid('credentials', `is in etcd3's form: use ${form}`)
  }
  if (has(memberOf(options, 'auth'), 'callOptions'))
    throw optionInvalid('auth.callOptions', 'is etcd3\'s name: use "etcd3: { defaultCallOptions }"')
  if (has(memberOf(memberOf(options, 'etcd3'), 'grpcOptions'), TARGET_NAME)) {
    const option = `etcd3.grpcOptions.${TARGET_NAME}`
    throw optionInvalid(option, 'is an option of grpc-js: use "serverName", or { url, serverName } for one endpoint')
  }
  const dialTimeout = memberOf(options, 'dialTimeout')
  if (typeof dialTimeout === 'number') {
    const form = 'must be a duration string such as "5s", not a number of milliseconds'
    throw optionInvalid('dialTimeout', `${form}; received ${String(dialTimeout)}`)
  }
}

function has(value: unknown, name: string): boolean {
  return name in Object(value)
}

function memberOf(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name)
}
