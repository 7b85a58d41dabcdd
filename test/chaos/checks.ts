/** What must hold of what a client saw, compared with the history of the store. Each check lists what does not hold. */
import { isLinearizable, type Operation } from './linearizable.js'
import { type QuorumChange, wasConnected } from './quorum.js'
import { eventLine, groupBy, type Recording } from './record.js'
import type { StoreEvent } from './store-history.js'

/** TTL of the leases that are kept alive, in seconds. */
export const LEASE_TTL = 8

/** Registers that are not linearizable. */
export function registerFaults(recording: Recording): string[] {
  return recording
    .of('register')
    .filter(({ history }) => !isLinearizable(relevant(history)))
    .map(({ key }) => key)
}

/** Without the writes of unknown outcome that nobody has seen: they explain nothing, and cost much. JSON has made Infinity null. */
function relevant(history: readonly Operation[]): Operation[] {
  const seen = new Set(
    history.flatMap(({ action }) =>
      action.type === 'read' ? [action.value] : action.type === 'cas' ? [action.expected, action.found] : [],
    ),
  )
  return history
    .map((each) => ({ ...each, returned: (each.returned as number | null) ?? Infinity }))
    .filter(
      ({ returned, action }) =>
        returned !== Infinity || action.type === 'read' || action.value === null || seen.has(action.value),
    )
}

/** Values of registers that the store holds twice. Each is written by one call. */
export function valuesAppliedTwice(prefix: string, events: readonly StoreEvent[]): string[] {
  const counts = new Map<string, number>()
  for (const { type, key, value } of events) {
    if (type === 'put' && value.startsWith(`${key}#`)) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts].filter(([value, count]) => count > 1 && value.startsWith(prefix)).map(([value]) => value)
}

/** Sets to which each write adds one element: every element at most once, and each that was acknowledged. */
export function setFaults(recording: Recording, events: readonly StoreEvent[]): string[] {
  const faults: string[] = []
  const sets = new Map<string, string[]>()
  for (const { type, key, value } of events) {
    const before = sets.get(key) ?? []
    const isSet = key.includes('/set')
    if (type !== 'put' || !isSet) continue
    const elements = value.split(',')
    if (elements.length !== before.length + 1 || before.some((each, index) => elements[index] !== each)) {
      faults.push(`${key}: a write did not add one element: ${String(before.length)} became ${String(elements.length)}`)
    }
    sets.set(key, elements)
  }
  const added = recording.of('element')
  const known = new Set(added.map(({ set, element }) => `${set} ${element}`))
  for (const set of new Set(added.map((each) => each.set))) {
    const elements = sets.get(set) ?? []
    const present = new Set(elements)
    if (present.size < elements.length) faults.push(`${set}: ${String(elements.length - present.size)} elements twice`)
    for (const element of present) {
      if (!known.has(`${set} ${element}`)) faults.push(`${set}: ${element} is there, and its write was refused`)
    }
    for (const each of added) {
      if (each.set === set && each.certain && !present.has(each.element)) faults.push(`${set}: ${each.element} is lost`)
    }
  }
  return faults
}

/** How what each watch delivered differs from the history of the store. */
export function watchFaults(recording: Recording, events: readonly StoreEvent[]): string[] {
  const delivered = groupBy(recording.of('events'), ({ watch }) => watch)
  const canceled = new Set(recording.of('watch-canceled').map(({ watch }) => watch))
  const faults = recording.of('watch-error').map(({ watch, message }) => `${watch}: ${message}`)
  for (const { watch, prefix, after } of recording.of('watch')) {
    const seen = (delivered.get(watch) ?? []).flatMap(({ lines }) => lines)
    const expected = events
      .filter(({ key, revision }) => key.startsWith(prefix) && BigInt(revision) > BigInt(after))
      .map(eventLine)
    // One that was canceled may have missed what came last.
    const compared = canceled.has(watch) ? expected.slice(0, seen.length) : expected
    const at = compared.findIndex((each, index) => seen[index] !== each)
    if (at >= 0)
      faults.push(`${watch}, event ${String(at)}: ${seen[at] ?? 'nothing'} instead of ${String(compared[at])}`)
    else if (seen.length > compared.length)
      faults.push(`${watch}: ${String(seen.length - compared.length)} events too many`)
  }
  return faults
}

/** Leases that were lost: while a quorum was connected for a whole TTL, and else. And those whose client did not notice in time. */
export function leaseFaults(
  recording: Recording,
  events: readonly StoreEvent[],
  quorum: readonly QuorumChange[],
): { readonly whileConnected: number; readonly others: number; readonly unnoticed: number } {
  const lost = recording.of('lease-lost')
  const whileConnected = lost.filter(({ at }) => wasConnected(quorum, at - LEASE_TTL * 1000, at)).length
  const lostAt = new Map(lost.map(({ key, at }) => [key, at]))
  const deletedAt = new Map(events.filter(({ type }) => type === 'delete').map(({ key, at }) => [key, at]))
  const unnoticed = recording.of('lease').filter(({ key }) => {
    const at = deletedAt.get(key)
    return at !== undefined && at < (lostAt.get(key) ?? Infinity)
  }).length
  return { whileConnected, others: lost.length - whileConnected, unnoticed }
}

/** Leaders of an election that an observer did not see, or saw in another order. */
export function observerFaults(recording: Recording, events: readonly StoreEvent[]): string[] {
  const faults: string[] = []
  for (const [election, leaders] of groupBy(recording.of('leader'), (each) => each.election)) {
    const seen = leaders.map(({ token }) => token)
    const all = leadersOf(election, events)
    const expected = all.slice(Math.max(0, all.indexOf(seen[0] ?? '')))
    const at = expected.findIndex((each, index) => seen[index] !== each)
    if (at >= 0)
      faults.push(`observer of ${election}: leader ${seen[at] ?? 'nothing'} instead of ${String(expected[at])}`)
    else if (seen.length > expected.length) faults.push(`observer of ${election}: a leader that never led`)
  }
  return faults
}

/** The create revisions of those who were first in the queue, in order. */
function leadersOf(election: string, events: readonly StoreEvent[]): string[] {
  const candidates = new Map<string, bigint>()
  const leaders: string[] = []
  events.forEach(({ type, key, revision }, index) => {
    if (!key.startsWith(election)) return
    if (type === 'delete') candidates.delete(key)
    else candidates.set(key, candidates.get(key) ?? BigInt(revision))
    if (events[index + 1]?.revision === revision) return
    let first: bigint | null = null
    for (const each of candidates.values()) if (first === null || each < first) first = each
    if (first !== null && leaders.at(-1) !== String(first)) leaders.push(String(first))
  })
  return leaders
}
