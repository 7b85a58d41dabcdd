/** Names and lists inside a sentence. */

/** Values that a message lists; `details` has the others. */
const MOST_LISTED = 5
/** The last entry of a list that {@link briefList} cut. */
const MORE = /^\d+ more$/

/** The first values of a list, and how many more there are as the last one. */
export function briefList(values: readonly string[]): string[] {
  const more = values.length - MOST_LISTED
  return more > 0 ? [...values.slice(0, MOST_LISTED), `${String(more)} more`] : [...values]
}

/** `a`, `a and b`, `a, b, c, d, e and 3 more`; `none` for an empty list. */
export function listed(values: readonly string[], none = 'none', lastWord = 'and'): string {
  const shown = MORE.test(values.at(-1) ?? '') ? [...values] : briefList(values)
  const last = shown.pop()
  if (last === undefined) return none
  return shown.length === 0 ? last : `${shown.join(', ')} ${MORE.test(last) ? 'and' : lastWord} ${last}`
}

/** The same, each value as `shown` writes it. */
export function listedAs(values: readonly string[], shown: (value: string) => string, none = 'none'): string {
  return listed(
    values.map((value) => (MORE.test(value) ? value : shown(value))),
    none,
  )
}

/** The same, each value in quotation marks. */
export function quoted(values: readonly string[], none = 'none'): string {
  return listedAs(values, (value) => `"${value}"`, none)
}

/** `the certificate "x"`, inside a sentence. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
