/**
 * Templates of Go, Jinja and Helm. Their expressions are hidden in other characters while a text is read, because they have
 * spaces, braces and quotes, which YAML, a shell and systemd would read.
 */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { hideExpressions } from '../hidden.js'
import type { Reading } from './read-option.js'
import { type ConfigText, placesIn } from './text.js'

/** A text whose expressions are hidden, and the first line that is a statement. Such lines are blank. */
function hideTemplates(source: ConfigText): { source: ConfigText; statement: ConfigPlace | null } {
  const { text } = source
  if (!['{{', '{%', '{#', '${'].some((each) => text.includes(each))) return { source, statement: null }
  const lines: string[] = []
  let offset = 0
  const statements: number[] = []
  for (const line of text.split('\n')) {
    const isOne = isStatement(line, lines.at(-1) ?? '')
    if (isOne) statements.push(offset)
    lines.push(isOne ? ' '.repeat(line.length) : line)
    offset += line.length + 1
  }
  const hidden = hideExpressions(lines.join('\n'))
  // An expression of several lines, or of very many characters, stays.
  const rest = hidden.search(/\{[{%]/)
  const [first = rest] = statements
  const place = first === -1 ? null : placesIn(source)(first, 'The line')
  return { source: { ...source, text: hidden }, statement: place }
}

/** Whether a line is a statement, or an expression for any number of lines; or one that `envsubst` replaces. */
function isStatement(line: string, before: string): boolean {
  const bare = line.trim()
  if (/^\{[%#]/.test(bare) || (bare.startsWith('{{') && bare.endsWith('}}'))) return true
  // A line of a shell may be a variable alone.
  return /^\$\{\w{1,100}\}$/.test(bare) && (line.startsWith('$') || before.trimEnd().endsWith(':'))
}

/** The text with hidden expressions of templates; lines that are statements are reported. */
export function withoutTemplates(content: ConfigText, into: Reading): ConfigText {
  const { source, statement } = hideTemplates(content)
  if (statement !== null) into.leaveTemplate(statement, 'The text is a template.')
  return source
}

/** Whether a text has a hidden expression. */
export function hasTemplate(text: string): boolean {
  return /[\ue000-\uf8ff]/.test(text)
}
