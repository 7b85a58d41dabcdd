/**
 * A finding is one fact about certificates, keys, files or a handshake, reported as data. The catalogue is the only place
 * that knows what a code means; everything else names the code and passes the details. Types speak of the whole
 * catalogue, which costs nothing; each room loads the rows that it gives.
 */
import type { CatalogueDetails } from './catalogue.js'
import { briefDeep, printable, printableDeep } from './printable.js'
import {
  type CatalogueRow,
  type CertificateRef,
  type FindingPlace,
  type Refusal,
  refusalsOf,
  rowFor,
  type Severity,
  severityFor,
  type Wording,
} from './row.js'

export type { CertificateRef, FindingPlace, Refusal, Severity } from './row.js'

/** Every code a finding can carry, `area/fact`. Codes are the contract: they change only with a major version. */
export type FindingCode = keyof FindingDetails

/** What each code tells next to its text, so that programs need not read the text. */
export type FindingDetails = CatalogueDetails

interface FindingOf<C extends FindingCode> {
  code: C
  severity: Severity
  /** One sentence that says what is wrong. Prose: may change in any release. */
  message: string
  /** One sentence that says what to do. Prose: may change in any release. */
  remedy: string
  /** The certificate the finding is about; null if it is about something else (a file, an endpoint). */
  certificate: CertificateRef | null
  details: FindingDetails[C]
  /**
   * Where a configuration says what this is about: the option that names the file, or, of what is absent, the option
   * that asks for it. In reports of `lintEtcdConfig` and `lintCluster` alone.
   */
  place?: FindingPlace
  /** Who refuses this, in the words that their logs and errors show. Empty where nobody does, or no words are known. */
  refusals: readonly Refusal[]
  /**
   * Findings that follow from this one and go away with it, such as the expiry of a certificate that ends before it
   * begins. They stand here and not in the report's own list, so that the list has one entry for each cause.
   */
  consequences: readonly Finding[]
  /**
   * The same warning or info about other certificates of the path, for `certificate` is the first of several. Absent
   * where there is only one.
   */
  repeats?: readonly Finding[]
}

/** One fact found. A union over the codes: a `switch` on `code` narrows `details`. */
export type Finding<C extends FindingCode = FindingCode> = { [K in C]: FindingOf<K> }[C]

/** Nothing in the way: warnings and infos at most. */
export interface PassedReport {
  ok: true
  /** The time that validity was checked at. */
  checkedAt: Date
  /** The path from the leaf to its trust anchor. */
  path: CertificateRef[]
  findings: Finding[]
}

/** At least one error; the worst finding stands first. */
export interface FailedReport {
  ok: false
  /** The time that validity was checked at. */
  checkedAt: Date
  /** The path that came furthest, or null if none could be built at all. */
  path: CertificateRef[] | null
  findings: [Finding, ...Finding[]]
}

/** What a check found: everything, not only the first fault. */
export type Report = PassedReport | FailedReport

/** A finding that somebody accepted, with a reason. It does not count for `ok`. */
export interface SuppressedFinding {
  finding: Finding
  reason: string
  /** The comment that suppresses it; null if an option of the call does. */
  by: FindingPlace | null
}

/**
 * What every report of this package has, also those on certificate requests, on directories and on the roll of a CA:
 * enough for `formatReport`.
 */
export interface AnyReport {
  readonly ok: boolean
  /** A date, or its ISO 8601 string. */
  readonly checkedAt?: Date | string | undefined
  readonly path?: readonly CertificateRef[] | null | undefined
  readonly findings: readonly Finding[]
  readonly suppressed?: readonly SuppressedFinding[] | undefined
}

/** Some rows of the catalogue, by code. */
export type Rows = Readonly<Partial<Record<FindingCode, CatalogueRow>>>

/** Makes a finding of one of the codes `K`. */
export type FindingMaker<K extends FindingCode> = <C extends K>(
  code: C,
  details: FindingDetails[C],
  certificate?: CertificateRef | null,
) => Finding<C>

/**
 * Makes the function by which a room makes its findings, of the rows that it gives. Every text that may hold foreign
 * bytes (subjects, file contents, a server's words) is made printable here, once, so no later printer has to remember it.
 */
export function findingMaker<R extends Rows>(rows: R): FindingMaker<keyof R & FindingCode> {
  return (code, details, certificate = null) => {
    const row = rows[code] as unknown as CatalogueRow
    const ref = certificate === null ? null : printableDeep(certificate)
    return {
      code,
      severity: severityFor(row, details),
      ...textsOf(row, details, ref, CALLER),
      certificate: ref,
      details: printableDeep(details),
      refusals: refusalsOf(row, details),
      consequences: [],
    }
  }
}

const CALLER: Wording = { isEtcd: false, name: (role) => `"${role}"` }

/** A finding in other words, by its row in `rows`. */
export function reworded(finding: Finding, rows: Rows, wording: Wording): Finding {
  const row = rows[finding.code]
  return row === undefined ? finding : { ...finding, ...textsOf(row, finding.details, finding.certificate, wording) }
}

function textsOf(row: CatalogueRow, details: object, ref: CertificateRef | null, wording: Wording): Texts {
  const { text } = rowFor(row, details)
  const [message] = text(briefDeep(details, MAX_TEXT), describe(briefDeep(ref, MAX_TEXT)), wording)
  // A command in a remedy must be whole, or it does something else.
  const [, remedy] = text(briefDeep(details, MAX_TEXT_OF_REMEDY), '', wording)
  return { message: shortened(printable(message)), remedy: ended(printable(remedy)) }
}

type Texts = Pick<Finding, 'message' | 'remedy'>

/** Characters of a string of the details in a message, and in a remedy. */
const MAX_TEXT = 240
const MAX_TEXT_OF_REMEDY = 1000
/** Characters of a message. */
const MAX_MESSAGE = 600

function shortened(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : ended(message)
}

/** With one full stop: a reason at the end, which may be another program's sentence, has one or none. */
function ended(text: string): string {
  if (!/[.…!?]$/.test(text)) return `${text}.`
  let end = text.length
  while (text.endsWith('..', end)) end -= 1
  return text.slice(0, end)
}

function describe(ref: CertificateRef | null): string {
  if (ref === null) return 'The certificate'
  const kind = { leaf: 'certificate', intermediate: 'intermediate certificate', anchor: 'CA certificate' }[ref.role]
  return `The ${kind} "${ref.subject === '' ? `serial ${ref.serialNumber}` : ref.subject}"`
}
