/** Carries out the faults of a plan. */
import { setTimeout as sleep } from 'node:timers/promises'
import { addressOf, CLIENT_ADDRESS, type Impairment, type Member } from './network.js'
import type { Fault, Turn } from './plan.js'
import type { StoreHistory } from './store-history.js'

/** The death of a member. */
export interface Death {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly member: number
  readonly kind: 'kill' | 'restart'
}

export interface FaultSite {
  readonly members: readonly Member[]
  readonly history: StoreHistory
  readonly say: (line: string) => void
}

/** Packets that are lost, in percent. */
const LOSS = 15
/**
 * Only what is older is compacted, in milliseconds. A watch on keys that do not change asks for its position once a minute
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
    site.say(`${(left / 1000).toFixed(0).padStart(4)} s left: ${faults.map(describeFault).join('; ')}`)
    await Promise.all(
      faults.map(async (fault) => {
        await sleep(fault.delay)
        if (fault.kind === 'kill' || fault.kind === 'restart') {
          deaths.push({ at: Date.now(), member: fault.member, kind: fault.kind })
        }
        await carryOut(fault, site, busy)
      }),
    )
    await sleep(pause)
  }
  return deaths
}

function describeFault({ kind, member, delay }: Fault): string {
  return `${kind} m${String(member)}${delay > 0 ? ` after ${String(delay)} ms` : ''}`
}

async function carryOut(fault: Fault, { members, history }: FaultSite, busy: Set<Member>): Promise<void> {
  const { kind, duration } = fault
  const member = members[fault.member]
  if (member === undefined) return
  const impair = async (impairment: Impairment): Promise<void> => {
    const heal = member.impair(impairment)
    await sleep(duration)
    heal()
  }
  /** A process that ends cannot be frozen meanwhile. */
  const alone = async (work: () => Promise<void>): Promise<void> => {
    if (busy.has(member)) return
    busy.add(member)
    history.leave(member.index)
    await work()
    busy.delete(member)
  }
  const others = members.filter((each) => each !== member).map(({ index }) => addressOf(index))
  switch (kind) {
    case 'kill':
    case 'restart':
      await alone(async () => {
        await member.end(kind === 'kill' ? 'SIGKILL' : 'SIGTERM')
        await sleep(duration)
        await member.start()
      })
      return
    case 'freeze':
      await alone(async () => {
        member.freeze()
        await sleep(duration)
        member.thaw()
      })
      return
    case 'cut-clients':
      await impair({ cut: [CLIENT_ADDRESS], loss: 0 })
      return
    case 'cut-members':
      history.leave(member.index)
      await impair({ cut: others, loss: 0 })
      return
    case 'cut-link':
      await impair({ cut: others.slice(0, 1), loss: 0 })
      return
    case 'loss':
      await impair({ cut: [], loss: LOSS })
      return
    case 'move-leader':
      await moveLeader(members, member)
      return
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
