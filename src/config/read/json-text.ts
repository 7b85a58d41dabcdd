/** Reads JSON, which YAML is a superset of, in one pass: it is too dense for a reader of YAML, as `kubectl get -o json` gives it. */
import type { YamlEntry, YamlValue } from './yaml/yaml-value.js'

/** Values within each other go too deep, from this offset on. */
export interface TooDeep {
  readonly tooDeepAt: number
}

/** The value of a text; null for one that is no JSON. Keys may be repeated. */
export function readJson(text: string, maxDepth: number): YamlValue | TooDeep | null {
  if (!/^\s*\{/.test(text)) return null
  const reader = new JsonReader(text, maxDepth)
  const value = reader.value(0)
  if (reader.tooDeepAt !== null) return { tooDeepAt: reader.tooDeepAt }
  return value !== null && reader.isAtEnd() ? value : null
}

class JsonReader {
  tooDeepAt: number | null = null
  #at = 0
  readonly #text: string
  readonly #maxDepth: number

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  isAtEnd(): boolean {
    this.#blanks()
    return this.#at === this.#text.length
  }

  /** The value that stands next; null if none does. */
  value(depth: number): YamlValue | null {
    this.#blanks()
    const offset = this.#at
    if (depth > this.#maxDepth) {
      this.tooDeepAt ??= offset
      return null
    }
    switch (this.#text[offset]) {
      case '{':
        return this.#map(offset, depth)
      case '[':
        return this.#list(offset, depth)
      case '"': {
        const text = this.#string()
        return text === null ? null : { kind: 'scalar', text, type: 'text', offset }
      }
      default:
        return this.#plain(offset)
    }
  }

  #map(offset: number, depth: number): YamlValue | null {
    const entries: YamlEntry[] = []
    const isRead = this.#items('}', () => {
      this.#blanks()
      const at = this.#at
      const key = this.#string()
      if (key === null || !this.#sign(':')) return false
      const value = this.value(depth + 1)
      if (value !== null) entries.push({ key, value, offset: at })
      return value !== null
    })
    return isRead ? { kind: 'map', entries, offset } : null
  }

  #list(offset: number, depth: number): YamlValue | null {
    const items: YamlValue[] = []
    const isRead = this.#items(']', () => {
      const value = this.value(depth + 1)
      if (value !== null) items.push(value)
      return value !== null
    })
    return isRead ? { kind: 'list', items, offset } : null
  }

  #items(close: string, readOne: () => boolean): boolean {
    this.#at++
    if (this.#sign(close)) return true
    do if (!readOne()) return false
    while (this.#sign(','))
    return this.#sign(close)
  }

  #sign(wanted: string): boolean {
    this.#blanks()
    const isThere = this.#text[this.#at] === wanted
    if (isThere) this.#at++
    return isThere
  }

  #blanks(): void {
    while (BLANKS.includes(this.#text.charAt(this.#at)) && this.#at < this.#text.length) this.#at++
  }

  #string(): string | null {
    const start = this.#at
    if (this.#text[start] !== '"') return null
    let end = this.#text.indexOf('"', start + 1)
    // A quote is escaped by an odd number of backslashes.
    while (end !== -1 && this.#backslashes(start, end) % 2 === 1) end = this.#text.indexOf('"', end + 1)
    if (end === -1) return null
    this.#at = end + 1
    try {
      return JSON.parse(this.#text.slice(start, end + 1)) as string
    } catch {
      return null
    }
  }

  #backslashes(start: number, end: number): number {
    let at = end
    while (at - 1 > start && this.#text[at - 1] === '\\') at--
    return end - at
  }

  #plain(offset: number): YamlValue | null {
    const plain = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y
    plain.lastIndex = offset
    const text = plain.exec(this.#text)?.[0]
    if (text === undefined) return null
    this.#at = offset + text.length
    const type = text === 'null' ? 'null' : text === 'true' || text === 'false' ? 'boolean' : 'number'
    return { kind: 'scalar', text: type === 'null' ? '' : text, type, offset }
  }
}

const BLANKS = ' \t\r\n'
