/**
 * Values of `extra` that etcd refuses at its start. They have nothing to do with access, so the lint does not check them. The
 * source is server/embed/config.go v3.5.16 and v3.6.14 Validate, if a comment names no other.
 */
import { parseGoDuration } from '../../report/duration.js'
import type { Finding } from '../../report/finding.js'
import { finding, withoutPlace } from '../finding.js'

/** The values of flags, by the names of the flags. */
type Texts = ReadonlyMap<string, string>

const [HEARTBEAT, ELECTION] = ['heartbeat-interval', 'election-timeout']

/** What the value must be, and the test of a value. */
type ValueRow = readonly [expected: string, is: (text: string) => boolean]

const oneOf = (expected: string, pattern: RegExp): ValueRow => [expected, (text) => pattern.test(text)]
const POSITIVE_DURATION: ValueRow = ['a positive duration, as 1m', (text) => (parseGoDuration(text) ?? 0n) > 0n]

const VALUES: Readonly<Record<string, ValueRow>> = {
  [HEARTBEAT]: oneOf('a number of milliseconds above 0', /[1-9]/),
  [ELECTION]: ['a number of milliseconds from 1 to 50000', (text) => Number(text) > 0 && Number(text) <= 50_000],
  // server/embed/config_logging.go v3.5.0
  logger: oneOf('zap, or capnslog before etcd 3.5', /^(?:zap|capnslog)$/),
  'log-level': oneOf(
    'debug, info, warn, error, dpanic, panic or fatal',
    /^(?:debug|info|warn|error|dpanic|panic|fatal)$/i,
  ),
  'log-outputs': ['default alone, or stderr, stdout, systemd/journal and paths of files', areOutputs],
  'auto-compaction-mode': oneOf('periodic or revision', /^(?:periodic|revision)$/),
  // server/embed/etcd.go v3.5.16 parseCompactionRetention
  'auto-compaction-retention': [
    'a number of hours or revisions, or a duration as 1h30m',
    (text) => /^\+?\d+$/.test(text) || (parseGoDuration(text) ?? -1n) >= 0n,
  ],
  // server/etcdmain/config.go v3.5.16, v3.5.32, v3.6.13 newConfig
  'v2-deprecation': oneOf(
    'write-only, write-only-drop-data or gone, or not-yet before etcd 3.6',
    /^(?:not-yet|write-only(?:-drop-data|-skip-check)?|gone)$/,
  ),
  'compact-hash-check-time': POSITIVE_DURATION,
  'experimental-compact-hash-check-time': POSITIVE_DURATION,
}

function areOutputs(text: string): boolean {
  const outputs = text.split(',')
  const isAlone = outputs.length === 1 || !outputs.includes('default')
  return isAlone && !outputs.some((each) => each === '' || /^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(each))
}

export function extraValueFindings(all: Texts): Finding[] {
  const refused = [...all].flatMap(([name, value]) => {
    const [wants = '', is = () => true] = VALUES[name] ?? []
    return is(value)
      ? []
      : [finding('config/value-invalid', { ...withoutPlace(`--${name}`), kind: 'refused', value, wants })]
  })
  return [...refused, ...shortElection(all)]
}

/** etcd requires at least five heartbeats. It first refuses 0 for both. */
function shortElection(all: Texts): Finding[] {
  const [heartbeat, election] = [Number(all.get(HEARTBEAT) ?? 100), Number(all.get(ELECTION) ?? 1000)]
  const [name, least] = [all.has(ELECTION) ? ELECTION : HEARTBEAT, 5 * heartbeat]
  if (heartbeat === 0 || election === 0 || least <= election) return []
  return [finding('config/election-too-short', { ...withoutPlace(`--${name}`), heartbeat, election, least })]
}
