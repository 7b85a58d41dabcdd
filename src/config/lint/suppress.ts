/** Suppresses findings: by the option `ignore`, or by a comment in the configuration. */
import { checkOptions, textInvalid, valueInvalid } from '../../report/option-error.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import {
  type Finding,
  type FindingCode,
  type FindingPlace,
  type SuppressedFinding,
  type SuppressedUnchecked,
  type Unchecked,
  UNCHECKED_KINDS,
  type UncheckedKind,
} from '../../report/finding.js'
import { printable } from '../../report/printable.js'
import { isIgnorable } from '../../validate/finding.js'
import { type ConfigText, MAX_CONFIG_BYTES, type PlaceOf, placesIn } from '../read/text.js'
import { finding } from '../finding.js'
import { LINT_ROWS } from './files.js'
import { groupBy } from './rule.js'

/** One finding, or all findings of one code, that are accepted. Errors need this form. */
export interface Suppression {
  code: FindingCode
  /** Where the finding must be: each property given here must equal that of the finding's `place`. @default anywhere */
  place?: Partial<FindingPlace> | undefined
  /** Why it is accepted. It is in the report. */
  reason: string
}

/** A part that is accepted as not checked. */
export interface UncheckedSuppression {
  unchecked: UncheckedKind
  /** As for {@link Suppression}. @default anywhere */
  place?: Partial<FindingPlace> | undefined
  /** Why it is accepted. It is in the report. */
  reason: string
}

/** The comment `# etcd-mtls-ignore CODE: reason` on its own line. It suppresses all findings of that code in its file. */
export interface CommentSuppression {
  readonly code: string
  /** Empty if the comment gives none. */
  readonly reason: string
  readonly place: ConfigPlace
  /** False if the comment is in a file that the configuration names. */
  readonly isMain: boolean
}

const MAX_COMMENTS = 100
/** Reasons are cut to this length, because the author of the file may not be trusted. */
const MAX_REASON = 1000
const COMMENT = /^\ufeff?[ \t]*[#;][ \t]*etcd-mtls-ignore(?![^ \t\r\n])([^\r\n]*)/gm

export function commentsOf(texts: readonly ConfigText[]): CommentSuppression[] {
  return texts.flatMap((source, i) => {
    // The arguments and variables of a process have no comments.
    if (source.text.length > MAX_CONFIG_BYTES || source.text.includes('\0')) return []
    const found: CommentSuppression[] = []
    let placeOf: PlaceOf | null = null
    for (const { 0: whole, 1: rest = '', index } of source.text.matchAll(COMMENT)) {
      if (found.length === MAX_COMMENTS) break
      placeOf ??= placesIn(source)
      const text = rest.trim()
      const end = text.search(/[:\s]/)
      const code = end === -1 ? text : text.slice(0, end)
      const reason = reasonOf(text.slice(code.length).trimStart().replace(/^:/, '').trim())
      const place = placeOf(index + whole.search(/[#;]/), 'etcd-mtls-ignore')
      found.push({ code, reason, place, isMain: i === 0 })
    }
    return found
  })
}

function reasonOf(text: string): string {
  const shown = printable(text.slice(0, MAX_REASON))
  return shown.length > MAX_REASON || text.length > MAX_REASON ? `${shown.slice(0, MAX_REASON - 1)}…` : shown
}

/** The option `ignore`, checked. */
export interface Ignored {
  /** Codes that are omitted without a reason. */
  readonly codes: readonly FindingCode[]
  readonly suppressions: readonly Suppression[]
  readonly unchecked: readonly UncheckedSuppression[]
}

const PLACES = { option: 0, file: 0, line: 0, column: 0 } satisfies Record<Exclude<keyof FindingPlace, 'endColumn'>, 0>
const PLACE_KEYS = Object.keys(PLACES) as (keyof typeof PLACES)[]

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkIgnore(ignore: unknown): Ignored {
  if (!Array.isArray(ignore)) throw valueInvalid('ignore', ignore, 'an array of codes and of { code, reason }')
  const codes: FindingCode[] = []
  const suppressions: Suppression[] = []
  const unchecked: UncheckedSuppression[] = []
  for (const [i, each] of (ignore as unknown[]).entries()) {
    if (isIgnorable(each, [LINT_ROWS])) codes.push(each)
    else {
      const one = checkSuppression(each, `ignore[${String(i)}]`)
      if ('code' in one) suppressions.push(one)
      else unchecked.push(one)
    }
  }
  return { codes, suppressions, unchecked }
}

function isKind(value: unknown): value is UncheckedKind {
  return UNCHECKED_KINDS.some((each) => each === value)
}

function checkSuppression(given: unknown, option: string): Suppression | UncheckedSuppression {
  if (typeof given !== 'object' || given === null) {
    throw textInvalid(option, given, 'the code of a warning or an info, or { code, reason } for any finding')
  }
  const { code, unchecked, place, reason } = given as Partial<Record<string, unknown>>
  checkOptions(option, given, [unchecked === undefined ? 'code' : 'unchecked', 'place', 'reason'])
  if (unchecked === undefined && !isLintCode(code))
    throw textInvalid(`${option}.code`, code, 'the code of a finding of the lint')
  if (unchecked !== undefined && !isKind(unchecked))
    throw textInvalid(`${option}.unchecked`, unchecked, `one of ${UNCHECKED_KINDS.join(', ')}`)
  if (typeof reason !== 'string' || reason.trim() === '')
    throw textInvalid(`${option}.reason`, reason, 'the reason, as a string that is not empty')
  const of = isKind(unchecked) ? { unchecked } : { code: code as FindingCode }
  if (place === undefined) return { ...of, reason }
  const isPlace = typeof place === 'object' && place !== null && !Array.isArray(place)
  if (!isPlace || !Object.keys(place).every((key) => PLACE_KEYS.some((known) => known === key))) {
    throw valueInvalid(`${option}.place`, place, `an object with some of ${PLACE_KEYS.join(', ')}`)
  }
  return { ...of, place, reason }
}

function isLintCode(code: unknown): code is FindingCode {
  return typeof code === 'string' && Object.hasOwn(LINT_ROWS, code)
}

/** Separates the findings that are suppressed. A consequence is suppressed together with its cause, or alone. */
export function suppress(
  findings: readonly Finding[],
  all: readonly Unchecked[],
  { suppressions, unchecked: accepted }: Ignored,
  comments: readonly CommentSuppression[],
): {
  kept: readonly Finding[]
  unchecked: readonly Unchecked[]
  suppressed: readonly (SuppressedFinding | SuppressedUnchecked)[]
} {
  const suppressed: (SuppressedFinding | SuppressedUnchecked)[] = []
  const known = comments.filter(({ code, reason }) => reason !== '' && isLintCode(code))
  const used = new Set<CommentSuppression>()
  const byCode = new Map<string, readonly CommentSuppression[]>(groupBy(known, ({ code }) => code))
  const isAccepted = (each: Finding): boolean => {
    const option = suppressions.find((one) => one.code === each.code && matchesPlace(each.place, one.place))
    if (option !== undefined) {
      suppressed.push({ finding: each, reason: option.reason, by: null })
      return true
    }
    const isOf = ({ isMain, place }: CommentSuppression): boolean =>
      each.place === undefined ? isMain : each.place.file === place.file
    const own = byCode.get(each.code)?.filter(isOf) ?? []
    const [first] = own
    if (first === undefined) return false
    for (const same of own) used.add(same)
    suppressed.push({ finding: each, reason: first.reason, by: first.place })
    return true
  }
  const keep = (all: readonly Finding[]): Finding[] =>
    all
      .filter((each) => !isAccepted(each))
      .map((each) => (each.consequences.length === 0 ? each : { ...each, consequences: keep(each.consequences) }))
  const kept = keep(findings)
  const unused = comments
    .filter((each) => !used.has(each))
    .map(({ code, reason, place }) => {
      const why = !isLintCode(code) ? 'unknown code' : reason === '' ? 'no reason' : 'nothing to suppress'
      return finding('config/suppression-without-effect', { ...place, code, why })
    })
  const unchecked = all.filter((each) => {
    const by = accepted.find((one) => one.unchecked === each.kind && matchesPlace(each.place, one.place))
    if (by !== undefined) suppressed.push({ unchecked: each, reason: by.reason, by: null })
    return by === undefined
  })
  return { kept: [...kept, ...unused], unchecked, suppressed }
}

function matchesPlace(place: FindingPlace | undefined, wanted: Suppression['place']): boolean {
  if (wanted === undefined) return true
  return place !== undefined && PLACE_KEYS.every((key) => wanted[key] === undefined || wanted[key] === place[key])
}
