/** Versions of etcd, and the releases that have an option. */
import { textInvalid } from '../../report/option-error.js'

/** A release line of etcd. */
export type EtcdLine = '3.4' | '3.5' | '3.6' | '3.7'

/** Supported lines, oldest first. */
export const ETCD_LINES: readonly EtcdLine[] = ['3.4', '3.5', '3.6', '3.7']

/** The newest release of each line whose sources the tables were compared with. */
export const NEWEST_RELEASES = { '3.4': '3.4.45', '3.5': '3.5.33', '3.6': '3.6.14', '3.7': '3.7.1' } as const
export const NEWEST_RELEASE = NEWEST_RELEASES['3.7']

/**
 * A release of etcd such as `'3.5.16'`, or a release line such as `'3.5'`. A line means all of its releases:
 * `tls-min-version`, which 3.5.8 added, is not in `'3.5'`, because an older etcd may silently ignore it. A release of a
 * line that is not known here, such as `'3.8.0'`, may have other options than those that are known.
 */
export type EtcdVersion = EtcdLine | `${number}.${number}.${number}`

/** The renderer's default. */
export const DEFAULT_VERSION: EtcdVersion = '3.5'

export interface ParsedVersion {
  readonly minor: number
  /** Null for a whole release line. */
  readonly patch: number | null
}

/**
 * The first release with an option, one for each line: `['3.4.25', '3.5.8', '3.6.0']` was backported to two older lines.
 * All lines after the last one have it; no line before the first one has it.
 */
export type Since = readonly `${number}.${number}.${number}`[]

/** Whether all, some or none of the releases of a version have an option. Only a release line can have `some`. */
export type Availability = 'all' | 'some' | 'none'

/** Accepts a leading `v`. Null if the version is not supported. */
export function parseVersion(text: string): ParsedVersion | null {
  const [, line, patch] = /^v?(3\.\d{1,3})(?:\.(\d{1,4}))?$/.exec(text) ?? []
  if (line === undefined || !ETCD_LINES.some((known) => known === line)) return null
  return { minor: Number(line.slice('3.'.length)), patch: patch === undefined ? null : Number(patch) }
}

/** The release or the line, without `v`, if it is of a line that is not known; null for each other value. */
export function unknownRelease(given: unknown): string | null {
  const [, release = null] = /^v?(\d{1,3}\.\d{1,3}(?:\.\d{1,4})?)$/.exec(typeof given === 'string' ? given : '') ?? []
  return release === null || parseVersion(release) !== null ? null : release
}

/** Whether it is a release or a line after those that are known. */
export function isNewer(given: unknown): boolean {
  const [major = 0, minor = 0] = unknownRelease(given)?.split('.').map(Number) ?? []
  return major > 3 || (major === 3 && minor > release(NEWEST_RELEASE).minor)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the version is not supported. */
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

/** @param until The first release without it. Default: none. */
export function availableIn(version: ParsedVersion, since: Since, until?: string): Availability {
  const removed = until === undefined ? null : release(until)
  if (
    removed !== null &&
    (version.minor > removed.minor || (version.minor === removed.minor && atLeast(version, removed.patch)))
  )
    return 'none'
  // The entry of the version's own line, or of the nearest older one.
  const added = since.map(release).findLast(({ minor }) => minor <= version.minor)
  if (added === undefined) return 'none'
  if (added.minor < version.minor || added.patch === 0) return 'all'
  if (version.patch === null) return 'some'
  return version.patch >= added.patch ? 'all' : 'none'
}

function atLeast(version: ParsedVersion, patch: number): boolean {
  return version.patch === null ? patch === 0 : version.patch >= patch
}

function release(text: string): { minor: number; patch: number } {
  const [, minor = 0, patch = 0] = text.split('.').map(Number)
  return { minor, patch }
}
