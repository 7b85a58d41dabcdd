/** The CA of a running cluster is replaced as docs/ca-roll.md describes: no member or client is locked out. */
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  type Authority,
  createAuthority,
  issueCluster,
  withTrustAnchors,
  writeCluster,
  writeTrust,
} from '../../src/authority/index.js'
import { createSecureClient, type Report } from '../../src/client/index.js'
import { type Credentials, fromFiles } from '../../src/credentials/index.js'
import type { TestEtcd, TestEtcdCluster } from '../../src/testing/index.js'
import { gateway } from '../support/https.js'
import { startLoad, type UnknownWrite } from '../support/load.js'
import { temporaryFolder } from '../support/openssl.js'
import { errorCodes, refused } from '../support/refused.js'
import { drawn, scaled, seed } from '../support/long.js'
import { PLAN, startWrittenCluster, type WrittenCluster } from '../support/written-cluster.js'

const folder = temporaryFolder()

/** Not `expect.poll`, which does not know to which of several tests at once it belongs. */
const PATIENCE = { timeout: 20_000, interval: 50 } as const

/** A restart of one member, in milliseconds since 1970. */
interface Restart {
  readonly endpoint: string
  readonly from: number
  readonly until: number
}

async function restartOneByOne(cluster: TestEtcdCluster, as: () => Promise<Credentials>): Promise<Restart[]> {
  const restarts: Restart[] = []
  for (const member of cluster.members) {
    const from = Date.now()
    await member.stop()
    await member.start()
    restarts.push({ endpoint: member.endpoint, from, until: Date.now() })
    await expectHealthy(cluster.members, await as())
  }
  return restarts
}

/** The writes of unknown outcome that were not on their way while their member, or the leader that their member waited for, restarted. */
function unexplained(unknown: readonly UnknownWrite[], restarts: readonly Restart[]): UnknownWrite[] {
  const isAt =
    ({ endpoint, error, sentAt, failedAt }: UnknownWrite) =>
    (restart: Restart) =>
      (restart.endpoint === endpoint || error.includes('due to previous leader failure')) &&
      sentAt <= restart.until &&
      failedAt >= restart.from
  return unknown.filter((write) => !restarts.some(isAt(write)))
}

async function expectHealthy(members: readonly TestEtcd[], as: Credentials): Promise<void> {
  for (const member of members) {
    await vi.waitFor(async () => {
      expect(await gateway(member.endpoint, '/health', as)).toMatchObject({ status: 200 })
    }, PATIENCE)
  }
}

interface Replacement {
  readonly from: Authority
  readonly to: Authority
  /** The new CA, with the cross-certificate if there is one. */
  readonly sending: Authority
  readonly traffic: 'all' | 'client' | 'peer'
  /** The CA for clients, if only that of the peers is replaced. */
  readonly clients: Authority | null
}

/** As docs/ca-roll.md shows it. */
async function probe(
  ca: Authority,
  trustAnchors: Authority['trustAnchors'],
  endpoints: readonly string[],
): Promise<Report> {
  const issued = await ca.issue({ role: 'client', name: 'ca-probe', validity: '10m' })
  const credentials = { ...issued, trustAnchors: [...trustAnchors] }
  await using client = await createSecureClient({ endpoints, credentials, preflight: 'none' })
  return await client.tls.probe()
}

/** The steps in their order. Each has a check that fails before the step and passes after it. */
function stepsOf(
  directory: string,
  rolling: WrittenCluster,
  { from, to, sending, traffic, clients }: Replacement,
  restarts: Restart[] = [],
) {
  const { cluster, files, peerUrls } = rolling
  const both = [...from.trustAnchors, ...to.trustAnchors]
  const admin = (): Promise<Credentials> => fromFiles(files.clients.app).load()
  const reissue = async (authority: Authority, anchors: Authority['trustAnchors']): Promise<void> => {
    const authorities = clients === null ? authority : { client: clients, peer: authority }
    const issued = withTrustAnchors(await issueCluster(authorities, PLAN), anchors, { traffic })
    await writeCluster(directory, issued, { layout: 'etcd', caKey: false })
  }
  const trust = (anchors: Authority['trustAnchors']) => () =>
    writeTrust(directory, anchors, { layout: 'etcd', traffic })
  const restart = async (): Promise<void> => {
    restarts.push(...(await restartOneByOne(cluster, admin)))
  }
  const urls = clients === null ? cluster.endpoints : peerUrls
  // The peer port closes an HTTP/2 connection; an unknown CA ends it with an alert before that.
  const codesOf = async (ca: Authority, anchors: Authority['trustAnchors']): Promise<string[]> => {
    const codes = errorCodes((await probe(ca, anchors, urls)).findings)
    return [...new Set(codes)].filter((code) => clients === null || code !== 'endpoint/wrong-protocol')
  }
  const bothTrusted = async (): Promise<string[]> => [...(await codesOf(to, both)), ...(await codesOf(from, both))]
  const oldRefused = async (): Promise<string[]> => {
    const codes = await codesOf(from, to.trustAnchors)
    return codes.join() === 'handshake/client-ca-unknown' ? [] : ['the old CA is still trusted', ...codes]
  }
  const newServed = (): Promise<string[]> => codesOf(sending, to.trustAnchors)
  if (sending !== to) {
    return [
      { work: () => reissue(sending, from.trustAnchors), check: newServed },
      { work: trust(to.trustAnchors), check: null },
      { work: restart, check: oldRefused },
      { work: () => reissue(to, to.trustAnchors), check: newServed },
    ]
  }
  return [
    { work: trust(both), check: null },
    { work: restart, check: bothTrusted },
    { work: () => reissue(to, both), check: newServed },
    { work: trust(to.trustAnchors), check: null },
    { work: restart, check: oldRefused },
  ]
}

/** Two clusters side by side: each waits for its members most of the time, but more would wait for the processor. */
const WAYS = [
  ['a bundle', 'a cross-certificate'],
  ['two CAs of one name', "a CA of the peers' own"],
] as const

/** In `npm test`, one of the four, or what happens if it is done in a wrong order. */
const ORDERS = drawn(['right', 'wrong'] as const, 1)
const DRAWN = WAYS.flat().filter((_, index) => index === seed % 4)
const PAIRS = scaled<readonly (readonly string[])[]>({ short: ORDERS.includes('right') ? [DRAWN] : [], long: WAYS })

describe.each(PAIRS.map((pair) => ({ pair })))('replacing the CA', ({ pair }) => {
  it.concurrent.each(pair)(
    'replacing the CA with %s fails writes only at restarts of their member, and loses no event',
    async (way) => {
      const from = await createAuthority({ name: 'etcd CA' })
      const to = await createAuthority({ name: way === 'two CAs of one name' ? 'etcd CA' : 'etcd CA 2' })
      const sending = way === 'a cross-certificate' ? to.withCrossCertificate(await from.crossSign(to)) : to
      const clients = way === "a CA of the peers' own" ? await createAuthority({ name: 'client CA' }) : null
      const traffic = clients === null ? 'all' : 'peer'
      const authorities = clients === null ? from : { client: clients, peer: from }
      const directory = folder.file(way)
      await using rolling = await startWrittenCluster(directory, await issueCluster(authorities, PLAN))
      const { cluster, files } = rolling
      await using client = await createSecureClient({
        endpoints: cluster.endpoints,
        credentials: fromFiles({ ...files.clients.app, watch: { pollInterval: '200ms' } }),
        preflight: 'all',
      })
      const load = await startLoad(client, { rate: scaled({ short: 20, long: 50 }), watchers: 3 })
      const restarts: Restart[] = []
      const replacement = { from, to, sending, traffic, clients } as const
      for (const [index, { work, check }] of stepsOf(directory, rolling, replacement, restarts).entries()) {
        if (check !== null && sending === to) expect(await check(), `before step ${String(index + 1)}`).not.toEqual([])
        await work()
        if (check !== null) expect(await check(), `after step ${String(index + 1)}`).toEqual([])
      }
      await vi.waitFor(() => {
        expect(load.account.requests).toBeGreaterThan(100)
      }, PATIENCE)
      const account = await load.end()
      expect(account.failed).toEqual([])
      expect(unexplained(account.unknown, restarts)).toEqual([])
      expect(account.lost).toEqual([])
      if (clients !== null) return
      // The client came to the new CA by following its files.
      await vi.waitFor(() => {
        expect(client.tls.report.path.at(-1)?.fingerprint256).toBe(to.certificate.fingerprint256)
      }, PATIENCE)
      const stranger = await from.issue({ role: 'client', name: 'root' })
      const refusedNow = await cluster.member('m1').etcdctl(['--dial-timeout=2s', 'get', 'a'], {
        ...stranger,
        trustAnchors: [...to.trustAnchors],
      })
      expect(refusedNow.exitCode).not.toBe(0)
    },
  )
})

it.each(ORDERS.filter((order) => order === 'wrong'))(
  'refuses to remove the old CA too early, in the %s order, and a member that removes it all the same locks itself out',
  async () => {
    const from = await createAuthority({ name: 'etcd CA' })
    const to = await createAuthority({ name: 'etcd CA 2' })
    const both = [...from.trustAnchors, ...to.trustAnchors] as const
    const directory = folder.file('wrong')
    await using rolling = await startWrittenCluster(directory, withTrustAnchors(await issueCluster(from, PLAN), both))
    const { cluster, files } = rolling
    const [trustBoth, restart] = stepsOf(directory, rolling, { from, to, sending: to, traffic: 'all', clients: null })
    const early = await refused(writeTrust(directory, to.trustAnchors, { layout: 'etcd' }), 'ERR_WRITE_FAILED')
    expect(early.details.path).toBe(join(directory, 'members/m1/server.crt'))
    expect(early.message).toContain('would no longer be trusted')
    expect(await restart?.check?.()).toEqual([])

    // m3 refuses the others, and does not start.
    await writeTrust(directory, to.trustAnchors, { layout: 'etcd', members: ['m3'], clients: [], overwrite: true })
    const m3 = cluster.member('m3')
    await m3.stop()
    const give = new AbortController()
    const starting = m3.start({ signal: give.signal }).catch((error: unknown) => error)
    await m3.waitForLog(/certificate signed by unknown authority/, { timeout: '30s' })
    expect(await restart?.check?.()).not.toEqual([])
    give.abort()
    await starting
    await m3.stop()

    // And back: both CAs, and a restart.
    await trustBoth?.work()
    await m3.start()
    await expectHealthy(cluster.members, await fromFiles(files.clients.app).load())
    expect(await restart?.check?.()).toEqual([])
  },
)
