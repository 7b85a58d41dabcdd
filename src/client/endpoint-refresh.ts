/** Looks the endpoints of a live client up again and again, if its caller asked for that: in DNS, or in the cluster's own member list. */
import { pause } from './abortable.js'
import { isError } from '../report/errors.js'
import { type Endpoint, MAX_FOUND, parseEndpoints } from './endpoints.js'

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
  /** Called if DNS or the cluster gives no usable answer. The endpoints stay as they are. */
  readonly failed: (error: Error) => void
}

/** Resolves when the client closes; never rejects. */
export async function refreshEndpoints(parts: RefreshParts): Promise<void> {
  const { interval, life, current, lookUp, goOverTo, failed } = parts
  for (;;) {
    await pause(interval, life, false)
    if (life.aborted) return
    try {
      const known = new Map(current().map((each) => [each.url, each]))
      // An endpoint that is known keeps the server name that it was given.
      const found = (await lookUp()).map((each) => known.get(each.url) ?? each)
      const isSame = found.length === known.size && found.every((each) => known.has(each.url))
      if (found.length > 0 && !isSame) await goOverTo(found)
    } catch (error) {
      if (!isOver(life)) failed(isError(error) ? error : new Error(String(error)))
    }
  }
}

/** A function, because the compiler does not know that the signal can change while the loop waits. */
function isOver(life: AbortSignal): boolean {
  return life.aborted
}

/** The client URLs of the voting members that are TLS, at most {@link MAX_FOUND}. */
export function endpointsOf(members: readonly ListedMember[]): readonly Endpoint[] {
  const urls = members.flatMap(({ clientURLs, isLearner }) =>
    isLearner ? [] : clientURLs.filter((each) => /^(?:https|unixs):/i.test(each)),
  )
  return urls.length === 0 ? [] : parseEndpoints(urls.slice(0, MAX_FOUND))
}
