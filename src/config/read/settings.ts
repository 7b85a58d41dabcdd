/** What is in force of what was read: which of several wins, and what etcd does with the rest. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import {
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  nameOf,
  type ServerRow,
  type SideRow,
  variableOf,
} from '../options.js'
import { finding } from './finding.js'
import { BOOLEAN, entriesOf, isUnresolved, type ReadOption } from './read-option.js'

export type SideField = NonNullable<SideRow['field']>
export type ServerField = NonNullable<ServerRow['field']>

/** One option, set or not. */
export interface Setting {
  readonly row: EtcdOptionRow
  /** Null where it is not set. */
  readonly option: ReadOption | null
  /** What etcd takes: the value, or its default. */
  readonly values: readonly string[]
  readonly text: string
  readonly isSet: boolean
  /** Whether the value is completed elsewhere, so that nothing can be said of it. */
  readonly isUnresolved: boolean
  /** Where it stands; without line where it does not. */
  readonly place: ConfigPlace
}

/** The options of one member that are in force. */
export class Settings {
  private readonly byRow: ReadonlyMap<EtcdOptionRow, ReadOption>
  private readonly file: string | null
  /** The form that most is written in, in which what is missing is to be written, too. */
  private readonly form: ConfigForm

  constructor(options: readonly ReadOption[], file: string | null) {
    this.byRow = new Map(options.map((option) => [option.row, option]))
    this.file = file
    const forms = new Set(options.map(({ form }) => form))
    this.form = forms.has('yaml') ? 'yaml' : forms.has('env') && !forms.has('flags') ? 'env' : 'flags'
  }

  /** The name of an option as whoever wrote this configuration has to write it. */
  nameOf(row: EtcdOptionRow): string {
    if (this.form === 'yaml' && row.yaml !== null) return row.yaml.name.join('.')
    return this.form === 'env' && row.flag !== null ? variableOf(row.flag.name) : nameOf(row)
  }

  side(block: 'client' | 'peer', field: SideField): Setting {
    return this.first((row) => row.block === block && row.field === field)
  }

  server(field: ServerField): Setting {
    return this.first((row) => row.block === 'server' && row.field === field)
  }

  /** All that are set. */
  all(): ReadOption[] {
    return [...this.byRow.values()]
  }

  private first(wanted: (row: EtcdOptionRow) => boolean): Setting {
    const rows = etcdOptions.filter(wanted)
    const row = rows.find((each) => this.byRow.has(each)) ?? rows[0]
    if (row === undefined) throw new Error('Unreachable: the table has a row for each field')
    return this.setting(row)
  }

  private setting(row: EtcdOptionRow): Setting {
    const option = this.byRow.get(row) ?? null
    // An empty text is as none to etcd, in every form.
    const isUnreadable = option?.isUnreadable === true
    const isSet = option !== null && (option.text !== '' || isUnreadable)
    const text = isSet ? option.text : (row.default ?? '')
    return {
      row,
      option,
      text,
      values: isSet ? option.values : entriesOf(row, text),
      isSet,
      isUnresolved: isUnreadable || (isSet && (isUnresolved(text) || !isReadable(row, text))),
      place: option?.place ?? { option: this.nameOf(row), file: this.file, line: null, column: null },
    }
  }
}

/** Whether etcd can read a value: what is neither true nor false says nothing about what rests on it. */
function isReadable({ kind }: EtcdOptionRow, text: string): boolean {
  return kind !== 'boolean' || BOOLEAN.test(text)
}

/** Without the guesses about options that are written right elsewhere. */
export function withoutNeedlessGuesses(options: readonly ReadOption[]): ReadOption[] {
  const sure = new Set(options.filter(({ isGuess }) => isGuess !== true).map(({ row }) => row))
  return options.filter(({ row, isGuess }) => isGuess !== true || !sure.has(row))
}

/** What is in force of flags and variables, and findings about the rest (pkg/flags/flag.go, SetFlagsFromEnv). */
export function settleFlags(options: readonly ReadOption[]): { options: ReadOption[]; findings: Finding[] } {
  const flags = new Map<EtcdOptionRow, ReadOption>()
  const findings: Finding[] = []
  for (const option of options.filter(({ form }) => form === 'flags')) {
    const before = flags.get(option.row)
    if (before !== undefined && before.text !== option.text) {
      findings.push(
        finding('config/flag-repeated', { ...option.place, firstLine: before.place.line, value: option.text }),
      )
    }
    flags.set(option.row, option)
  }
  const inForce = new Map(flags)
  for (const option of options.filter(({ form }) => form === 'env')) {
    const flag = flags.get(option.row)
    if (flag === undefined) inForce.set(option.row, option)
    else findings.push(finding('config/flag-and-variable', { ...flag.place, variable: option.place.option }))
  }
  return { options: [...inForce.values()], findings }
}

/** Findings about flags and variables beside a configuration file, which are all ignored. */
export function ignoredBeside(configFile: ReadOption, options: readonly ReadOption[]): Finding[] {
  const all = options.filter((option) => option !== configFile)
  const lists = all.filter(({ row }) => row.field === 'crlFile')
  const others = all.filter(({ row }) => row.field !== 'crlFile').map(({ place }) => place)
  const [first] = others
  const ignored =
    first === undefined
      ? []
      : [
          finding('config/ignored-beside-file', {
            ...first,
            configFile: configFile.text,
            options: others.map(({ option }) => option),
          }),
        ]
  return [...lists.map(({ place }) => finding('config/crl-not-in-force', place)), ...ignored]
}

/** The setting that names a configuration file: the row without a place in such a file that is about the member. */
export function configFileOf(options: readonly ReadOption[]): ReadOption | undefined {
  return options.find(
    ({ row, text }) => row.block === 'server' && row.yaml === null && row.field === null && text !== '',
  )
}
