/** Where streams that do not end are opened, and how many of them. */
import type { EndpointConnection } from './endpoint-connection.js'

/** A stream to which its endpoint owes an answer counts as so many others when the endpoint of a new stream is chosen. */
const OWED = 1000

interface OpenStream {
  readonly openEnded: boolean
  readonly carriedBy: string | null
  readonly answerDue: boolean
}

/** The streams that do not end which each ready endpoint carries on its own; not limited while no endpoint is ready. */
export function lastingStreams(ready: readonly EndpointConnection[]): number {
  return Math.min(...ready.map(({ connection }) => connection?.lastingLimit ?? Infinity))
}

/**
 * The endpoints that a new stream should not use, with `avoid`. The others owe the fewest answers to streams of this client, and have the
 * fewest streams. A keep-alive that gets no answer is sent over another stream, which must not go to the same endpoint.
 */
export function othersForStream(
  ready: readonly EndpointConnection[],
  carried: Iterable<OpenStream>,
  avoid: ReadonlySet<string>,
): ReadonlySet<string> {
  const streams = new Map<string | null, number>()
  for (const { openEnded, carriedBy, answerDue } of carried) {
    if (openEnded) streams.set(carriedBy, (streams.get(carriedBy) ?? 0) + (answerDue ? OWED : 1))
  }
  const usable = ready.filter((each) => each.connection?.open === true && !each.isLeaderless)
  const roomy = usable.filter((each) => each.hasStreamRoom)
  const urls = (roomy.length > 0 ? roomy : usable)
    .map(({ endpoint }) => endpoint.url)
    .filter((each) => !avoid.has(each))
  const least = Math.min(...urls.map((each) => streams.get(each) ?? 0))
  const best = new Set(urls.filter((each) => (streams.get(each) ?? 0) === least))
  const others = usable.map(({ endpoint }) => endpoint.url).filter((each) => !best.has(each))
  return new Set([...avoid, ...others])
}
