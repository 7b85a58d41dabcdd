/** What a row of the table of etcd's options tells. */
import type { MemberConfig, TlsSide } from './model.js'
import type { Since } from './version.js'

/**
 * What an option's value is.
 *
 * - `path`: of one file or directory. `text`: one text. `boolean`. `years`: a whole number of years, at least 1.
 * - `urls`: URLs, to which etcd listens or which it tells others. In a list by commas, in YAML too.
 * - `cluster`: `name=url` pairs, in a list by commas, in YAML too. `state`: `new` or `existing`.
 * - `names`: texts, in a list by commas; a YAML list, or one YAML text in versions that know one alone (`listSince`).
 * - `suites`: names of TLS 1.2 cipher suites, in a list by commas; a YAML list. `tls-version`: `TLS1.2` or `TLS1.3`.
 */
export type OptionKind =
  'path' | 'text' | 'boolean' | 'years' | 'urls' | 'cluster' | 'state' | 'names' | 'suites' | 'tls-version'

/** Which connections an option is about: those of clients, those between members, or the member as a whole. */
export type OptionBlock = 'client' | 'peer' | 'server'

/** An option's name in one form, and the releases that know it. */
export interface Spelling<N> {
  readonly name: N
  readonly since: Since
  /** The first release without it. */
  readonly until?: string
}

interface RowBase {
  readonly kind: OptionKind
  /** As on the command line, without its dashes; null where there is no flag. The variable follows from it. */
  readonly flag: Spelling<string> | null
  /** The keys in a configuration file, from its top; null where a file cannot say it. */
  readonly yaml: Spelling<readonly string[]> | null
  /** Since when it takes more than one value; one alone before. Default: always a list, where the kind is one. */
  readonly listSince?: Since
  /** The first release that warns of it. */
  readonly deprecatedSince?: string
  /** What etcd takes where it is not set, as etcd writes it. Null for nothing. */
  readonly default: string | null
  /** What the option does, in words that end a sentence beginning with its name. */
  readonly does: string
  /** Where that is written down: a file of etcd's sources, with the release in which it was read. */
  readonly source: string
}

/** An option of one of the two TLS blocks; `field` is its name in {@link TlsSide}. Null: not written, only read. */
export interface SideRow extends RowBase {
  readonly block: 'client' | 'peer'
  readonly field: keyof TlsSide | null
}

/** An option of the member as a whole; `field` is its name in {@link MemberConfig}. Null: not written, only read. */
export interface ServerRow extends RowBase {
  readonly block: 'server'
  readonly field: keyof MemberConfig | null
}

export type EtcdOptionRow = SideRow | ServerRow

/** The variable that etcd reads for a flag (pkg/flags/flag.go, FlagToEnv). */
export function variableOf(flag: string): string {
  return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** The name that people know a row by: its flag, or its path in a configuration file. */
export function nameOf(row: EtcdOptionRow): string {
  return row.flag === null ? (row.yaml?.name ?? []).join('.') : `--${row.flag.name}`
}
