/** What each call fails with in an outage of a real etcd: the table "Errors" of docs/retries.md, and the same for locks. */
import { setTimeout as delay } from 'node:timers/promises'
import { GRPCDeadlineExceededError, GRPCUnavailableError } from 'etcd3'
import { expect, it as every } from 'vitest'
import { isEtcdMtlsError, isRetryable, type SecureEtcd3 } from '../../src/client/index.js'
import { election, lock, tryLock } from '../../src/coordination/index.js'
import { mintPki } from '../support/etcd.js'
import { oneIn } from '../support/long.js'
import { errorCodes } from '../support/refused.js'
import { sharedCluster, sharedEtcd } from '../support/shared-etcd.js'

const it = oneIn(2, every)

const one = sharedEtcd()
const three = sharedCluster()
const narrow = sharedEtcd({ args: ['--max-concurrent-streams=1'] })

const TTL = { ttl: '3s' }
const LOCKS: Record<string, (client: SecureEtcd3) => Promise<unknown>> = {
  lock: (client) => lock(client, 'a', TTL),
  tryLock: (client) => tryLock(client, 'a', TTL),
  campaign: (client) => election(client, 'b', TTL).campaign('value'),
}
const CALLS: Record<string, (client: SecureEtcd3) => Promise<unknown>> = {
  put: (client) => client.put('a').value('1').exec(),
  get: (client) => client.get('a').exec(),
  grant: (client) => client.lease(3, { autoKeepAlive: false }).grant(),
  'a lease': (client) => client.lease(3).grant(),
  ...LOCKS,
}
const soon = (milliseconds: number) => ({ deadline: Date.now() + milliseconds })
const BEFORE_A_DEADLINE: typeof CALLS = {
  put: (client) => client.put('a').value('1').options(soon(800)).exec(),
  get: (client) => client.get('a').options(soon(800)).exec(),
}

/** The class of an error, the codes of its causes and the codes of the findings in the last of them. */
function endOf(error: unknown): string {
  const parts: string[] = []
  for (let each = error; each instanceof Error; each = each.cause) {
    if (!isEtcdMtlsError(each)) parts.push(each.constructor.name)
    else
      parts.push(each.code, ...('report' in each.details ? errorCodes(each.details.report.findings).slice(0, 1) : []))
  }
  return `${parts.join(', ')}; ${isRetryable(error) ? 'may be repeated' : 'not to be repeated'}`
}

/** What each call fails with, by its name. */
async function failures(client: SecureEtcd3, calls: typeof CALLS): Promise<Record<string, string>> {
  const ends = Object.entries(calls).map(async ([name, call]) => {
    const end = await call(client).then(() => 'no error', endOf)
    return [name, end] as const
  })
  return Object.fromEntries(await Promise.all(ends))
}

const each = (calls: typeof CALLS, text: string): Record<string, string> =>
  Object.fromEntries(Object.keys(calls).map((name) => [name, text]))

const UNAVAILABLE = GRPCUnavailableError.name
const DEADLINE = GRPCDeadlineExceededError.name

it('all calls fail alike if no etcd runs', async () => {
  await using client = await one.connect()
  await one.etcd.stop()
  await expect.poll(() => client.tls.endpoints[0]?.findings.map(({ code }) => code)).toContain('endpoint/unreachable')
  const [calls, limited] = await Promise.all([failures(client, CALLS), failures(client, BEFORE_A_DEADLINE)])
  await one.etcd.start()
  expect(calls).toEqual(each(CALLS, `${UNAVAILABLE}, ERR_UNREACHABLE, endpoint/unreachable; may be repeated`))
  expect(limited).toEqual(
    each(BEFORE_A_DEADLINE, `${DEADLINE}, ERR_UNREACHABLE, endpoint/unreachable; may be repeated`),
  )
})

it('a write may be applied if etcd is silent, and a lock that was not taken is not held', async () => {
  await using client = await one.connect()
  await client.get('a').exec()
  await one.etcd.pause()
  const limited = await failures(client, BEFORE_A_DEADLINE)
  const calls = await failures(client, CALLS)
  await one.etcd.resume()
  expect(limited).toEqual({
    put: `${DEADLINE}, ERR_OUTCOME_UNKNOWN; not to be repeated`,
    get: `${DEADLINE}; may be repeated`,
  })
  const granted = `${UNAVAILABLE}, ERR_OUTCOME_UNKNOWN, ERR_UNREACHABLE, endpoint/silent; not to be repeated`
  expect(calls).toEqual({
    put: `${UNAVAILABLE}, ERR_OUTCOME_UNKNOWN; not to be repeated`,
    get: `${UNAVAILABLE}, ERR_UNREACHABLE, endpoint/silent; may be repeated`,
    grant: granted,
    'a lease': granted,
    // They end earlier, before a new connection was found silent.
    ...each(LOCKS, `${UNAVAILABLE}, ERR_UNREACHABLE, endpoint/lost; may be repeated`),
  })
})

it('a call whose deadline passes while another call has the only stream fails with the limit, and was not sent', async () => {
  await using client = await narrow.connect()
  await client.get('a').exec()
  await narrow.etcd.pause()
  const first = client.get('a').exec()
  const limited = await failures(client, BEFORE_A_DEADLINE)
  await narrow.etcd.resume()
  await first
  expect(limited).toEqual(
    each(BEFORE_A_DEADLINE, `${DEADLINE}, ERR_UNREACHABLE, endpoint/stream-limit; may be repeated`),
  )
})

it('all calls fail alike if no member has a leader', async () => {
  await using client = await three.connect()
  await Promise.all(three.cluster.members.slice(1).map((member) => member.stop()))
  const isLeaderless = (): boolean => client.tls.endpoints.some(({ state }) => state === 'leaderless')
  while (!isLeaderless())
    await client
      .get('a')
      .exec()
      .catch(() => null)
  const [calls, limited] = await Promise.all([failures(client, CALLS), failures(client, BEFORE_A_DEADLINE)])
  expect(calls).toEqual(each(CALLS, `${UNAVAILABLE}, ERR_UNREACHABLE, endpoint/no-leader; may be repeated`))
  expect(limited).toEqual(each(BEFORE_A_DEADLINE, `${DEADLINE}, ERR_UNREACHABLE, endpoint/no-leader; may be repeated`))
})

it('all calls fail alike and at once if etcd refuses the certificate', async () => {
  const foreign = mintPki('Foreign CA').client
  const credentials = { ...foreign, trustAnchors: one.pki.client.trustAnchors, clientAnchors: foreign.trustAnchors }
  await using client = await one.connect({ credentials, preflight: 'none' })
  const late = delay(2500).then(() => null)
  const refused = `${UNAVAILABLE}, ERR_HANDSHAKE_FAILED, handshake/client-ca-unknown; not to be repeated`
  expect(await Promise.race([failures(client, CALLS), late])).toEqual(each(CALLS, refused))
})
