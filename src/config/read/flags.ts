/** Flags, as Go reads them (package flag, FlagSet.parseOne): `-name=value`, `--name value`, and `--name` for a boolean. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, rowOfFlag } from '../options.js'
import { otherOfFlag } from '../options-other.js'
import { finding } from './finding.js'
import { KNOWN_FLAGS } from './known-names.js'
import { nearest } from './nearest.js'
import { isSwitch, judgeOtherText } from './other-values.js'
import { type OtherName, type ReadOption, textOption } from './read-option.js'

/** A word of the command line, and where it stands. */
export interface Argument {
  readonly text: string
  place(option: string): ConfigPlace
}

export interface FlagsReading {
  readonly options: readonly ReadOption[]
  readonly others: readonly OtherName[]
  readonly findings: readonly Finding[]
  /** False where a word stands for flags that are not known, as `$ETCD_OPTS` does. */
  readonly isWhole: boolean
}

/** Flags that are read on one command line; the kernel allows no more words of usual length. */
const MAX_ARGUMENTS = 10_000
/** Flags that are told as unknown: to look for what was meant costs most. */
const MAX_UNKNOWN = 100

/** A word that others complete: by what they call a script with, or by a variable. */
const VARIABLE = /^\$(?:[@*]|\w+|\{\w+\}|\(\w+\))$/

/** Reads what follows the name of the program. */
export function readFlags(args: readonly Argument[]): FlagsReading {
  const options: ReadOption[] = []
  const others: OtherName[] = []
  const findings: Finding[] = []
  let before: { flag: string; isBoolean: boolean } | null = null
  const words = args.slice(0, MAX_ARGUMENTS)
  let unknown = 0
  let isWhole = true
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    if (word === undefined) break
    const [, name, , given] = /^--?([^-=][^=]*)(=([\s\S]*))?$/.exec(word.text) ?? []
    if (name === undefined && VARIABLE.test(word.text)) {
      isWhole = false
      continue
    }
    if (name === undefined) {
      // Go stops here, and etcd with it, unless nothing follows.
      const rest = word.text === '--' ? words[i + 1] : word
      if (rest !== undefined) findings.push(leftOver(rest, word === rest ? before : null))
      break
    }
    const flag = `--${name}`
    const place = word.place(flag)
    const row = rowOfFlag(name)
    const other = row === undefined ? otherOfFlag(name) : undefined
    const next = words[i + 1]
    const isBoolean = row !== undefined ? row.kind === 'boolean' : other === undefined ? isLast(next) : isSwitch(other)
    before = { flag, isBoolean: isBoolean && given === undefined }
    if (other !== undefined) others.push({ name, form: 'flags', place })
    else if (row === undefined && unknown++ < MAX_UNKNOWN) findings.push(unknownFlag(name, place))
    let value = given
    if (value === undefined && isBoolean) value = 'true'
    else if (value === undefined && next === undefined) findings.push(finding('config/flag-value-missing', place))
    else if (value === undefined) {
      value = next?.text ?? ''
      i++
    }
    if (row !== undefined && value !== undefined) options.push(textOption(row, value, 'flags', place))
    if (other !== undefined && value !== undefined) findings.push(...judgeOtherText(other, value, place))
  }
  return { options, others, findings, isWhole }
}

/** Of a flag that nobody knows, whether it seems to have no value. */
function isLast(next: Argument | undefined): boolean {
  return next === undefined || next.text.startsWith('-')
}

function leftOver(word: Argument, before: { flag: string; isBoolean: boolean } | null): Finding {
  const after = before?.isBoolean === true ? before.flag : null
  const place = word.place(before?.flag ?? 'etcd')
  return finding('config/argument-left-over', { ...place, argument: word.text, after })
}

function unknownFlag(name: string, place: ConfigPlace): Finding {
  const near = nearest(name, [...etcdOptions.flatMap((row) => row.flag?.name ?? []), ...KNOWN_FLAGS.keys()])
  return finding('config/flag-unknown', { ...place, nearest: near === null ? null : `--${near}`, lines: [] })
}
