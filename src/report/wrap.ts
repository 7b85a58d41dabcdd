/** Line wrapping for terminals, at spaces only. */

export interface WrapOptions {
  /** Columns of a line, its prefix included. */
  width: number
  /** Put before the first line. */
  first: string
  /** Put before every further line; as wide as `first` for a hanging indent. */
  rest: string
}

/**
 * Breaks one paragraph into lines. A word is never broken: a fingerprint or an address that is longer than a line
 * stands alone and runs over. A command in backticks stays on one line where a line can hold it, so that it can be
 * copied.
 */
export function wrapText(text: string, { width, first, rest }: WrapOptions): string[] {
  const lines: string[] = []
  let prefix = first
  let line: string | null = null
  for (const word of unbreakables(text, width - columns(rest))) {
    if (line === null) line = word
    else if (columns(prefix) + columns(line) + 1 + columns(word) <= width) line = `${line} ${word}`
    else {
      lines.push(prefix + line)
      prefix = rest
      line = word
    }
  }
  lines.push((prefix + (line ?? '')).trimEnd())
  return lines
}

/** Splits at spaces, then joins what stands between two backticks again if it is not wider than `room`. */
function unbreakables(text: string, room: number): string[] {
  const pieces: string[] = []
  let open: string[] = []
  for (const word of text.split(' ')) {
    open.push(word)
    if (countBackticks(open) % 2 === 0) {
      pieces.push(...joinIfFits(open, room))
      open = []
    }
  }
  return [...pieces, ...open] // a backtick without its partner holds nothing together
}

function joinIfFits(words: string[], room: number): string[] {
  const joined = words.join(' ')
  return columns(joined) <= room ? [joined] : words
}

function countBackticks(words: readonly string[]): number {
  return words.join('').split('`').length - 1
}

/** Width in code points. East-Asian double width and combining marks are not counted. */
function columns(text: string): number {
  return Array.from(text).length
}
