/** Flags, as Go reads them (package flag, FlagSet.parseOne): `-name=value`, `--name value`, and `--name` for a boolean. */
import { SHELL_SYNTAX } from '../../report/catalogue/config/reading.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, type EtcdOptionRow, rowOfFlag } from '../tables/options.js'
import { KNOWN_FLAGS, passthroughOfFlag, type PassthroughRow } from '../tables/passthrough-options.js'
import { finding } from '../finding.js'
import { guessedOption, meantByValue, meantByWords, nearest } from './meaning.js'
import {
  betweenQuotes,
  type ConfigReading,
  passthroughFindings,
  type PassthroughOption,
  type ReadOption,
  textOption,
} from './read-option.js'
import { splitWords } from './tokenizer.js'

/** An argument, and where it stands. */
interface Argument {
  readonly text: string
  place(option: string): ConfigPlace
}

/** Arguments that are read; the kernel allows no more of usual length. */
const MAX_ARGUMENTS = 10_000
/** Findings of one command line. */
const MAX_FINDINGS = 100
/** Unknown flags that are reported: to find what was meant costs most. */
const MAX_UNKNOWN = 100
/** An argument that stands for flags that are not known: `$ETCD_OPTS`, `$@`. */
const VARIABLE = /^\$(?:[@*]|\w+|\{\w+\}|\(\w+\))$/
/** Programs within etcd that its first argument starts (server/etcdmain/main.go). */
const OTHER_PROGRAMS: ReadonlySet<string> = new Set(['gateway', 'grpc-proxy'])
const FLAGS: readonly string[] = [...etcdOptions.flatMap((row) => row.flag?.name ?? []), ...KNOWN_FLAGS]
/** Flags that etcd had up to 3.3. */
const GONE: ReadonlySet<string> = new Set(['ca-file', 'peer-ca-file'])

type FlagsReading = Pick<ConfigReading, 'options' | 'others' | 'findings' | 'isWhole'>

/** Reads what follows the name of the program. */
export function readFlags(args: readonly Argument[]): FlagsReading {
  const [first] = args
  if (first === undefined || !OTHER_PROGRAMS.has(first.text))
    return new FlagsReader(args.slice(0, MAX_ARGUMENTS)).read()
  const looked = `it starts etcd’s ${first.text}, which has its own flags and is not checked`
  const findings = [finding('config/no-etcd', { kind: 'etcd', file: first.place(first.text).file, looked })]
  return { options: [], others: [], findings, isWhole: false }
}

/** The flag before an argument. */
interface Before {
  readonly flag: string
  readonly row: EtcdOptionRow | undefined
  /** Whether it takes the next argument for its value in the mind of the author, and not in Go. */
  readonly isOpen: boolean
}

class FlagsReader {
  readonly #options: ReadOption[] = []
  readonly #others: PassthroughOption[] = []
  readonly #findings: Finding[] = []
  readonly #args: readonly Argument[]
  #unknown = 0
  #isWhole = true
  /** Whether Go stopped before this argument. */
  #isOver = false

  constructor(args: readonly Argument[]) {
    this.#args = args.flatMap((each) => this.#split(each))
  }

  read(): FlagsReading {
    let before: Before | null = null
    for (let i = 0; i < this.#args.length; i++) {
      const argument = this.#args[i]
      if (argument === undefined) break
      // Word processors make one long dash of two, and other quotes.
      const text = argument.text
        .replace(/^[\u201c\u201d\u201e\u2018\u2019](?=-)/, '')
        .replace(/^[\u2013\u2014](?=[a-z])/, '--')
      if (text !== argument.text) this.#leftOver(argument, null)
      const [, name, , value] = /^--?([^-=][^=]*)(=([\s\S]*))?$/.exec(text) ?? []
      const next = this.#args[i + 1]
      if (name === undefined) {
        this.#other(argument, next, before)
        before = null
      } else {
        const read = this.#joined(name, value, argument) ?? this.#flag(name, value, argument, next)
        if (read.takesNext) i++
        before = read
      }
    }
    return { options: this.#options, others: this.#others, findings: this.#findings, isWhole: this.#isWhole }
  }

  /** Several flags in one argument, as of a variable that is not split: etcd receives them as one value. */
  #split(argument: Argument): Argument[] {
    const { text } = argument
    const flag = flagWithin(text)
    if (flag === null || !/^--?[a-z][a-z-]*[= ]/.test(text)) return [argument]
    const place = argument.place(/^--?[a-z-]+/.exec(text)?.[0] ?? '')
    this.#misplaced(place, 'flag in value', { argument: flag, value: text.slice(text.search(/[= ]/) + 1) })
    return splitWords(text, 'shell').map((word) => ({ ...argument, text: word.text }))
  }

  /** An argument that is not a flag: Go stops here, and etcd with it. What follows is read as it is meant. */
  #other(argument: Argument, next: Argument | undefined, before: Before | null): void {
    const { text } = argument
    if (VARIABLE.test(text)) this.#isWhole = false
    else if (text === '--') {
      if (next !== undefined) this.#leftOver(next, null)
      this.#isOver = true
    } else if (SHELL_SYNTAX.test(text)) this.#leftOver(argument, null)
    else {
      this.#leftOver(argument, before)
      if (before?.row === undefined || !before.isOpen) return
      const last = this.#options.findLastIndex(({ row }) => row === before.row)
      if (last !== -1) this.#options.splice(last, 1)
      this.#options.push({ ...textOption(before.row, text, 'flags', argument.place(before.flag)), isGuess: true })
    }
  }

  #leftOver(argument: Argument, before: Before | null): void {
    if (this.#isOver) return
    this.#isOver = true
    const after = before?.isOpen === true ? before.flag : null
    this.#misplaced(argument.place(before?.flag ?? 'etcd'), 'left over', { argument: argument.text, after })
  }

  #flag(
    name: string,
    given: string | undefined,
    argument: Argument,
    next: Argument | undefined,
  ): Before & { readonly takesNext: boolean } {
    const flag = `--${name}`
    const place = argument.place(flag)
    const own = rowOfFlag(name)
    const other = own === undefined ? passthroughOfFlag(name) : undefined
    const isKnown = own !== undefined || other !== undefined
    const row = isKnown ? own : this.#meant(name, given ?? next?.text ?? '', place)
    const isSwitch =
      row !== undefined
        ? row.kind === 'boolean'
        : other !== undefined
          ? isSwitchKind(other)
          : next === undefined || next.text.startsWith('-')
    const takesNext = given === undefined && !isSwitch && next !== undefined && !isKnownFlag(next)
    const before = { flag, row, isOpen: given === undefined ? isSwitch : given === '', takesNext }
    if (other !== undefined)
      this.#others.push({
        name,
        form: 'flags',
        place,
        text: given ?? (isSwitchKind(other) ? 'true' : (next?.text ?? '')),
      })
    const written = given ?? (isSwitch ? 'true' : takesNext ? next.text : undefined)
    if (written === undefined) {
      this.#misplaced(place, 'no value', { argument: next?.text ?? '' })
      if (row !== undefined) this.#options.push({ ...textOption(row, '', 'flags', place), isUnreadable: true })
      return before
    }
    const inner = row === undefined && other === undefined ? null : betweenQuotes(written)
    const value = inner ?? written
    if (inner !== null) this.#report(finding('config/quotes-in-value', { ...place, value }))
    if (row !== undefined) {
      const isSure = own !== undefined && inner === null
      const option = isSure ? textOption(row, value, 'flags', place) : guessedOption(row, value, 'flags', place)
      if (option !== null) this.#options.push(option)
    }
    if (other !== undefined) for (const each of passthroughFindings(other, value, place)) this.#report(each)
    return before
  }

  /** `--cert-file /x` as one argument. */
  #joined(text: string, given: string | undefined, argument: Argument): (Before & { takesNext: false }) | null {
    const [, name = '', value = ''] = given === undefined ? (/^(\S+)\s+(\S[\s\S]*)$/.exec(text) ?? []) : []
    const row = rowOfFlag(name)
    if (row === undefined && passthroughOfFlag(name) === undefined) return null
    const flag = `--${name}`
    const place = argument.place(flag)
    this.#misplaced(place, 'joined', { value })
    if (row !== undefined) this.#options.push({ ...textOption(row, value, 'flags', place), isGuess: true })
    return { flag, row, isOpen: false, takesNext: false }
  }

  /** Reports a flag that etcd does not know, and returns the option that was probably meant. */
  #meant(name: string, value: string, place: ConfigPlace): EtcdOptionRow | undefined {
    if (this.#unknown++ >= MAX_UNKNOWN) return undefined
    const details = { ...place, kind: 'flag' as const, nearest: null, lines: [], key: null }
    const byWords = meantByWords(name)
    if (byWords?.flag === null && byWords.yaml !== null) {
      this.#report(finding('config/option-unknown', { ...details, key: byWords.yaml.name.join('.') }))
      return undefined
    }
    const near = byWords?.flag?.name ?? nearest(name, FLAGS)
    const row = near === null ? undefined : rowOfFlag(near)
    const meant = row === undefined ? undefined : meantByValue(row, name, value)
    const flag = meant?.flag?.name ?? near
    const lines = GONE.has(name) ? ['3.3'] : []
    this.#report(finding('config/option-unknown', { ...details, nearest: flag === null ? null : `--${flag}`, lines }))
    return meant
  }

  #misplaced(
    place: ConfigPlace,
    kind: 'flag in value' | 'left over' | 'no value' | 'joined',
    details: { argument?: string; value?: string; after?: string | null },
  ): void {
    this.#report(
      finding('config/argument-misplaced', { ...place, kind, argument: '', value: '', after: null, ...details }),
    )
  }

  #report(what: Finding): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(what)
  }
}

/** Whether a flag needs no value. What etcd ignores needs none either (pkg/flags/ignored.go). */
function isSwitchKind({ kind }: PassthroughRow): boolean {
  return kind === 'boolean' || kind === 'nothing'
}

function isFlagName(name: string): boolean {
  return rowOfFlag(name) !== undefined || passthroughOfFlag(name) !== undefined
}

/** A flag of etcd that follows a space within a text; null if there is none. */
export function flagWithin(text: string): string | null {
  const [, dashes = '', name = ''] = /\s(--?)([a-z][a-z0-9-]*)(?:[=\s]|$)/.exec(text) ?? []
  return isFlagName(name) ? dashes + name : null
}

/** Whether an argument is a flag of etcd, and so not a value. */
function isKnownFlag({ text }: Argument): boolean {
  return isFlagName(/^--([^-=][^=]*)(?:=|$)/.exec(text)?.[1] ?? '')
}
