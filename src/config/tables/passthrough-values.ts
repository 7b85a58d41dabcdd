/**
 * Values and combinations of passthrough options that etcd refuses. From server/embed/config.go v3.5.16 and v3.6.14
 * Validate, unless said otherwise.
 */
import { parseGoDuration } from '../../report/duration.js'
import { parseGoBoolean, type ConfigForm } from './options.js'
import { availableIn, type ParsedVersion } from './version.js'

/** The two timeouts, with etcd's defaults in milliseconds. The election timeout must be at least five heartbeats. */
export const HEARTBEAT = { name: 'heartbeat-interval', standard: '100' } as const
export const ELECTION = { name: 'election-timeout', standard: '1000' } as const
export const ROTATION = 'enable-log-rotation'
export const OUTPUTS = 'log-outputs'
const GATES = 'feature-gates'
const CHECKPOINT = 'experimental-enable-lease-checkpoint'

interface Accepted {
  /** Continues "must be". */
  readonly wants: string | ((version: ParsedVersion | null) => string)
  readonly is: (text: string, version: ParsedVersion | null) => boolean
  /** Whether etcd accepts any value in a file. */
  readonly isFree?: 'in a file'
}

/** The options of `jwt,…`; null if etcd does not take them as such (server/auth/store.go v3.5.16 decomposeOpts). */
export function readTokenOptions(text: string): ReadonlyMap<string, string> | null {
  const [type, ...pairs] = text.split(',').map((each) => each.split('='))
  const options = new Map(pairs.map(([key = '', value = '']) => [key, value]))
  const isRight = pairs.every(({ length }) => length === 2) && options.size === pairs.length
  return type?.join('=') === 'jwt' && isRight ? options : null
}

/** One of some strings. */
function oneOf(...values: string[]): Accepted {
  const last = values.at(-1) ?? ''
  const wants = values.length === 1 ? last : `${values.slice(0, -1).join(', ')} or ${last}`
  return { wants, is: (text) => values.includes(text) }
}

const levels = oneOf('debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal')

/** The period of the hash check at compaction, which has two names. */
const aPeriod: Accepted = {
  wants: 'a positive duration, as 1m',
  is: (text) => (/^-?\d+$/.test(text) ? Number(text) : (parseGoDuration(text) ?? 1)) > 0,
}

/** By the flag, without its dashes. */
const ACCEPTED: ReadonlyMap<string, Accepted> = new Map<string, Accepted>([
  [HEARTBEAT.name, { wants: 'a number of milliseconds above 0', is: (text) => Number(text) !== 0 }],
  [
    ELECTION.name,
    { wants: 'a number of milliseconds from 1 to 50000', is: (text) => Number(text) !== 0 && !(Number(text) > 50_000) },
  ],
  // 3.4 has both (server/embed/config_logging.go v3.5.0).
  ['logger', { wants: 'zap', is: (text, version) => text === 'zap' || version?.minor === 4 }],
  ['log-level', { ...levels, is: (text) => levels.is(text.toLowerCase(), null) }],
  [
    OUTPUTS,
    {
      wants: 'default alone, or stderr, stdout, systemd/journal and paths of files',
      is: (text) => {
        const outputs = text.split(',')
        const isAlone = outputs.length === 1 || !outputs.includes('default')
        return isAlone && !outputs.some((each) => /^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(each))
      },
    },
  ],
  ['auto-compaction-mode', oneOf('periodic', 'revision')],
  // server/embed/etcd.go v3.5.16 parseCompactionRetention
  [
    'auto-compaction-retention',
    {
      wants: 'a number of hours or revisions, or a duration as 1h30m',
      is: (text) => /^\+?\d+$/.test(text) || (parseGoDuration(text) ?? -1n) >= 0n,
    },
  ],
  [
    'auth-token',
    {
      wants:
        'simple, or jwt with its method and keys, as jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=10m (the methods are RS, PS, ES and HS with 256, 384 or 512; ttl has a unit)',
      is: isToken,
    },
  ],
  // server/etcdmain/config.go v3.5.16, v3.5.32, v3.6.13, v3.6.14 newConfig
  [
    'v2-deprecation',
    {
      wants: 'write-only, write-only-drop-data or gone, or not-yet before etcd 3.6',
      is: (text, version) =>
        ['write-only', 'write-only-drop-data', 'gone'].includes(text) ||
        (text === 'not-yet' && (version === null || version.minor < 6)) ||
        (text === 'write-only-skip-check' &&
          (version === null || availableIn(version, ['3.5.32', '3.6.13', '3.7.0']) !== 'none')),
      isFree: 'in a file',
    },
  ],
  ['discovery-fallback', oneOf('exit', 'proxy')],
  ['proxy', oneOf('off', 'readonly', 'on')],
  // pkg/flags/unique_urls.go v3.5.16 Set
  [
    'cors',
    {
      wants: '"*", or URLs of scheme, host and port',
      is: (text) =>
        text === '*' || text.split(',').every((each) => /^(?:https?|unixs?):\/\/[^/?#]+$/i.test(each.trim())),
    },
  ],
  ['compact-hash-check-time', aPeriod],
  ['experimental-compact-hash-check-time', aPeriod],
  [GATES, { wants: (version) => `gates with true or false, of ${gatesOf(version).join(', ')}`, is: areGates }],
])

/** server/auth/store.go v3.5.16 NewTokenProvider; server/auth/options.go */
function isToken(text: string, version: ParsedVersion | null): boolean {
  const tokens = readTokenOptions(text)
  if (tokens === null) return text.split(',', 1)[0] === 'simple'
  const [method = '', ttl = '5m'] = [tokens.get('sign-method'), tokens.get('ttl')]
  const hasEdDsa = version?.minor !== 4 && version?.minor !== 5
  const isMethod = /^(?:[RPEH]S(?:256|384|512))$/.test(method) || (method === 'EdDSA' && hasEdDsa)
  const has = (key: string): boolean => (tokens.get(key) ?? '') !== ''
  const isKeyed = has('priv-key') || (has('pub-key') && !method.startsWith('HS'))
  return isMethod && isKeyed && parseGoDuration(ttl) !== null
}

/** pkg/featuregate/feature_gate.go v3.6.14 Set */
function areGates(text: string, version: ParsedVersion | null): boolean {
  const gates = text.split(',').filter((each) => each !== '')
  return gates.every((each) => {
    const [, gate = '', value = ''] = /^([^=]*)=(.*)$/s.exec(each) ?? []
    return gatesOf(version).includes(gate.trim()) && parseGoBoolean(value.trim()) !== null
  })
}

/** Options for which etcd silently uses the default if it does not know the value, and what it knows (etcd 3.5.16, run). */
export const DEFAULTED: readonly { readonly name: string; readonly wants: string; readonly known: RegExp }[] = [
  // server/auth/store.go v3.5.16 NewAuthStore
  { name: 'bcrypt-cost', wants: 'a number from 4 to 31', known: /^\+?0*(?:[4-9]|[12]\d|3[01])$/ },
  { name: 'metrics', wants: 'basic or extensive', known: /^(?:basic|extensive)$/ },
  { name: 'backend-bbolt-freelist-type', wants: 'array or map', known: /^(?:array|map)$/ },
]

/** The options whose values are checked here. */
export const CHECKED_OPTIONS: readonly string[] = [...ACCEPTED.keys()]

/** What a value must be instead; null for one that etcd accepts. */
export function wantedValue(
  name: string,
  text: string,
  version: ParsedVersion | null,
  form: ConfigForm,
): string | null {
  const accepted = ACCEPTED.get(name)
  if (accepted === undefined || (accepted.isFree === 'in a file' && form === 'yaml') || accepted.is(text, version))
    return null
  return typeof accepted.wants === 'string' ? accepted.wants : accepted.wants(version)
}

/**
 * What log rotation must be without exactly one file (server/embed/config_logging.go v3.5.16 setupLogRotation); null if
 * etcd accepts it.
 */
export function wantedRotation(isOn: boolean, outputs = 'default'): string | null {
  const all = outputs.split(',')
  const files = all.filter((each) => !['default', 'stderr', 'stdout'].includes(each)).length
  const isRight = !isOn || files === 1 || (files === 0 && all.length > 1)
  return isRight ? null : `false unless ${OUTPUTS} names exactly one file`
}

/** The fault of the two timeouts; null if there is none, or if it is not known. */
export function tooShort(
  heartbeat: string = HEARTBEAT.standard,
  election: string = ELECTION.standard,
): { heartbeat: number; election: number; least: number } | null {
  if (!/^\d+$/.test(heartbeat) || !/^\d+$/.test(election)) return null
  const [beat, wait] = [Number(heartbeat), Number(election)]
  return 5 * beat <= wait ? null : { heartbeat: beat, election: wait, least: 5 * beat }
}

/** Options that 3.6 has under two names (v3.6.14 experimentalFlagMigrationMap); 3.7 has only the new one. */
const RENAMED: readonly string[] = (
  'compact-hash-check-time corrupt-check-time compaction-batch-limit watch-progress-notify-interval ' +
  'warning-apply-duration warning-unary-request-duration bootstrap-defrag-threshold-megabytes memory-mlock ' +
  'snapshot-catchup-entries compaction-sleep-interval downgrade-check-time peer-skip-client-san-verification ' +
  'enable-distributed-tracing distributed-tracing-address distributed-tracing-service-name ' +
  'distributed-tracing-instance-id distributed-tracing-sampling-rate'
).split(' ')

/** Feature gates, and their first releases (server/features/etcd_features.go v3.6.0, v3.7.0; pkg/featuregate). */
const GATE_SINCE: Readonly<Record<string, '3.6.0' | '3.7.0'>> = {
  AllAlpha: '3.6.0',
  AllBeta: '3.6.0',
  CompactHashCheck: '3.6.0',
  InitialCorruptCheck: '3.6.0',
  LeaseCheckpoint: '3.6.0',
  LeaseCheckpointPersist: '3.6.0',
  SetMemberLocalAddr: '3.6.0',
  StopGRPCServiceOnDefrag: '3.6.0',
  TxnModeWriteWithSharedBuffer: '3.6.0',
  FastLeaseKeepAlive: '3.7.0',
  PriorityRequest: '3.7.0',
}

/** Flags up to 3.6 that became a gate (v3.6.14 ExperimentalFlagToFeatureMap). */
const GATE_OF: Readonly<Record<string, string>> = {
  'experimental-stop-grpc-service-on-defrag': 'StopGRPCServiceOnDefrag',
  'experimental-initial-corrupt-check': 'InitialCorruptCheck',
  'experimental-compact-hash-check-enabled': 'CompactHashCheck',
  'experimental-txn-mode-write-with-shared-buffer': 'TxnModeWriteWithSharedBuffer',
  'experimental-enable-lease-checkpoint': 'LeaseCheckpoint',
  'experimental-enable-lease-checkpoint-persist': 'LeaseCheckpointPersist',
}

/** The gates of a version. Without a version, those of any. */
function gatesOf(version: ParsedVersion | null): string[] {
  return Object.entries(GATE_SINCE).flatMap(([gate, since]) =>
    version === null || availableIn(version, [since]) !== 'none' ? [gate] : [],
  )
}

/** Two options that cannot both be set, or one that needs another, by their flags. */
type OptionConflict =
  { readonly option: string; readonly other: string } | { readonly option: string; readonly needs: string }

/**
 * Options that etcd refuses together, or without each other.
 *
 * @param textOf The value of an option, by its flag; undefined if it is not set, or if the version does not have it.
 */
export function conflictsOf(textOf: (flag: string) => string | undefined): OptionConflict[] {
  const isSet = (flag: string): boolean => textOf(flag) !== undefined
  const isOn = (flag: string): boolean => parseGoBoolean(textOf(flag) ?? '') === true
  const gates = (textOf(GATES) ?? '').split(',').map((each) => each.split('=', 2).map((part) => part.trim()))
  const gate = (name: string): boolean =>
    gates.some(([own, value = '']) => own === name && parseGoBoolean(value) === true)
  const found: OptionConflict[] = []
  for (const name of RENAMED) {
    const old = `experimental-${name}`
    if (isSet(old) && isSet(name)) found.push({ option: old, other: name })
  }
  for (const [flag, name] of Object.entries(GATE_OF)) {
    if (isSet(flag) && gates.some(([own]) => own === name)) found.push({ option: flag, other: GATES })
  }
  const isCheckpoint = gate('LeaseCheckpoint') || isOn(CHECKPOINT)
  if (isOn(`${CHECKPOINT}-persist`) && !isCheckpoint) {
    found.push({ option: `${CHECKPOINT}-persist`, needs: CHECKPOINT })
  }
  if (gate('LeaseCheckpointPersist') && !isCheckpoint) found.push({ option: GATES, needs: 'LeaseCheckpoint=true' })
  return found
}
