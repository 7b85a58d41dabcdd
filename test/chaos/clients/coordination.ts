/** Locks and elections of this package, and of plain etcd3 as its documentation shows them. */
import { once } from 'node:events'
import { type Etcd3, EtcdLockFailedError, isRecoverableError } from 'etcd3'
import type { SecureEtcd3 } from '../../../src/client/index.js'
import { election, type Held, lock } from '../../../src/coordination/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { type Holder, Holders } from './holders.js'
import { callOptions, clientAt, isAborted, pause, recordFailure, type Work } from './work.js'

/** How long one holds, at most, in milliseconds. Some locks live longer than their TTL. */
const LOCK_TERM = 2500
const LEADER_TERM = 12_000
/** Between two writes of a holder, in milliseconds. */
const WRITES = 100
/** Seconds. */
const TTL = 8
const ELECTION = { ttl: `${String(TTL)}s` }

/** What a contender has won. */
interface Won {
  /** null if the client has none, as plain etcd3. */
  readonly token: string | null
  /** Aborts when it is lost, as far as the client notices. */
  readonly signal: AbortSignal
  release(): Promise<unknown>
}

interface Post {
  readonly name: string
  readonly holders: Holders
  /** Milliseconds. */
  readonly term: number
}

type Take<Client> = (client: Client, name: string, stopping: AbortSignal) => Promise<Won>

export async function coordinate(work: Work<SecureEtcd3>): Promise<void> {
  const candidates = contend(
    work,
    async (client, name, signal) => wonBy(await lock(client, name, { ...ELECTION, signal })),
    async (client, name, signal) => wonBy(await election(client, name, ELECTION).campaign('one', { signal })),
  )
  await Promise.all([candidates, observe(work, `${work.prefix}election`, candidates)])
}

function wonBy(held: Held): Won {
  return { token: held.fencingToken, signal: held.signal, release: () => held[Symbol.asyncDispose]() }
}

export function coordinatePlainly(work: Work): Promise<void> {
  return contend(
    work,
    async (client, name) => {
      const held = await client.lock(name).ttl(TTL).options(callOptions()).acquire()
      return { token: null, signal: new AbortController().signal, release: () => held.release() }
    },
    async (client, name, stopping) => {
      const lost = new AbortController()
      const campaign = client.election(name, TTL).campaign('candidate')
      campaign.on('error', () => {
        lost.abort()
      })
      try {
        // Rejects with an error of the campaign.
        await once(campaign, 'elected', { signal: stopping })
      } catch (error) {
        await campaign.resign().catch(() => undefined)
        throw error
      }
      return { token: null, signal: lost.signal, release: () => campaign.resign() }
    },
  )
}

/** Two locks and an election, for which every client contends. */
async function contend<Client extends Etcd3>(
  work: Work<Client>,
  takeLock: Take<Client>,
  campaign: Take<Client>,
): Promise<void> {
  const { prefix, clients, recorder } = work
  const posts = (['lock0', 'lock1', 'election'] as const).flatMap((each) => {
    const isLock = each !== 'election'
    const name = prefix + each
    const holders = new Holders(name, (message) => {
      recorder.add({ type: 'coordination-fault', message })
    })
    const post = { name, holders, term: isLock ? LOCK_TERM : LEADER_TERM }
    const take = isLock ? takeLock : campaign
    return clients.map((client) => takeTurns(work, post, (stopping) => take(client, name, stopping)))
  })
  await Promise.all(posts)
}

async function takeTurns(work: Work, post: Post, take: (stopping: AbortSignal) => Promise<Won>): Promise<void> {
  const { stopping, random, recorder, kind } = work
  while (!stopping.aborted) {
    try {
      await hold(work, post, await take(stopping))
    } catch (error) {
      if (isAborted(stopping)) return
      const isLost = isLeaseLost(error)
      if (isLost) recorder.add({ type: 'lease-lost', key: post.name, at: Date.now() })
      const isExpected = isLost || kind === 'etcd3' || (error instanceof Error && isRecoverableError(error))
      if (!isExpected) recorder.add({ type: 'coordination-fault', message: `${post.name}: ${String(error)}` })
      // Somebody else holds it: acquire() of plain etcd3 does not wait.
      if (!(error instanceof EtcdLockFailedError)) recordFailure(work, error, kind === 'etcd3')
      await pause(random.below(500), stopping)
    }
    await pause(random.below(300), stopping)
  }
}

async function hold({ stopping, random, recorder }: Work, { name, holders, term }: Post, won: Won): Promise<void> {
  const { signal, token } = won
  let isOver = false
  const holder: Holder = { isHeld: () => !signal.aborted && !isOver }
  // The lease may have ended between the answer and now.
  if (!signal.aborted) {
    holders.enter(holder, token)
    recorder.add({ type: 'term', name })
    signal.addEventListener('abort', () => {
      if (isLeaseLost(signal.reason)) recorder.add({ type: 'lease-lost', key: name, at: Date.now() })
    })
    const end = performance.now() + random.below(term)
    while (!isAborted(signal) && !stopping.aborted && performance.now() < end) {
      if (token !== null) holders.write(holder, token)
      await pause(WRITES, signal)
    }
  }
  isOver = true
  holders.leave(holder)
  await won.release()
}

/** Whether the lease of a contender or a holder was lost, which may happen only when no quorum was connected. */
function isLeaseLost(error: unknown): boolean {
  return isEtcdMtlsError(error, 'ERR_LEASE_LOST')
}

/** Follows the leaders until the last of them, who is elected when all candidates have ended. */
async function observe(work: Work<SecureEtcd3>, name: string, candidates: Promise<void>): Promise<void> {
  const last = candidates.then(() => election(clientAt(work, 0), name, ELECTION).campaign('last'))
  last.catch(() => undefined)
  for await (const { value, fencingToken } of election(clientAt(work, 1), name, ELECTION).observe()) {
    work.recorder.add({ type: 'leader', election: `${name}/`, token: fencingToken })
    if (value === 'last') break
  }
  await (await last)[Symbol.asyncDispose]()
}
