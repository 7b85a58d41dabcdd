/** The one form that every kind of configuration is read into. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import type { ConfigForm, EtcdOptionRow } from '../options.js'
import type { ParsedVersion } from '../version.js'
import type { ConfigText } from './text.js'

/** One option as it stands in a configuration. */
export interface ReadOption {
  readonly row: EtcdOptionRow
  /** As etcd takes it, its list with commas. */
  readonly text: string
  /** The entries of a list, without blanks; the text alone for other kinds. Empty for an empty text. */
  readonly values: readonly string[]
  /** Whether it is written as a list, which YAML alone has. */
  readonly isList: boolean
  readonly form: ConfigForm
  readonly place: ConfigPlace
  /**
   * Written so that etcd does not take it, which a finding says; this is what was probably meant. What rests on it is
   * judged, and it gives way to what is written right.
   */
  readonly isGuess?: true
  /** What is meant cannot be told. It counts as set, to something that is not known. */
  readonly isUnreadable?: true
}

/** What surrounds etcd, as far as the configuration tells. */
export interface Surroundings {
  /** Where relative paths start; null where nothing tells. */
  readonly directory: string | null
  /** The user that etcd runs as: a name or a number. Null where nothing tells. */
  readonly user: string | null
  /** Groups that it has beside those of its user; empty where nothing tells. */
  readonly groups: readonly string[]
  /** Whether systemd makes the user at each start, who owns nothing that was there before. */
  readonly isUserDynamic: boolean
  /** Taken from the image of a container. */
  readonly version: ParsedVersion | null
  /** Where that stands. */
  readonly versionPlace?: ConfigPlace
  /** Folders of a container and what they are on its host; null outside of containers. */
  readonly mounts: readonly Mount[] | null
  /** The name of the image of a container. */
  readonly image?: string
  /** What the kubelet asks of etcd; empty if other containers of the pod may answer. */
  readonly probes?: readonly Probe[]
}

/** A request of the kubelet, which shows no certificate. */
export interface Probe {
  readonly kind: 'http' | 'https' | 'tcp'
  readonly port: string
  /** Null for the address of the pod. */
  readonly host: string | null
  readonly place: ConfigPlace
}

export interface Mount {
  /** As etcd sees it. */
  readonly inside: string
  /** As the host has it; null for what is not on the host, such as a secret. */
  readonly outside: string | null
  /** Whether it was found from where the configuration itself stands, so that no other root is put before it. */
  readonly isBesideFile?: true
  /** Files whose text the manifest has, by their paths within; the empty path where the mount is one file. */
  readonly files?: ReadonlyMap<string, ConfigText>
}

export const NO_SURROUNDINGS: Surroundings = {
  directory: null,
  user: null,
  groups: [],
  isUserDynamic: false,
  version: null,
  mounts: null,
}

/** A name that etcd knows and that concerns neither TLS nor addresses: whether this release knows it counts for most. */
export interface OtherName {
  readonly name: string
  readonly form: ConfigForm
  readonly place: ConfigPlace
  /** Its value, where that is one text. */
  readonly text?: string
  /** Whether it is a block of the table that stands there without anything in it. */
  readonly isEmptyBlock?: true
  /** Whether it stands in a block of a file, which is named, too: `name` is the flag that says the same. */
  readonly isNested?: true
}

/** What was read of one configuration. */
export interface ConfigReading {
  /** All that stands there, also what is not in force, in its order. */
  readonly options: readonly ReadOption[]
  readonly others: readonly OtherName[]
  readonly findings: readonly Finding[]
  readonly surroundings: Surroundings
  /** False where so little could be read that nothing can be said of what is not there. */
  readonly isWhole: boolean
  /** The service or the pod, in a text that may start several etcds. */
  readonly label?: string
  /** Where that is. */
  readonly labelPlace?: ConfigPlace
  /** How many keys at the top of a file are those of etcd. */
  readonly ownKeys?: number
}

export function unreadable(...findings: readonly Finding[]): ConfigReading {
  return { options: [], others: [], findings, surroundings: NO_SURROUNDINGS, isWhole: false }
}

/** Kinds whose text is a list with commas. */
const LISTS: ReadonlySet<EtcdOptionRow['kind']> = new Set(['urls', 'cluster', 'names', 'suites'])

/** An option of a text, as flags and variables are. */
export function textOption(row: EtcdOptionRow, text: string, form: ConfigForm, place: ConfigPlace): ReadOption {
  return { row, text, values: entriesOf(row, text), isList: false, form, place }
}

/** What is between two quotes that are part of a value; null for a value without them. */
export function betweenQuotes(text: string): string | null {
  const [first = ''] = text
  const isQuoted = text.length > 1 && (first === '"' || first === "'") && text.endsWith(first)
  return isQuoted ? text.slice(1, -1) : null
}

export function entriesOf(row: EtcdOptionRow, text: string): string[] {
  if (text === '') return []
  return LISTS.has(row.kind) ? text.split(',').map((entry) => entry.trim()) : [text]
}

/** What Go takes for a boolean (strconv.ParseBool). */
export const BOOLEAN = /^(?:[01tTfF]|true|True|TRUE|false|False|FALSE)$/

/** Whether a value is completed elsewhere: by variables, commands, templates, or the specifiers of systemd. */
export function isUnresolved(text: string): boolean {
  return /\$[({A-Za-z_]|\{\{|%[A-Za-z]|`/.test(text)
}
