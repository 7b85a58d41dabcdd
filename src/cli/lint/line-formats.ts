/** Findings as lines, for problem matchers of editors and for GitHub. */
import { printable, worstFirst } from '../../report/internal.js'
import type { FindingPlace, Severity } from '../../report/index.js'
import type { LintDocument } from '../documents.js'

/** What one line says. */
export interface LintLine {
  readonly place: FindingPlace
  readonly severity: Severity
  readonly code: string
  readonly message: string
  readonly remedy: string
}

const NOWHERE: FindingPlace = { option: null, file: null, line: null, column: null }

/** Every finding, the worst first, and then what was not checked. */
export function linesOf({ members, findings }: LintDocument): LintLine[] {
  const placed = members.flatMap((each) => each.findings.map((one) => ({ one, file: each.files[0] ?? null })))
  const all = [...placed, ...findings.map((one) => ({ one, file: null }))].map(({ one, file }): LintLine => {
    const { code, severity, message, remedy, place = NOWHERE } = one
    return { code, severity, message, remedy, place: { ...place, file: place.file ?? file } }
  })
  const open = members.flatMap(({ unchecked, files: [file = null] }) =>
    unchecked.map(({ kind, message, place }): LintLine => {
      return {
        code: `unchecked/${kind}`,
        severity: 'info',
        message,
        remedy: '',
        place: { ...place, file: place.file ?? file },
      }
    }),
  )
  return [...worstFirst(all), ...open]
}

/** `path:line:col: severity code: message`, as compilers print it. */
export function onelineText(document: LintDocument): string {
  return linesOf(document)
    .map(({ place, severity, code, message }) => {
      const at = [place.file ?? '-', place.line ?? 1, place.column ?? 1].join(':')
      return `${printable(at)}: ${severity} ${code}: ${printable(message)}`
    })
    .join('\n')
}

const COMMANDS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'notice' }

/** Workflow commands of GitHub, which it shows at the lines of a pull request. */
export function githubText(document: LintDocument): string {
  return linesOf(document)
    .map(({ place, severity, code, message, remedy }) => {
      const { file, line, column, endColumn } = place
      const properties = Object.entries({ file, line, col: column, endColumn, title: code })
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([key, value]) => `${key}=${escapeProperty(String(value))}`)
      const text = remedy === '' ? message : `${message}\nFix: ${remedy}`
      return `::${COMMANDS[severity]} ${properties.join(',')}::${escapeData(text)}`
    })
    .join('\n')
}

/** As @actions/core escapes them (packages/core/src/command.ts). */
function escapeData(text: string): string {
  const lines = text.split('\n').map(printable).join('\n')
  return lines.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(printable(text)).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
