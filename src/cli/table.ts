/** Prints rows in columns that fit a width. */

export interface Column {
  readonly title: string
  /** When its values may be cut, so that the table fits. */
  readonly shrinks: 'first' | 'last' | 'never'
  readonly values: readonly string[]
}

/** Spaces between two columns. */
const GAP = '  '
/** A value is not cut to fewer characters, so that it can be recognized. */
const MIN_WIDTH = 6

/**
 * The lines of a table, the titles first. While it is too wide, the widest column that shrinks first gets narrower, then those that shrink last. The ends of values that
 * are cut are replaced by `…`.
 */
export function tableLines(columns: readonly Column[], width: number): string[] {
  const widths = columns.map(({ title, values }) =>
    values.reduce((most, value) => Math.max(most, lengthOf(value)), lengthOf(title)),
  )
  const gaps = GAP.length * (columns.length - 1)
  for (;;) {
    if (widths.reduce((sum, each) => sum + each, gaps) <= width) break
    const widthsOf = (when: Column['shrinks']): number[] =>
      widths.map((each, i) => (columns[i]?.shrinks === when && each > MIN_WIDTH ? each : 0))
    const shrinkable = [widthsOf('first'), widthsOf('last')].find((some) => some.some((each) => each > 0))
    if (shrinkable === undefined) break
    const widest = Math.max(...shrinkable)
    widths[shrinkable.indexOf(widest)] = widest - 1
  }
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => fitted(cell, widths[i] ?? 0))
      .join(GAP)
      .trimEnd()
  const rows = columns[0]?.values.map((_, row) => columns.map(({ values }) => values[row] ?? '')) ?? []
  return [columns.map(({ title }) => title), ...rows].map(line)
}

function fitted(text: string, width: number): string {
  const characters = Array.from(text)
  return characters.length > width
    ? `${characters.slice(0, width - 1).join('')}…`
    : text + ' '.repeat(width - characters.length)
}

function lengthOf(text: string): number {
  return Array.from(text).length
}
