/** The options of one member by their rows, each with its value in force. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import {
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  nameOf,
  parseGoBoolean,
  type ServerRow,
  type SideRow,
  variableOf,
} from '../tables/options.js'
import { entriesOf, isUnresolved, type ReadOption } from './read-option.js'

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
  /** Where it is; without a line if it is not set. */
  readonly place: ConfigPlace
  /** Whether it is going to be written, so that its value is what it seems to be. */
  readonly isWritten: boolean
  /** Whether one of its entries is completed elsewhere. */
  isOpen(text: string): boolean
}

/** The options of one member that are in force. */
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

  /** The name of an option as whoever wrote this configuration has to write it. */
  nameOf(row: EtcdOptionRow): string {
    if (this.#form === 'yaml' && row.yaml !== null) return row.yaml.name.join('.')
    return this.#form === 'env' && row.flag !== null ? variableOf(row.flag.name) : nameOf(row)
  }

  side(block: 'client' | 'peer', field: SideField): Setting {
    return this.#first((row) => row.block === block && row.field === field)
  }

  server(field: ServerField): Setting {
    return this.#first((row) => row.block === 'server' && row.field === field)
  }

  /** All that are set. */
  all(): ReadOption[] {
    return [...this.#byRow.values()]
  }

  #first(wanted: (row: EtcdOptionRow) => boolean): Setting {
    const rows = etcdOptions.filter(wanted)
    const row = rows.find((each) => this.#byRow.has(each)) ?? rows[0]
    if (row === undefined) throw new Error('Unreachable: the table has a row for each field')
    return this.#setting(row)
  }

  #setting(row: EtcdOptionRow): Setting {
    const option = this.#byRow.get(row) ?? null
    // An empty text is as none to etcd, in every form.
    const isUnreadable = option?.isUnreadable === true
    const isSet = option !== null && (option.text !== '' || isUnreadable || this.#isWritten)
    const text = isSet ? option.text : (row.default ?? '')
    const isWritten = this.#isWritten
    const isOpen = (entry: string): boolean => !isWritten && isUnresolved(entry)
    return {
      row,
      option,
      text,
      values: isSet ? option.values : entriesOf(row, text),
      isSet,
      isUnresolved: isUnreadable || (isSet && (isOpen(text) || !isReadable(row, text))),
      place: option?.place ?? { option: this.nameOf(row), file: this.#file, line: null, column: null },
      isWritten,
      isOpen,
    }
  }
}

/** Whether etcd can read a value: what is neither true nor false says nothing about what rests on it. */
function isReadable({ kind }: EtcdOptionRow, text: string): boolean {
  return kind !== 'boolean' || parseGoBoolean(text) !== null
}
