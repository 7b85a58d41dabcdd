/** What was not checked. */
import type { FindingPlace, Unchecked, UncheckedKind } from './finding.js'
import { printable, printableDeep } from './printable.js'

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
const MAX_MESSAGE = 600

function brief(text: string): string {
  const half = MAX_MESSAGE / 2
  return text.length > MAX_MESSAGE ? `${text.slice(0, half)}…${text.slice(-half)}` : text
}

/** What was not checked of a file or another source, or if no file is known. */
export function uncheckedIn(file: string | null, kind: UncheckedKind, message: string): Unchecked {
  return uncheckedOf(kind, { option: null, file, line: null, column: null }, message, 'all')
}
