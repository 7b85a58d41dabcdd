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

/** The details of each code, for programs. */
export type FindingDetails = CatalogueDetails

interface FindingOf<C extends FindingCode> {
  code: C
  severity: Severity
  /** What is wrong. It may change in any release. */
  message: string
  /** What to do. It may change in any release. */
  remedy: string
  /** The certificate the finding is about; null if it is about something else (a file, an endpoint). */
  certificate: CertificateRef | null
  details: FindingDetails[C]
  /**
   * The place in the configuration: the option that names the file, or the option that requires a missing one. Only in
   * reports of the lint.
   */
  place?: FindingPlace
  /** The messages of other programs for the same fault. Empty if there are none. */
  refusals: readonly Refusal[]
  /**
   * Findings that follow from this one and disappear with it. They are not in the list of the report, so that the list
   * has one entry for each cause.
   */
  consequences: readonly Finding[]
  /**
   * The same warning or info about other certificates of the path. `certificate` is the first of them. Absent if there
   * is only one.
   */
  repeats?: readonly Finding[]
}

/** A finding. A union over the codes: a `switch` on `code` narrows `details`. */
export type Finding<C extends FindingCode = FindingCode> = { [K in C]: FindingOf<K> }[C]

/** A report without errors. */
export interface PassedReport {
  ok: true
  /** The time that validity was checked at. */
  checkedAt: Date
  /** The path from the leaf to its trust anchor. */
  path: CertificateRef[]
  findings: Finding[]
}

/** A report with at least one error. The worst finding is first. */
export interface FailedReport {
  ok: false
  /** The time that validity was checked at. */
  checkedAt: Date
  /** The best path, or null if none could be built. */
  path: CertificateRef[] | null
  findings: [Finding, ...Finding[]]
}

/** The result of a check: all findings, not only the first. */
export type Report = PassedReport | FailedReport

/** A finding that is accepted with a reason. `ok` ignores it. */
export interface SuppressedFinding {
  finding: Finding
  reason: string
  /** The comment that suppresses it; null if an option of the call does. */
  by: FindingPlace | null
}

/** The properties that `formatReport` needs. */
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
