/** What a client saw, one line of JSON each, in a file: kept in memory, it would look like a leak of the client. */
import { appendFileSync, readFileSync } from 'node:fs'
import type { Operation } from './linearizable.js'

export type Entry =
  | { readonly type: 'register'; readonly key: string; readonly history: readonly Operation[] }
  /** An element of a set; not certain: the outcome of the write is unknown. */
  | { readonly type: 'element'; readonly set: string; readonly element: string; readonly certain: boolean }
  /** A watch of a prefix that delivers what is newer than the revision. */
  | { readonly type: 'watch'; readonly watch: string; readonly prefix: string; readonly after: string }
  /** What it delivered, in order, by {@link eventLine}. */
  | { readonly type: 'events'; readonly watch: string; readonly lines: readonly string[] }
  | { readonly type: 'watch-canceled'; readonly watch: string }
  | { readonly type: 'watch-error'; readonly watch: string; readonly message: string }
  /** A key under a lease of its own, and when its client took the lease for lost; of a contender, the name that it wants. */
  | { readonly type: 'lease'; readonly key: string }
  | { readonly type: 'lease-lost'; readonly key: string; readonly at: number }
  /** A leader that an observer saw of an election, by the prefix of its keys. */
  | { readonly type: 'leader'; readonly election: string; readonly token: string }
  /** Someone held a lock or led. */
  | { readonly type: 'term'; readonly name: string }
  | { readonly type: 'coordination-fault'; readonly message: string }
  /** A call of one of the loops that work on registers, with its times in milliseconds since 1970. */
  | {
      readonly type: 'call'
      readonly loop: string
      readonly called: number
      readonly returned: number
      readonly answered: boolean
    }
  /** Calls that failed: of unknown outcome, or certain to have had no effect. */
  | { readonly type: 'failure'; readonly message: string; readonly unknown: boolean }
  | { readonly type: 'rotation'; readonly failure: string | null }
  /** Bytes, at the end. */
  | { readonly type: 'memory'; readonly rss: number }

export type EntryOf<Type extends Entry['type']> = Extract<Entry, { type: Type }>

export class Recorder {
  readonly #file: string
  #lines: string[] = []

  constructor(file: string) {
    this.#file = file
  }

  add(entry: Entry): void {
    this.#lines.push(JSON.stringify(entry))
  }

  flush(): void {
    if (this.#lines.length === 0) return
    appendFileSync(this.#file, `${this.#lines.join('\n')}\n`)
    this.#lines = []
  }
}

/** What was recorded, by type. */
export class Recording {
  readonly #entries: Map<string, Entry[]>

  constructor(entries: readonly Entry[]) {
    this.#entries = groupBy(entries, ({ type }) => type)
  }

  static read(file: string): Recording {
    const lines = readFileSync(file, 'utf8').split('\n')
    return new Recording(lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Entry))
  }

  of<Type extends Entry['type']>(type: Type): EntryOf<Type>[] {
    return (this.#entries.get(type) ?? []) as EntryOf<Type>[]
  }
}

export function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}

/** Longest value that is compared as it is; of longer ones, as of sets, the length is. */
const MAX_VALUE = 60

/** One event as a watch and the store must agree on it. */
export function eventLine(event: { revision: string; type: 'put' | 'delete'; key: string; value: string }): string {
  const value = event.value.length > MAX_VALUE ? `(${String(event.value.length)} characters)` : event.value
  return `${event.revision} ${event.type} ${event.key} ${value}`
}
