/** What a caller may give for each kind of option that is passed through, and what a configuration file has of it. */
import { optionInvalid } from '../../report/option-error.js'
import { parseGoDuration } from '../../x509/go-duration.js'
import type { ExtraValue } from '../model.js'
import { otherOfFlag, type OtherKind } from '../options-other.js'

interface KindRow {
  /** What a value of it is, as words that follow `must`. */
  readonly must: string
  readonly is: (given: unknown) => boolean
  /** The value in a configuration file. Default: as it was given. */
  readonly yaml?: (given: ExtraValue) => unknown
}

const aText = (given: unknown): boolean => typeof given === 'string'
const someTexts = (given: unknown): boolean =>
  aText(given) || (Array.isArray(given) && given.length > 0 && given.every(aText))
const whole = (least: number, most: number) => (given: unknown) =>
  Number.isSafeInteger(given) && Number(given) >= least && Number(given) <= most
const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number
const MAX_UINT32 = 4_294_967_295

export const EXTRA_KINDS: Readonly<Record<Exclude<OtherKind, 'nothing'>, KindRow>> = {
  text: { must: 'be a string', is: aText },
  directory: { must: 'be a string', is: aText },
  boolean: { must: 'be a boolean', is: (given) => typeof given === 'boolean' },
  unsigned: { must: 'be a whole number from 0', is: whole(0, MAX_SAFE_INTEGER) },
  unsigned32: { must: `be a whole number from 0 to ${String(MAX_UINT32)}`, is: whole(0, MAX_UINT32) },
  integer: { must: 'be a whole number', is: whole(MIN_SAFE_INTEGER, MAX_SAFE_INTEGER) },
  duration: {
    must: "be a duration as Go writes it, such as '1h30m' or '500ms'",
    is: (given) => typeof given === 'string' && parseGoDuration(given) !== null,
    // A file takes nanoseconds alone (server/embed/config.go v3.6.14, Config).
    yaml: (given) => parseGoDuration(String(given)),
  },
  texts: { must: 'be a string or a list of strings', is: someTexts, yaml: textOf },
  outputs: { must: 'be a string or a list of strings', is: someTexts, yaml: textsOf },
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what holds no options, and for values that no such option has. */
export function checkExtra(extra: unknown, option: string): void {
  if (extra === undefined) return
  if (extra === null || typeof extra !== 'object' || Array.isArray(extra)) {
    throw optionInvalid(option, 'must be an object of values, by the names of options')
  }
  for (const [name, value] of Object.entries(extra)) {
    const kind = otherOfFlag(name)?.kind
    // A name that is none is told with its remedy, among the findings.
    if (kind === undefined || kind === 'nothing' || value === undefined) continue
    if (!EXTRA_KINDS[kind].is(value)) throw optionInvalid(`${option}.${name}`, `must ${EXTRA_KINDS[kind].must}`)
  }
}

/** The value as a flag and a variable have it. */
export function textOf(value: ExtraValue): string {
  return typeof value === 'object' ? value.join(',') : String(value)
}

/** The entries of a list, also where it was given as etcd takes it, with commas. */
export function textsOf(value: ExtraValue): readonly string[] {
  return typeof value === 'object' ? value : String(value).split(',')
}
