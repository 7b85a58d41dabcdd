/**
 * The options of etcd, from etcdmain/config.go and embed/config.go of every release from v3.4.0 to v3.7.1. Options for TLS,
 * addresses and identity have fields in the model; all others are passed through.
 */
import type { MemberConfig, TlsSide } from '../model.js'
import {
  availableIn,
  type Availability,
  ETCD_LINES,
  type EtcdLine,
  type ParsedVersion,
  parseVersion,
  type Since,
} from './version.js'

/**
 * The value of an option.
 *
 * - `path`: one file or directory. `text`: one string. `boolean`. `years`: a whole number of years, at least 1.
 * - `urls`: URLs to listen on or to advertise, separated by commas, in YAML too.
 * - `cluster`: `name=url` pairs, separated by commas, in YAML too. `state`: `new` or `existing`.
 * - `names`: strings, separated by commas; a YAML list, or one YAML string in versions that take only one (`listSince`).
 * - `suites`: names of TLS 1.2 cipher suites, separated by commas; a YAML list. `tls-version`: `TLS1.2` or `TLS1.3`.
 */
export type OptionKind =
  'path' | 'text' | 'boolean' | 'years' | 'urls' | 'cluster' | 'state' | 'names' | 'suites' | 'tls-version'

/** The connections that an option applies to: from clients, between members, or the member as a whole. */
export type OptionBlock = 'client' | 'peer' | 'server'

/** An option's name in one form, and the releases that have it. */
export interface Spelling<N> {
  readonly name: N
  readonly since: Since
  /** The first release without it. */
  readonly until?: string
}

/** The spellings of a row in either table. */
export interface HasSpellings {
  /** The flag without dashes; null if absent. The name of the variable is derived from it. */
  readonly flag: Spelling<string> | null
  /** The keys in a configuration file, from its top; null if a file cannot set it. */
  readonly yaml: Spelling<readonly string[]> | null
}

export type SideField = keyof TlsSide
export type ServerField = keyof MemberConfig

export interface EtcdOptionRow extends HasSpellings {
  readonly block: OptionBlock
  /** Its name in {@link TlsSide} or {@link MemberConfig}. Null: the lint reads it, the renderer does not write it. */
  readonly field: SideField | ServerField | null
  readonly kind: OptionKind
  /** The releases that accept several values; older ones accept one. @default all, if the kind is a list */
  readonly listSince?: Since | undefined
  /** The first release that deprecates it. */
  readonly deprecatedSince?: Since[number] | undefined
  /** The default in etcd's syntax; null if absent. */
  readonly default: string | null
}

const ALWAYS = ['3.4.0'] as const
const SINCE_35 = ['3.5.0'] as const
const SINCE_36 = ['3.6.0'] as const
/** server/etcdmain/config.go v3.4.25, v3.5.8; server/embed/config.go v3.4.25, v3.5.8, v3.6.14 */
const PORTED_BACK = ['3.4.25', '3.5.8', '3.6.0'] as const
/** From v3.5.13 to v3.5.15 `type securityConfig struct` has no key, then a string, then a list. */
const NAME_LISTS_SINCE = { yamlSince: ['3.5.14', '3.6.0'], listSince: ['3.5.15', '3.6.0'] } as const

/** The releases of an option. */
interface Releases {
  /** @default all */
  readonly since?: Since
  readonly until?: string | undefined
  /** The releases of the key. @default those of the flag */
  readonly yamlSince?: Since
  readonly yamlUntil?: string | undefined
}

function spelled(
  flag: string | null,
  path: readonly string[] | null,
  { since = ALWAYS, until, yamlSince = since, yamlUntil = until }: Releases,
): HasSpellings {
  const spelling = <N>(name: N, since: Since, until: string | undefined): Spelling<N> =>
    until === undefined ? { name, since } : { name, since, until }
  return {
    flag: flag === null ? null : spelling(flag, since, until),
    yaml: path === null ? null : spelling(path, yamlSince, yamlUntil),
  }
}

interface RowOptions extends Releases, Pick<EtcdOptionRow, 'listSince' | 'deprecatedSince'> {
  /** @default the flag */
  readonly yaml?: readonly string[] | null
  readonly default?: string
}

function option(
  block: OptionBlock,
  field: EtcdOptionRow['field'],
  kind: OptionKind,
  flag: string | null,
  more: RowOptions = {},
): EtcdOptionRow {
  const { yaml = [flag ?? ''], listSince, deprecatedSince } = more
  return { block, field, kind, ...spelled(flag, yaml, more), listSince, deprecatedSince, default: more.default ?? null }
}

function tlsOptions(block: 'client' | 'peer'): EtcdOptionRow[] {
  const prefix = block === 'peer' ? 'peer-' : ''
  const tls = (
    field: SideField | null,
    kind: OptionKind,
    key: string,
    more: RowOptions = {},
    flag: string | null = prefix + key,
  ) => option(block, field, kind, flag, { yaml: [`${block}-transport-security`, key], ...more })
  const off = { default: 'false' }
  const skip = 'skip-client-san-verification'
  return [
    tls('certFile', 'path', 'cert-file'),
    tls('keyFile', 'path', 'key-file'),
    // The certificate that the gateway presents to its own client port.
    tls('clientCertFile', 'path', 'client-cert-file', { since: SINCE_35 }),
    tls('clientKeyFile', 'path', 'client-key-file', { since: SINCE_35 }),
    tls('trustedCaFile', 'path', 'trusted-ca-file'),
    tls('clientCertAuth', 'boolean', 'client-cert-auth', off),
    // securityConfig has no key for CRLFile (v3.6.14).
    tls('crlFile', 'path', 'crl-file', { yaml: null }, `${block}-crl-file`),
    // No release has a flag for the common names of clients.
    tls('allowedCn', 'names', 'allowed-cn', NAME_LISTS_SINCE, block === 'peer' ? 'peer-cert-allowed-cn' : null),
    tls('allowedHostname', 'names', 'allowed-hostname', NAME_LISTS_SINCE, `${block}-cert-allowed-hostname`),
    ...(block === 'client'
      ? // The renderer does not write it: for clients, the key affects only https metrics URLs.
        [tls(null, 'boolean', skip, { ...off, yamlSince: SINCE_36 }, null)]
      : [
          tls('skipClientSanVerification', 'boolean', skip, { ...off, since: SINCE_36 }),
          // server/etcdmain/config.go v3.5.16; server/embed/config.go v3.6.14 AddFlags; in no source of v3.7.0
          option('peer', 'skipClientSanVerification', 'boolean', `experimental-peer-${skip}`, {
            ...off,
            until: '3.7.0',
            yamlSince: SINCE_36,
            deprecatedSince: '3.6.0',
          }),
        ]),
    tls('autoTls', 'boolean', 'auto-tls', off),
  ]
}

/** server/embed/config.go v3.6.14 AddFlags; client/v3/config.go v3.6.14 SecureConfig */
function discovery(kind: OptionKind, key: string, more: RowOptions = {}): EtcdOptionRow {
  const yaml = ['discovery-config', 'client', 'secure', key]
  return option('server', null, kind, `discovery-${key}`, { since: SINCE_36, yaml, ...more })
}

/** The renderer writes options in this order. */
export const etcdOptions: readonly EtcdOptionRow[] = [
  option('server', 'name', 'text', 'name', { default: 'default' }),
  option('server', 'dataDir', 'path', 'data-dir', { default: '${name}.etcd' }),
  option('client', 'listenUrls', 'urls', 'listen-client-urls', { default: 'http://localhost:2379' }),
  // Without it, --listen-client-urls serve HTTP as well as gRPC.
  option('client', 'httpUrls', 'urls', 'listen-client-http-urls', { since: PORTED_BACK }),
  option('client', 'advertiseUrls', 'urls', 'advertise-client-urls', { default: 'http://localhost:2379' }),
  option('peer', 'listenUrls', 'urls', 'listen-peer-urls', { default: 'http://localhost:2380' }),
  option('peer', 'advertiseUrls', 'urls', 'initial-advertise-peer-urls', { default: 'http://localhost:2380' }),
  option('server', 'initialCluster', 'cluster', 'initial-cluster', { default: 'default=http://localhost:2380' }),
  option('server', 'initialClusterState', 'state', 'initial-cluster-state', { default: 'new' }),
  option('server', 'initialClusterToken', 'text', 'initial-cluster-token', { default: 'etcd-cluster' }),
  // https metrics URLs use the TLS block of clients (server/embed/etcd.go v3.5.16 serveMetrics).
  option('server', 'metricsUrls', 'urls', 'listen-metrics-urls'),
  option('server', 'cipherSuites', 'suites', 'cipher-suites'),
  option('server', 'tlsMinVersion', 'tls-version', 'tls-min-version', { since: PORTED_BACK, default: 'TLS1.2' }),
  option('server', 'tlsMaxVersion', 'tls-version', 'tls-max-version', { since: PORTED_BACK }),
  // server/embed/config.go v3.5.0, v3.5.1 Config
  option('server', 'selfSignedCertValidity', 'years', 'self-signed-cert-validity', {
    since: SINCE_35,
    yamlSince: ['3.5.1', '3.6.0'],
    default: '1',
  }),
  option('server', 'enableGrpcGateway', 'boolean', 'enable-grpc-gateway', { default: 'true' }),
  ...tlsOptions('client'),
  ...tlsOptions('peer'),
  // The renderer does not write these.
  option('server', null, 'path', 'config-file', { yaml: null }),
  option('server', null, 'text', 'discovery-srv'),
  option('server', null, 'text', 'discovery-srv-name'),
  discovery('path', 'cert'),
  discovery('path', 'key'),
  discovery('path', 'cacert'),
  discovery('boolean', 'insecure-transport', { default: 'true' }),
  discovery('boolean', 'insecure-skip-tls-verify', { default: 'false' }),
]

/**
 * The value of an option that is passed through.
 *
 * - `text`, `directory`: one string. `boolean`. `unsigned`, `unsigned32`, `integer`: whole numbers, as Go's uint, uint32, int.
 * - `duration`: as `1h30m`; a configuration file takes nanoseconds, as a number.
 * - `texts`: strings separated by commas, in a file too. `outputs`: the same, but a list in a file.
 * - `nothing`: a known name that is not for a configuration: etcd ignores it, or it is only for programs in Go.
 */
export type PassthroughKind =
  | 'text'
  | 'directory'
  | 'boolean'
  | 'unsigned'
  | 'unsigned32'
  | 'integer'
  | 'duration'
  | 'texts'
  | 'outputs'
  | 'nothing'

export interface PassthroughRow extends HasSpellings {
  /** The flag, without its dashes; the key in a configuration file if there is no flag. */
  readonly name: string
  readonly kind: PassthroughKind
  /** It names the members in another way, so etcd refuses it together with a list (server/embed/config.go, Validate). */
  readonly isBootstrap: boolean
}

interface PassthroughMore extends Omit<Releases, 'since'> {
  /** Keys in a configuration file. @default the name of the flag */
  readonly path?: readonly string[] | null
  readonly isBootstrap?: boolean
}

/** @param names Separated by spaces. */
function rows(
  since: Since,
  kind: PassthroughKind,
  names: string,
  { path, isBootstrap = false, ...more }: PassthroughMore = {},
): PassthroughRow[] {
  return names.split(' ').map((name) => {
    const spellings = spelled(name, path === undefined ? [name] : path, { ...more, since })
    return { name, kind, ...spellings, isBootstrap }
  })
}

function ofDiscovery(kind: PassthroughKind, key: string, ...path: readonly string[]): PassthroughRow[] {
  return rows(SINCE_36, kind, `discovery-${key}`, { path: ['discovery-config', ...path], isBootstrap: true })
}

/** Before 3.5.10 `SocketOpts` has no keys for a file. */
const SOCKET_KEYS_SINCE = ['3.5.10', '3.6.0'] as const
/** 3.6 renamed options with the prefix `experimental-`, or replaced them by feature gates; 3.7 removed them. */
const UNTIL_37 = { until: '3.7.0' }
const UNTIL_36 = { until: '3.6.0' }
const UNTIL_35 = { until: '3.5.0' }
const NO_KEY = { path: null }

export const passthroughOptions: readonly PassthroughRow[] = [
  ...rows(ALWAYS, 'text', 'auth-token auto-compaction-mode auto-compaction-retention log-level logger metrics'),
  ...rows(ALWAYS, 'directory', 'wal-dir'),
  ...rows(ALWAYS, 'texts', 'cors host-whitelist'),
  ...rows(ALWAYS, 'outputs', 'log-outputs'),
  ...rows(ALWAYS, 'unsigned', 'bcrypt-cost election-timeout heartbeat-interval max-request-bytes max-snapshots'),
  ...rows(ALWAYS, 'unsigned', 'max-txn-ops max-wals snapshot-count'),
  ...rows(ALWAYS, 'integer', 'backend-batch-limit quota-backend-bytes'),
  ...rows(ALWAYS, 'duration', 'backend-batch-interval grpc-keepalive-interval'),
  ...rows(ALWAYS, 'duration', 'grpc-keepalive-min-time grpc-keepalive-timeout'),
  ...rows(ALWAYS, 'boolean', 'enable-pprof force-new-cluster initial-election-tick-advance pre-vote'),
  ...rows(ALWAYS, 'boolean', 'strict-reconfig-check'),
  ...rows(['3.4.10', '3.5.0'], 'unsigned', 'auth-token-ttl'),
  ...rows(['3.4.10', '3.5.0'], 'boolean', 'unsafe-no-fsync'),
  ...rows(['3.4.20', '3.5.5', '3.6.0'], 'unsigned32', 'max-concurrent-streams'),
  ...rows(SINCE_35, 'text', 'backend-bbolt-freelist-type log-rotation-config-json v2-deprecation'),
  ...rows(SINCE_35, 'boolean', 'enable-log-rotation'),
  ...rows(SINCE_35, 'duration', 'raft-read-timeout raft-write-timeout', NO_KEY),
  ...['reuse-port', 'reuse-address'].flatMap((key) =>
    rows(SINCE_35, 'boolean', `socket-${key}`, { path: ['socket-options', key], yamlSince: SOCKET_KEYS_SINCE }),
  ),
  ...rows(SINCE_36, 'text', 'distributed-tracing-address distributed-tracing-instance-id'),
  ...rows(SINCE_36, 'text', 'distributed-tracing-service-name feature-gates log-format'),
  ...rows(SINCE_36, 'unsigned', 'bootstrap-defrag-threshold-megabytes snapshot-catchup-entries'),
  ...rows(SINCE_36, 'integer', 'compaction-batch-limit distributed-tracing-sampling-rate max-learners'),
  ...rows(SINCE_36, 'duration', 'compact-hash-check-time compaction-sleep-interval corrupt-check-time'),
  ...rows(SINCE_36, 'duration', 'downgrade-check-time warning-apply-duration warning-unary-request-duration'),
  ...rows(SINCE_36, 'duration', 'watch-progress-notify-interval'),
  ...rows(SINCE_36, 'boolean', 'enable-distributed-tracing memory-mlock'),

  ...rows(ALWAYS, 'boolean', 'experimental-enable-lease-checkpoint experimental-initial-corrupt-check', UNTIL_37),
  ...rows(ALWAYS, 'integer', 'experimental-compaction-batch-limit', UNTIL_37),
  ...rows(ALWAYS, 'duration', 'experimental-corrupt-check-time', UNTIL_37),
  ...rows(['3.4.20', '3.5.2', '3.6.0'], 'boolean', 'experimental-enable-lease-checkpoint-persist', UNTIL_37),
  ...rows(['3.4.16', '3.5.0'], 'duration', 'experimental-warning-apply-duration', UNTIL_37),
  ...rows(['3.4.11', '3.5.0'], 'duration', 'experimental-watch-progress-notify-interval', UNTIL_37),
  ...['address', 'instance-id', 'service-name'].flatMap((key) =>
    rows(SINCE_35, 'text', `experimental-distributed-tracing-${key}`, UNTIL_37),
  ),
  ...rows(SINCE_35, 'unsigned', 'experimental-bootstrap-defrag-threshold-megabytes', UNTIL_37),
  ...rows(SINCE_35, 'duration', 'experimental-downgrade-check-time', UNTIL_37),
  ...rows(SINCE_35, 'boolean', 'experimental-enable-distributed-tracing experimental-memory-mlock', UNTIL_37),
  ...rows(SINCE_35, 'boolean', 'experimental-txn-mode-write-with-shared-buffer', UNTIL_37),
  ...rows(['3.5.5', '3.6.0'], 'boolean', 'experimental-compact-hash-check-enabled', UNTIL_37),
  ...rows(['3.5.5', '3.6.0'], 'duration', 'experimental-compact-hash-check-time', UNTIL_37),
  ...rows(['3.5.11', '3.6.0'], 'integer', 'experimental-distributed-tracing-sampling-rate', UNTIL_37),
  ...rows(['3.5.14', '3.6.0'], 'boolean', 'experimental-stop-grpc-service-on-defrag', UNTIL_37),
  // The key is spelled differently from the flag.
  ...rows(['3.5.14', '3.6.0'], 'unsigned', 'experimental-snapshot-catchup-entries', {
    path: ['experimental-snapshot-catch-up-entries'],
    ...UNTIL_37,
  }),
  ...rows(['3.5.16', '3.6.0'], 'duration', 'experimental-compaction-sleep-interval', UNTIL_37),
  ...rows(SINCE_36, 'duration', 'experimental-warning-unary-request-duration', UNTIL_37),

  ...rows(ALWAYS, 'boolean', 'enable-v2', UNTIL_36),
  ...rows(ALWAYS, 'text', 'experimental-enable-v2v3 proxy', UNTIL_36),
  ...rows(ALWAYS, 'unsigned', 'proxy-dial-timeout proxy-failure-wait proxy-read-timeout', UNTIL_36),
  ...rows(ALWAYS, 'unsigned', 'proxy-refresh-interval proxy-write-timeout', UNTIL_36),
  ...rows(ALWAYS, 'boolean', 'debug', UNTIL_35),
  ...rows(ALWAYS, 'text', 'experimental-backend-bbolt-freelist-type log-package-levels', UNTIL_35),
  ...rows(ALWAYS, 'outputs', 'log-output', UNTIL_35),
  ...rows(['3.4.31'], 'boolean', 'next-cluster-version-compatible', UNTIL_35),

  ...rows(ALWAYS, 'text', 'discovery discovery-proxy', { ...UNTIL_37, isBootstrap: true }),
  ...rows(ALWAYS, 'text', 'discovery-fallback', { yamlUntil: '3.6.0', isBootstrap: true }),
  ...ofDiscovery('outputs', 'endpoints', 'client', 'endpoints'),
  ...ofDiscovery('text', 'token', 'token'),
  ...ofDiscovery('text', 'user', 'client', 'auth', 'username'),
  ...ofDiscovery('text', 'password', 'client', 'auth', 'password'),
  ...['dial-timeout', 'keepalive-time', 'keepalive-timeout', 'request-timeout'].flatMap((key) =>
    ofDiscovery('duration', key, 'client', key),
  ),

  // Ignored by etcd, except `version`, after which etcd exits.
  ...rows(ALWAYS, 'nothing', 'cluster-active-size cluster-remove-delay cluster-sync-interval config', NO_KEY),
  ...rows(ALWAYS, 'nothing', 'force max-result-buffer max-retry-attempts peer-election-timeout', NO_KEY),
  ...rows(ALWAYS, 'nothing', 'peer-heartbeat-interval retry-interval snapshot', NO_KEY),
  ...rows(ALWAYS, 'nothing', 'test.coverprofile test.outputdir v version vv', NO_KEY),
  {
    name: 'grpc-additional-server-options',
    kind: 'nothing',
    ...spelled(null, ['grpc-additional-server-options'], { since: SINCE_36 }),
    isBootstrap: false,
  },
]

/** The variable that etcd reads for a flag (pkg/flags/flag.go, FlagToEnv). */
export function variableOf(flag: string): string {
  return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** The name for messages: the flag, or the path in a configuration file. */
export function nameOf({ flag, yaml }: HasSpellings): string {
  return flag === null ? (yaml?.name ?? []).join('.') : `--${flag.name}`
}

/** How etcd receives its options: a file for `--config-file`, flags, or environment variables. */
export type ConfigForm = 'yaml' | 'flags' | 'env'

export const CONFIG_FORMS: readonly ConfigForm[] = ['yaml', 'flags', 'env']

/** Which releases of a version have an option in a form. */
export function formAvailability(row: HasSpellings, form: ConfigForm, version: ParsedVersion): Availability {
  const spelling = form === 'yaml' ? row.yaml : row.flag
  return spelling === null ? 'none' : availableIn(version, spelling.since, spelling.until)
}

/** Builds the map at the first call, so that an import stays cheap. */
function lookup<R>(rows: readonly R[], keyOf: (row: R) => string | undefined): (key: string) => R | undefined {
  let byKey: ReadonlyMap<string | undefined, R> | null = null
  return (key) => (byKey ??= new Map(rows.map((row) => [keyOf(row), row]))).get(key)
}

/** Joined by NUL, because keys may contain dots but not NUL. */
function keyOfPath({ yaml }: HasSpellings): string | undefined {
  return yaml?.name.join('\0')
}

export const rowOfFlag = lookup(etcdOptions, ({ flag }) => flag?.name)
export const rowOfVariable = lookup(etcdOptions, ({ flag }) => (flag === null ? undefined : variableOf(flag.name)))
const rowOfKey = lookup(etcdOptions, keyOfPath)

export function rowOfPath(path: readonly string[]): EtcdOptionRow | undefined {
  return rowOfKey(path.join('\0'))
}

/** Go: strconv.ParseBool. Null if it is not a boolean. */
export function parseGoBoolean(text: string): boolean | null {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : null
}

export const passthroughOfFlag = lookup(passthroughOptions, ({ flag }) => flag?.name)
const passthroughOfKey = lookup(passthroughOptions, keyOfPath)

export function passthroughOfPath(path: readonly string[]): PassthroughRow | undefined {
  return passthroughOfKey(path.join('\0'))
}

/** The spellings of a flag, or of a key at the top of a configuration file. Several rows may share a key. */
export function passthroughSpellings(name: string, form: ConfigForm): Spelling<unknown>[] {
  return passthroughOptions.flatMap(({ flag, yaml }): Spelling<unknown>[] => {
    const spelling = form === 'yaml' ? yaml : flag
    const own = form === 'yaml' ? yaml?.name[0] : flag?.name
    return spelling !== null && own === name ? [spelling] : []
  })
}

/** The release lines in which at least one release has the spelling. */
export function linesOf(spelling: Spelling<unknown>): EtcdLine[] {
  return ETCD_LINES.filter((line) => {
    const version = parseVersion(line)
    return version !== null && availableIn(version, spelling.since, spelling.until) !== 'none'
  })
}

export const KNOWN_FLAGS: ReadonlySet<string> = new Set(passthroughOptions.flatMap(({ flag }) => flag?.name ?? []))

/** Options that etcd refuses if empty. For other strings it then uses the default (measured with 3.5.16). */
export const NOT_EMPTY: Readonly<Record<ConfigForm, readonly string[]>> = {
  flags: ['cors', 'discovery-fallback', 'log-outputs', 'logger', 'proxy', 'v2-deprecation'],
  yaml: ['log-outputs', 'logger'],
  env: [],
}

export const KNOWN_KEYS: ReadonlySet<string> = new Set(passthroughOptions.flatMap(({ yaml }) => yaml?.name[0] ?? []))
