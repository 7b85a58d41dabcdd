/** Flags, as Go reads them (package flag, FlagSet.parseOne): `-name=value`, `--name value`, and `--name` for a boolean. */
import { SHELL_SYNTAX } from '../../report/catalogue/config/reading.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, type EtcdOptionRow, rowOfFlag } from '../tables/options.js'
import { KNOWN_FLAGS, passthroughOfFlag } from '../tables/passthrough-options.js'
import { finding } from '../finding.js'
import { guessedOption, meantByValue, meantByWords } from './meaning.js'
import { GONE, NAMES_OF_OTHERS, nearest, own } from './meaning.js'
import { isSwitch, judgeOtherText } from './other-values.js'
import { betweenQuotes, type PassthroughOption, type ReadOption, textOption } from './read-option.js'
import { splitWords } from './tokenizer.js'

/** A word of the command line, and where it stands. */
export interface Argument {
  readonly text: string
  place(option: string): ConfigPlace
}

export interface FlagsReading {
  readonly options: readonly ReadOption[]
  readonly others: readonly PassthroughOption[]
  readonly findings: readonly Finding[]
  /** False where a word stands for flags that are not known, as `$ETCD_OPTS` does. */
  readonly isWhole: boolean
}

/** Flags that are read on one command line; the kernel allows no more words of usual length. */
const MAX_ARGUMENTS = 10_000
/** Findings of one command line. */
const MAX_FINDINGS = 100
/** Flags that are reported as unknown: to look for what was meant costs most. */
const MAX_UNKNOWN = 100

/** A word that others complete: by what they call a script with, or by a variable. */
const VARIABLE = /^\$(?:[@*]|\w+|\{\w+\}|\(\w+\))$/

/** Programs within etcd that its first argument starts (server/etcdmain/main.go). */
const OTHER_PROGRAMS: ReadonlySet<string> = new Set(['gateway', 'grpc-proxy'])

/** Reads what follows the name of the program. */
export function readFlags(args: readonly Argument[]): FlagsReading {
  const [first] = args
  if (first !== undefined && OTHER_PROGRAMS.has(first.text)) {
    const looked = `it starts etcd’s ${first.text}, which has its own flags and is not checked`
    const findings = [finding('config/no-etcd', { kind: 'etcd', file: first.place(first.text).file, looked })]
    return { options: [], others: [], findings, isWhole: false }
  }
  return new FlagsReader(args.slice(0, MAX_ARGUMENTS)).read()
}

interface Before {
  readonly flag: string
  readonly row: EtcdOptionRow | undefined
  readonly isSwitch: boolean
  readonly isEmpty: boolean
}

class FlagsReader {
  readonly #options: ReadOption[] = []
  readonly #others: PassthroughOption[] = []
  readonly #findings: Finding[] = []
  readonly #words: readonly Argument[]
  #unknown = 0
  #isWhole = true
  #isOver = false

  constructor(words: readonly Argument[]) {
    this.#words = words.flatMap((word) => this.#apart(word))
  }

  /** The flags of one argument, as a variable that is not split gives them: etcd receives them as one value. */
  #apart(word: Argument): Argument[] {
    const flag = flagWithin(word.text)
    if (!/^--?[a-z][a-z-]*[= ]/.test(word.text) || flag === null) return [word]
    const place = word.place(/^--?[a-z-]+/.exec(word.text)?.[0] ?? '')
    const value = word.text.slice(word.text.search(/[= ]/) + 1)
    const details = { kind: 'flag in value' as const, argument: flag, value, after: null }
    this.#tell(finding('config/argument-misplaced', { ...place, ...details }))
    return splitWords(word.text, 'shell').map(({ text }) => ({ ...word, text }))
  }

  read(): FlagsReading {
    let before: Before | null = null
    for (let i = 0; i < this.#words.length;) {
      const word = this.#words[i]
      if (word === undefined) break
      // Word processors make one long dash of two.
      const text = word.text
        .replace(/^[\u201c\u201d\u201e\u2018\u2019](?=-)/, '')
        .replace(/^[\u2013\u2014](?=[a-z])/, '--')
      const [, name, , given] = /^--?([^-=][^=]*)(=([\s\S]*))?$/.exec(text) ?? []
      if (text !== word.text) this.#leftOver(word, null)
      if (name === undefined) {
        this.#other(word, i, before)
        before = null
        i++
      } else {
        const [read, count] = this.#flag(name, given, word, this.#words[i + 1])
        before = read
        i += count
      }
    }
    return { options: this.#options, others: this.#others, findings: this.#findings, isWhole: this.#isWhole }
  }

  /** A word that is no flag: Go stops here, and etcd with it, unless nothing follows. What follows is read as it is meant. */
  #other(word: Argument, i: number, before: Before | null): void {
    if (VARIABLE.test(word.text)) {
      this.#isWhole = false
      return
    }
    if (word.text === '--') {
      const rest = this.#words[i + 1]
      if (rest !== undefined) this.#leftOver(rest, null)
      this.#isOver = true
      return
    }
    const isOfShell = SHELL_SYNTAX.test(word.text)
    this.#leftOver(word, isOfShell ? null : before)
    if (isOfShell) return
    const { row } = before ?? {}
    if (row === undefined || (before?.isSwitch !== true && before?.isEmpty !== true)) return
    const last = this.#options.findLastIndex((each) => each.row === row)
    if (last !== -1) this.#options.splice(last, 1)
    this.#options.push({ ...textOption(row, word.text, 'flags', word.place(before.flag)), isGuess: true })
  }

  #leftOver(word: Argument, before: Before | null): void {
    if (this.#isOver) return
    this.#isOver = true
    const after = before?.isSwitch === true || before?.isEmpty === true ? before.flag : null
    const place = word.place(before?.flag ?? 'etcd')
    this.#tell(
      finding('config/argument-misplaced', { ...place, kind: 'left over', argument: word.text, value: '', after }),
    )
  }

  /** Reads a flag, and says how many words it takes. */
  #flag(
    name: string,
    given: string | undefined,
    word: Argument,
    next: Argument | undefined,
  ): readonly [Before, number] {
    const joined = given === undefined ? this.#joined(name, word) : null
    if (joined !== null) return [joined, 1]
    const flag = `--${name}`
    const place = word.place(flag)
    const other = rowOfFlag(name) === undefined ? passthroughOfFlag(name) : undefined
    const row =
      rowOfFlag(name) ?? (other === undefined ? this.#meant(name, given ?? next?.text ?? '', place) : undefined)
    const isGuess = rowOfFlag(name) === undefined
    if (other !== undefined) {
      const text = given ?? (isSwitch(other) ? 'true' : (next?.text ?? ''))
      this.#others.push({ name, form: 'flags', place, text })
    }
    const isAlone = row !== undefined ? row.kind === 'boolean' : other === undefined ? isLast(next) : isSwitch(other)
    const before = { flag, row, isSwitch: isAlone && given === undefined, isEmpty: given === '' }
    let value = given
    let count = 1
    if (value === undefined && isAlone) value = 'true'
    else if (value === undefined && (next === undefined || isKnown(next))) {
      this.#tell(
        finding('config/argument-misplaced', {
          ...place,
          kind: 'no value',
          argument: next?.text ?? '',
          value: '',
          after: null,
        }),
      )
      if (row !== undefined) this.#options.push({ ...textOption(row, '', 'flags', place), isUnreadable: true })
    } else if (value === undefined) {
      value = next?.text ?? ''
      count = 2
    }
    if (value === undefined) return [before, count]
    const inner = betweenQuotes(value)
    if (inner !== null && (row !== undefined || other !== undefined)) {
      this.#tell(finding('config/quotes-in-value', { ...place, value: inner }))
      value = inner
    }
    if (row !== undefined) {
      const option = (isGuess || inner !== null ? guessedOption : textOption)(row, value, 'flags', place)
      if (option !== null) this.#options.push(option)
    }
    if (other !== undefined) for (const each of judgeOtherText(other, value, place)) this.#tell(each)
    return [before, count]
  }

  #tell(what: Finding): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(what)
  }

  /** `--cert-file /x` as one word. */
  #joined(text: string, word: Argument): Before | null {
    const [, name, value = ''] = /^(\S+)\s+(\S[\s\S]*)$/.exec(text) ?? []
    const row = name === undefined ? undefined : rowOfFlag(name)
    if (name === undefined || (row === undefined && passthroughOfFlag(name) === undefined)) return null
    const flag = `--${name}`
    const place = word.place(flag)
    this.#tell(finding('config/argument-misplaced', { ...place, kind: 'joined', argument: '', value, after: null }))
    if (row !== undefined) this.#options.push({ ...textOption(row, value, 'flags', place), isGuess: true })
    return { flag, row, isSwitch: false, isEmpty: false }
  }

  /** Tells of a flag that etcd does not know. */
  #meant(name: string, value: string, place: ConfigPlace): EtcdOptionRow | undefined {
    if (this.#unknown++ >= MAX_UNKNOWN) return undefined
    const words = meantByWords(name)
    if (words?.flag === null && words.yaml !== null) {
      const key = words.yaml.name.join('.')
      this.#tell(finding('config/option-unknown', { ...place, kind: 'flag', nearest: null, lines: [], key }))
      return undefined
    }
    const gone = own(GONE, name)
    const near = gone ?? own(NAMES_OF_OTHERS, name) ?? words?.flag?.name ?? nearest(name, FLAGS)
    const row = near === null ? undefined : rowOfFlag(near)
    const meant = row === undefined ? undefined : meantByValue(row, name, value)
    const told = meant?.flag?.name ?? near
    const suggestion = told === null ? null : `--${told}`
    const lines = gone === undefined ? [] : ['3.3']
    this.#tell(finding('config/option-unknown', { ...place, kind: 'flag', nearest: suggestion, lines, key: null }))
    return meant
  }
}

const FLAGS: readonly string[] = [...etcdOptions.flatMap((row) => row.flag?.name ?? []), ...KNOWN_FLAGS]

/** A flag of etcd that follows a space within a text; null if there is none. */
export function flagWithin(text: string): string | null {
  const [, dashes = '', name = ''] = /\s(--?)([a-z][a-z0-9-]*)(?:[=\s]|$)/.exec(text) ?? []
  return name !== '' && (rowOfFlag(name) !== undefined || passthroughOfFlag(name) !== undefined) ? dashes + name : null
}

/** Of a flag that nobody knows, whether it seems to have no value. */
function isLast(next: Argument | undefined): boolean {
  return next === undefined || next.text.startsWith('-')
}

/** Whether a word is a flag of etcd, and so nobody’s value. */
function isKnown({ text }: Argument): boolean {
  const [, name] = /^--([^-=][^=]*)(?:=|$)/.exec(text) ?? []
  return name !== undefined && (rowOfFlag(name) !== undefined || passthroughOfFlag(name) !== undefined)
}
