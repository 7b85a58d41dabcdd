/** The parts of a value that another program fills in, and that are therefore not known. */
import { showExpressions } from '../hidden.js'
import { LITERAL_DOLLAR, plainDollars } from './tokenizer.js'

/**
 * The program that fills in parts of a text before etcd receives it. `none`: nothing is expanded, as in an array of arguments
 * and in /proc. `template`: only a template, as in a YAML file of etcd. `specifiers`: systemd in Environment=.
 */
export type Syntax = 'none' | 'template' | 'shell' | 'systemd' | 'specifiers' | 'Kubernetes' | 'Compose'

/** A hidden `{{ name }}` of Go, Jinja or Helm, up to the next one, or `%NAME%`; `<name>`, and `${name}` of Terraform. */
const TEMPLATE =
  /\ue07b[\ue07b\ue025](?:(?!\ue07b)[\ue000-\uf8ff])*|\ue025[\ue030-\ue05f]+\ue025|<[A-Za-z][\w .-]{0,100}>|\$\{[a-z][^{}\n]{0,200}\}/
    .source
/** What a template fills in, as it was written. */
const WRITTEN_TEMPLATE = /^(?:\{[{%]|%.+%$|<)/
/** `${NAME}` and `${NAME:-value}`, whose value may have one such reference itself. Longer ones are none. */
const BRACES = /\$\{(?:[^{}]|\{[^{}]{0,200}\}){0,500}\}/.source
const NAME = /\$[A-Za-z_]\w*/.source

/** What is too long or stays open is a reference from its first characters on. */
const PATTERNS: Readonly<Record<Syntax, RegExp | null>> = {
  none: null,
  template: new RegExp(TEMPLATE, 'g'),
  shell: new RegExp(
    `${TEMPLATE}|${BRACES}|${NAME}|\\$[@*#?!$\\d]|\\$\\((?:[^()]|\\([^()]{0,200}\\)){0,500}\\)|\`[^\`]{0,500}\`|\\$[({]|\``,
    'g',
  ),
  // `$NAME` only as a whole argument (systemd.service(5), "Command lines").
  systemd: new RegExp(`${TEMPLATE}|\\$\\{\\w+\\}|^${NAME}$|%[A-Za-z]`, 'g'),
  specifiers: new RegExp(`${TEMPLATE}|%[A-Za-z]`, 'g'),
  Kubernetes: new RegExp(`${TEMPLATE}|\\$\\([\\w.-]{1,200}\\)`, 'g'),
  Compose: new RegExp(`${TEMPLATE}|${BRACES}|${NAME}|\\$\\{`, 'g'),
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

/** Maximum depth of references in the defaults of references. */
const MAX_DEPTH = 3
/** Maximum number of references in a value. With more, the whole value is not known. */
const MAX_REFERENCES = 100

/** Replaces references to given values, and those with a default by that. */
export function resolveText(hidden: string, syntax: Syntax, given: GivenValues): ResolvedText {
  const pattern = PATTERNS[syntax]
  if (pattern === null) return { text: shown(hidden), unknown: [], assumed: [] }
  const [unknown, assumed] = [new Set<string>(), new Set<string>()]
  const text = shown(resolved(hidden, pattern, given, { unknown, assumed }, 0))
  const all = [...unknown]
  return { text, unknown: all.length > MAX_REFERENCES ? [text] : all, assumed: [...assumed].slice(0, MAX_REFERENCES) }
}

function resolved(
  text: string,
  pattern: RegExp,
  given: GivenValues,
  into: { readonly unknown: Set<string>; readonly assumed: Set<string> },
  depth: number,
): string {
  return text.replace(pattern, (reference) => {
    const { name, value } = partsOf(showExpressions(reference))
    if (Object.hasOwn(given, name)) return (given[name] ?? '').replaceAll('$', LITERAL_DOLLAR)
    if (value === null || depth === MAX_DEPTH) {
      into.unknown.add(shown(reference))
      return reference
    }
    into.assumed.add(shown(reference))
    return resolved(value, pattern, given, into, depth + 1)
  })
}

/** The text as it was written. */
export function shown(text: string): string {
  return plainDollars(showExpressions(text))
}

/** The name of a reference, and its default; null if it has none. */
function partsOf(reference: string): { name: string; value: string | null } {
  // `${NAME:?text}` has a text for an error, not a default.
  const [, name, value = null] = /^\$\{(\w+)(?::?(?:[-=]([\s\S]*)|\?[\s\S]*))?\}$/.exec(reference) ?? []
  if (name !== undefined) return { name, value }
  if (reference.startsWith('{{')) return { name: reference.slice(2, -2).replace(/^-|-$/g, '').trim(), value: null }
  if (reference.startsWith('$(')) return { name: reference.slice(2, -1), value: null }
  return { name: reference.replace(/^%(.+)%$/, '$1').replace(/^\$\{?|^<|[>}]$/g, ''), value: null }
}

/** The name by which the caller gives the value of a reference. */
export function nameOfReference(reference: string): string {
  return partsOf(reference).name
}

/** Whether a text has a reference of any program, so that it is not the name of a file. */
export function hasReference(text: string): boolean {
  return /\$[({A-Za-z_]|\{\{|%[A-Za-z]|`|<[A-Za-z]/.test(text)
}

export function isOfTemplate(reference: string): boolean {
  return WRITTEN_TEMPLATE.test(reference)
}
