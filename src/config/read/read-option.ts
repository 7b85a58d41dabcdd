/** The data model of all readers. */
import { resolve } from 'node:path'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding, FindingDetails } from '../../report/finding.js'
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
import { type ConfigText, isUnresolved } from './text.js'

export interface ReadOption {
  readonly row: EtcdOptionRow
  /** In etcd's syntax. Commas separate the entries of a list. */
  readonly text: string
  /** The trimmed entries of a list; for other kinds, only the text. Empty for an empty text. */
  readonly values: readonly string[]
  /** Whether it is a YAML list. */
  readonly isList: boolean
  /** The place of an entry of a YAML list. */
  readonly entryPlace?: (index: number) => ConfigPlace
  readonly form: ConfigForm
  readonly place: ConfigPlace
  /** Whether this is only what was probably meant. Etcd does not accept the original, which a finding reports. */
  readonly isGuess?: true
  /** The option is set, but its value is not known. */
  readonly isUnreadable?: true
}

export interface PassthroughOption {
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
  /** A name or a number; null if unknown. */
  readonly user: string | null
  /** Groups in addition to those of the user; empty if unknown. */
  readonly groups: readonly string[]
  readonly isUserDynamic: boolean
  readonly version: ParsedVersion | null
  readonly versionPlace?: ConfigPlace
  /** The longest path first. Null outside of containers. */
  readonly mounts: readonly Mount[] | null
  /** Absent for a command of a container engine. */
  readonly engine?: 'Kubernetes' | 'Compose'
  readonly image?: string
  readonly probes?: readonly Probe[]
  /** Ports of the container that the host forwards. */
  readonly published?: readonly { readonly outside: string; readonly inside: string }[]
  readonly isRootReadOnly?: boolean
  /** GIDs of the container, if the group of root owns the volumes; null if a group of the container may own them. */
  readonly volumeGroups?: readonly string[] | null
  readonly replicas?: Replicas
  readonly sandbox?: Sandbox
}

/** A probe of the kubelet, or a command that probes etcd. */
export interface Probe {
  readonly by: 'kubelet' | 'command'
  readonly kind: 'http' | 'https' | 'tcp' | 'grpc'
  readonly port: string
  /** Null for the address of the pod. */
  readonly host: string | null
  /** The path of the URL; null if the probe has none. */
  readonly path: string | null
  readonly hasCertificate: boolean
  /** Whether it has a CA, or does not verify the server. */
  readonly hasCa: boolean
  readonly isNameUnknown?: true
  /** Whether another container of the pod may answer. */
  readonly isShared: boolean
  readonly place: ConfigPlace
}

export interface Replicas {
  readonly kind: string
  readonly name: string
  readonly count: number
  /** The headless service, and the namespace; null if the manifest does not name them. */
  readonly service: string | null
  readonly namespace: string | null
  readonly first: number
  readonly variables: readonly string[]
  readonly place: ConfigPlace
}

export interface Sandbox {
  /** The directive that keeps etcd from seeing a path; null if it sees it. */
  hiddenBy(path: string): string | null
  /** The directive that makes a path read-only; null if etcd may write there. */
  readOnlyBy(path: string): string | null
}

export interface Mount {
  readonly inside: string
  /** The path on the host; null if it is not on the host, for example for a Secret. */
  readonly outside: string | null
  /** Whether it is relative to the configuration file, which may be outside of `root`. */
  readonly isRelativeToFile?: true
  /** Files that the manifest contains, by their paths in the mount. The path is empty if the mount is one file. */
  readonly files?: ReadonlyMap<string, ConfigText>
  /** The paths of all files in the mount, with their modes; absent if they are not known. */
  readonly modes?: ReadonlyMap<string, number>
  /** The mode of files whose own mode is not known. */
  readonly mode?: number
  readonly isReadOnly?: boolean
  readonly isLostWith?: 'emptyDir' | 'tmpfs'
  /** Identifies a volume, such as a named volume, that two members must not share; absent if each member has its own. */
  readonly shared?: string
}

/** The mount that contains a path, and the rest of the path. */
export function mountOf(
  path: string,
  directory: string | null,
  mounts: readonly Mount[],
): { mount: Mount; rest: string } | null {
  const inside = resolve(directory ?? '/', path)
  const mount = mounts.find((each) => inside === each.inside || inside.startsWith(`${each.inside.replace(/\/$/, '')}/`))
  return mount === undefined ? null : { mount, rest: inside.slice(mount.inside.length).replace(/^\//, '') }
}

export function longestFirst(mounts: readonly Mount[]): Mount[] {
  return mounts.toSorted((a, b) => b.inside.length - a.inside.length)
}

export const NO_CONTEXT: RuntimeContext = {
  directory: null,
  user: null,
  groups: [],
  isUserDynamic: false,
  version: null,
  mounts: null,
}

export const MAX_FINDINGS = 100

export class Reading {
  readonly options: ReadOption[] = []
  readonly others: PassthroughOption[] = []
  readonly findings: Finding[] = []
  context = NO_CONTEXT
  /** False if options that are not set here may be set elsewhere. */
  isComplete = true
  /** The service or the pod; null if the text can start only one etcd. */
  label: string | null = null
  labelPlace: ConfigPlace | null = null
  readonly #counts = new Map<string, number>()

  report<C extends Parameters<typeof finding>[0]>(code: C, details: FindingDetails[C]): void {
    this.add(finding(code, details) as Finding)
  }

  add(...findings: readonly Finding[]): void {
    for (const each of findings) {
      const count = this.#counts.get(each.code) ?? 0
      this.#counts.set(each.code, count + 1)
      if (count < MAX_FINDINGS) this.findings.push(each)
    }
  }

  /** Adds the findings that explain why options may be missing here. */
  markIncomplete(...findings: readonly Finding[]): Reading[] {
    this.add(...findings)
    this.isComplete = false
    return [this]
  }

  isFull(...codes: Finding['code'][]): boolean {
    return codes.some((code) => (this.#counts.get(code) ?? 0) >= MAX_FINDINGS)
  }

  /** @param isGuess Whether the name or the value is only what was probably meant. */
  set(
    row: EtcdOptionRow | PassthroughRow,
    written: string,
    form: ConfigForm,
    place: ConfigPlace,
    isGuess = false,
  ): void {
    const inner = betweenQuotes(written)
    const text = inner ?? written
    if (inner !== null) this.report('config/quotes-in-value', { ...place, value: text })
    if ('block' in row) this.options.push(textOption(row, text, form, place, isGuess || inner !== null))
    else {
      this.others.push({ name: row.name, form, place, text })
      const rule = row.kind === 'nothing' ? undefined : optionKinds[row.kind].text
      if (rule !== undefined && !isUnresolved(text) && !rule.is(text))
        this.report('config/value-invalid', { ...place, kind: 'refused', value: text, wants: rule.wants })
    }
  }

  /** Sets an option whose name is a guess, if the value has the right type. */
  guess(row: EtcdOptionRow, text: string, form: ConfigForm, place: ConfigPlace): void {
    if (fits(row, text) || isUnresolved(text)) this.set(row, text, form, place, true)
  }
}

export function unreadable(...findings: readonly Finding[]): Reading {
  const reading = new Reading()
  reading.markIncomplete(...findings)
  return reading
}

/** @param looked The reason, which follows a colon. */
export function noEtcd(file: string | null, looked: string): Finding {
  return finding('config/no-etcd', { kind: 'etcd', file, looked })
}

function fits({ kind }: EtcdOptionRow, value: string): boolean {
  if (kind === 'boolean') return parseGoBoolean(value) !== null
  if (kind === 'tls-version') return /^TLS1\.\d$/.test(value)
  return kind !== 'path' || !/^(?:true|false|yes|no|on|off|\d)$/i.test(value)
}

const LISTS: ReadonlySet<EtcdOptionRow['kind']> = new Set(['urls', 'cluster', 'names', 'suites'])

export function textOption(
  row: EtcdOptionRow,
  text: string,
  form: ConfigForm,
  place: ConfigPlace,
  isGuess = false,
): ReadOption {
  return { row, text, values: entriesOf(row, text), isList: false, form, place, ...(isGuess ? { isGuess } : {}) }
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
  /** Whether the value has placeholders, or is not known. */
  readonly isUnresolved: boolean
  /** Without a line if the option is not set. */
  readonly place: ConfigPlace
  /** Whether it will be rendered, so that `$` and `%` are not placeholders. */
  readonly isWritten: boolean
  /** Whether an entry has placeholders. */
  isUnresolvedEntry(text: string): boolean
}

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
    const rows = etcdOptions.filter((row) => row.block === block && row.field === field)
    const row = rows.find((each) => this.#byRow.has(each)) ?? rows[0]
    if (row === undefined) throw new Error('Unreachable: the table has a row for each field')
    const option = this.#byRow.get(row) ?? null
    const isWritten = this.#isWritten
    const isUnreadable = option?.isUnreadable === true
    // Etcd treats an empty value as not set, in every form.
    const isSet = option !== null && (option.text !== '' || isUnreadable || isWritten)
    const text = isSet ? option.text : (row.default ?? '')
    const isUnresolvedEntry = (entry: string): boolean => !isWritten && isUnresolved(entry)
    // A boolean that is neither true nor false has no known value.
    const isReadable = row.kind !== 'boolean' || parseGoBoolean(text) !== null
    return {
      row,
      option,
      text,
      values: isSet ? option.values : entriesOf(row, text),
      isSet,
      isUnresolved: isUnreadable || (isSet && (isUnresolvedEntry(text) || !isReadable)),
      place: option?.place ?? { option: this.nameOf(row), file: this.#file, line: null, column: null },
      isWritten,
      isUnresolvedEntry,
    }
  }
}
