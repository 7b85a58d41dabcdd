/** The options of one member by their rows, each with its value in force. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import {
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  nameOf,
  parseGoBoolean,
  type ServerField,
  type SideField,
  variableOf,
} from '../tables/options.js'
import { entriesOf, isUnresolved, type ReadOption } from './read-option.js'

/** One option, set or not. */
export interface Setting {
  readonly row: EtcdOptionRow
  /** Null if it is not set. */
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

  /** The name of an option in the form of this configuration. */
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

  /** All that are set. */
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
