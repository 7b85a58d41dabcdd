/**
 * A finding is one fact about certificates, keys, files or a handshake, reported as data. Only the catalogue has the
 * severity and the messages of a code; other code passes the code and the details. Types cover the whole catalogue; at
 * run time each room loads only the rows that it reports.
 */
import type { CatalogueDetails } from './catalogue.js'
import { findingUrl } from './links.js'
import { shortenDeep, printable, printableDeep, printableDetails, printableRef } from './printable.js'
import {
  type CatalogueRow,
  type CertificateRef,
  type FindingPlace,
  isOfServer,
  type Refusal,
  refusalsOf,
  rowFor,
  type Severity,
  severityFor,
  type Wording,
} from './row.js'

export type { CertificateRef, FindingPlace, Refusal, Severity } from './row.js'

/** Every finding code, as `area/fact`. Codes change only in a major version. */
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
  /** The page that explains the code. */
  url: string
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
  /** How many endpoints a client asked, and how many of them failed. Only in the reports of a client. */
  endpoints?: { total: number; failed: number }
}

/** A report with at least one error. The worst finding is first. */
export interface FailedReport {
  ok: false
  /** The time that validity was checked at. */
  checkedAt: Date
  /** The best path, or null if none could be built. */
  path: CertificateRef[] | null
  findings: [Finding, ...Finding[]]
  /** How many endpoints a client asked, and how many of them failed. Only in the reports of a client. */
  endpoints?: { total: number; failed: number }
}

/** The result of a check: all findings, not only the first. */
export type Report = PassedReport | FailedReport

/**
 * Why a part of a configuration was not checked:
 *
 * - `template`: a line or a placeholder of a template. `variable`: a variable without a value in the input.
 * - `flag-list`: flags that a variable holds, as in `etcd $OPTS`.
 * - `file-absent`: a file, a ConfigMap or a Secret that was not there to be read. `env-from`: variables of one.
 * - `image`: an image whose entrypoint adds options. `script`: a script around the command.
 * - `drop-ins`: files that change a systemd unit. `document`: a document of a YAML file that no reader understands.
 * - `limit`: more than a limit of this package, or than the time of an examination.
 * - `permission`: something that this user may not read. `other-machine`: something that is on another machine.
 * - `release`: a release of etcd that is not known.
 * - `server`: a server that did not answer. `credentials`: there are none to ask it with. Only in reports about a cluster.
 */
export type UncheckedKind = (typeof UNCHECKED_KINDS)[number]

export const UNCHECKED_KINDS = [
  'template',
  'variable',
  'flag-list',
  'file-absent',
  'env-from',
  'image',
  'script',
  'drop-ins',
  'document',
  'limit',
  'permission',
  'other-machine',
  'release',
  'server',
  'credentials',
] as const

/** A part of a configuration that was not checked. */
export interface Unchecked {
  place: FindingPlace
  kind: UncheckedKind
  /** What was not checked, and what would let it be checked, in one or two sentences. */
  message: string
  /** The findings that it may hide. */
  codes: readonly FindingCode[] | 'all'
}

/** A finding that is accepted with a reason. `ok` ignores it. */
export interface SuppressedFinding {
  finding: Finding
  reason: string
  /** The comment that suppresses it; null if an option of the call does. */
  by: FindingPlace | null
}

/** A part that is accepted as not checked, with a reason. `complete` ignores it. */
export interface SuppressedUnchecked {
  unchecked: Unchecked
  reason: string
  by: null
}

/** Some rows of the catalogue, by code. */
export type Rows = Readonly<Partial<Record<FindingCode, CatalogueRow>>>

/** Makes a finding of one of the codes `K`. */
export type FindingMaker<K extends FindingCode> = <C extends K>(
  code: C,
  details: FindingDetails[C],
  certificate?: CertificateRef | null,
  wording?: Partial<Wording>,
) => Finding<C>

/**
 * Returns the function that makes the findings of a room, from the rows that the room reports. It escapes every string
 * that may hold foreign bytes (a subject, the contents of a file, a message of a server), so that no printer has to. Only
 * paths in the details are exact.
 *
 * @param usual The wording of all findings of the room, if a call passes none.
 */
export function findingMaker<R extends Rows>(
  rows: R,
  usual: Partial<Wording> = {},
): FindingMaker<keyof R & FindingCode> {
  return (code, details, certificate = null, wording = usual) => {
    const row = rows[code] as unknown as CatalogueRow
    const ref = certificate === null ? null : printableRef(certificate)
    return {
      code,
      severity: severityFor(row, details),
      ...messageAndRemedy(row, details, ref, { ...CALLER, ...wording }),
      url: findingUrl(code),
      certificate: ref,
      details: printableDetails(details),
      refusals: refusalsOf(row, details),
      consequences: [],
    }
  }
}

const CALLER: Wording = { isEtcd: false, name: (role) => `"${role}"` }

/** The finding with the messages of its row in `rows` for another wording. */
export function reworded(finding: Finding, rows: Rows, wording: Wording): Finding {
  const row = rows[finding.code]
  return row === undefined
    ? finding
    : { ...finding, ...messageAndRemedy(row, finding.details, finding.certificate, wording) }
}

function messageAndRemedy(row: CatalogueRow, details: object, ref: CertificateRef | null, wording: Wording): Texts {
  const { text } = rowFor(row, details)
  const { start, inside } = describeCertificate(shortenDeep(ref, MAX_TEXT), wording.side)
  const context = { ...wording, inside, isConnected: ref !== null && isOfServer(ref), isAnchor: ref?.role === 'anchor' }
  const [message] = text(shortenDeep(details, MAX_TEXT), start, context)
  // A remedy has a higher limit, because a command that is cut does something else.
  const [, remedy] = text(shortenDeep(details, MAX_TEXT_OF_REMEDY), '', context)
  return { message: shortened(printable(message)), remedy: withFullStop(printable(remedy)) }
}

type Texts = Pick<Finding, 'message' | 'remedy'>

/** Longest string of the details in a message, and in a remedy. */
const MAX_TEXT = 240
const MAX_TEXT_OF_REMEDY = 1000
/** Longest message. */
const MAX_MESSAGE = 600

function shortened(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : withFullStop(message)
}

/** Ends with one full stop: a reason at the end may be a message of another program, which has one or none. */
function withFullStop(text: string): string {
  if (!/[.…!?]$/.test(text)) return `${text}.`
  let end = text.length
  while (text.endsWith('..', end)) end -= 1
  return text.slice(0, end)
}

interface CertificateText {
  /** At the start of a sentence. */
  readonly start: string
  readonly inside: string
}

/** The role of a certificate in messages. */
const KINDS = { leaf: 'certificate', intermediate: 'intermediate certificate', anchor: 'CA certificate' } as const

/** Names a certificate by its owner, its role, its subject, and the endpoint or the file. */
function describeCertificate(ref: CertificateRef | null, side: Wording['side']): CertificateText {
  if (ref === null) return { start: 'The certificate', inside: 'the certificate' }
  const { role, subject, serialNumber, origin } = ref
  const certificate = `${KINDS[role]} "${subject === '' ? `serial ${serialNumber}` : subject}"`
  if (isOfServer(ref)) return { start: `${origin}: its ${certificate}`, inside: `the ${certificate} of ${origin}` }
  const owner = side === undefined || role === 'anchor' ? '' : side === 'peer' ? "member's " : `${side}'s `
  const text = `he ${owner}${certificate}${origin === '' ? '' : ` from ${origin}`}`
  return { start: `T${text}`, inside: `t${text}` }
}

/** What was not checked. Escaped, and cut to a length. */
export function uncheckedOf(
  kind: UncheckedKind,
  { option, file, line, column, endColumn }: FindingPlace,
  message: string,
  codes: Unchecked['codes'],
): Unchecked {
  const end = endColumn === undefined ? {} : { endColumn }
  const place = { option: option === null ? null : printableDeep(option), file, line, column, ...end }
  return { place, kind, message: brief(printable(message)), codes }
}

/** Longest message. It begins with what was not read, and ends with the remedy. */
const MAX_UNCHECKED_MESSAGE = 600

function brief(text: string): string {
  const half = MAX_UNCHECKED_MESSAGE / 2
  return text.length > MAX_UNCHECKED_MESSAGE ? `${text.slice(0, half)}…${text.slice(-half)}` : text
}

/** What was not checked of a file or another source, or if no file is known. */
export function uncheckedIn(file: string | null, kind: UncheckedKind, message: string): Unchecked {
  return uncheckedOf(kind, { option: null, file, line: null, column: null }, message, 'all')
}
