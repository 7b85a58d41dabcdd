/** Sessions with a hostile server: whatever it sends, the process goes on, and each call ends by its deadline. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SecureEtcd3 } from '../../src/client/etcd3/secure-etcd3.js'
import { createSecureClient } from '../../src/client/deferred.js'
import { isEtcdMtlsError } from '../../src/report/errors.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { OwnTime } from '../support/own-time.js'
import { hostileServer } from './hostile-server.js'
import { inputSeed } from './loop.js'
import { Random } from './random.js'

/** The deadline of each call, in milliseconds. */
const DEADLINE = 100
/**
 * How much later a call may end, and how long closing may take, in milliseconds of this process's own time: on a busy machine, a
 * session that gets no processor for ten seconds has done nothing wrong.
 */
const GRACE = 10_000
/** How often that time is read, in milliseconds. */
const LOOK = 100
/** How many sessions run at a time. */
const CONCURRENCY = 8

interface SessionFailure {
  /** `npm run check -- fuzz --target sessions --seed SEED --runs 1` repeats it. */
  readonly seed: number
  readonly reason: string
}

/**
 * Runs this many sessions, and ends at the first failure. An error that nobody catches counts for every session that runs then.
 *
 * @param onSession Called before each session, with its seed.
 */
export async function runSessions(
  parts: { server: Credentials; client: Credentials },
  seed: number,
  runs: number,
  { until = Infinity, onSession = (_seed: number): void => undefined } = {},
): Promise<{ sessions: number; failure: SessionFailure | null }> {
  const running = new Set<number>()
  const found: SessionFailure[] = []
  const onError = (error: unknown): void => {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    for (const each of running) found.push({ seed: each, reason: `One of ${[...running].join(', ')}: ${reason}` })
  }
  process.on('uncaughtException', onError).on('unhandledRejection', onError)
  let next = 0
  const work = async (): Promise<void> => {
    while (next < runs && found.length === 0 && Date.now() < until) {
      const own = inputSeed(seed, next)
      next += 1
      onSession(own)
      running.add(own)
      const reason = await runSession(parts, own)
      if (reason !== null) found.push({ seed: own, reason })
      running.delete(own)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  process.off('uncaughtException', onError).off('unhandledRejection', onError)
  return { sessions: next, failure: found[0] ?? null }
}

/** What is wrong; null if nothing is. */
async function runSession(parts: { server: Credentials; client: Credentials }, seed: number): Promise<string | null> {
  const random = new Random(seed)
  await using peer = await hostileServer(parts.server, random)
  const client = await connect(peer.endpoint, parts.client)
  // Not even the health check got an answer of etcd.
  if (client === null) return null
  const calls = Array.from({ length: 2 + random.below(4) }, () => makeCall(client, random))
  const late = (await Promise.all(calls)).find((each) => each !== null) ?? null
  const closed = await endsInTime(client[Symbol.asyncDispose]())
  if (closed) return late
  const endpoints = client.tls.endpoints.map(({ state }) => state).join()
  return late ?? `The client did not close (${endpoints}); open: ${process.getActiveResourcesInfo().join()}`
}

async function connect(endpoints: string, credentials: Credentials): Promise<SecureEtcd3 | null> {
  try {
    return await createSecureClient({ endpoints, credentials, dialTimeout: '1s' })
  } catch (error) {
    if (isEtcdMtlsError(error)) return null
    throw error
  }
}

/** Makes one call, and says what is wrong with its end. */
async function makeCall(client: SecureEtcd3, random: Random): Promise<string | null> {
  const options = { deadline: Date.now() + DEADLINE }
  const inTime = async (name: string, work: Promise<unknown>): Promise<string | null> =>
    (await endsInTime(work)) ? null : `${name} outlived its deadline`
  switch (random.below(7)) {
    case 0:
      return inTime('get', client.get('k').options(options).string())
    case 1:
      return inTime('put', client.put('k').value('v').options(options).exec())
    case 2: {
      const lease = client.lease(1 + random.below(60), options)
      const fault = await inTime('lease grant', lease.grant())
      if (random.once(2)) lease.release()
      return fault
    }
    case 3:
      // A lock has no deadline: it ends with the client at the latest.
      await endsWithin(client.lock('l').ttl(5).acquire(), DEADLINE)
      return null
    default:
      await watch(client, random)
      return null
  }
}

async function watch(client: SecureEtcd3, random: Random): Promise<void> {
  const builder = random.once(2) ? client.watch() : client.namespace('k').watch()
  const created = random.once(2) ? builder.key('k').create() : builder.prefix('k').withPreviousKV().create()
  created.then(
    (watcher) => {
      watcher.on('put', () => undefined)
      if (random.once(2)) watcher.on('error', () => undefined)
      if (random.once(3)) void watcher.cancel()
    },
    () => undefined,
  )
  await endsWithin(created, DEADLINE)
}

/** Whether it settles within {@link GRACE}, in whatever way. */
async function endsInTime(work: Promise<unknown>): Promise<boolean> {
  using clock = new OwnTime()
  while (clock.elapsed < GRACE) if (await endsWithin(work, LOOK)) return true
  return false
}

/** Whether it settles in this time, in whatever way. */
async function endsWithin(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const late = new AbortController()
  const timer = sleep(milliseconds, false, { signal: late.signal }).catch(() => false)
  const ended = await Promise.race([Promise.allSettled([work]).then(() => true), timer])
  late.abort()
  return ended
}
