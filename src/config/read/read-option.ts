/** The data model of all readers. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import {
  type Finding,
  type FindingCode,
  type FindingDetails,
  type FindingPlace,
  type Unchecked,
  type UncheckedKind,
  uncheckedOf,
} from '../../report/finding.js'
import { finding } from '../finding.js'
import { optionKinds } from '../tables/kinds.js'
import {
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  nameOf,
  parseGoBoolean,
  type PassthroughRow,
  type ServerField,
  type SideField,
  variableOf,
} from '../tables/options.js'
import type { ParsedVersion } from '../tables/version.js'
import type { ConfigText } from './text.js'
import { type GivenValues, type ResolvedText, resolveText, shown, type Syntax } from './references.js'

/** What the references in a value are. */
export type References = Pick<ResolvedText, 'unknown' | 'assumed'>

export const NO_REFERENCES: References = { unknown: [], assumed: [] }

export interface ReadOption extends References {
  readonly row: EtcdOptionRow
  /** In etcd's syntax. Commas separate the entries of a list. */
  readonly text: string
  /** The trimmed entries of a list; for other kinds, only the text. Empty for an empty text. */
  readonly values: readonly string[]
  /** Whether it is a YAML list. */
  readonly isList: boolean
  readonly form: ConfigForm
  readonly place: ConfigPlace
  /** The option is set, but etcd cannot read its value, which a finding reports. */
  readonly isUnreadable?: true
}

export interface PassthroughOption extends References {
  readonly name: string
  readonly form: ConfigForm
  readonly place: ConfigPlace
  /** Its value, if it is one string. */
  readonly text?: string
  /** Whether it is a TLS block without keys. */
  readonly isEmptyBlock?: true
  /** Whether its key is in a block. `name` is then the flag. */
  readonly isNested?: true
}

export interface RuntimeContext {
  /** The working directory; null if unknown. */
  readonly directory: string | null
  readonly version: ParsedVersion | null
  /** The release of the image, if it is not known. */
  readonly unknownRelease?: string | null
  readonly versionPlace?: ConfigPlace
  /** The longest path first. Null outside of containers. */
  readonly mounts: readonly Mount[] | null
  readonly probes?: readonly KubeletProbe[]
  /** Ports of the container that the host forwards. */
  readonly published?: readonly { readonly outside: string; readonly inside: string }[]
}

/** A request of the kubelet to one port, with which it checks etcd. */
export interface KubeletProbe {
  readonly kind: 'http' | 'https' | 'grpc'
  readonly port: string
  readonly place: ConfigPlace
}

export interface Mount {
  readonly inside: string
  /** The path on the host; null if it is not on the host, for example for a Secret. */
  readonly outside: string | null
  /** Whether it is relative to the configuration file, which may be outside of `root`. */
  readonly isRelativeToFile?: true
  /** Files that the manifest contains, by their paths in the mount. The path is empty if the mount is one file. */
  readonly files?: ReadonlyMap<string, ConfigText>
}

export function longestFirst(mounts: readonly Mount[]): Mount[] {
  return mounts.toSorted((a, b) => b.inside.length - a.inside.length)
}

export const NO_CONTEXT: RuntimeContext = {
  directory: null,
  version: null,
  mounts: null,
}

export const MAX_FINDINGS = 100
/** Limits the etcds of one text, and the members of one comparison. etcd recommends at most seven members. */
export const MAX_MEMBERS = 100

/** The kinds with which options that are not set here may be set elsewhere. */
const OPEN_KINDS: ReadonlySet<UncheckedKind> = new Set([
  ...(['template', 'variable', 'flag-list', 'file-absent', 'env-from'] as const),
  ...(['image', 'drop-ins', 'document', 'limit'] as const),
])

export class Reading {
  readonly options: ReadOption[] = []
  readonly others: PassthroughOption[] = []
  readonly findings: Finding[] = []
  readonly unchecked: Unchecked[] = []
  context = NO_CONTEXT
  /** False if options that are not set here may be set elsewhere. */
  isComplete = true
  /** The service or the pod; null if the text can start only one etcd. */
  label: string | null = null
  place: ConfigPlace | null = null
  readonly given: GivenValues
  readonly #counts = new Map<string, number>()

  /** @param given The values of variables that the caller knows. */
  constructor(given: GivenValues) {
    this.given = given
  }

  report<C extends Parameters<typeof finding>[0]>(code: C, details: FindingDetails[C]): void {
    this.add(finding(code, details) as Finding)
  }

  add(...findings: readonly Finding[]): void {
    for (const each of findings) {
      const count = this.#count(each.code)
      if (count < MAX_FINDINGS) this.findings.push(each)
    }
  }

  /**
   * Says what was not checked.
   *
   * @param codes What it may hide. Default: everything, and options that are not set here may be set there.
   */
  addUnchecked(
    kind: UncheckedKind,
    place: FindingPlace,
    message: string,
    codes: readonly FindingCode[] | 'all' = 'all',
  ): void {
    if (codes === 'all' && OPEN_KINDS.has(kind)) this.isComplete = false
    if (this.#count(`unchecked ${kind}`) < MAX_FINDINGS)
      this.unchecked.push(uncheckedOf(kind, place, shown(message), codes))
  }

  /** @param what What was not done with the others: `members were read`. */
  addLimit(place: FindingPlace, most: number, what: string): void {
    this.addUnchecked('limit', place, `Only the first ${String(most)} ${what}.`)
  }

  /** @param what A sentence. */
  leaveTemplate(place: FindingPlace, what: string): void {
    this.addUnchecked('template', place, `${what} Lint the text that is rendered from it.`)
  }

  /** Takes what was read in a part that several etcds share. */
  take({ options, others, findings, unchecked, isComplete }: Reading): this {
    this.options.push(...options)
    this.others.push(...others)
    this.add(...findings)
    this.unchecked.push(...unchecked)
    this.isComplete &&= isComplete
    return this
  }

  /** The reading of one etcd, with what several share. */
  fork(): Reading {
    return new Reading(this.given).take(this)
  }

  /** @param place Where the label is written. */
  named(label: string, place: ConfigPlace): this {
    this.label = label
    this.place = place
    return this
  }

  /** Adds the findings that explain why options may be missing here. */
  markIncomplete(...findings: readonly Finding[]): this {
    this.add(...findings)
    this.isComplete = false
    return this
  }

  /** Whether nothing is set here, and nothing may be set elsewhere. */
  get isEmpty(): boolean {
    return this.isComplete && this.#hasNothing
  }

  /** Whether it may be an etcd, of which nothing was read. */
  get isUnread(): boolean {
    return !this.isComplete && this.#hasNothing
  }

  get #hasNothing(): boolean {
    return [this.options, this.others, this.findings].every(({ length }) => length === 0)
  }

  isFull(...codes: Finding['code'][]): boolean {
    return codes.some((code) => (this.#counts.get(code) ?? 0) >= MAX_FINDINGS)
  }

  /** @param syntax The program that fills in parts of the value. */
  set(
    row: EtcdOptionRow | PassthroughRow,
    written: string,
    form: ConfigForm,
    place: ConfigPlace,
    syntax: Syntax,
  ): void {
    const { text: resolved, ...references } = resolveText(written, syntax, this.given)
    const inner = betweenQuotes(resolved)
    const text = inner ?? resolved
    if (inner !== null) this.report('config/quotes-in-value', { ...place, value: text })
    if ('block' in row) this.options.push(textOption(row, text, form, place, references))
    else {
      this.others.push({ name: row.name, form, place, text, ...references })
      const rule = row.kind === 'nothing' ? undefined : optionKinds[row.kind].text
      if (rule !== undefined && references.unknown.length === 0 && !rule.is(text))
        this.report('config/value-invalid', { ...place, kind: 'refused', value: text, wants: rule.expected })
    }
  }

  #count(key: string): number {
    const count = this.#counts.get(key) ?? 0
    this.#counts.set(key, count + 1)
    return count
  }
}

export function unreadable(...findings: readonly Finding[]): Reading {
  return new Reading({}).markIncomplete(...findings)
}

/** Why a template whose text is no YAML is not read. */
export const UNRENDERED = 'it is a template, which is no YAML before it is rendered'

/** @param looked The reason, which follows a colon. */
export function noEtcd(file: string | null, looked: string): Finding {
  return finding('config/no-etcd', { kind: 'etcd', file, looked })
}

const LISTS: ReadonlySet<EtcdOptionRow['kind']> = new Set(['urls', 'cluster', 'names', 'suites'])

export function textOption(
  row: EtcdOptionRow,
  text: string,
  form: ConfigForm,
  place: ConfigPlace,
  { unknown, assumed }: References = NO_REFERENCES,
): ReadOption {
  // A comma within a reference separates nothing.
  const isWhole = unknown.some((reference) => reference.includes(','))
  const values = isWhole ? [text] : entriesOf(row, text)
  return { row, text, values, isList: false, form, place, unknown, assumed }
}

/** The value without surrounding quotes; null if it has none. */
function betweenQuotes(text: string): string | null {
  const [first = ''] = text
  const isQuoted = text.length > 1 && (first === '"' || first === "'") && text.endsWith(first)
  return isQuoted ? text.slice(1, -1) : null
}

export function entriesOf(row: EtcdOptionRow, text: string): string[] {
  if (text === '') return []
  return LISTS.has(row.kind) ? text.split(',').map((entry) => entry.trim()) : [text]
}

export interface Setting {
  readonly row: EtcdOptionRow
  readonly option: ReadOption | null
  /** The entries of the value, or of the default. */
  readonly values: readonly string[]
  readonly text: string
  readonly isSet: boolean
  /** Whether the value is not known, or has a reference that is not known. */
  readonly isUnresolved: boolean
  /** Without a line if the option is not set. */
  readonly place: ConfigPlace
  /** Whether it will be rendered. */
  readonly isWritten: boolean
  /** Whether an entry of the value has a reference that is not known. */
  isUnresolvedEntry(text: string): boolean
}

const keyOf = ({ block, field }: Pick<EtcdOptionRow, 'block' | 'field'>): string => `${block} ${String(field)}`
const ROWS: ReadonlyMap<string, readonly EtcdOptionRow[]> = new Map(
  etcdOptions.map((row) => [keyOf(row), etcdOptions.filter((each) => keyOf(each) === keyOf(row))]),
)

export class Settings {
  readonly #byRow: ReadonlyMap<EtcdOptionRow, ReadOption>
  readonly #file: string | null
  readonly #isWritten: boolean
  /** The form in which remedies add an option: YAML if a file is read, else flags, else variables. */
  readonly #form: ConfigForm

  constructor(options: readonly ReadOption[], file: string | null, isWritten = false) {
    this.#isWritten = isWritten
    this.#byRow = new Map(options.map((option) => [option.row, option]))
    this.#file = file
    const forms = new Set(options.map(({ form }) => form))
    this.#form = forms.has('yaml') ? 'yaml' : forms.has('env') && !forms.has('flags') ? 'env' : 'flags'
  }

  nameOf(row: EtcdOptionRow): string {
    if (this.#form === 'yaml' && row.yaml !== null) return row.yaml.name.join('.')
    return this.#form === 'env' && row.flag !== null ? variableOf(row.flag.name) : nameOf(row)
  }

  side(block: 'client' | 'peer', field: SideField): Setting {
    return this.#setting(block, field)
  }

  server(field: ServerField): Setting {
    return this.#setting('server', field)
  }

  all(): ReadOption[] {
    return [...this.#byRow.values()]
  }

  #setting(block: EtcdOptionRow['block'], field: EtcdOptionRow['field']): Setting {
    const rows = ROWS.get(keyOf({ block, field })) ?? []
    const row = rows.find((each) => this.#byRow.has(each)) ?? rows[0]
    if (row === undefined) throw new Error('Unreachable: the table has a row for each field')
    const option = this.#byRow.get(row) ?? null
    const isWritten = this.#isWritten
    const isUnreadable = option?.isUnreadable === true
    // etcd treats an empty value as not set, in every form.
    const isSet = option !== null && (option.text !== '' || isUnreadable || isWritten)
    const text = isSet ? option.text : (row.default ?? '')
    const isUnresolvedEntry = (entry: string): boolean =>
      option !== null && isSet && option.unknown.some((reference) => entry.includes(reference))
    // A boolean that is neither true nor false has no known value.
    const isReadable = row.kind !== 'boolean' || parseGoBoolean(text) !== null
    return {
      row,
      option,
      text,
      values: isSet ? option.values : entriesOf(row, text),
      isSet,
      isUnresolved: isUnreadable || (isSet && (option.unknown.length > 0 || !isReadable)),
      place: option?.place ?? { option: this.nameOf(row), file: this.#file, line: null, column: null },
      isWritten,
      isUnresolvedEntry,
    }
  }
}
