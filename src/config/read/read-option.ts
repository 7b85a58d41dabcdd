/** The one form that every kind of configuration is read into. */
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
  /** As etcd takes it, a list with commas. */
  readonly text: string
  /** The entries of a list, without spaces around them; only the text for other kinds. Empty for an empty text. */
  readonly values: readonly string[]
  /** Whether it is written as a list, which only YAML has. */
  readonly isList: boolean
  /** The place of an entry of such a list. */
  readonly entryPlace?: (index: number) => ConfigPlace
  readonly form: ConfigForm
  readonly place: ConfigPlace
  /** Etcd does not accept how it is written, which a finding reports; this is what was probably meant. */
  readonly isGuess?: true
  /** What is meant is not known. It counts as set, to an unknown value. */
  readonly isUnreadable?: true
}

export interface PassthroughOption {
  readonly name: string
  readonly form: ConfigForm
  readonly place: ConfigPlace
  /** Its value, if that is one string. */
  readonly text?: string
  /** Whether it is a block of the table with nothing in it. */
  readonly isEmptyBlock?: true
  /** Whether it is in a block of a file; `name` is then its flag. */
  readonly isNested?: true
}

export interface RuntimeContext {
  /** Where relative paths start; null if unknown. */
  readonly directory: string | null
  /** A name or a number; null if unknown. */
  readonly user: string | null
  /** In addition to those of the user; empty if unknown. */
  readonly groups: readonly string[]
  readonly isUserDynamic: boolean
  readonly version: ParsedVersion | null
  readonly versionPlace?: ConfigPlace
  /** The longest path first. Null outside of containers. */
  readonly mounts: readonly Mount[] | null
  /** What starts the container; absent for a command of a container engine. */
  readonly engine?: 'Kubernetes' | 'Compose'
  readonly image?: string
  readonly probes?: readonly Probe[]
  /** Ports of the container that are forwarded from others of the host. */
  readonly published?: readonly { readonly outside: string; readonly inside: string }[]
  readonly isRootReadOnly?: boolean
  /** The numbers of the groups that can read a volume which only its group may read; null if one of them may own it. */
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
  /** The path of the URL; null if it does not matter. */
  readonly path: string | null
  readonly hasCertificate: boolean
  /** Whether it verifies the server with a CA of its own, or not at all. */
  readonly hasCa: boolean
  readonly isNameUnknown?: true
  /** Whether another container of the pod may answer. */
  readonly isShared: boolean
  readonly place: ConfigPlace
}

/** The pods that a workload of Kubernetes makes of one template. */
export interface Replicas {
  readonly kind: string
  readonly name: string
  readonly count: number
  /** The service that gives its pods their names in DNS, and the namespace; null if they are not written. */
  readonly service: string | null
  readonly namespace: string | null
  readonly first: number
  readonly variables: readonly string[]
  readonly place: ConfigPlace
}

export interface Sandbox {
  /** The directive that keeps etcd from seeing a path; null if it sees it. */
  hides(path: string): string | null
  /** The directive that makes a path read-only; null if etcd may write there. */
  locks(path: string): string | null
}

export interface Mount {
  readonly inside: string
  /** As the host has it; null for what is not on the host, such as a Secret. */
  readonly outside: string | null
  /** Whether it is relative to the configuration itself, which is not below another root. */
  readonly isRelativeToFile?: true
  /** Files whose text the manifest has, by their paths within; the empty path if the mount is one file. */
  readonly files?: ReadonlyMap<string, ConfigText>
  /** The paths of all files within, with their modes; absent if they are not known. */
  readonly modes?: ReadonlyMap<string, number>
  /** The mode of files whose own mode is not known. */
  readonly mode?: number
  readonly isReadOnly?: boolean
  readonly isLostWith?: 'emptyDir' | 'tmpfs'
  /** What several members cannot have in common, such as a named volume; absent if each has its own. */
  readonly shared?: string
}

/** The folder of a container that a path is in, and the rest of the path. */
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
  /** False if so little was read that what is not set may be set elsewhere. */
  isWhole = true
  /** The service or the pod that runs it; null if the text can start one etcd only. */
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

  /** Takes the reason why what is not set may be set elsewhere. */
  refuse(...findings: readonly Finding[]): Reading[] {
    this.add(...findings)
    this.isWhole = false
    return [this]
  }

  isFull(...codes: Finding['code'][]): boolean {
    return codes.some((code) => (this.#counts.get(code) ?? 0) >= MAX_FINDINGS)
  }

  /**
   * Takes the value of a flag or a variable.
   *
   * @param isGuess Whether the name, or the value, is what was probably meant.
   */
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

  /** Takes the value of an option whose name is a guess, unless the value does not fit it. */
  guess(row: EtcdOptionRow, text: string, form: ConfigForm, place: ConfigPlace): void {
    if (fits(row, text) || isUnresolved(text)) this.set(row, text, form, place, true)
  }
}

export function unreadable(...findings: readonly Finding[]): Reading {
  const reading = new Reading()
  reading.refuse(...findings)
  return reading
}

/** @param looked Why, after a colon. */
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

/** The text between two quotes that are part of a value; null for a value without them. */
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
  /** What etcd uses: the value, or its default. */
  readonly values: readonly string[]
  readonly text: string
  readonly isSet: boolean
  /** Whether the value is completed elsewhere, so that nothing is known of it. */
  readonly isUnresolved: boolean
  /** Where it is; without a line if it is not set. */
  readonly place: ConfigPlace
  /** Whether it is going to be written, so that nothing completes it. */
  readonly isWritten: boolean
  /** Whether one of its entries is completed elsewhere. */
  isOpen(text: string): boolean
}

export class Settings {
  readonly #byRow: ReadonlyMap<EtcdOptionRow, ReadOption>
  readonly #file: string | null
  readonly #isWritten: boolean
  /** The form for remedies that add an option: YAML if a file is read, else flags, else variables. */
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
    // Etcd takes an empty value as one that is not set, in every form.
    const isSet = option !== null && (option.text !== '' || isUnreadable || isWritten)
    const text = isSet ? option.text : (row.default ?? '')
    const isOpen = (entry: string): boolean => !isWritten && isUnresolved(entry)
    // What is neither true nor false says nothing.
    const isReadable = row.kind !== 'boolean' || parseGoBoolean(text) !== null
    return {
      row,
      option,
      text,
      values: isSet ? option.values : entriesOf(row, text),
      isSet,
      isUnresolved: isUnreadable || (isSet && (isOpen(text) || !isReadable)),
      place: option?.place ?? { option: this.nameOf(row), file: this.#file, line: null, column: null },
      isWritten,
      isOpen,
    }
  }
}
