/** Reads flags as Go does (package flag, FlagSet.parseOne): `-name=value`, `--name value`, and `--name` for a boolean. */
import { SHELL_SYNTAX } from '../../report/catalogue/config/reading.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { FindingDetails } from '../../report/finding.js'
import {
  type EtcdOptionRow,
  etcdOptions,
  KNOWN_FLAGS,
  passthroughOfFlag,
  type PassthroughRow,
  rowOfFlag,
} from '../tables/options.js'
import { meantByValue, meantByWords, nearest } from './meaning.js'
import { type Reading, textOption } from './read-option.js'
import type { PlaceOf } from './text.js'
import { splitWords, type Word } from './tokenizer.js'

/** Further arguments are ignored. Linux accepts no more of usual length. */
const MAX_ARGUMENTS = 10_000
/** An argument that expands to unknown flags, such as `$ETCD_OPTS` or `$@`. */
const VARIABLE = /^\$(?:[@*]|\w+|\{\w+\}|\(\w+\))$/
/** Subcommands of etcd, which have their own flags (server/etcdmain/main.go). */
const OTHER_PROGRAMS: ReadonlySet<string> = new Set(['gateway', 'grpc-proxy'])
const FLAGS: readonly string[] = [...etcdOptions.flatMap((row) => row.flag?.name ?? []), ...KNOWN_FLAGS]

export function readFlags(words: readonly Word[], place: PlaceOf, into: Reading): void {
  const [first] = words
  if (first !== undefined && OTHER_PROGRAMS.has(first.text)) {
    const looked = `it starts etcd’s ${first.text}, which has its own flags and is not checked`
    into.report('config/no-etcd', { kind: 'etcd', file: place(first.offset, '').file, looked })
    into.isComplete = false
  } else new FlagsReader(words.slice(0, MAX_ARGUMENTS), place, into).read()
}

/** Distributes over the kinds of the details. */
type Unplaced<D> = D extends ConfigPlace ? Omit<D, keyof ConfigPlace> : never

interface PreviousFlag {
  readonly flag: string
  readonly row: EtcdOptionRow | PassthroughRow | undefined
  /** Whether the next argument is probably meant as its value, although Go does not read it so. */
  readonly expectsValue: boolean
  readonly takesNext: boolean
}

class FlagsReader {
  readonly #words: readonly Word[]
  readonly #place: PlaceOf
  readonly #into: Reading
  #isReported = false

  constructor(words: readonly Word[], place: PlaceOf, into: Reading) {
    this.#place = place
    this.#into = into
    this.#words = words.flatMap((each) => this.#split(each))
  }

  read(): void {
    let before: PreviousFlag | null = null
    for (let i = 0; i < this.#words.length; i++) {
      const word = this.#words[i]
      if (word === undefined) break
      const text = word.text.replace(/^[\u2013\u2014](?=[a-z])/, '--')
      const [, name, given] = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(text) ?? []
      const next = this.#words[i + 1]
      if (text !== word.text) this.#leftOver(word, null)
      if (name === undefined) this.#other(word, next, before)
      before = name === undefined ? null : this.#flag(name, given, word, next)
      if (before?.takesNext === true) i++
    }
  }

  /** Reports several flags in one argument, as from an unsplit variable: etcd receives them as one value. */
  #split(word: Word): Word[] {
    const { text } = word
    const argument = flagWithin(text)
    const [, flag] = argument === null ? [] : (/^(--?[a-z][a-z-]*)[= ]/.exec(text) ?? [])
    if (argument === null || flag === undefined) return [word]
    const value = text.slice(text.search(/[= ]/) + 1)
    this.#misplaced(word, flag, { kind: 'flag in value', argument, value })
    return splitWords(text, 'shell').map((inner) => ({ ...word, text: inner.text }))
  }

  /** Go stops at an argument that is not a flag, and etcd exits. The flags after it are read nevertheless. */
  #other(word: Word, next: Word | undefined, before: PreviousFlag | null): void {
    const { text, offset } = word
    if (VARIABLE.test(text)) this.#into.isComplete = false
    else if (text === '--') {
      if (next !== undefined) this.#leftOver(next, null)
      this.#isReported = true
    } else if (SHELL_SYNTAX.test(text)) this.#leftOver(word, null)
    else {
      this.#leftOver(word, before)
      const row = before?.row
      if (before?.expectsValue !== true || row === undefined || !('block' in row)) return
      const { options } = this.#into
      const last = options.findLastIndex((option) => option.row === row)
      if (last !== -1) options.splice(last, 1)
      options.push(textOption(row, text, 'flags', this.#place(offset, before.flag), true))
    }
  }

  #leftOver(word: Word, before: PreviousFlag | null): void {
    if (this.#isReported) return
    this.#isReported = true
    const after = before?.expectsValue === true ? before.flag : null
    this.#misplaced(word, before?.flag ?? 'etcd', { kind: 'left over', argument: word.text, after })
  }

  #flag(written: string, given: string | undefined, word: Word, next: Word | undefined): PreviousFlag {
    // `--cert-file /x` as one argument.
    const [, first = '', joined] = given === undefined ? (/^(\S+)\s+(\S[\s\S]*)$/.exec(written) ?? []) : []
    const isJoined = joined !== undefined && rowOf(first) !== undefined
    const name = isJoined ? first : written
    const flag = `--${name}`
    const place = this.#place(word.offset, flag)
    const own = rowOf(name)
    const row = own ?? this.#meant(name, given ?? next?.text ?? '', place)
    if (isJoined) {
      this.#misplaced(word, flag, { kind: 'joined', value: joined })
      if (row !== undefined && 'block' in row) this.#into.options.push(textOption(row, joined, 'flags', place, true))
      return { flag, row, expectsValue: false, takesNext: false }
    }
    // An ignored flag needs no value (pkg/flags/ignored.go).
    const isSwitch =
      row === undefined
        ? next === undefined || next.text.startsWith('-')
        : row.kind === 'boolean' || row.kind === 'nothing'
    const takesNext = given === undefined && !isSwitch && next !== undefined && !isKnownFlag(next)
    const value = given ?? (isSwitch ? 'true' : takesNext ? next.text : undefined)
    if (value === undefined) {
      this.#misplaced(word, flag, { kind: 'no value', argument: next?.text ?? '' })
      if (row !== undefined && 'block' in row)
        this.#into.options.push({ ...textOption(row, '', 'flags', place), isUnreadable: true })
    } else if (own !== undefined) this.#into.set(own, value, 'flags', place)
    else if (row !== undefined && 'block' in row) this.#into.guess(row, value, 'flags', place)
    return { flag, row, expectsValue: given === undefined ? isSwitch : given === '', takesNext }
  }

  /** Reports an unknown flag, and returns the option that was probably meant. */
  #meant(name: string, value: string, place: ConfigPlace): EtcdOptionRow | undefined {
    // The search for similar names is slow.
    if (this.#into.isFull('config/option-unknown')) return undefined
    const byWords = meantByWords(name)
    if (byWords?.flag === null && byWords.yaml !== null) {
      this.#into.report('config/option-unknown', { ...place, kind: 'only a key', key: byWords.yaml.name.join('.') })
      return undefined
    }
    const near = byWords?.flag?.name ?? nearest(name, FLAGS)
    const row = near === null ? undefined : rowOfFlag(near)
    const meant = row === undefined ? undefined : meantByValue(row, name, value)
    const flag = meant?.flag?.name ?? near
    this.#into.report('config/option-unknown', { ...place, kind: 'flag', nearest: flag === null ? null : `--${flag}` })
    return meant
  }

  #misplaced({ offset }: Word, flag: string, details: Unplaced<FindingDetails['config/argument-misplaced']>): void {
    this.#into.report('config/argument-misplaced', { ...this.#place(offset, flag), ...details })
  }
}

function rowOf(flag: string): EtcdOptionRow | PassthroughRow | undefined {
  return rowOfFlag(flag) ?? passthroughOfFlag(flag)
}

export function flagWithin(text: string): string | null {
  const [, dashes = '', name = ''] = /\s(--?)([a-z][a-z0-9-]*)(?:[=\s]|$)/.exec(text) ?? []
  return rowOf(name) === undefined ? null : dashes + name
}

function isKnownFlag({ text }: Word): boolean {
  return rowOf(/^--([^-=][^=]*)(?:=|$)/.exec(text)?.[1] ?? '') !== undefined
}
