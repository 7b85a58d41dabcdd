/**
 * Values and combinations of options that etcd refuses or that are dangerous, by the name of the flag. The source is
 * server/embed/config.go v3.5.16 and v3.6.14 Validate, if a comment names no other.
 */
import { spelledLike } from '../../report/catalogue/config/place.js'
import { parseGoDuration } from '../../report/duration.js'
import { type ConfigForm, parseGoBoolean } from '../tables/options.js'
import { availableIn, type ParsedVersion } from '../tables/version.js'
import { acceptedUrl, type LintMember } from './member.js'

/** `defaultValue` is etcd's default in milliseconds. */
export const HEARTBEAT = { name: 'heartbeat-interval', defaultValue: '100' } as const
export const ELECTION = { name: 'election-timeout', defaultValue: '1000' } as const
const OUTPUTS = 'log-outputs'
const ROTATION = 'enable-log-rotation'
export const GATES = 'feature-gates'
const CHECKPOINT = 'experimental-enable-lease-checkpoint'

/** Returns what the value must be; null if etcd accepts it. */
type Check = (text: string, member: LintMember, form: ConfigForm) => string | null

function mustBe(wants: string, isRight: (text: string) => boolean): Check {
  return (text) => (isRight(text) ? null : wants)
}

function oneOf(...values: string[]): Check {
  const last = values.pop() ?? ''
  const wants = values.length === 0 ? last : `${values.join(', ')} or ${last}`
  return (text) => (text === last || values.includes(text) ? null : wants)
}

const level = oneOf('debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal')

/** For the two names of one option. */
const POSITIVE_DURATION = mustBe('a positive duration, as 1m', (text) => {
  return (/^-?\d+$/.test(text) ? Number(text) : (parseGoDuration(text) ?? 1)) > 0
})

/** Etcd checks the rate only if tracing is enabled (server/embed/config_tracing.go v3.5.16 validateTracingConfig). */
function rate(prefix: '' | 'experimental-'): Check {
  return (text, member) =>
    member.isOn(`${prefix}enable-distributed-tracing`) && (Number(text) > 1_000_000 || Number(text) < 0)
      ? 'a number from 0 to 1000000'
      : null
}

/** Options whose invalid values etcd refuses. */
export const VALUE_CHECKS: Readonly<Record<string, Check>> = {
  [HEARTBEAT.name]: mustBe('a number of milliseconds above 0', (text) => Number(text) !== 0),
  [ELECTION.name]: mustBe('a number of milliseconds from 1 to 50000', (text) => {
    return Number(text) !== 0 && !(Number(text) > 50_000)
  }),
  // 3.4 also accepts capnslog (server/embed/config_logging.go v3.5.0).
  logger: (text, { version }) => (text === 'zap' || version?.minor === 4 ? null : 'zap'),
  'log-level': (text, ...more) => level(text.toLowerCase(), ...more),
  [OUTPUTS]: mustBe('default alone, or stderr, stdout, systemd/journal and paths of files', (text) => {
    const outputs = text.split(',')
    const isAlone = outputs.length === 1 || !outputs.includes('default')
    return isAlone && !outputs.some((each) => each === '' || /^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(each))
  }),
  'auto-compaction-mode': oneOf('periodic', 'revision'),
  // server/embed/etcd.go v3.5.16 parseCompactionRetention
  'auto-compaction-retention': mustBe('a number of hours or revisions, or a duration as 1h30m', (text) => {
    return /^\+?\d+$/.test(text) || (parseGoDuration(text) ?? -1n) >= 0n
  }),
  'auth-token': (text, { version }) =>
    isToken(text, version)
      ? null
      : 'simple, or jwt with its method and keys, as jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=10m (the methods are RS, PS, ES and HS with 256, 384 or 512; ttl has a unit)',
  // server/etcdmain/config.go v3.5.16, v3.5.32, v3.6.13, v3.6.14 newConfig
  'v2-deprecation': (text, { version }, form) => {
    const isKnown =
      ['write-only', 'write-only-drop-data', 'gone'].includes(text) ||
      (text === 'not-yet' && (version === null || version.minor < 6)) ||
      (text === 'write-only-skip-check' &&
        (version === null || availableIn(version, ['3.5.32', '3.6.13', '3.7.0']) !== 'none'))
    // In a file, etcd accepts any value.
    return isKnown || form === 'yaml' ? null : 'write-only, write-only-drop-data or gone, or not-yet before etcd 3.6'
  },
  // The default of a file is 0 (server/embed/config.go v3.5.16 configFromFile, ClientSelfCert).
  'self-signed-cert-validity': (text, { sides }, form) =>
    Number(text) === 0 && form !== 'yaml' && sides.some(({ isAutoTls }) => isAutoTls)
      ? 'a number of years above 0'
      : null,
  'discovery-fallback': oneOf('exit', 'proxy'),
  // With the others, it starts no member (server/etcdmain/etcd.go v3.5.16 startEtcdOrProxyV2).
  proxy: mustBe('off: with another value, etcd starts a proxy and no member', (text) => text === 'off'),
  // pkg/flags/unique_urls.go v3.5.16 Set
  cors: mustBe('"*", or URLs of scheme, host and port', (text) => {
    return text === '*' || text.split(',').every((each) => acceptedUrl(each.trim()) !== null)
  }),
  'compact-hash-check-time': POSITIVE_DURATION,
  'experimental-compact-hash-check-time': POSITIVE_DURATION,
  // pkg/featuregate/feature_gate.go v3.6.14 Set
  [GATES]: (text, { version }) => {
    const known = Object.entries(GATE_SINCE).flatMap(([gate, since]) =>
      version === null || availableIn(version, [since]) !== 'none' ? [gate] : [],
    )
    const gates = text.split(',').filter((each) => each !== '')
    const areRight = gates.every((each) => {
      const [, gate = '', value = ''] = /^([^=]*)=(.*)$/s.exec(each) ?? []
      return known.includes(gate.trim()) && parseGoBoolean(value.trim()) !== null
    })
    return areRight ? null : `gates with true or false, of ${known.join(', ')}`
  },
  // server/embed/config_logging.go v3.5.16 setupLogRotation
  [ROTATION]: (text, member) => {
    const { text: outputs = 'default', isUnresolved = false } = member.used(OUTPUTS) ?? {}
    const all = outputs.split(',')
    const files = all.filter((each) => !['default', 'stderr', 'stdout'].includes(each)).length
    const isRight = parseGoBoolean(text) !== true || files === 1 || (files === 0 && all.length > 1)
    return isRight || isUnresolved ? null : `false unless ${OUTPUTS} names exactly one file`
  },
  'log-rotation-config-json': (text, member) =>
    member.isOn(ROTATION) && !isRotation(text)
      ? 'JSON, as {"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}'
      : null,
  'distributed-tracing-sampling-rate': rate(''),
  'experimental-distributed-tracing-sampling-rate': rate('experimental-'),
}

/** Options for which etcd silently replaces an unknown value by the default (measured with 3.5.16). */
export const DEFAULTED: Readonly<Record<string, Check>> = {
  // server/auth/store.go v3.5.16 NewAuthStore. Another rule reports a value that is not a number.
  'bcrypt-cost': mustBe('a number from 4 to 31', (text) => {
    return !/^\+?\d+$/.test(text) || /^\+?0*(?:[4-9]|[12]\d|3[01])$/.test(text)
  }),
  metrics: oneOf('basic', 'extensive'),
  'backend-bbolt-freelist-type': oneOf('array', 'map'),
}

/** The options of `jwt,…`; null if etcd cannot parse them (server/auth/store.go v3.5.16 decomposeOpts). */
export function readTokenOptions(text: string): ReadonlyMap<string, string> | null {
  const [type, ...pairs] = text.split(',').map((each) => each.split('='))
  const options = new Map(pairs.map(([key = '', value = '']) => [key, value]))
  const isRight = pairs.every(({ length }) => length === 2) && options.size === pairs.length
  return type?.join('=') === 'jwt' && isRight ? options : null
}

/** server/auth/store.go v3.5.16 NewTokenProvider; server/auth/options.go */
function isToken(text: string, version: ParsedVersion | null): boolean {
  const tokens = readTokenOptions(text.replace(/^simple(?=,|$)/, 'jwt'))
  if (tokens === null || text.startsWith('simple')) return tokens !== null
  const { 'sign-method': method = '', ttl = '5m', ...keys } = Object.fromEntries(tokens)
  const hasEdDsa = version?.minor !== 4 && version?.minor !== 5
  const isMethod = /^(?:[RPEH]S(?:256|384|512))$/.test(method) || (method === 'EdDSA' && hasEdDsa)
  const has = (key: string): boolean => (keys[key] ?? '') !== ''
  const isKeyed = has('priv-key') || (has('pub-key') && !method.startsWith('HS'))
  return isMethod && isKeyed && parseGoDuration(ttl) !== null
}

/** server/embed/config_logging.go v3.5.16 logRotationConfig */
function isRotation(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    return Object.entries(value).every(([key, own]) => {
      const isNumber = /^max(?:size|age|backups)$/i.test(key)
      const type = isNumber ? 'number' : /^(?:localtime|compress)$/i.test(key) ? 'boolean' : typeof own
      return own === null || typeof own === type
    })
  } catch {
    return false
  }
}

/** Options that 3.6 has under two names (v3.6.14 experimentalFlagMigrationMap); 3.7 has only the new one. */
const RENAMED =
  'compact-hash-check-time corrupt-check-time compaction-batch-limit watch-progress-notify-interval ' +
  'warning-apply-duration warning-unary-request-duration bootstrap-defrag-threshold-megabytes memory-mlock ' +
  'snapshot-catchup-entries compaction-sleep-interval downgrade-check-time peer-skip-client-san-verification ' +
  'enable-distributed-tracing distributed-tracing-address distributed-tracing-service-name ' +
  'distributed-tracing-instance-id distributed-tracing-sampling-rate'

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
  [CHECKPOINT]: 'LeaseCheckpoint',
  [`${CHECKPOINT}-persist`]: 'LeaseCheckpointPersist',
}

function gatesOf(member: LintMember): ReadonlyMap<string, string> {
  const gates = (member.used(GATES)?.text ?? '').split(',').map((each) => each.split('=', 2).map((part) => part.trim()))
  return new Map(gates.map(([name = '', value = '']) => [name, value]))
}

/** Two options that cannot both be set, by their flags. */
export function conflictingOptions(member: LintMember): [option: string, other: string][] {
  const gates = gatesOf(member)
  const isSet = (flag: string): boolean => member.used(flag) !== undefined
  // server/etcdserver/server.go v3.5.16 NewServer
  const isV2Gone = member.isOn('enable-v2') && (member.known('v2-deprecation')?.text ?? 'not-yet') !== 'not-yet'
  return [
    ...(isV2Gone ? [['enable-v2', 'v2-deprecation'] as [string, string]] : []),
    ...RENAMED.split(' ')
      .filter((name) => isSet(`experimental-${name}`) && isSet(name))
      .map((name): [string, string] => [`experimental-${name}`, name]),
    ...Object.entries(GATE_OF)
      .filter(([flag, gate]) => isSet(flag) && gates.has(gate))
      .map(([flag]): [string, string] => [flag, GATES]),
  ]
}

/** An option that needs another one, by their flags; or a gate. */
export function missingOptions(member: LintMember): [option: string, needs: string][] {
  const gates = gatesOf(member)
  const isGate = (name: string): boolean => parseGoBoolean(gates.get(name) ?? '') === true
  const persist = `${CHECKPOINT}-persist`
  const isMade = isGate('LeaseCheckpoint') || member.isOn(CHECKPOINT)
  const found: [string, string][] = []
  // Since 3.6 a discovery service needs both (server/embed/config.go v3.6.14 Validate).
  for (const [option, needs] of [
    ['discovery-endpoints', 'discovery-token'],
    ['discovery-token', 'discovery-endpoints'],
  ] as const) {
    if (member.isComplete && member.used(option) !== undefined && member.used(needs) === undefined)
      found.push([option, needs])
  }
  if (member.isOn(persist) && !isMade) found.push([persist, CHECKPOINT])
  if (isGate('LeaseCheckpointPersist') && !isMade) found.push([GATES, 'LeaseCheckpoint=true'])
  return found
}

/** Why a value is dangerous, as words after the option, and the remedy; null if it is not dangerous. */
type Danger = (text: string, option: string) => { why: string; remedy: string } | null

/** A URL without TLS whose host is not a loopback address. */
const PLAINTEXT = /^http:\/\/(?!localhost[:/]|127\.|\[::1\])/i

function dangerIfTrue(why: string, remedy: (option: string) => string): Danger {
  return (text, option) => (parseGoBoolean(text) === true ? { why, remedy: remedy(option) } : null)
}

function removalRemedy(option: string): string {
  return `Remove ${option} after the emergency or the test.`
}

export const DANGERS: Readonly<Record<string, Danger>> = {
  'peer-skip-client-san-verification': dangerIfTrue(
    'lets a member’s certificate be used from any address',
    () => 'Remove it, and issue certificates to the members with their addresses. Use a separate CA for members.',
  ),
  'force-new-cluster': dangerIfTrue('makes this member drop all other members at each start', removalRemedy),
  'unsafe-no-fsync': dangerIfTrue('lets a power failure lose writes that clients saw succeed', removalRemedy),
  // An attacker between a member and the discovery service chooses the members of the cluster.
  discovery: (text, option) =>
    PLAINTEXT.test(text)
      ? {
          why: `is ${text}, which is neither encrypted nor authenticated`,
          remedy: `Write ${text.replace(/^http:/i, 'https:')}, or list the members in ${spelledLike(option, 'initial-cluster')}.`,
        }
      : null,
  'discovery-insecure-skip-tls-verify': dangerIfTrue(
    'turns off the verification of the discovery service',
    (option) =>
      `Remove ${option}, and set the CA of the service (--discovery-cacert, or "cacert" next to it in a file).`,
  ),
}
