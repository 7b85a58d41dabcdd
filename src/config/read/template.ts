/**
 * Templates of Go, Jinja, Helm and Terraform. Their expressions are hidden in other characters while a text is read, because they
 * have spaces, braces and quotes, which YAML, a shell and systemd would read.
 */
import { hideExpressions } from '../hidden.js'
import type { Reading } from './read-option.js'
import { type ConfigText, placesIn } from './text.js'

/**
 * Lines that are statements or comments; a statement or an expression may have any number of lines; also `${NAME}` alone, which `envsubst` replaces,
 * except in a shell.
 */
const STATEMENT =
  /^(?:[ \t]*(?:(?:\{\{(?:(?!\{\{|\}\})[^]){0,4000}\}|\{%(?:(?!\{%|%\})[^]){0,4000}%)\}(?:.*[%}]\})?[ \t]*|\{[%#].*|%\{.*)|\$\{\w{1,100}\}[ \t]*|(?<=:[ \t]*\n)[ \t]+\$\{\w{1,100}\}[ \t]*)\r?$/gm

/** Hides the expressions of a text, and blanks the lines that are statements, the first of which is reported. */
export function withoutTemplates(source: ConfigText, into: Reading): ConfigText {
  const { text } = source
  if (!/\{[{%#]|\$\{|%[{A-Z]/.test(text)) return source
  const first = text.search(STATEMENT)
  const hidden = hideExpressions(first === -1 ? text : text.replace(STATEMENT, (lines) => lines.replace(/[^\n]/g, ' ')))
  // An expression of very many characters stays.
  const at = first === -1 ? hidden.search(/\{[{%]/) : first
  if (at !== -1) into.leaveTemplate(placesIn(source)(at, 'The line'), 'The text is a template.')
  return { ...source, text: hidden, ...(first === -1 ? {} : { hasStatements: true as const }) }
}

/** Whether a text has a hidden expression. */
export function hasTemplate(text: string): boolean {
  return /[\ue000-\uf8ff]/.test(text)
}
