/** Values that etcd refuses of options that the tables only know by their type (server/embed/config.go v3.5.16 Validate). */
import { parseGoDuration } from '../x509/go-duration.js'
import { gatesOf } from './excluded.js'
import { ELECTION, HEARTBEAT } from './heartbeat.js'
import type { ConfigForm } from './options.js'
import { availableIn, type ParsedVersion } from './version.js'

interface Wanted {
  /** Words after "must be". */
  readonly wants: string | ((version: ParsedVersion | null) => string)
  readonly is: (text: string, version: ParsedVersion | null) => boolean
  /** Whether etcd takes anything in a file. */
  readonly isFree?: 'in a file'
}

/** The check of hashes at each compaction, under either of its names. */
const aPeriod: Wanted = {
  wants: 'a positive duration, as 1m',
  is: (text) => (/^-?\d+$/.test(text) ? Number(text) : (parseGoDuration(text) ?? 1)) > 0,
}

/** What Go takes for a boolean (strconv.ParseBool). */
const BOOLEAN = /^(?:[01tTfF]|true|True|TRUE|false|False|FALSE)$/
const LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal']

export const ROTATION = 'enable-log-rotation'
export const OUTPUTS = 'log-outputs'

/** By the flag, without its dashes. */
export const WANTED: Readonly<Record<string, Wanted>> = {
  [HEARTBEAT.name]: { wants: 'a number of milliseconds above 0', is: (text) => Number(text) !== 0 },
  [ELECTION.name]: {
    wants: 'a number of milliseconds from 1 to 50000',
    is: (text) => Number(text) !== 0 && !(Number(text) > 50_000),
  },
  // 3.4 has both (server/embed/config_logging.go v3.5.0).
  logger: { wants: 'zap', is: (text, version) => text === 'zap' || version?.minor === 4 },
  'log-level': {
    wants: 'debug, info, warn, error, dpanic, panic or fatal',
    is: (text) => LEVELS.includes(text.toLowerCase()),
  },
  [OUTPUTS]: {
    wants: 'default alone, or stderr, stdout, systemd/journal and paths of files',
    is: (text) => {
      const outputs = text.split(',')
      const isAlone = outputs.length === 1 || !outputs.includes('default')
      return isAlone && !outputs.some((each) => /^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(each))
    },
  },
  'auto-compaction-mode': { wants: 'periodic or revision', is: (text) => text === 'periodic' || text === 'revision' },
  // server/embed/etcd.go v3.5.16 parseCompactionRetention
  'auto-compaction-retention': {
    wants: 'a number of hours or revisions, or a duration as 1h30m',
    is: (text) => /^\+?\d+$/.test(text) || (parseGoDuration(text) ?? -1n) >= 0n,
  },
  // server/auth/store.go v3.5.16 NewTokenProvider; server/auth/options.go
  'auth-token': {
    wants: 'simple, or jwt with its method and keys, as jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256',
    is: (text) => {
      const [type, ...options] = text.split(',')
      const has = (key: string): boolean => options.some((each) => each.startsWith(`${key}=`) && each !== `${key}=`)
      return type === 'simple' || (type === 'jwt' && has('sign-method') && (has('pub-key') || has('priv-key')))
    },
  },
  // server/etcdmain/config.go v3.5.16, v3.5.32, v3.6.13, v3.6.14 newConfig
  'v2-deprecation': {
    wants: 'write-only, write-only-drop-data or gone; not-yet up to 3.5',
    is: (text, version) =>
      ['write-only', 'write-only-drop-data', 'gone'].includes(text) ||
      (text === 'not-yet' && (version === null || version.minor < 6)) ||
      (text === 'write-only-skip-check' &&
        (version === null || availableIn(version, ['3.5.32', '3.6.13', '3.7.0']) !== 'none')),
    isFree: 'in a file',
  },
  'discovery-fallback': { wants: 'exit or proxy', is: (text) => text === 'exit' || text === 'proxy' },
  proxy: { wants: 'off, readonly or on', is: (text) => ['off', 'readonly', 'on'].includes(text) },
  // pkg/flags/unique_urls.go v3.5.16 Set
  cors: {
    wants: '"*", or URLs of scheme, host and port',
    is: (text) => text === '*' || text.split(',').every((each) => /^(?:https?|unixs?):\/\/[^/?#]+$/i.test(each.trim())),
  },
  'compact-hash-check-time': aPeriod,
  'experimental-compact-hash-check-time': aPeriod,
  // pkg/featuregate/feature_gate.go v3.6.14 Set
  'feature-gates': {
    wants: (version) => `gates with true or false, of ${gatesOf(version).join(', ')}`,
    is: (text, version) =>
      text
        .split(',')
        .filter((each) => each !== '')
        .every((each) => {
          const [, gate = '', value = ''] = /^([^=]*)=(.*)$/s.exec(each) ?? []
          return gatesOf(version).includes(gate.trim()) && BOOLEAN.test(value.trim())
        }),
  },
}

/**
 * What log rotation must be without exactly one file (server/embed/config_logging.go v3.5.16 setupLogRotation); null if etcd takes
 * it.
 */
export function wantedRotation(isOn: boolean, outputs = 'default'): string | null {
  const all = outputs.split(',')
  const files = all.filter((each) => !['default', 'stderr', 'stdout'].includes(each)).length
  const isRight = !isOn || files === 1 || (files === 0 && all.length > 1)
  return isRight ? null : `false unless ${OUTPUTS} names exactly one file`
}

/** What the value must be instead; null for one that etcd takes. */
export function wantedValue(
  name: string,
  text: string,
  version: ParsedVersion | null,
  form: ConfigForm,
): string | null {
  const wanted = Object.hasOwn(WANTED, name) ? WANTED[name] : undefined
  if (wanted === undefined || (wanted.isFree === 'in a file' && form === 'yaml') || wanted.is(text, version))
    return null
  return typeof wanted.wants === 'string' ? wanted.wants : wanted.wants(version)
}
