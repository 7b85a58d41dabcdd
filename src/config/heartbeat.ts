/** How long a member waits for its leader: etcd counts the heartbeats in it (server/embed/config.go v3.5.16 Validate). */

/** The two options, and what etcd takes in milliseconds where they are not set. */
export const HEARTBEAT = { name: 'heartbeat-interval', standard: '100' } as const
export const ELECTION = { name: 'election-timeout', standard: '1000' } as const
const BEATS = 5

/** What is wrong with the two; null where nothing is, or where that cannot be told. */
export function tooShort(
  heartbeat: string = HEARTBEAT.standard,
  election: string = ELECTION.standard,
): { heartbeat: number; election: number; least: number } | null {
  if (!/^\d+$/.test(heartbeat) || !/^\d+$/.test(election)) return null
  const [beat, wait] = [Number(heartbeat), Number(election)]
  return BEATS * beat <= wait ? null : { heartbeat: beat, election: wait, least: BEATS * beat }
}
