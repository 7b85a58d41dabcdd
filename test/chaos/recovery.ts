/** How long work was held up by the death of a member. */
import type { Death } from './faults.js'
import { type EntryOf, groupBy } from './record.js'

/** A member that became leader, from its log. */
export interface ElectedLeader {
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
    const wasLeader = elected.filter((each) => each.at <= at).at(-1)?.member === member
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

/** The value below which that part of the values lies; null if there are none. */
export function quantile(values: readonly number[], part: number): number | null {
  return (
    [...values].sort((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? null
  )
}
