/** Recognizes parts of a value that another program should have replaced, in endpoints and in paths. */

/** By the form of the part: why it is still there. */
const FORMS: readonly (readonly [part: RegExp, reason: string])[] = [
  [/\{\{[^{}]{0,200}\}\}|\{%[^{%]{0,200}%\}|<%[^<%]{0,200}%>/, 'a template that was not rendered'],
  [/\$\(\w{1,200}\)/, 'which Kubernetes leaves as it is if env does not define that variable earlier'],
  [/\$\([^()]{1,200}\)/, 'which only a shell replaces'],
  [/\$(?:\{[^${}]{1,200}\}|[A-Za-z_]\w*)/, 'which only a shell or Docker Compose replaces'],
  [/%[A-Za-z_]\w{0,200}%/, 'which only Windows replaces'],
  [/<[\w .-]{1,100}>/, 'a placeholder of an example'],
  [/(?<![\w.-])(?:undefined|null|NaN|\[object Object\])(?![\w.-])/, 'which stands for a variable that is not set'],
]

/** As `"${DIR}", which only a shell or Docker Compose replaces`; null if nothing is left to replace. */
export function unreplacedPart(text: string): string | null {
  for (const [form, reason] of FORMS) {
    const [part] = form.exec(text) ?? []
    if (part !== undefined) return `"${part}", ${reason}`
  }
  return null
}

/** A value without white space and quotation marks at its ends. */
export function withoutQuotes(text: string): string {
  return text.trim().replace(/^(["'`])(.*)\1$/s, '$2')
}
