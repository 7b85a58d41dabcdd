/** Finds the row of a line among all rows: one pass over its characters chooses the few patterns that are tried. */
import type { LogLine } from './log-line.js'

/** More characters of a line than its words need; a line can be of any length, as with a stack trace. */
const MOST_CHARACTERS = 8192
/** A string is looked up by its first four characters. */
const KEY_CHARACTERS = 4
const SLOT_BITS = 14

interface Candidate {
  readonly text: string
  /** The numbers of the rows that need it. */
  readonly rows: number[]
}

export class LineMatcher {
  readonly #rows: readonly LogLine[]
  readonly #expressions: (RegExp | undefined)[] = []
  /** By the hash of the first characters: the place of its candidates, 0 for none. */
  readonly #slots = new Uint16Array(1 << SLOT_BITS)
  readonly #candidates: Candidate[][] = [[]]

  /** @param rows In the order of matching: a row before another one says more about a line that both match. */
  constructor(rows: readonly LogLine[]) {
    this.#rows = rows
    for (const [number, { contains }] of rows.entries()) for (const text of contains) this.#add(text, number)
  }

  /** The first row that matches the first 8192 characters of a line; undefined if the line is not known. */
  find(line: string): LogLine | undefined {
    const start = line.slice(0, MOST_CHARACTERS)
    const number = this.#possible(start).find((each) => this.#expression(each).test(start))
    return number === undefined ? undefined : this.#rows[number]
  }

  #add(text: string, number: number): void {
    let hash = 0
    for (let at = 0; at < KEY_CHARACTERS; at++) hash = appended(hash, text.charCodeAt(at))
    const slot = slotOf(hash)
    if (this.#slots[slot] === 0) this.#slots[slot] = this.#candidates.push([]) - 1
    const candidates = this.#candidates[this.#slots[slot] ?? 0] ?? []
    const known = candidates.find((each) => each.text === text)
    if (known === undefined) candidates.push({ text, rows: [number] })
    else known.rows.push(number)
  }

  /** The numbers of the rows of which the line contains a string, in order. */
  #possible(line: string): number[] {
    const found = new Set<number>()
    let hash = 0
    for (let at = 0; at < line.length; at++) {
      hash = appended(hash, line.charCodeAt(at))
      const place = this.#slots[slotOf(hash)] ?? 0
      if (place === 0) continue
      for (const { text, rows } of this.#candidates[place] ?? []) {
        if (line.startsWith(text, at + 1 - KEY_CHARACTERS)) for (const row of rows) found.add(row)
      }
    }
    return [...found].sort((a, b) => a - b)
  }

  #expression(number: number): RegExp {
    return (this.#expressions[number] ??= new RegExp(this.#rows[number]?.pattern ?? '(?!)'))
  }
}

/** The last four characters in 32 bits. */
function appended(hash: number, character: number): number {
  return (hash << 8) ^ character
}

function slotOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> (32 - SLOT_BITS)
}
