/**
 * Values of `extra` that etcd refuses. They have nothing to do with access, so the lint does not check them. The source is
 * server/embed/config.go v3.5.16 and v3.6.14 Validate, if a comment names no other.
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
  expected: string,
  is: RegExp | ((text: string, version: ParsedVersion, all: Texts) => boolean),
]

const [HEARTBEAT, ELECTION] = ['heartbeat-interval', 'election-timeout']
const POSITIVE_DURATION: ValueRow = ['a positive duration, as 1m', (text) => (parseGoDuration(text) ?? 0n) > 0n]
const RATE: ValueRow = ['a number from 0 to 1000000', (text) => Number(text) >= 0 && Number(text) <= 1e6]

/** Feature gates (server/features/etcd_features.go v3.6.0, v3.7.0; pkg/featuregate). */
const GATES = [
  ...['AllAlpha', 'AllBeta', 'CompactHashCheck', 'FastLeaseKeepAlive', 'InitialCorruptCheck', 'LeaseCheckpoint'],
  ...['LeaseCheckpointPersist', 'PriorityRequest', 'SetMemberLocalAddr', 'StopGRPCServiceOnDefrag'],
  'TxnModeWriteWithSharedBuffer',
]

const VALUES: Readonly<Record<string, ValueRow>> = {
  [HEARTBEAT]: ['a number of milliseconds above 0', /[1-9]/],
  [ELECTION]: ['a number of milliseconds from 1 to 50000', (text) => Number(text) > 0 && Number(text) <= 50_000],
  // 3.4 also accepts capnslog (server/embed/config_logging.go v3.5.0).
  logger: ['zap', (text, { minor }) => text === 'zap' || minor === 4],
  'log-level': ['debug, info, warn, error, dpanic, panic or fatal', /^(?:debug|info|warn|error|dpanic|panic|fatal)$/i],
  'log-outputs': ['default alone, or stderr, stdout, systemd/journal and paths of files', areOutputs],
  // server/embed/config_logging.go v3.5.16 setupLogRotation
  'enable-log-rotation': [
    'false unless log-outputs names a file',
    (text, _, all) => text !== 'true' || !/^(?:default|stderr|stdout)$/.test(all.get('log-outputs') ?? 'default'),
  ],
  'log-rotation-config-json': ['JSON, as {"maxsize": 100, "compress": false}', /^\s*\{\s*(?:"|\}\s*$)/],
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
      /^(?:write-only|write-only-drop-data|gone)$/.test(text) ||
      (text === 'not-yet' && version.minor < 6) ||
      (text === 'write-only-skip-check' && availableIn(version, ['3.5.32', '3.6.13', '3.7.0']) !== 'none'),
  ],
  'compact-hash-check-time': POSITIVE_DURATION,
  'experimental-compact-hash-check-time': POSITIVE_DURATION,
  'distributed-tracing-sampling-rate': RATE,
  'experimental-distributed-tracing-sampling-rate': RATE,
  // pkg/featuregate/feature_gate.go v3.6.14 Set
  'feature-gates': [
    `gates with true or false, of ${GATES.join(', ')}`,
    (text) => text.split(',').every((each) => each === '' || isGate(each)),
  ],
}

function areOutputs(text: string): boolean {
  const outputs = text.split(',')
  const isAlone = outputs.length === 1 || !outputs.includes('default')
  return isAlone && !outputs.some((each) => each === '' || /^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(each))
}

function isGate(text: string): boolean {
  const [, gate = '', value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? []
  return GATES.includes(gate.trim()) && parseGoBoolean(value.trim()) !== null
}

/** @param all The options that the version has. */
export function extraValueFindings(all: Texts, version: ParsedVersion): Finding[] {
  const refused = [...all].filter(([name, value]) => {
    const [, is] = VALUES[name] ?? ['', /^/]
    return !(is instanceof RegExp ? is.test(value) : is(value, version, all))
  })
  return [
    ...refused.map(([name, value]) =>
      finding('config/value-invalid', { ...at(name), kind: 'refused', value, wants: VALUES[name]?.[0] ?? '' }),
    ),
    ...shortElection(all),
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
