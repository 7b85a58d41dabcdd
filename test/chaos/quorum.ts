/** Which members are connected to each other and to the clients, and since when. */
import { CLIENT_ADDRESS, type Member } from './network.js'

/** From then on a quorum is connected, or is not. */
export interface QuorumChange {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly connected: boolean
}

/** Follows the members from now on, until the list is read. */
export function followQuorum(members: readonly Member[]): QuorumChange[] {
  const changes: QuorumChange[] = []
  const look = (): void => {
    const connected = isQuorumConnected(members)
    if (changes.at(-1)?.connected !== connected) changes.push({ at: Date.now(), connected })
  }
  for (const member of members) member.onChange = look
  look()
  return changes
}

/** Whether a majority of the members serves, is reached by the clients, and each of it reaches each other. */
function isQuorumConnected(members: readonly Member[]): boolean {
  const reachable = members.filter((each) => each.isWell && !each.isCutFrom(CLIENT_ADDRESS))
  const linked = (one: Member, other: Member): boolean => !one.isCutFrom(other.address) && !other.isCutFrom(one.address)
  const majority = Math.floor(members.length / 2) + 1
  const extend = (chosen: readonly Member[], rest: readonly Member[]): boolean =>
    chosen.length === majority ||
    rest.some(
      (member, index) =>
        chosen.every((each) => linked(each, member)) && extend([...chosen, member], rest.slice(index + 1)),
    )
  return extend([], reachable)
}

/** Whether a quorum was connected without a break between the two times. */
export function wasConnected(changes: readonly QuorumChange[], from: number, to: number): boolean {
  const before = changes.filter(({ at }) => at <= from).at(-1)
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
