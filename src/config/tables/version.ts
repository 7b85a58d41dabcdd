/** Versions of etcd, and since when something is in them. */
import { textInvalid } from '../../report/option-error.js'

/** A release line of etcd. */
export type EtcdLine = '3.4' | '3.5' | '3.6' | '3.7'

/** Those that this package knows, oldest first. */
export const ETCD_LINES: readonly EtcdLine[] = ['3.4', '3.5', '3.6', '3.7']

/**
 * A release of etcd such as `'3.5.16'`, or a release line such as `'3.5'`. A line means all of its releases:
 * `tls-min-version`, which 3.5.8 added, is not in `'3.5'`, because an older etcd may silently ignore it.
 */
export type EtcdVersion = EtcdLine | `${EtcdLine}.${number}`

/** What is written for where no version is named. */
export const DEFAULT_VERSION: EtcdVersion = '3.5'

/** A version taken apart. */
export interface ParsedVersion {
  readonly minor: number
  /** Null for a whole release line. */
  readonly patch: number | null
}

/**
 * When something came, one release for each line that it came to: `['3.4.25', '3.5.8', '3.6.0']` was ported back to two
 * older lines. It is in all lines after the last one that is named, and in none before the first.
 */
export type Since = readonly `${number}.${number}.${number}`[]

/** In all releases that a version stands for, in none, or in some of them, which only a release line can be. */
export type Availability = 'all' | 'some' | 'none'

/** The version that a text names, with or without a leading `v`; null for one that this package does not know. */
export function parseVersion(text: string): ParsedVersion | null {
  const [, line, patch] = /^v?(3\.\d{1,3})(?:\.(\d{1,4}))?$/.exec(text) ?? []
  if (line === undefined || !ETCD_LINES.some((known) => known === line)) return null
  return { minor: Number(line.slice('3.'.length)), patch: patch === undefined ? null : Number(patch) }
}

/**
 * The version that an option names.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for one that is not known.
 */
export function readVersion(given: unknown, option: string): ParsedVersion {
  const version = typeof given === 'string' ? parseVersion(given) : null
  if (version === null) {
    throw textInvalid(option, given, `a version of etcd of ${ETCD_LINES.join(', ')}, such as '3.5' or '3.5.16'`)
  }
  return version
}

export function formatVersion({ minor, patch }: ParsedVersion): string {
  return patch === null ? `3.${String(minor)}` : `3.${String(minor)}.${String(patch)}`
}

/** Whether something that came with `since`, and went with `until`, is in a version. */
export function availableIn(version: ParsedVersion, since: Since, until?: string): Availability {
  const gone = until === undefined ? null : release(until)
  if (gone !== null && (version.minor > gone.minor || (version.minor === gone.minor && atLeast(version, gone.patch))))
    return 'none'
  // The newest line that is named and is not newer than the version's own.
  const came = since.map(release).findLast(({ minor }) => minor <= version.minor)
  if (came === undefined) return 'none'
  if (came.minor < version.minor || came.patch === 0) return 'all'
  if (version.patch === null) return 'some'
  return version.patch >= came.patch ? 'all' : 'none'
}

function atLeast(version: ParsedVersion, patch: number): boolean {
  return version.patch === null ? patch === 0 : version.patch >= patch
}

/** A release in a table, which has all three numbers. */
function release(text: string): { minor: number; patch: number } {
  const [, minor = 0, patch = 0] = text.split('.').map(Number)
  return { minor, patch }
}
