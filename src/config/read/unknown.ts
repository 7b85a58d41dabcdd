/** The parts of a value that another program fills in, and that are therefore not known. */
import { showExpressions } from '../hidden.js'
import { LITERAL_DOLLAR, plainDollars } from './tokenizer.js'

/**
 * The program that fills in parts of a text before etcd receives it. `none`: nothing is expanded, as in an array of arguments
 * and in /proc. `template`: only a template, as in a YAML file of etcd. `specifiers`: systemd in Environment=.
 */
export type Syntax = 'none' | 'template' | 'shell' | 'systemd' | 'specifiers' | 'Kubernetes' | 'Compose'

/** `{{ name }}` of Go, Jinja and Helm. */
const TEMPLATE = /\{\{(?:(?!\}\})[\s\S]){0,500}\}\}|\{%(?:(?!%\})[\s\S]){0,500}%\}/.source
/** `${NAME}` and `${NAME:-value}`, whose value may have one such reference itself. */
const BRACES = /\$\{(?:[^{}]|\{[^{}]*\})*\}/.source
const NAME = /\$[A-Za-z_]\w*/.source

const PATTERNS: Readonly<Record<Syntax, RegExp | null>> = {
  none: null,
  template: new RegExp(TEMPLATE, 'g'),
  shell: new RegExp(`${TEMPLATE}|${BRACES}|${NAME}|\\$[@*#?\\d]|\\$\\([^)]*\\)|\`[^\`]*\``, 'g'),
  // `$NAME` only as a whole argument (systemd.service(5), "Command lines").
  systemd: new RegExp(`${TEMPLATE}|\\$\\{\\w+\\}|^${NAME}$|%[A-Za-z]`, 'g'),
  specifiers: new RegExp(`${TEMPLATE}|%[A-Za-z]`, 'g'),
  Kubernetes: new RegExp(`${TEMPLATE}|\\$\\([\\w.-]+\\)`, 'g'),
  Compose: new RegExp(`${TEMPLATE}|${BRACES}|${NAME}`, 'g'),
}

/** The values that the caller gives: of `NAME`, `%i`, or the inside of `{{ … }}`. */
export type GivenValues = Readonly<Record<string, string>>

export interface ResolvedText {
  readonly text: string
  /** The references in it whose values are not known. */
  readonly unknown: readonly string[]
  /** The references whose default, which the text contains, was taken. */
  readonly assumed: readonly string[]
}

/** Limits references in references. */
const MAX_DEPTH = 3

/** Replaces references to given values, and those with a default by that. */
export function resolveText(hidden: string, syntax: Syntax, given: GivenValues, depth = 0): ResolvedText {
  const pattern = PATTERNS[syntax]
  const written = showExpressions(hidden)
  if (pattern === null || depth > MAX_DEPTH) return { text: plainDollars(written), unknown: [], assumed: [] }
  const unknown: string[] = []
  const assumed: string[] = []
  const text = written.replace(pattern, (reference) => {
    const { name, value } = partsOf(reference)
    if (Object.hasOwn(given, name)) return (given[name] ?? '').replaceAll('$', LITERAL_DOLLAR)
    if (value === null) {
      unknown.push(plainDollars(reference))
      return reference
    }
    assumed.push(plainDollars(reference))
    const inner = resolveText(value, syntax, given, depth + 1)
    unknown.push(...inner.unknown)
    return inner.text
  })
  return { text: plainDollars(text), unknown, assumed }
}

/** The name of a reference, and its default; null if it has none. */
function partsOf(reference: string): { name: string; value: string | null } {
  const [, name, value = null] = /^\$\{(\w+)(?::?-([\s\S]*))?\}$/.exec(reference) ?? []
  if (name !== undefined) return { name, value }
  const inner = reference.replace(/^\{\{-?\s*|\s*-?\}\}$|^\$\(?|\)$/g, '')
  return { name: inner, value: null }
}

/** Whether a text has a reference of any program, so that it is not the name of a file. */
export function hasReference(text: string): boolean {
  return /\$[({A-Za-z_]|\{\{|%[A-Za-z]|`/.test(text)
}
