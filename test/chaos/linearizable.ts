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
    | { readonly type: 'read'; readonly value: string | null }
    | { readonly type: 'write'; readonly value: string | null }
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
  switch (action.type) {
    case 'read':
      return action.value === value ? value : IMPOSSIBLE
    case 'write':
      return action.value
    case 'cas':
      if (action.swapped === null) return action.expected === value ? action.value : value
      if (action.swapped) return action.expected === value ? action.value : IMPOSSIBLE
      return action.expected !== value && action.found === value ? value : IMPOSSIBLE
  }
}

/** @param initial The value before the first operation. */
export function isLinearizable(history: readonly Operation[], initial: Value = null): boolean {
  const operations = [...history].sort((one, other) => one.called - other.called)
  const pending = operations.map((_, index) => index)
  const seen = new Set<string>()
  const search = (left: readonly number[], value: Value): boolean => {
    if (left.every((index) => operations[index]?.returned === Infinity)) return true
    const key = `${left.join(',')}|${String(value)}`
    if (seen.has(key)) return false
    seen.add(key)
    let firstReturn = Infinity
    for (const index of left) firstReturn = Math.min(firstReturn, operations[index]?.returned ?? Infinity)
    const tried = new Set<string>()
    for (const index of left) {
      const operation = operations[index]
      if (operation === undefined || operation.called > firstReturn) break
      // Of operations that do the same and may have happened at any later time, the earliest stands for all.
      const same = operation.returned === Infinity ? JSON.stringify(operation.action) : null
      if (same !== null && tried.has(same)) continue
      if (same !== null) tried.add(same)
      const next = step(operation, value)
      if (next === IMPOSSIBLE) continue
      if (
        search(
          left.filter((each) => each !== index),
          next,
        )
      )
        return true
    }
    return false
  }
  return search(pending, initial)
}
