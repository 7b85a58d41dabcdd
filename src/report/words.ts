/** Lists of names inside a sentence. */

/** Maximum number of values in a message; `details` has the others. */
const MOST_LISTED = 5

/** `a`, `a and b`, `a, b, c, d, e and 3 more`; `none` for an empty list, `""` for an empty value. `shown` formats each value. */
export function listed(
  values: readonly string[],
  none = 'none',
  lastWord = 'and',
  shown: (value: string) => string = (value) => value || '""',
): string {
  const more = values.length - MOST_LISTED
  const few = values.slice(0, MOST_LISTED).map(shown)
  const last = more > 0 ? `${String(more)} more` : few.pop()
  if (last === undefined) return none
  return few.length === 0 ? last : `${few.join(', ')} ${more > 0 ? 'and' : lastWord} ${last}`
}

/** The same, each value in quotation marks. */
export function quoted(values: readonly string[], none = 'none'): string {
  return listed(values, none, 'and', (value) => `"${value}"`)
}
