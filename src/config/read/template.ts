/**
 * Templates of Go, Jinja and Helm. Their expressions are hidden in other characters while a text is read, because they have
 * spaces, braces and quotes, which YAML, a shell and systemd would read.
 */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { hideExpressions } from '../hidden.js'
import type { Reading } from './read-option.js'
import { type ConfigText, placesIn } from './text.js'

/** A line with a statement, or with an expression for any number of lines; or one that `envsubst` replaces. */
const STATEMENT = /^[ \t]*(?:\{%[^\n]*|\{\{[^\n]*\}\}|\$\{\w+\})[ \t]*\r?$/gm

/** A text whose expressions are hidden, and the first line that is a statement. Such lines are blank. */
function hideTemplates(source: ConfigText): { source: ConfigText; statement: ConfigPlace | null } {
  const { text, file } = source
  if (!/\{[{%]|^[ \t]*\$\{/m.test(text)) return { source, statement: null }
  const statements: number[] = []
  const lines = text.replace(STATEMENT, (line, offset: number) => {
    // A line of a shell may be a variable alone.
    if (/^[ \t]+\$\{/.test(line) && !/:[ \t]*\r?\n$/.test(text.slice(0, offset))) return line
    statements.push(offset)
    return ' '.repeat(line.length)
  })
  const [first] = statements
  const place = first === undefined ? null : placesIn(source)(first, 'The line')
  return { source: { ...source, text: hideExpressions(lines), file }, statement: place }
}

/** The text with hidden expressions of templates; lines that are statements are reported. */
export function withoutTemplates(content: ConfigText, into: Reading): ConfigText {
  const { source, statement } = hideTemplates(content)
  if (statement !== null)
    into.leave('template', statement, 'The text is a template. Lint the text that is rendered from it.')
  return source
}
