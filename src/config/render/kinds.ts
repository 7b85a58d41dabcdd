/** What a caller may give for each kind of option, and the texts in it that etcd will read. */
import type { OptionKind } from '../option-row.js'

/** A value as the model holds it, once its shape was looked at. */
export type OptionValue = string | boolean | number | readonly string[]

interface KindRow {
  /** Why a value is none of this kind, as the end of a sentence; null for one that is. */
  readonly wrong: (given: unknown) => string | null
  /** The value in one shape: lists stay lists, `name=url` pairs become one. */
  readonly read: (given: unknown) => OptionValue
}

const text: KindRow = { wrong: must('be a string', (given) => typeof given === 'string'), read: String }
const texts: KindRow = { wrong: must('be a list of strings', isTexts), read: (given) => (isTexts(given) ? given : []) }

/** One row a kind. */
export const KINDS: Readonly<Record<OptionKind, KindRow>> = {
  path: text,
  text,
  boolean: { wrong: must('be a boolean', (given) => typeof given === 'boolean'), read: (given) => given === true },
  years: {
    wrong: must(
      'be a whole number of years from 1 to 100',
      (given) => Number.isInteger(given) && Number(given) >= 1 && Number(given) <= 100,
    ),
    read: Number,
  },
  urls: texts,
  names: texts,
  suites: texts,
  cluster: { wrong: must('be an object of lists of URLs, by the names of members', isCluster), read: pairsOf },
  state: oneOf(['new', 'existing']),
  'tls-version': oneOf(['TLS1.2', 'TLS1.3']),
}

function must(what: string, is: (given: unknown) => boolean): KindRow['wrong'] {
  return (given) => (is(given) ? null : `must ${what}`)
}

function oneOf(values: readonly string[]): KindRow {
  const words = values.map((each) => `'${each}'`).join(' or ')
  return { wrong: must(`be ${words}`, (given) => values.some((each) => each === given)), read: String }
}

function isTexts(given: unknown): given is readonly string[] {
  return Array.isArray(given) && given.every((each) => typeof each === 'string')
}

function isCluster(given: unknown): boolean {
  return given !== null && typeof given === 'object' && !Array.isArray(given) && Object.values(given).every(isTexts)
}

function pairsOf(given: unknown): string[] {
  if (given === null || typeof given !== 'object') return []
  return Object.entries(given).flatMap(([name, urls]) => (isTexts(urls) ? urls.map((url) => `${name}=${url}`) : []))
}
