/** Rotation on a real etcd, while everything goes on: nothing fails, nothing is lost or doubled, nothing lapses. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcd, startEtcdCluster } from '../../src/testing/index.js'
import { mintPki, threeMembers } from '../support/etcd.js'
import { FLAWLESS, startLoad } from '../support/load.js'
import { drawn, scaled } from '../support/long.js'

const pki = mintPki()
/** Renewals of one identity, used in turn. */
const renewals = Array.from({ length: 10 }, () => pki.issueClient())

const ROTATIONS = scaled({ short: 20, long: 200 })
const LOAD = { rate: scaled({ short: 50, long: 200 }), watchers: 20, leases: 5, locks: 2 }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Sockets and timers of this process, which is this file's alone. */
function handles(kind: RegExp): number {
  return process.getActiveResourcesInfo().filter((each) => kind.test(each)).length
}

const sockets = (): number => handles(/TCP|TLS/)
const timers = (): number => handles(/^Timeout$/)

/** The heap in use. A collection is expensive: do not poll this. */
async function heap(): Promise<number> {
  for (let i = 0; i < 3; i += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
  }
  return process.memoryUsage().heapUsed
}

async function rotate(client: SecureEtcd3, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    const next = renewals[i % renewals.length]
    const report = await client.tls.rotate(next)
    if (!report.ok) throw new Error(report.findings.map((each) => each.message).join('\n'))
  }
}

describe.each(drawn([1, 3], 1))('under load, on %i member(s)', (members) => {
  it('many rotations: nothing fails, is lost, comes twice or lapses, and nothing stays', async () => {
    await using etcd = await start(members)
    await using client = await createSecureClient({
      endpoints: etcd.endpoints,
      credentials: pki.client,
      preflight: 'all',
    })
    // The first of everything makes what stays: tables, compiled code, pools.
    const warmUp = await startLoad(client, { ...LOAD, prefix: 'warm-up/' })
    await rotate(client, 10)
    await warmUp.end()
    await expect.poll(sockets).toBeLessThanOrEqual(members)
    const before = { sockets: sockets(), timers: timers(), heap: await heap() }
    const load = await startLoad(client, LOAD)
    await rotate(client, ROTATIONS)
    // A quick machine has rotated before there was much of a load.
    while (load.account.requests < 100) await rotate(client, 1)
    expect(await load.end()).toMatchObject(FLAWLESS)
    await expect.poll(sockets).toBeLessThanOrEqual(before.sockets)
    await expect.poll(timers).toBeLessThanOrEqual(before.timers)
    expect((await heap()) - before.heap).toBeLessThan(4_000_000)
    expect(client.tls.endpoints.map((each) => each.state)).toEqual(Array.from({ length: members }, () => 'ready'))
  })
})

type Running = AsyncDisposable & { readonly endpoints: readonly string[] }

function start(members: number): Promise<Running> {
  if (members === 1) return startEtcd({ server: pki.server })
  return startEtcdCluster({ members: threeMembers(pki) })
}
