/** What a caller may pass for each kind of option, and what a configuration file has of it. */
import { optionInvalid } from '../../report/option-error.js'
import { parseGoDuration } from '../../report/duration.js'
import type { ExtraValue } from '../model.js'
import type { OptionKind } from '../tables/options.js'
import { passthroughOfFlag, type PassthroughKind } from '../tables/passthrough-options.js'

interface KindRow {
  /** Words after "must". */
  readonly must: string
  readonly is: (given: unknown) => boolean
}

const isText = (given: unknown): given is string => typeof given === 'string'
export const isTexts = (given: unknown): given is readonly string[] => Array.isArray(given) && given.every(isText)
const isTextOrTexts = (given: unknown): boolean => isText(given) || (isTexts(given) && given.length > 0)
const whole = (least: number, most: number) => (given: unknown) =>
  Number.isSafeInteger(given) && Number(given) >= least && Number(given) <= most
const oneOf = (...values: string[]): KindRow => ({
  must: `be ${values.map((each) => `'${each}'`).join(' or ')}`,
  is: (given) => values.some((each) => each === given),
})
const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number
const MAX_UINT32 = 4_294_967_295

const TEXT: KindRow = { must: 'be a string', is: isText }
const TEXTS: KindRow = { must: 'be a list of strings', is: isTexts }
const BOOLEAN: KindRow = { must: 'be a boolean', is: (given) => typeof given === 'boolean' }

export const KINDS: Readonly<Record<OptionKind, KindRow>> = {
  path: TEXT,
  text: TEXT,
  boolean: BOOLEAN,
  years: { must: 'be a whole number of years from 1 to 100', is: whole(1, 100) },
  urls: TEXTS,
  names: TEXTS,
  suites: TEXTS,
  cluster: { must: 'be an object of lists of URLs, by the names of members', is: isCluster },
  state: oneOf('new', 'existing'),
  'tls-version': oneOf('TLS1.2', 'TLS1.3'),
}

interface ExtraKindRow extends KindRow {
  /** The value in a configuration file. Default: as it is passed. */
  readonly yaml?: (given: ExtraValue) => unknown
}

export const EXTRA_KINDS: Readonly<Record<Exclude<PassthroughKind, 'nothing'>, ExtraKindRow>> = {
  text: TEXT,
  directory: TEXT,
  boolean: BOOLEAN,
  unsigned: { must: 'be a whole number from 0', is: whole(0, MAX_SAFE_INTEGER) },
  unsigned32: { must: `be a whole number from 0 to ${String(MAX_UINT32)}`, is: whole(0, MAX_UINT32) },
  integer: { must: 'be a whole number', is: whole(MIN_SAFE_INTEGER, MAX_SAFE_INTEGER) },
  duration: {
    must: "be a duration as Go writes it, such as '1h30m' or '500ms'",
    is: (given) => isText(given) && parseGoDuration(given) !== null,
    // A file takes only nanoseconds (server/embed/config.go v3.6.14, Config).
    yaml: (given) => parseGoDuration(String(given)),
  },
  texts: { must: 'be a string or a list of strings', is: isTextOrTexts, yaml: textOf },
  // The entries of a list, also if it is passed as etcd takes it, with commas.
  outputs: {
    must: 'be a string or a list of strings',
    is: isTextOrTexts,
    yaml: (given) => (typeof given === 'object' ? given : String(given).split(',')),
  },
}

/** The value as a flag and a variable have it. */
export function textOf(value: ExtraValue): string {
  return typeof value === 'object' ? value.join(',') : String(value)
}

function isCluster(given: unknown): given is Record<string, readonly string[]> {
  return given !== null && typeof given === 'object' && !Array.isArray(given) && Object.values(given).every(isTexts)
}

/** A value as the model holds it: lists stay lists, a list of members becomes `name=url` pairs. */
export type OptionValue = string | boolean | number | readonly string[]

/** A value whose kind was checked. */
export function normalize(given: unknown): OptionValue {
  if (isCluster(given)) {
    return Object.entries(given).flatMap(([name, urls]) => urls.map((url) => `${name}=${url}`))
  }
  return isTexts(given) || typeof given === 'boolean' || typeof given === 'number' ? given : String(given)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is no object of options, and for values of another kind. */
export function checkExtra(extra: unknown, option: string): void {
  if (extra === undefined) return
  if (extra === null || typeof extra !== 'object' || Array.isArray(extra)) {
    throw optionInvalid(option, 'must be an object of values, by the names of options')
  }
  for (const [name, value] of Object.entries(extra)) {
    const kind = passthroughOfFlag(name)?.kind
    // An unknown name is a finding, with its remedy.
    if (kind === undefined || kind === 'nothing' || value === undefined) continue
    if (!EXTRA_KINDS[kind].is(value)) throw optionInvalid(`${option}.${name}`, `must ${EXTRA_KINDS[kind].must}`)
  }
}
