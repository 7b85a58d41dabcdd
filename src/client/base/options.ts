/** The options of `createSecureClient`, checked once and resolved. */
import { nodeSuites } from '../../x509/cipher-suites.js'
import type { ClientDefaults, Credentials, CredentialSource } from '../../credentials/credentials.js'
import { isEtcdMtlsError } from '../../report/errors.js'
import { checkOptions, optionIn, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { checkRevocationMode, type RevocationMode } from '../../validate/context.js'
import type { Host } from '../../x509/names.js'
import { MAX_DELAY, parseDuration } from '../../report/duration.js'
import { checkLogger, type ClientLogger } from './log.js'
import { checkEtcd3Options, type Etcd3Options } from '../etcd3/options.js'
import { type GivenEndpoints, readEndpoints, readServerName } from './endpoints.js'
import type { RotationOptions, TlsEvent } from './tls-session.js'

export interface SecureClientOptions {
  /**
   * The members' client URLs: an array, or one string with commas, as in `ETCDCTL_ENDPOINTS`. `https` only, or `unixs`
   * for a unix socket; the default port is 2379. `{ url, serverName }` sets the name of one server.
   *
   * `{ srv: 'example.com' }` looks them up in DNS, as etcdctl does with `--discovery-srv` and
   * `--insecure-discovery=false`: in the SRV records of `_etcd-client-ssl._tcp.example.com`, or with `name` of
   * `_etcd-client-ssl-NAME._tcp.example.com`. Then every server certificate must cover `example.com`.
   *
   * Other sources have none.
   *
   * @default those of the source, which fromEnv reads from etcdctl's variables
   */
  endpoints?:
    | string
    | readonly (string | { url: string; serverName?: string | undefined })[]
    | { srv: string; name?: string | undefined }
    | undefined
  /** Where the credentials come from (`fromFiles`, `fromPem`, …), or the credentials themselves (`authority.issue`). */
  credentials: CredentialSource | Credentials
  /** The name to expect in every server's certificate, and to send as SNI. @default the host of each endpoint */
  serverName?: string | undefined
  /**
   * Which endpoints must be verified before the promise resolves: `'any'` (one; `client.tls.endpoints` has the others),
   * `'all'`, or `'none'`.
   *
   * @default 'any'
   */
  preflight?: 'any' | 'all' | 'none' | undefined
  /**
   * How long dialling may take, all endpoints at the same time, diagnosis included. Also the limit for each later
   * attempt, and for each login with a password.
   *
   * @default '5s'
   */
  dialTimeout?: string | undefined
  /**
   * How long to wait for etcd, such as `'60s'`: endpoints that refuse connections, do not answer, have no leader, or
   * whose names do not resolve yet, are dialled again until then, each attempt within `dialTimeout`, after at most a
   * second. If every endpoint (with `preflight: 'all'`: one) refuses the client or is refused, or etcd refuses the
   * password, the call fails at once. Cannot be combined with `preflight: 'none'`.
   *
   * @default each endpoint is dialled once
   */
  waitFor?: string | undefined
  /**
   * Logs in with a password over verified connections. etcd then uses this user instead of the common name. No error,
   * report or property of the client shows the password.
   *
   * @default none
   */
  auth?: { username: string; password: string } | undefined
  /**
   * Whether a member that has no leader refuses calls and streams, so that they go to another member. Serializable
   * reads are never refused.
   *
   * @default true
   */
  requireLeader?: boolean | undefined
  /** TLS parameters. @default TLS 1.2 to 1.3, Node's cipher suites */
  tls?: TlsOptions | undefined
  /**
   * Whether the client switches to new credentials when the source yields them. `'off'`: only by `client.tls.rotate()`.
   *
   * @default on, for sources that can be watched
   */
  rotation?: 'off' | RotationOptions | undefined
  /**
   * How often the client looks up the endpoints again, such as `'5m'`: in DNS with `endpoints: { srv }`, otherwise in
   * the cluster's member list, whose client URLs must be reachable. At least `'1s'`.
   *
   * @default never
   */
  refreshEndpoints?: string | undefined
  /** Options that are passed to etcd3. @default none */
  etcd3?: Etcd3Options | undefined
  /**
   * Called with each event that `client.tls.events()` yields, also before the client exists, for example during
   * `waitFor`. It must not throw.
   *
   * @default none
   */
  onEvent?: ((event: TlsEvent) => void) | undefined
  /**
   * Gets a line for each event, at the level of its gravity, with the code or the type of the event as a field: pino, winston and
   * `console` fit. A logger with `bindings()`, as pino has it, gets the fields first. It must not throw.
   *
   * @default none
   */
  logger?: ClientLogger | undefined
  /** Whether the channel `etcd-mtls:call` shows keys. Values are never shown. @default false */
  includeKeys?: boolean | undefined
  /** Cancels the call. It has no effect on a created client. @default none */
  signal?: AbortSignal | undefined
}

/** TLS parameters; the defaults suit every etcd. */
export interface TlsOptions {
  /** Oldest version offered. etcd accepts no older ones. @default 'TLSv1.2' */
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Newest version offered. @default 'TLSv1.3' */
  maxVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /**
   * Cipher suites offered, by their IANA names as in etcd's `--cipher-suites`, or by OpenSSL's: an array, or one string
   * with commas or colons. Without a suite of TLS 1.3 only TLS 1.2 is offered, and the other way round.
   *
   * @default Node's
   */
  ciphers?: string | readonly string[] | undefined
  /**
   * What to do with a server certificate if `crl` of the credentials has no CRL of its issuer. `'if-listed'`: a warning
   * if there are other CRLs. `'require'`: refuse it, and also a CA certificate without a CRL of its issuer.
   *
   * @default 'if-listed'
   */
  revocation?: RevocationMode | undefined
}

export type PasswordAuth = NonNullable<SecureClientOptions['auth']>
export type DrainPolicy = NonNullable<RotationOptions['drain']>

/** The resolved options. Times are in milliseconds. */
export interface ResolvedOptions extends GivenEndpoints {
  readonly source: CredentialSource
  /** Null: each endpoint's own host. */
  readonly serverName: Host | null
  readonly preflight: 'any' | 'all' | 'none'
  readonly dialTimeout: number
  /** Null: each endpoint is dialled once. */
  readonly waitFor: number | null
  readonly auth: PasswordAuth | null
  readonly requireLeader: boolean
  readonly tls: ResolvedTls
  /** `follow`: whether the source is watched, if it can be. */
  readonly rotation: { readonly follow: boolean; readonly drain: DrainPolicy }
  /** Null: never. */
  readonly refreshEndpoints: number | null
  readonly etcd3: Etcd3Options
  readonly onEvent: ((event: TlsEvent) => void) | null
  readonly logger: ClientLogger | null
  readonly includeKeys: boolean
  readonly signal: AbortSignal | null
}

/** The options that a running client keeps: without the password, so that printing the client does not show it. */
export type SessionOptions = Omit<ResolvedOptions, 'auth'> & { readonly auth: Pick<PasswordAuth, 'username'> | null }

export interface ResolvedTls {
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL's names with colons between; null: Node's. */
  readonly ciphers: string | null
  readonly revocation: RevocationMode
}

const KNOWN = [
  'endpoints',
  'credentials',
  'serverName',
  'preflight',
  'dialTimeout',
  'waitFor',
  'auth',
  'requireLeader',
  'tls',
  'rotation',
  'refreshEndpoints',
  'etcd3',
  'onEvent',
  'logger',
  'includeKeys',
  'signal',
] as const

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, naming the option. */
export function resolveOptions(options: SecureClientOptions): ResolvedOptions {
  refuseOtherForms(options)
  checkOptions('options', options, KNOWN)
  const { requireLeader = true, includeKeys = false, serverName, signal, refreshEndpoints, onEvent } = options
  if (typeof requireLeader !== 'boolean') throw valueInvalid('requireLeader', requireLeader, 'true or false')
  if (typeof includeKeys !== 'boolean') throw valueInvalid('includeKeys', includeKeys, 'true or false')
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw valueInvalid('signal', signal, 'an AbortSignal')
  if (onEvent !== undefined && typeof onEvent !== 'function') throw valueInvalid('onEvent', onEvent, 'a function')
  const source = resolveSource(options.credentials)
  const defaults = source.clientDefaults?.() ?? {}
  defaults.check?.()
  const auth = options.auth ?? defaults.auth
  const located = resolveEndpoints(options.endpoints, defaults)
  const ownName = serverName === undefined ? null : readServerName(serverName, 'serverName')
  return {
    source,
    ...located,
    serverName: ownName ?? located.srv?.domain ?? null,
    ...resolvePreflight(options),
    dialTimeout: resolveTimeout(options.dialTimeout ?? defaults.dialTimeout ?? '5s', 'dialTimeout'),
    auth: auth === undefined ? null : resolveAuth(auth),
    requireLeader,
    tls: resolveTls(options.tls ?? {}),
    rotation: resolveRotation(options.rotation ?? {}),
    refreshEndpoints:
      refreshEndpoints === undefined ? null : resolveTimeout(refreshEndpoints, 'refreshEndpoints', '1s', 1000),
    etcd3: withCallTimeout(checkEtcd3Options(options.etcd3 ?? {}), defaults.callTimeout),
    onEvent: onEvent ?? null,
    logger: checkLogger(options.logger),
    includeKeys,
    signal: signal ?? null,
  }
}

function resolvePreflight({
  preflight = 'any',
  waitFor,
}: SecureClientOptions): Pick<ResolvedOptions, 'preflight' | 'waitFor'> {
  const wanted = oneOf('preflight', preflight, ['any', 'all', 'none'])
  if (waitFor === undefined) return { preflight: wanted, waitFor: null }
  const milliseconds = resolveTimeout(waitFor, 'waitFor')
  if (wanted === 'none') throw optionInvalid('waitFor', 'cannot be combined with "preflight: \'none\'"')
  return { preflight: wanted, waitFor: milliseconds }
}

function oneOf<const T extends string>(option: string, value: unknown, accepted: readonly [T, T, ...T[]]): T {
  const found = accepted.find((each) => each === value)
  if (found !== undefined) return found
  const quoted = accepted.map((each) => `"${each}"`)
  throw textInvalid(option, value, `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1) ?? ''}`)
}

/** The endpoints of the caller, else those of the source: an error names the variable that has them. */
export function resolveEndpoints(given: unknown, defaults: ClientDefaults): GivenEndpoints {
  if (given !== undefined) return readEndpoints(given)
  const { endpoints, names = {} } = defaults
  if (endpoints === undefined) {
    const { endpoints: variable } = names
    const other = variable === undefined ? 'use fromEnv() and set ETCDCTL_ENDPOINTS' : `set ${variable}`
    throw optionInvalid('endpoints', `is missing: pass URLs such as "https://10.0.0.1:2379", or ${other}`)
  }
  try {
    return readEndpoints(endpoints)
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
    const { option, reason } = error.details
    throw optionInvalid(names[option] ?? option, reason)
  }
}

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
  if (isCredentials(credentials)) return { origin: credentials.origin, load: () => Promise.resolve(credentials) }
  throw valueInvalid(option, credentials, 'a credential source, such as fromFiles({ ca, cert, key }), or credentials')
}

function isSource(value: unknown): value is CredentialSource {
  return typeof memberOf(value, 'load') === 'function'
}

function isCredentials(value: unknown): value is Credentials {
  const lists = ['trustAnchors', 'chain', 'crls']
  return memberOf(value, 'key') !== undefined && lists.every((each) => Array.isArray(memberOf(value, each)))
}

function resolveTimeout(text: string, option: string, least = '1ms', leastMilliseconds = 1): number {
  const milliseconds = parseDuration(text, option)
  if (milliseconds < leastMilliseconds || milliseconds > MAX_DELAY)
    throw textInvalid(option, text, `from "${least}" to "24d"`)
  return milliseconds
}

function resolveAuth(auth: PasswordAuth): PasswordAuth {
  checkOptions('auth', auth, ['username', 'password'])
  for (const name of ['username', 'password'] as const) {
    const value: unknown = auth[name]
    if (typeof value !== 'string' || value === '')
      throw valueInvalid(`auth.${name}`, value, 'a string that is not empty')
  }
  return { username: auth.username, password: auth.password }
}

function resolveRotation(rotation: unknown): ResolvedOptions['rotation'] {
  if (rotation === 'off') return { follow: false, drain: 'now' }
  if (rotation === null || typeof rotation !== 'object')
    throw textInvalid('rotation', rotation, "'off' or an object with `drain`")
  return { follow: true, drain: resolveDrain('rotation', rotation) ?? 'now' }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for options that hold anything else than a drain policy. */
export function resolveDrain(holder: string, options: unknown): DrainPolicy | undefined {
  checkOptions(holder, options, ['drain'])
  const drain = memberOf(options, 'drain')
  return drain === undefined ? undefined : oneOf(optionIn(holder, 'drain'), drain, ['now', 'streams-finish'])
}

function resolveTls(tls: TlsOptions): ResolvedTls {
  checkOptions('tls', tls, ['minVersion', 'maxVersion', 'ciphers', 'revocation'])
  const { ciphers, revocation = 'if-listed' } = tls
  const minVersion = oneOf('tls.minVersion', tls.minVersion ?? 'TLSv1.2', VERSIONS)
  const maxVersion = oneOf('tls.maxVersion', tls.maxVersion ?? 'TLSv1.3', VERSIONS)
  if (minVersion > maxVersion) throw optionInvalid('tls.minVersion', 'must not be above tls.maxVersion')
  checkRevocationMode(revocation, 'tls.revocation')
  if (ciphers === undefined) return { minVersion, maxVersion, ciphers: null, revocation }
  const suites = readCiphers(ciphers)
  // A TLS version without a cipher suite is not offered. It is an error to require such a version.
  const offered = VERSIONS.filter((version) => suites.some((each) => versionOf(each) === version))
  const [oldest, newest] = [offered[0] ?? minVersion, offered.at(-1) ?? maxVersion]
  if (newest < minVersion) throw optionInvalid('tls.ciphers', 'must name a suite of TLS 1.3')
  if (oldest > maxVersion) throw optionInvalid('tls.ciphers', 'must name a suite of TLS 1.2')
  return {
    minVersion: oldest > minVersion ? oldest : minVersion,
    maxVersion: newest < maxVersion ? newest : maxVersion,
    ciphers: suites.join(':'),
    revocation,
  }
}

type TlsVersion = 'TLSv1.2' | 'TLSv1.3'
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

function versionOf(suite: string): TlsVersion {
  return suite.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2'
}

/**
 * Returns the OpenSSL names of the suites. Expressions such as `HIGH:!aNULL` or `@SECLEVEL=0` are refused, because
 * their meaning depends on the version of OpenSSL.
 */
function readCiphers(ciphers: unknown): string[] {
  const entries: readonly unknown[] = Array.isArray(ciphers) ? ciphers : [ciphers]
  const names = entries.flatMap((entry) => {
    if (typeof entry !== 'string') throw optionInvalid('tls.ciphers', 'must be a string or an array of strings')
    return entry.split(/[:,]/).map((name) => name.trim())
  })
  if (names.length === 0) throw optionInvalid('tls.ciphers', 'must name at least one cipher suite')
  return [...new Set(names.map(suiteOf))]
}

function suiteOf(given: string): string {
  const name = given.toUpperCase()
  const known = nodeSuites()
  const suite = known.find((each) => each.includes(name))?.[1]
  if (suite !== undefined) return suite
  const likeness = (other: string): number => other.split('').filter((each, index) => each === name[index]).length
  const [nearest = ''] = known.flat().sort((a, b) => likeness(b) - likeness(a))
  throw optionInvalid(
    'tls.ciphers',
    `must name cipher suites by IANA's names or by OpenSSL's; "${given.slice(0, 80)}" is not a cipher suite. The nearest is ${nearest}`,
  )
}

const PEM_FORM =
  'use fromPem({ ca: rootCertificate, cert: certChain, key: privateKey }), or fromFiles({ ca, cert, key })'

const OF_ETCD3 = 'is an option of etcd3: '

/** Options that have another form here. `retry` and `backoffStrategy` are from etcd3 0.x. */
const OTHER_FORMS: readonly (readonly [path: readonly string[], reason: string])[] = [
  [['hosts'], `${OF_ETCD3}use "endpoints", with https URLs such as "https://10.0.0.1:2379"`],
  [['discovery'], `is not an option: use "endpoints: { srv: 'example.com' }"`],
  [['endpoints', 'domain'], `is not an option: use "endpoints: { srv: 'example.com' }"`],
  [['endpoints', 'url'], 'must be inside an array: use "endpoints: [{ url, serverName }]"'],
  [['retry'], `${OF_ETCD3}leave it out, or set a policy in "etcd3: { faultHandling }"`],
  [['backoffStrategy'], `${OF_ETCD3}use "etcd3: { faultHandling: { watchBackoff } }"`],
  [['faultHandling'], `${OF_ETCD3}use "etcd3: { faultHandling }"`],
  [['grpcOptions'], `${OF_ETCD3}use "etcd3: { grpcOptions }"`],
  [['defaultCallOptions'], `${OF_ETCD3}use "etcd3: { defaultCallOptions }"`],
  [['credentials', 'rootCertificate'], `${OF_ETCD3}${PEM_FORM}`],
  [['credentials', 'privateKey'], `${OF_ETCD3}${PEM_FORM}`],
  [['credentials', 'certChain'], `${OF_ETCD3}${PEM_FORM}`],
  [['auth', 'callOptions'], `${OF_ETCD3}use "etcd3: { defaultCallOptions }"`],
  [
    ['etcd3', 'grpcOptions', 'grpc.ssl_target_name_override'],
    `${OF_ETCD3}use "serverName", or { url, serverName } for one endpoint`,
  ],
]

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option by another name, or in another form. */
function refuseOtherForms(options: unknown): void {
  for (const [path, reason] of OTHER_FORMS) {
    const holder = path.slice(0, -1).reduce(memberOf, options)
    if (String(path.at(-1)) in Object(holder)) throw optionInvalid(path.join('.'), reason)
  }
}

function memberOf(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name)
}
