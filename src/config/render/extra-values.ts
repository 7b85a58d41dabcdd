/**
 * Values of `extra` that etcd refuses, and options that exclude or need each other. They have nothing to do with access, so the
 * lint does not check them. The source is server/embed/config.go v3.5.16 and v3.6.14 Validate, if a comment names no other.
 */
import { parseGoDuration } from '../../report/go-duration.js'
import type { Finding } from '../../report/finding.js'
import { finding, withoutPlace } from '../finding.js'
import { parseGoBoolean } from '../tables/options.js'
import { availableIn, type ParsedVersion } from '../tables/version.js'

/** The values of flags, by the names of the flags. */
type Texts = ReadonlyMap<string, string>

/** What the value must be, and the test of a value. */
type ValueRow = readonly [
  expected: string | ((version: ParsedVersion) => string),
  is: RegExp | ((text: string, version: ParsedVersion, all: Texts) => boolean),
]

const [HEARTBEAT, ELECTION] = ['heartbeat-interval', 'election-timeout']
const CHECKPOINT = 'experimental-enable-lease-checkpoint'
const PERSIST = `${CHECKPOINT}-persist`

const POSITIVE_DURATION: ValueRow = ['a positive duration, as 1m', (text) => (parseGoDuration(text) ?? 0n) > 0n]

/** etcd checks the rate only if tracing is enabled (server/embed/config_tracing.go v3.5.16 validateTracingConfig). */
function rate(prefix: '' | 'experimental-'): ValueRow {
  const isOff = (all: Texts): boolean => all.get(`${prefix}enable-distributed-tracing`) !== 'true'
  return ['a number from 0 to 1000000', (text, _, all) => isOff(all) || (Number(text) >= 0 && Number(text) <= 1e6)]
}

const VALUES: Readonly<Record<string, ValueRow>> = {
  [HEARTBEAT]: ['a number of milliseconds above 0', /[1-9]/],
  [ELECTION]: ['a number of milliseconds from 1 to 50000', (text) => Number(text) > 0 && Number(text) <= 50_000],
  // 3.4 also accepts capnslog (server/embed/config_logging.go v3.5.0).
  logger: ['zap', (text, { minor }) => text === 'zap' || minor === 4],
  'log-level': ['debug, info, warn, error, dpanic, panic or fatal', /^(?:debug|info|warn|error|dpanic|panic|fatal)$/i],
  'log-outputs': ['default alone, or stderr, stdout, systemd/journal and paths of files', areOutputs],
  // server/embed/config_logging.go v3.5.16 setupLogRotation
  'enable-log-rotation': [
    'false unless log-outputs names exactly one file',
    (text, _, all) => text !== 'true' || isOneFile(all.get('log-outputs') ?? 'default'),
  ],
  'log-rotation-config-json': [
    'JSON, as {"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
    (text, _, all) => all.get('enable-log-rotation') !== 'true' || isRotation(text),
  ],
  'auto-compaction-mode': ['periodic or revision', /^(?:periodic|revision)$/],
  // server/embed/etcd.go v3.5.16 parseCompactionRetention
  'auto-compaction-retention': [
    'a number of hours or revisions, or a duration as 1h30m',
    (text) => /^\+?\d+$/.test(text) || (parseGoDuration(text) ?? -1n) >= 0n,
  ],
  // server/etcdmain/config.go v3.5.16, v3.5.32, v3.6.13, v3.6.14 newConfig
  'v2-deprecation': [
    'write-only, write-only-drop-data or gone, or not-yet before etcd 3.6',
    (text, version) =>
      ['write-only', 'write-only-drop-data', 'gone'].includes(text) ||
      (text === 'not-yet' && version.minor < 6) ||
      (text === 'write-only-skip-check' && availableIn(version, ['3.5.32', '3.6.13', '3.7.0']) !== 'none'),
  ],
  'compact-hash-check-time': POSITIVE_DURATION,
  'experimental-compact-hash-check-time': POSITIVE_DURATION,
  'distributed-tracing-sampling-rate': rate(''),
  'experimental-distributed-tracing-sampling-rate': rate('experimental-'),
  // pkg/featuregate/feature_gate.go v3.6.14 Set
  'feature-gates': [
    (version) => `gates with true or false, of ${gatesIn(version).join(', ')}`,
    (text, version) =>
      gatesOf(text).every(([gate, value]) => gatesIn(version).includes(gate) && parseGoBoolean(value) !== null),
  ],
}

function areOutputs(text: string): boolean {
  const outputs = text.split(',')
  const isAlone = outputs.length === 1 || !outputs.includes('default')
  return isAlone && !outputs.some((each) => each === '' || /^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(each))
}

/** Whether the outputs have one file, or none but two of the others, which etcd accepts as well. */
function isOneFile(text: string): boolean {
  const outputs = text.split(',')
  const files = outputs.filter((each) => !['default', 'stderr', 'stdout'].includes(each)).length
  return files === 1 || (files === 0 && outputs.length > 1)
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

/** Feature gates (server/features/etcd_features.go v3.6.0, v3.7.0; pkg/featuregate). */
const GATES_36 =
  'AllAlpha AllBeta CompactHashCheck InitialCorruptCheck LeaseCheckpoint LeaseCheckpointPersist SetMemberLocalAddr ' +
  'StopGRPCServiceOnDefrag TxnModeWriteWithSharedBuffer'
const GATES_37 = `${GATES_36} FastLeaseKeepAlive PriorityRequest`

function gatesIn({ minor }: ParsedVersion): string[] {
  return (minor < 7 ? GATES_36 : GATES_37).split(' ')
}

function gatesOf(text: string): [gate: string, value: string][] {
  return text.split(',').flatMap((each): [string, string][] => {
    const [, gate = '', value = ''] = /^([^=]*)=(.*)$/s.exec(each) ?? []
    return each === '' ? [] : [[gate.trim(), value.trim()]]
  })
}

/** Flags up to 3.6 that became a gate (v3.6.14 ExperimentalFlagToFeatureMap). */
const GATE_OF: Readonly<Record<string, string>> = {
  'experimental-stop-grpc-service-on-defrag': 'StopGRPCServiceOnDefrag',
  'experimental-initial-corrupt-check': 'InitialCorruptCheck',
  'experimental-compact-hash-check-enabled': 'CompactHashCheck',
  'experimental-txn-mode-write-with-shared-buffer': 'TxnModeWriteWithSharedBuffer',
  [CHECKPOINT]: 'LeaseCheckpoint',
  [PERSIST]: 'LeaseCheckpointPersist',
}

/** @param all The options that the version has. */
export function extraValueFindings(all: Texts, version: ParsedVersion): Finding[] {
  return [...refusedValues(all, version), ...refusedTogether(all), ...shortElection(all)]
}

function refusedValues(all: Texts, version: ParsedVersion): Finding[] {
  return [...all].flatMap(([name, value]) => {
    const [expected, is] = VALUES[name] ?? ['', /^/]
    if (is instanceof RegExp ? is.test(value) : is(value, version, all)) return []
    const wants = typeof expected === 'string' ? expected : expected(version)
    return [finding('config/value-invalid', { ...at(name), kind: 'refused', value, wants })]
  })
}

/** Options that exclude each other, and options that need another one. */
function refusedTogether(all: Texts): Finding[] {
  const gates = new Map(gatesOf(all.get('feature-gates') ?? ''))
  const isGate = (name: string): boolean => parseGoBoolean(gates.get(name) ?? '') === true
  const hasCheckpoint = all.get(CHECKPOINT) === 'true' || isGate('LeaseCheckpoint')
  const excluded = (name: string, other: string): Finding =>
    finding('config/options-conflict', { ...at(name), kind: 'excluded', other: `--${other}` })
  const needs = (name: string, other: string): Finding =>
    finding('config/option-needs', { ...at(name), kind: 'option', needs: [other] })
  // server/etcdserver/server.go v3.5.16 NewServer
  const isV2Gone = all.get('enable-v2') === 'true' && (all.get('v2-deprecation') ?? 'not-yet') !== 'not-yet'
  // 3.6 has some options under two names (v3.6.14 experimentalFlagMigrationMap).
  const renamed = [...all.keys()].filter((name) => all.has(`experimental-${name}`))
  const replaced = Object.entries(GATE_OF).filter(([flag, gate]) => all.has(flag) && gates.has(gate))
  return [
    ...(isV2Gone ? [excluded('enable-v2', 'v2-deprecation')] : []),
    ...renamed.map((name) => excluded(`experimental-${name}`, name)),
    ...replaced.map(([flag]) => excluded(flag, 'feature-gates')),
    ...(all.get(PERSIST) === 'true' && !hasCheckpoint ? [needs(PERSIST, `--${CHECKPOINT}`)] : []),
    ...(isGate('LeaseCheckpointPersist') && !hasCheckpoint ? [needs('feature-gates', 'LeaseCheckpoint=true')] : []),
  ]
}

/** etcd requires at least five heartbeats. It first refuses 0 for both. */
function shortElection(all: Texts): Finding[] {
  const [heartbeat, election] = [Number(all.get(HEARTBEAT) ?? 100), Number(all.get(ELECTION) ?? 1000)]
  const [name, least] = [all.has(ELECTION) ? ELECTION : HEARTBEAT, 5 * heartbeat]
  if (heartbeat === 0 || election === 0 || least <= election) return []
  return [finding('config/election-too-short', { ...at(name), heartbeat, election, least })]
}

function at(name: string): ReturnType<typeof withoutPlace> {
  return withoutPlace(`--${name}`)
}
