/** For each kind of option: the values that a caller may pass, and the syntax in a flag, a variable and a file. */
import { parseGoDuration } from '../../report/go-duration.js'
import type { ExtraValue } from '../model.js'
import { type OptionKind, parseGoBoolean, type PassthroughKind } from './options.js'

/** A value that a caller passes. */
interface CallerValue {
  /** Follows "must be". */
  readonly accepts: string
  readonly is: (given: unknown) => boolean
}

/** The type that go-yaml gives a value. */
export type YamlType = 'text' | 'boolean' | 'number' | 'null' | 'list' | 'map'

export interface KindRow {
  readonly given: CallerValue
  /** The syntax of a flag or a variable, if it is checked here. */
  readonly text?: { readonly expected: string; readonly is: (text: string) => boolean }
  readonly file: { readonly expected: string; readonly types: readonly YamlType[] }
  /** The range of numbers that Go decodes from a file. */
  readonly range?: { readonly expected: string; readonly least: number; readonly most: number }
  /** Converts the caller's value for a file. @default no change */
  readonly written?: (given: ExtraValue) => unknown
}

const isText = (given: unknown): given is string => typeof given === 'string'
const isTexts = (given: unknown): given is readonly string[] => Array.isArray(given) && given.every(isText)
const whole = (least: number, most: number) => (given: unknown) =>
  Number.isSafeInteger(given) && Number(given) >= least && Number(given) <= most

const TEXTS: CallerValue = { accepts: 'an array of strings', is: isTexts }
const SEVERAL: CallerValue = {
  accepts: 'a string or an array of strings',
  is: (given) => isText(given) || (isTexts(given) && given.length > 0),
}
const NUMBER_IN_FILE: KindRow['file'] = { expected: 'a number', types: ['number'] }
const COMMAS_IN_FILE: KindRow['file'] = { expected: 'one string, with commas between entries', types: ['text'] }
const LIST_IN_FILE: KindRow['file'] = { expected: 'a list', types: ['list'] }
const TEXT: KindRow = { given: { accepts: 'a string', is: isText }, file: { expected: 'a string', types: ['text'] } }

function oneOf(...values: string[]): KindRow {
  return {
    ...TEXT,
    given: {
      accepts: values.map((each) => `'${each}'`).join(' or '),
      is: (given) => values.some((each) => each === given),
    },
    text: { expected: values.join(' or '), is: (text) => values.includes(text) },
  }
}

/** Go: strconv.ParseUint with base 0. */
const UNSIGNED = /^(?:[1-9](?:_?\d)*|0(?:_?[0-7])*|0[xX](?:_?[\da-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+)$/

function number(expected: string, least: number, most: number): KindRow {
  const isNumber = (text: string): boolean => UNSIGNED.test(least < 0 ? text.replace(/^[-+]/, '') : text)
  return {
    given: {
      accepts: expected,
      is: whole(Math.max(least, Number.MIN_SAFE_INTEGER), Math.min(most, Number.MAX_SAFE_INTEGER)),
    },
    text: { expected, is: (text) => isNumber(text) && !(Number(text.replaceAll('_', '')) > most) },
    file: NUMBER_IN_FILE,
    range: { expected, least, most },
  }
}

const INT64 = 2 ** 63

/** `nothing` has no values. */
export const optionKinds: Readonly<Record<OptionKind | Exclude<PassthroughKind, 'nothing'>, KindRow>> = {
  text: TEXT,
  path: TEXT,
  directory: TEXT,
  boolean: {
    given: { accepts: 'true or false', is: (given) => typeof given === 'boolean' },
    text: { expected: 'true or false', is: (text) => parseGoBoolean(text) !== null },
    file: { expected: 'true or false, without quotes', types: ['boolean'] },
  },
  years: {
    given: { accepts: 'a whole number of years from 1 to 100', is: whole(1, 100) },
    text: { expected: 'a number of years', is: (text) => UNSIGNED.test(text) },
    file: NUMBER_IN_FILE,
  },
  urls: { given: TEXTS, file: COMMAS_IN_FILE },
  names: { given: TEXTS, file: { expected: 'a string', types: ['list', 'text'] } },
  suites: { given: TEXTS, file: LIST_IN_FILE },
  cluster: {
    given: { accepts: 'an object of arrays of URLs, by the names of members', is: isCluster },
    file: COMMAS_IN_FILE,
  },
  state: oneOf('new', 'existing'),
  'tls-version': oneOf('TLS1.2', 'TLS1.3'),
  unsigned: number('a whole number from 0', 0, 2 ** 64),
  unsigned32: number('a whole number from 0 to 4294967295', 0, 2 ** 32 - 1),
  integer: number('a whole number', -INT64, INT64),
  duration: {
    given: {
      accepts: "a duration as Go writes it, such as '1h30m' or '500ms'",
      is: (given) => isText(given) && parseGoDuration(given) !== null,
    },
    text: { expected: 'a duration such as 500ms or 1h30m', is: (text) => parseGoDuration(text) !== null },
    // In a file, only nanoseconds are valid (server/embed/config.go v3.6.14, Config).
    file: { expected: 'a number of nanoseconds, such as 5000000000 for five seconds', types: ['number'] },
    range: { expected: 'a whole number of nanoseconds', least: -INT64, most: INT64 },
    written: (given) => parseGoDuration(String(given)),
  },
  texts: { given: SEVERAL, file: COMMAS_IN_FILE, written: valueText },
  outputs: {
    given: SEVERAL,
    file: LIST_IN_FILE,
    written: (given) => (typeof given === 'object' ? given : String(given).split(',')),
  },
}

function isCluster(given: unknown): given is Record<string, readonly string[]> {
  return given !== null && typeof given === 'object' && !Array.isArray(given) && Object.values(given).every(isTexts)
}

/** A value after `normalize`: a cluster is an array of `name=url` pairs. */
export type OptionValue = string | boolean | number | readonly string[]

/** @param given A value that `checkKind` accepted. */
export function normalize(given: unknown): OptionValue {
  if (isCluster(given)) return Object.entries(given).flatMap(([name, urls]) => urls.map((url) => `${name}=${url}`))
  return isTexts(given) || typeof given === 'boolean' || typeof given === 'number' ? given : String(given)
}

/** The value for a flag or a variable. */
export function valueText(value: ExtraValue): string {
  return typeof value === 'object' ? value.join(',') : String(value)
}

/** The number that a file must have, in words; null if Go decodes it. */
export function expectedNumber({ range }: KindRow, text: string): string | null {
  const number = Number(text.replaceAll('_', ''))
  if (range === undefined || Number.isNaN(number)) return null
  return Number.isInteger(number) && number >= range.least && number <= range.most ? null : range.expected
}
