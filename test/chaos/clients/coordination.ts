/** Locks and elections of this package: each holder works until its signal aborts, or for a while. */
import { isRecoverableError } from 'etcd3'
import type { SecureEtcd3 } from '../../../src/client/index.js'
import { election, type Held, lock } from '../../../src/coordination/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { Holders } from './holders.js'
import { clientAt, isAborted, pause, recordFailure, type Work } from './work.js'

/** How long one holds, at most, in milliseconds. Some locks live longer than their TTL. */
const LOCK_TERM = 2500
const LEADER_TERM = 12_000
/** Between two writes of a holder, in milliseconds. */
const WRITES = 100
const ELECTION = { ttl: '8s' }

export async function coordinate(work: Work<SecureEtcd3>): Promise<void> {
  const { prefix, clients, recorder } = work
  const report = (message: string): void => {
    recorder.add({ type: 'coordination-fault', message })
  }
  const contenders = ['lock0', 'lock1'].flatMap((each) => {
    const name = prefix + each
    const holders = new Holders(name, report)
    return clients.map((client) =>
      takeTurns(work, { name, holders, term: LOCK_TERM }, (signal) => lock(client, name, { ttl: '8s', signal })),
    )
  })
  const name = `${prefix}election`
  const holders = new Holders(name, report)
  const candidates = clients.map((client, index) =>
    takeTurns(work, { name, holders, term: LEADER_TERM }, (signal) =>
      election(client, name, ELECTION).campaign(String(index), { signal }),
    ),
  )
  await Promise.all([...contenders, ...candidates, observe(work, name, candidates)])
}

interface Post {
  readonly name: string
  readonly holders: Holders
  /** Milliseconds. */
  readonly term: number
}

async function takeTurns(work: Work, post: Post, take: (signal: AbortSignal) => Promise<Held>): Promise<void> {
  const { stopping, random, recorder } = work
  while (!stopping.aborted) {
    let held: Held
    try {
      held = await take(stopping)
    } catch (error) {
      if (isAborted(stopping)) return
      const lost = isLeaseLost(error)
      if (lost) recorder.add({ type: 'lease-lost', key: post.name, at: Date.now() })
      const expected = lost || (error instanceof Error && isRecoverableError(error))
      if (!expected) recorder.add({ type: 'coordination-fault', message: `${post.name}: ${String(error)}` })
      recordFailure(work, error, false)
      await pause(random.below(500), stopping)
      continue
    }
    await hold(work, post, held)
    await pause(random.below(300), stopping)
  }
}

async function hold({ stopping, random, recorder }: Work, { name, holders, term }: Post, held: Held): Promise<void> {
  await using _release = held
  const { signal, fencingToken } = held
  const holder = { isHeld: () => !signal.aborted }
  // The lease may have ended between the answer and now.
  if (signal.aborted) return
  holders.enter(holder, fencingToken)
  recorder.add({ type: 'term', name })
  signal.addEventListener('abort', () => {
    if (isLeaseLost(signal.reason)) recorder.add({ type: 'lease-lost', key: name, at: Date.now() })
  })
  const over = performance.now() + random.below(term)
  while (!isAborted(signal) && !stopping.aborted && performance.now() < over) {
    holders.write(holder, fencingToken)
    await pause(WRITES, signal)
  }
  holders.leave(holder)
}

/** Whether the lease of a contender or a holder was lost, which may happen only when no quorum was connected. */
function isLeaseLost(error: unknown): boolean {
  return isEtcdMtlsError(error, 'ERR_LEASE_LOST')
}

/** Follows the leaders until the last of them, who is elected when all candidates have ended. */
async function observe(work: Work<SecureEtcd3>, name: string, candidates: readonly Promise<void>[]): Promise<void> {
  const { recorder } = work
  const last = Promise.all(candidates).then(() => election(clientAt(work, 0), name, ELECTION).campaign('last'))
  last.catch(() => undefined)
  for await (const { value, fencingToken } of election(clientAt(work, 1), name, ELECTION).observe()) {
    recorder.add({ type: 'leader', election: `${name}/`, token: fencingToken })
    if (value === 'last') break
  }
  await (await last)[Symbol.asyncDispose]()
}
