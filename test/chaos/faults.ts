/** Which faults happen when, the same for the same seed; and how they are carried out. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../fuzz/random.js'
import { CLIENT_ADDRESS, type Impairment, type Member } from './network.js'
import type { StoreHistory } from './store-history.js'

/** Shortest and longest duration of each kind, in milliseconds. */
const DURATIONS = {
  kill: [300, 2000],
  restart: [300, 2000],
  freeze: [500, 4000],
  'cut-clients': [500, 4000],
  'cut-members': [500, 5000],
  'cut-link': [500, 5000],
  loss: [500, 4000],
  'move-leader': [0, 0],
  compact: [0, 0],
} as const
export type FaultKind = keyof typeof DURATIONS
export const FAULTS = Object.keys(DURATIONS) as FaultKind[]

export interface Fault {
  readonly kind: FaultKind
  /** Index of the member that it happens to. */
  readonly member: number
  /** After the begin of its turn, in milliseconds. */
  readonly delay: number
  /** Milliseconds. */
  readonly duration: number
}

/** Faults that happen at once, and the pause after the last of them, in milliseconds. */
interface Turn {
  readonly faults: readonly Fault[]
  readonly pause: number
}

/** How many faults happen at once in each second turn. */
const AT_ONCE = 3

/**
 * By turns, one fault alone and several at once. Those at once hit one member in most cases, so that a quorum stays connected for
 * most of the time. With a choice of `only` some kinds they happen alone, to one member after the other, and each one is over
 * for a while before the next one begins.
 */
export function* planOf(seed: number, members: number, only: readonly FaultKind[] | null): Generator<Turn, never> {
  const random = new Random(seed)
  const between = (least: number, most: number): number => least + random.below(most - least)
  const fault = (kind: FaultKind, member: number, delay: number): Fault => {
    const [least, most] = DURATIONS[kind]
    return { kind, member, delay, duration: between(least, most) }
  }
  for (let turn = 0; ;) {
    for (const kind of shuffled(only ?? FAULTS, random)) {
      if (only !== null) {
        yield { faults: [fault(kind, turn % members, 0)], pause: between(3000, 5000) }
        turn += 1
        continue
      }
      yield { faults: [fault(kind, random.below(members), 0)], pause: between(200, 1500) }
      const victim = random.below(members)
      const faults = shuffled(FAULTS, random)
        .slice(0, AT_ONCE)
        .map((each) => fault(each, random.below(3) < 2 ? victim : random.below(members), random.below(800)))
      yield { faults, pause: between(200, 1500) }
    }
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const rest = [...list]
  const order: T[] = []
  while (rest.length > 0) order.push(...rest.splice(random.below(rest.length), 1))
  return order
}

/** The death of a member. */
export interface Death {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly member: number
}

interface FaultSite {
  readonly members: readonly Member[]
  readonly history: StoreHistory
  readonly say: (line: string) => void
}

/** Packets that are lost, in percent. */
const LOSS = 15
/**
 * Only what is older is compacted, in milliseconds. A watch on keys that do not change asks for its position every 20 s
 * (src/client/streams/resumable-call.ts), and may be cut off for some seconds when it is time. With 12 s instead, 2 of 10 runs
 * ended such a watch; Kubernetes compacts what is five minutes old.
 */
const COMPACT_AGE = 75_000

/** Carries out turns for that long, or until the signal aborts. Returns the deaths. */
export async function injectFaults(
  site: FaultSite,
  turns: Iterable<Turn>,
  { seconds, signal }: { seconds: number; signal: AbortSignal },
): Promise<Death[]> {
  const deaths: Death[] = []
  const end = performance.now() + seconds * 1000
  const busy = new Set<Member>()
  for (const { faults, pause } of turns) {
    signal.throwIfAborted()
    const left = end - performance.now()
    if (left <= 0) break
    const what = faults.map(({ kind, member, delay }) => `${kind} m${String(member)} after ${String(delay)} ms`)
    site.say(`${(left / 1000).toFixed(0).padStart(4)} s left: ${what.join('; ')}`)
    await Promise.all(
      faults.map(async ({ delay, ...fault }) => {
        await sleep(delay)
        if (fault.kind === 'kill' || fault.kind === 'restart') deaths.push({ at: Date.now(), member: fault.member })
        await carryOut(fault, site, busy)
      }),
    )
    await sleep(pause)
  }
  return deaths
}

async function carryOut(
  { kind, member: index, duration }: Omit<Fault, 'delay'>,
  { members, history }: FaultSite,
  busy: Set<Member>,
): Promise<void> {
  const member = members[index]
  if (member === undefined) return
  const impair = async (impairment: Impairment): Promise<void> => {
    const heal = member.impair(impairment)
    await sleep(duration)
    heal()
  }
  /** A process that ends cannot be frozen meanwhile. */
  const alone = async (begin: () => Promise<void>, end: () => Promise<void>): Promise<void> => {
    if (busy.has(member)) return
    busy.add(member)
    history.leave(index)
    await begin()
    await sleep(duration)
    await end()
    busy.delete(member)
  }
  const others = members.filter((each) => each !== member).map(({ address }) => address)
  switch (kind) {
    case 'kill':
    case 'restart':
      return alone(
        () => member.end(kind === 'kill' ? 'SIGKILL' : 'SIGTERM'),
        () => member.start(),
      )
    case 'freeze':
      return alone(
        () => member.freeze(true),
        () => member.freeze(false),
      )
    case 'cut-clients':
      return impair({ cut: [CLIENT_ADDRESS], loss: 0 })
    case 'cut-members':
      history.leave(index)
      return impair({ cut: others, loss: 0 })
    case 'cut-link':
      return impair({ cut: others.slice(0, 1), loss: 0 })
    case 'loss':
      return impair({ cut: [], loss: LOSS })
    case 'move-leader':
      return moveLeader(members, member)
    case 'compact': {
      const revision = history.revisionAt(Date.now() - COMPACT_AGE)
      if (revision > 0n) await member.tryEtcdctl('compact', String(revision))
    }
  }
}

/** etcd may refuse it, as the move to the member that leads already: then this turn has no fault. */
async function moveLeader(members: readonly Member[], to: Member): Promise<void> {
  const status = await to.tryEtcdctl('endpoint', 'status', '-w', 'json')
  const id = /"member_id":(\d+)/.exec(status)?.[1]
  if (id === undefined) return
  const endpoints = members.map(({ endpoint }) => endpoint).join(',')
  await to.tryEtcdctl('move-leader', BigInt(id).toString(16), `--endpoints=${endpoints}`)
}
