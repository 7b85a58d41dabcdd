/**
 * The options of etcd that concern neither TLS nor addresses nor identity, many to a row. They are passed through; the complete
 * list distinguishes a misspelt option from a known one.
 */
import {
  ALWAYS,
  type ConfigForm,
  lookup,
  keyOfPath,
  SINCE_35,
  SINCE_36,
  type Spelled,
  spelled,
  type Spelling,
} from './options.js'
import { availableIn, ETCD_LINES, type EtcdLine, parseVersion, type Since } from './version.js'

/**
 * The value of such an option.
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

export interface PassthroughRow extends Spelled {
  /** The flag, without its dashes; the key in a configuration file if there is no flag. */
  readonly name: string
  readonly kind: PassthroughKind
  /** Another way to name the members, which etcd refuses next to a list of them (server/embed/config.go, Validate). */
  readonly isBootstrap: boolean
}

/** `experimental-…` lost this prefix, or is a feature gate, in 3.6, and was removed in 3.7. */
const UNTIL_37 = '3.7.0'

export const passthroughOptions: readonly PassthroughRow[] = [
  ...rows('text', ALWAYS, 'auth-token auto-compaction-mode auto-compaction-retention log-level logger metrics'),
  ...rows('directory', ALWAYS, 'wal-dir'),
  ...rows('texts', ALWAYS, 'cors host-whitelist'),
  ...rows('outputs', ALWAYS, 'log-outputs'),
  ...rows(
    'unsigned',
    ALWAYS,
    'bcrypt-cost election-timeout heartbeat-interval max-request-bytes max-snapshots max-txn-ops max-wals snapshot-count',
  ),
  ...rows('unsigned', ['3.4.10', '3.5.0'], 'auth-token-ttl'),
  ...rows('unsigned32', ['3.4.20', '3.5.5', '3.6.0'], 'max-concurrent-streams'),
  ...rows('integer', ALWAYS, 'backend-batch-limit quota-backend-bytes'),
  ...rows(
    'duration',
    ALWAYS,
    'backend-batch-interval grpc-keepalive-interval grpc-keepalive-min-time grpc-keepalive-timeout',
  ),
  ...rows(
    'boolean',
    ALWAYS,
    'enable-pprof force-new-cluster initial-election-tick-advance pre-vote strict-reconfig-check',
  ),
  ...rows('boolean', ['3.4.10', '3.5.0'], 'unsafe-no-fsync'),

  ...rows('text', SINCE_35, 'backend-bbolt-freelist-type log-rotation-config-json v2-deprecation'),
  ...rows('boolean', SINCE_35, 'enable-log-rotation'),
  ...rows('duration', SINCE_35, 'raft-read-timeout raft-write-timeout', { path: null }),
  ...socket('reuse-port'),
  ...socket('reuse-address'),

  ...rows(
    'text',
    SINCE_36,
    'distributed-tracing-address distributed-tracing-instance-id distributed-tracing-service-name feature-gates log-format',
  ),
  ...rows('unsigned', SINCE_36, 'bootstrap-defrag-threshold-megabytes snapshot-catchup-entries'),
  ...rows('integer', SINCE_36, 'compaction-batch-limit distributed-tracing-sampling-rate max-learners'),
  ...rows(
    'duration',
    SINCE_36,
    'compact-hash-check-time compaction-sleep-interval corrupt-check-time downgrade-check-time ' +
      'warning-apply-duration warning-unary-request-duration watch-progress-notify-interval',
  ),
  ...rows('boolean', SINCE_36, 'enable-distributed-tracing memory-mlock'),

  ...rows('boolean', ALWAYS, 'experimental-enable-lease-checkpoint experimental-initial-corrupt-check', {
    until: UNTIL_37,
  }),
  ...rows('boolean', ['3.4.20', '3.5.2', '3.6.0'], 'experimental-enable-lease-checkpoint-persist', { until: UNTIL_37 }),
  ...rows('integer', ALWAYS, 'experimental-compaction-batch-limit', { until: UNTIL_37 }),
  ...rows('duration', ALWAYS, 'experimental-corrupt-check-time', { until: UNTIL_37 }),
  ...rows('duration', ['3.4.16', '3.5.0'], 'experimental-warning-apply-duration', { until: UNTIL_37 }),
  ...rows('duration', ['3.4.11', '3.5.0'], 'experimental-watch-progress-notify-interval', { until: UNTIL_37 }),
  ...rows('unsigned', SINCE_35, 'experimental-bootstrap-defrag-threshold-megabytes', { until: UNTIL_37 }),
  ...rows('boolean', ['3.5.5', '3.6.0'], 'experimental-compact-hash-check-enabled', { until: UNTIL_37 }),
  ...rows('duration', ['3.5.5', '3.6.0'], 'experimental-compact-hash-check-time', { until: UNTIL_37 }),
  ...rows('duration', ['3.5.16', '3.6.0'], 'experimental-compaction-sleep-interval', { until: UNTIL_37 }),
  ...rows(
    'text',
    SINCE_35,
    'experimental-distributed-tracing-address experimental-distributed-tracing-instance-id ' +
      'experimental-distributed-tracing-service-name',
    { until: UNTIL_37 },
  ),
  ...rows('integer', ['3.5.11', '3.6.0'], 'experimental-distributed-tracing-sampling-rate', { until: UNTIL_37 }),
  ...rows('duration', SINCE_35, 'experimental-downgrade-check-time', { until: UNTIL_37 }),
  ...rows(
    'boolean',
    SINCE_35,
    'experimental-enable-distributed-tracing experimental-memory-mlock experimental-txn-mode-write-with-shared-buffer',
    { until: UNTIL_37 },
  ),
  ...rows('boolean', ['3.5.14', '3.6.0'], 'experimental-stop-grpc-service-on-defrag', { until: UNTIL_37 }),
  // The key is not the flag.
  ...rows('unsigned', ['3.5.14', '3.6.0'], 'experimental-snapshot-catchup-entries', {
    path: ['experimental-snapshot-catch-up-entries'],
    until: UNTIL_37,
  }),
  ...rows('duration', SINCE_36, 'experimental-warning-unary-request-duration', { until: UNTIL_37 }),

  ...rows('boolean', ALWAYS, 'enable-v2', { until: '3.6.0' }),
  ...rows('text', ALWAYS, 'experimental-enable-v2v3 proxy', { until: '3.6.0' }),
  ...rows(
    'unsigned',
    ALWAYS,
    'proxy-dial-timeout proxy-failure-wait proxy-read-timeout proxy-refresh-interval proxy-write-timeout',
    { until: '3.6.0' },
  ),
  ...rows('boolean', ALWAYS, 'debug', { until: '3.5.0' }),
  ...rows('boolean', ['3.4.31'], 'next-cluster-version-compatible', { until: '3.5.0' }),
  ...rows('text', ALWAYS, 'experimental-backend-bbolt-freelist-type log-package-levels', { until: '3.5.0' }),
  ...rows('outputs', ALWAYS, 'log-output', { until: '3.5.0' }),

  ...rows('text', ALWAYS, 'discovery discovery-proxy', { until: UNTIL_37, isBootstrap: true }),
  ...rows('text', ALWAYS, 'discovery-fallback', { yamlUntil: '3.6.0', isBootstrap: true }),
  ...discovery('outputs', 'endpoints', ['client', 'endpoints']),
  ...discovery('text', 'token', ['token']),
  ...discovery('text', 'user', ['client', 'auth', 'username']),
  ...discovery('text', 'password', ['client', 'auth', 'password']),
  ...['dial-timeout', 'keepalive-time', 'keepalive-timeout', 'request-timeout'].flatMap((key) =>
    discovery('duration', key, ['client', key]),
  ),

  // Ignored by etcd, except `version`, after which etcd exits.
  ...rows(
    'nothing',
    ALWAYS,
    'cluster-active-size cluster-remove-delay cluster-sync-interval config force max-result-buffer max-retry-attempts ' +
      'peer-election-timeout peer-heartbeat-interval retry-interval snapshot test.coverprofile test.outputdir v version vv',
    { path: null },
  ),
  {
    name: 'grpc-additional-server-options',
    kind: 'nothing',
    ...spelled(null, ['grpc-additional-server-options'], { since: SINCE_36 }),
    isBootstrap: false,
  },
]

interface More {
  /** Keys in a configuration file. Default: the name of the flag. */
  readonly path?: readonly string[] | null
  readonly until?: string
  readonly yamlUntil?: string
  readonly yamlSince?: Since
  readonly isBootstrap?: boolean
}

function rows(kind: PassthroughKind, since: Since, names: string, more: More = {}): PassthroughRow[] {
  const { path, isBootstrap = false } = more
  return names.split(' ').map((name) => {
    return { name, kind, ...spelled(name, path === undefined ? [name] : path, { ...more, since }), isBootstrap }
  })
}

/** `SocketOpts` had no names for a file before 3.5.10. */
function socket(key: string): PassthroughRow[] {
  return rows('boolean', SINCE_35, `socket-${key}`, { path: ['socket-options', key], yamlSince: ['3.5.10', '3.6.0'] })
}

function discovery(kind: PassthroughKind, key: string, path: readonly string[]): PassthroughRow[] {
  return rows(kind, SINCE_36, `discovery-${key}`, { path: ['discovery-config', ...path], isBootstrap: true })
}

/** The row of a flag, without its dashes. */
export const passthroughOfFlag = lookup(passthroughOptions, ({ flag }) => flag?.name)
const passthroughOfKey = lookup(passthroughOptions, keyOfPath)

/** The row of a place in a configuration file. */
export function passthroughOfPath(path: readonly string[]): PassthroughRow | undefined {
  return passthroughOfKey(path.join('\0'))
}

/** The releases that know a flag, or a key at the top of a configuration file, which may be of several rows. */
export function passthroughSpellings(name: string, form: ConfigForm): Spelling<unknown>[] {
  return passthroughOptions.flatMap(({ flag, yaml }): Spelling<unknown>[] => {
    const spelling = form === 'yaml' ? yaml : flag
    const own = form === 'yaml' ? yaml?.name[0] : flag?.name
    return spelling !== null && own === name ? [spelling] : []
  })
}

/** The release lines, some releases of which know a spelling. */
export function linesOf(spelling: Spelling<unknown>): EtcdLine[] {
  return ETCD_LINES.filter((line) => {
    const version = parseVersion(line)
    return version !== null && availableIn(version, spelling.since, spelling.until) !== 'none'
  })
}

/** The flags of this table. */
export const KNOWN_FLAGS: ReadonlySet<string> = new Set(passthroughOptions.flatMap(({ flag }) => flag?.name ?? []))

/** Options that etcd refuses without a value; it takes the default of others that are strings (etcd 3.5.16, run). */
export const NOT_EMPTY: Readonly<Record<ConfigForm, readonly string[]>> = {
  flags: ['cors', 'discovery-fallback', 'log-outputs', 'logger', 'proxy', 'v2-deprecation'],
  yaml: ['log-outputs', 'logger'],
  env: [],
}

/** Its keys at the top of a configuration file. */
export const KNOWN_KEYS: ReadonlySet<string> = new Set(passthroughOptions.flatMap(({ yaml }) => yaml?.name[0] ?? []))
