/** What must hold of what a client saw, compared with the history of the store. Each check lists what does not hold. */
import type { Death } from './faults.js'
import { isLinearizable, type Operation } from './linearizable.js'
import type { QuorumChange } from './network.js'
import { type EntryOf, eventLine, groupBy, type Recording } from './record.js'
import type { StoreEvent } from './store-history.js'

/** TTL of the leases that are kept alive, in seconds. */
export const LEASE_TTL = 8

/** What happened to the cluster and in the store. */
export interface Circumstances {
  readonly events: readonly StoreEvent[]
  readonly quorum: readonly QuorumChange[]
  readonly deaths: readonly Death[]
  readonly elected: readonly ElectedLeader[]
}

/** Registers that are not linearizable. */
export function registerFaults(recording: Recording): string[] {
  const faults = recording.of('register').filter(({ history }) => !isLinearizable(relevant(history)))
  return faults.map(({ key }) => key)
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
  const written = events.filter(({ type, key, value }) => type === 'put' && value.startsWith(`${key}#`))
  const twice = [...groupBy(written, ({ value }) => value)].filter(([, times]) => times.length > 1)
  return twice.map(([value]) => value).filter((value) => value.startsWith(prefix))
}

/** Sets to which each write adds one element: every element at most once, and each that was acknowledged. */
export function setFaults(recording: Recording, events: readonly StoreEvent[]): string[] {
  const faults: string[] = []
  const sets = new Map<string, string[]>()
  for (const { type, key, value } of events) {
    if (type !== 'put' || !key.includes('/set')) continue
    const before = sets.get(key) ?? []
    const elements = value.split(',')
    if (elements.length !== before.length + 1 || before.some((each, index) => elements[index] !== each)) {
      faults.push(`${key}: a write did not add one element: ${String(before.length)} became ${String(elements.length)}`)
    }
    sets.set(key, elements)
  }
  for (const [set, added] of groupBy(recording.of('element'), (each) => each.set)) {
    const elements = sets.get(set) ?? []
    const present = new Set(elements)
    const known = new Set(added.map(({ element }) => element))
    if (present.size < elements.length) faults.push(`${set}: ${String(elements.length - present.size)} elements twice`)
    for (const element of present) {
      if (!known.has(element)) faults.push(`${set}: ${element} is there, and its write was refused`)
    }
    for (const { element, certain } of added) {
      if (certain && !present.has(element)) faults.push(`${set}: ${element} is lost`)
    }
  }
  return faults
}

/** The first difference between what was seen and what happened; null if there is none. */
function difference(seen: readonly string[], expected: readonly string[]): string | null {
  const at = expected.findIndex((each, index) => seen[index] !== each)
  if (at >= 0) return `${String(at)}: ${seen[at] ?? 'nothing'} instead of ${String(expected[at])}`
  return seen.length > expected.length ? `${String(seen.length - expected.length)} too many` : null
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
    const found = difference(seen, canceled.has(watch) ? expected.slice(0, seen.length) : expected)
    if (found !== null) faults.push(`${watch}, event ${found}`)
  }
  return faults
}

/** Keys of leases that were lost while a quorum was connected for a whole TTL, or whose client did not notice in time. */
export function leaseFaults(
  recording: Recording,
  { events, quorum }: Pick<Circumstances, 'events' | 'quorum'>,
): { readonly whileConnected: string[]; readonly others: number; readonly unnoticed: string[] } {
  const lost = recording.of('lease-lost')
  const whileConnected = lost.filter(({ at }) => wasConnected(quorum, at - LEASE_TTL * 1000, at)).map(({ key }) => key)
  const lostAt = new Map(lost.map(({ key, at }) => [key, at]))
  const deletedAt = new Map(events.filter(({ type }) => type === 'delete').map(({ key, at }) => [key, at]))
  const held = recording.of('lease').map(({ key }) => key)
  const unnoticed = held.filter((key) => (deletedAt.get(key) ?? Infinity) < (lostAt.get(key) ?? Infinity))
  return { whileConnected, others: lost.length - whileConnected.length, unnoticed }
}

/** Whether a quorum was connected without a break between the two times. */
export function wasConnected(changes: readonly QuorumChange[], from: number, to: number): boolean {
  const before = changes.findLast(({ at }) => at <= from)
  return before?.connected === true && !changes.some(({ at, connected }) => at > from && at < to && !connected)
}

/** Which part of the time between the two a quorum was connected: 0 to 1. */
export function shareConnected(changes: readonly QuorumChange[], from: number, to: number): number {
  let connectedFor = 0
  changes.forEach(({ at, connected }, index) => {
    const until = changes[index + 1]?.at ?? to
    if (connected) connectedFor += Math.max(0, Math.min(until, to) - Math.max(at, from))
  })
  return connectedFor / Math.max(1, to - from)
}

/** Leaders of an election that an observer did not see, or saw in another order. */
export function observerFaults(recording: Recording, events: readonly StoreEvent[]): string[] {
  return [...groupBy(recording.of('leader'), (each) => each.election)].flatMap(([election, leaders]) => {
    const seen = leaders.map(({ token }) => token)
    const all = leadersOf(election, events)
    const found = difference(seen, all.slice(Math.max(0, all.indexOf(seen[0] ?? ''))))
    return found === null ? [] : [`observer of ${election}, leader ${found}`]
  })
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

/** A member that became leader, from its log. */
interface ElectedLeader {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly member: number
  readonly term: number
}

/**
 * Milliseconds, one value for each death and loop of calls: from the first call that was begun after the death of a follower until a
 * call was answered, and the same after the election of a new leader when the leader died. A write that was begun while there was no
 * leader is not in it: etcd sends it to the leader that died, and answers nothing.
 */
export interface Recovery {
  readonly follower: readonly number[]
  readonly leader: readonly number[]
}

/** Longest time that an election of a new leader may take, in milliseconds; a later one has another reason. */
const MAX_ELECTION = 10_000

/** @param logs The log of each member. */
export function electedLeaders(logs: readonly string[]): ElectedLeader[] {
  const elected = logs.flatMap((log, member) =>
    [...log.matchAll(/"ts":"([^"]+)".*"msg":"\w+ became leader at term (\d+)"/g)].map(([, at = '', term]) => ({
      at: Date.parse(at),
      member,
      term: Number(term),
    })),
  )
  return elected.sort((one, other) => one.term - other.term)
}

export function recoveryOf(
  deaths: readonly Death[],
  elected: readonly ElectedLeader[],
  calls: readonly EntryOf<'call'>[],
): Recovery {
  const recovery: { follower: number[]; leader: number[] } = { follower: [], leader: [] }
  const loops = groupBy(calls, ({ loop }) => loop)
  for (const [index, { at, member }] of deaths.entries()) {
    const until = deaths[index + 1]?.at ?? Infinity
    const wasLeader = elected.findLast((each) => each.at <= at)?.member === member
    const next = elected.find((each) => each.at > at && each.at < at + MAX_ELECTION)
    if (wasLeader && next === undefined) continue
    const from = wasLeader && next !== undefined ? next.at : at
    for (const loop of loops.values()) {
      const after = loop.filter(({ called }) => called >= from)
      const [first] = after
      const answer = after.find(({ answered }) => answered)
      // A loop that had no call until the next death measured nothing: it waited for an answer from the member that died.
      if (first !== undefined && answer !== undefined && first.called < until) {
        recovery[wasLeader ? 'leader' : 'follower'].push(Math.round(answer.returned - first.called))
      }
    }
  }
  return recovery
}
