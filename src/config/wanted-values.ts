/** Values that etcd refuses of options that the tables only know by their type (server/embed/config.go v3.5.16 Validate). */
import { parseGoDuration } from '../x509/go-duration.js'
import { ELECTION, HEARTBEAT } from './heartbeat.js'
import type { ParsedVersion } from './version.js'

interface Wanted {
  /** Words after "must be". */
  readonly wants: string
  readonly is: (text: string, version: ParsedVersion | null) => boolean
}

const LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal']

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
  'log-outputs': {
    wants: 'default alone, or stderr, stdout, systemd/journal and paths of files',
    is: (text) => {
      const outputs = text.split(',')
      const isAlone = outputs.length === 1 || !outputs.includes('default')
      return isAlone && !outputs.some((each) => /^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(each))
    },
  },
  // Whether there is a file is judged next to log-outputs.
  'enable-log-rotation': { wants: 'true or false', is: () => true },
  'auto-compaction-mode': { wants: 'periodic or revision', is: (text) => text === 'periodic' || text === 'revision' },
  // server/embed/etcd.go v3.5.16 parseCompactionRetention
  'auto-compaction-retention': {
    wants: 'a number of hours or revisions, or a duration as 1h30m',
    is: (text) => /^\+?\d+$/.test(text) || parseGoDuration(text) !== null,
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
  // server/etcdmain/config.go v3.5.16, v3.6.14 newConfig
  'v2-deprecation': {
    wants: 'write-only, write-only-drop-data or gone; not-yet up to 3.5',
    is: (text, version) =>
      ['write-only', 'write-only-drop-data', 'gone'].includes(text) ||
      (text === 'not-yet' && (version === null || version.minor < 6)),
  },
}

/** What the value must be instead; null for one that etcd takes. */
export function wantedValue(name: string, text: string, version: ParsedVersion | null): string | null {
  const wanted = Object.hasOwn(WANTED, name) ? WANTED[name] : undefined
  return wanted === undefined || wanted.is(text, version) ? null : wanted.wants
}
