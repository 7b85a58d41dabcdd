/** Looks the endpoints of a live client up again and again, if its caller asked for that: in DNS, or in the cluster's own member list. */
import { pause } from './abortable.js'
import { type Endpoint, parseEndpoints } from './endpoints.js'

/** One member as etcd lists it (etcd api/etcdserverpb/rpc.proto, Member). */
interface ListedMember {
  readonly clientURLs: readonly string[]
  readonly isLearner: boolean
}

export interface RefreshParts {
  /** Between two look-ups, in milliseconds. */
  readonly interval: number
  /** Aborted when the client closes. */
  readonly life: AbortSignal
  /** The endpoints as they are now. */
  readonly current: () => readonly Endpoint[]
  /** The endpoints as they should be; empty if that is not known. */
  readonly lookUp: () => Promise<readonly Endpoint[]>
  readonly goOverTo: (endpoints: readonly Endpoint[]) => Promise<unknown>
}

/** Resolves when the client closes; never rejects. A look-up that fails changes nothing. */
export async function refreshEndpoints({ interval, life, current, lookUp, goOverTo }: RefreshParts): Promise<void> {
  for (;;) {
    await pause(interval, life, false)
    if (life.aborted) return
    try {
      const known = new Map(current().map((each) => [each.url, each]))
      // An endpoint that is known keeps the server name that it was given.
      const found = (await lookUp()).map((each) => known.get(each.url) ?? each)
      const isSame = found.length === known.size && found.every((each) => known.has(each.url))
      if (found.length > 0 && !isSame) await goOverTo(found)
    } catch {
      // DNS or the cluster did not answer, or the client was closed: the endpoints stay as they are.
    }
  }
}

/** The client URLs of the voting members, without those that are no TLS. */
export function endpointsOf(members: readonly ListedMember[]): readonly Endpoint[] {
  const urls = members.flatMap(({ clientURLs, isLearner }) =>
    isLearner ? [] : clientURLs.filter((each) => /^(?:https|unixs):/i.test(each)),
  )
  return urls.length === 0 ? [] : parseEndpoints(urls)
}
