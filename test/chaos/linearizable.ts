/**
 * Whether the history of one register is linearizable: the algorithm of Wing and Gong with the memory of Lowe ("Testing for
 * linearizability", 2017), as porcupine and Knossos use it.
 */

/** One operation as its client saw it. */
export interface Operation {
  /** When it was called, and when it returned, on one clock; `Infinity` if its outcome is unknown. */
  readonly called: number
  readonly returned: number
  readonly action:
    | { readonly type: 'read' | 'write'; readonly value: string | null }
    /** Writes if the register holds `expected`. `swapped`: null if the outcome is unknown; `found`: what it held, if it did not. */
    | {
        readonly type: 'cas'
        readonly expected: string | null
        readonly value: string
        readonly swapped: boolean | null
        readonly found: string | null
      }
}

type Value = string | null
const IMPOSSIBLE = Symbol('impossible')

/** The value after the operation; impossible if the operation cannot have happened at this value. */
function step({ action }: Operation, value: Value): Value | typeof IMPOSSIBLE {
  if (action.type !== 'cas') return action.type === 'write' || action.value === value ? action.value : IMPOSSIBLE
  const isExpected = action.expected === value
  if (action.swapped === null) return isExpected ? action.value : value
  if (action.swapped) return isExpected ? action.value : IMPOSSIBLE
  return !isExpected && action.found === value ? value : IMPOSSIBLE
}

/** Without a value before the first operation. */
export function isLinearizable(history: readonly Operation[]): boolean {
  const operations = [...history].sort((one, other) => one.called - other.called)
  const indices = new Map(operations.map((each, index) => [each, index]))
  const seen = new Set<string>()
  const search = (left: readonly Operation[], value: Value): boolean => {
    if (left.every(({ returned }) => returned === Infinity)) return true
    const key = `${left.map((each) => indices.get(each)).join(',')}|${String(value)}`
    if (seen.has(key)) return false
    seen.add(key)
    const firstReturn = Math.min(...left.map(({ returned }) => returned))
    const tried = new Set<string>()
    for (const operation of left) {
      if (operation.called > firstReturn) break
      if (operation.returned === Infinity) {
        // Of operations that do the same and may have happened at any later time, the earliest stands for all.
        const same = JSON.stringify(operation.action)
        if (tried.has(same)) continue
        tried.add(same)
      }
      const next = step(operation, value)
      const others = left.filter((each) => each !== operation)
      if (next !== IMPOSSIBLE && search(others, next)) return true
    }
    return false
  }
  return search(operations, null)
}
