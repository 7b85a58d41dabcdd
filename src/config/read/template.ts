/**
 * Templates of Go, Jinja and Helm. Their expressions are hidden in other characters while a text is read, because they have
 * spaces, braces and quotes, which YAML, a shell and systemd would read.
 */
import { hideExpressions } from '../hidden.js'
import type { Reading } from './read-option.js'
import { type ConfigText, placesIn } from './text.js'

/** Hides the expressions of a text, and blanks the lines that are statements, the first of which is reported. */
export function withoutTemplates(source: ConfigText, into: Reading): ConfigText {
  const { text } = source
  if (!['{{', '{%', '{#', '${'].some((each) => text.includes(each))) return source
  const lines: string[] = []
  const statements: number[] = []
  let offset = 0
  for (const line of text.split('\n')) {
    const isOne = isStatement(line, lines.at(-1) ?? '')
    if (isOne) statements.push(offset)
    lines.push(isOne ? ' '.repeat(line.length) : line)
    offset += line.length + 1
  }
  const hidden = hideExpressions(lines.join('\n'))
  // An expression of several lines, or of very many characters, stays.
  const [first = hidden.search(/\{[{%]/)] = statements
  if (first !== -1) into.leaveTemplate(placesIn(source)(first, 'The line'), 'The text is a template.')
  return { ...source, text: hidden, ...(statements.length === 0 ? {} : { hasStatements: true as const }) }
}

/** Whether a line is a statement, or an expression for any number of lines; or one that `envsubst` replaces. */
function isStatement(line: string, before: string): boolean {
  const bare = line.trim()
  if (/^\{[%#]/.test(bare) || (bare.startsWith('{{') && bare.endsWith('}}'))) return true
  // A line of a shell may be a variable alone.
  return /^\$\{\w{1,100}\}$/.test(bare) && (line.startsWith('$') || before.trimEnd().endsWith(':'))
}

/** Whether a text has a hidden expression. */
export function hasTemplate(text: string): boolean {
  return /[\ue000-\uf8ff]/.test(text)
}
