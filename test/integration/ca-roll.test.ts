/** The CA of a cluster at work is replaced by following the plan: nobody is locked out, and the wrong order is seen. */
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  type Authority,
  type CaRollPlan,
  type CaRollReport,
  type CaRollStepId,
  type CaTraffic,
  checkCaRoll,
  type ClusterAuthorities,
  type ClusterFiles,
  createAuthority,
  issueCluster,
  planCaRoll,
  withTrustAnchors,
  writeCluster,
  writeTrust,
} from '../../src/authority/index.js'
import { createSecureClient } from '../../src/client/index.js'
import { type Credentials, fromFiles } from '../../src/credentials/index.js'
import { startEtcdCluster, type TestEtcd, type TestEtcdCluster } from '../../src/testing/index.js'
import { startLoad } from '../support/load.js'
import { temporaryFolder } from '../support/openssl.js'
import { errorCodes, findingOf, refused } from '../support/refused.js'
import { scaled, seed } from '../support/long.js'

const folder = temporaryFolder()
const NAMES = ['m1', 'm2', 'm3'] as const
const HOSTS = ['127.0.0.1', 'localhost'] as const
const PLAN = { members: NAMES.map((name) => ({ name, hosts: HOSTS })), clients: ['writer'] } as const

/** Not `expect.poll`, which does not know to which of several tests at once it belongs. */
const PATIENCE = { timeout: 20_000, interval: 50 } as const

interface Rolling extends AsyncDisposable {
  readonly cluster: TestEtcdCluster
  readonly directory: string
  readonly files: ClusterFiles<(typeof NAMES)[number], 'writer'>
  readonly endpoints: Record<string, { client: string; peer: string }>
}

/** Three members that read what `writeCluster` wrote, where it wrote it. */
async function startCluster(directory: string, from: ClusterAuthorities): Promise<Rolling> {
  const issued = await issueCluster(from, PLAN)
  const files = await writeCluster(directory, issued, { layout: 'etcd' })
  const peerUrls: string[] = []
  const args = ({ peerUrl }: { peerUrl: string }): string[] => {
    // Asked for each member in turn.
    const name = NAMES[peerUrls.length % NAMES.length] ?? 'm1'
    peerUrls.push(peerUrl)
    const { server, peer } = files.members[name]
    return [
      `--cert-file=${server.cert}`,
      `--key-file=${server.key}`,
      `--trusted-ca-file=${server.ca}`,
      `--peer-cert-file=${peer.cert}`,
      `--peer-key-file=${peer.key}`,
      `--peer-trusted-ca-file=${peer.ca}`,
    ]
  }
  const [m1, m2, m3] = NAMES.map((name) => ({ name, ...issued.members[name] }))
  if (m1 === undefined || m2 === undefined || m3 === undefined) throw new Error('there are three')
  const cluster = await startEtcdCluster({ via: 'binary', members: [m1, m2, m3], args })
  const endpoints = Object.fromEntries(
    cluster.members.map((each, index) => [each.name, { client: each.endpoint, peer: peerUrls.slice(-3)[index] ?? '' }]),
  )
  return { cluster, directory, files, endpoints, [Symbol.asyncDispose]: () => cluster.close() }
}

async function restartOneByOne(cluster: TestEtcdCluster, as: () => Promise<Credentials>): Promise<void> {
  for (const member of cluster.members) {
    await member.stop()
    await member.start()
    await expectHealthy(cluster.members, await as())
  }
}

async function expectHealthy(members: readonly TestEtcd[], as: Credentials): Promise<void> {
  for (const member of members) {
    await vi.waitFor(async () => {
      expect((await member.etcdctl(['endpoint', 'health'], as)).exitCode).toBe(0)
    }, PATIENCE)
  }
}

interface Roll {
  readonly from: Authority
  readonly to: Authority
  /** The new CA, with the cross-certificate where there is one. */
  readonly sending: Authority
  readonly traffic: CaTraffic
  /** The CA for clients, where that of the peers alone is rolled. */
  readonly clients: Authority | null
}

/** What has to be done for each step; the plan says in which order. */
function actionsOf(rolling: Rolling, { from, to, sending, traffic, clients }: Roll) {
  const { directory, cluster, files } = rolling
  const both = [...from.trustAnchors, ...to.trustAnchors]
  const admin = (): Promise<Credentials> => fromFiles(files.clients.writer).load()
  const reissue = async (authority: Authority, anchors: Authority['trustAnchors']): Promise<void> => {
    const authorities = clients === null ? authority : { client: clients, peer: authority }
    const issued = withTrustAnchors(await issueCluster(authorities, PLAN), anchors, { traffic })
    await writeCluster(directory, issued, { layout: 'etcd' })
  }
  const actions: Record<CaRollStepId, () => Promise<unknown>> = {
    'trust-both': () => writeTrust(directory, both, { layout: 'etcd', traffic }),
    'restart-trusting-both': () => restartOneByOne(cluster, admin),
    reissue: () => (sending === to ? reissue(to, both) : reissue(sending, from.trustAnchors)),
    'trust-new': () => writeTrust(directory, to.trustAnchors, { layout: 'etcd', traffic }),
    'restart-trusting-new': () => restartOneByOne(cluster, admin),
    'retire-cross-certificate': () => reissue(to, to.trustAnchors),
  }
  return actions
}

function expectNext(report: CaRollReport, plan: CaRollPlan, index: number): void {
  expect(report.findings).toEqual([])
  expect(report.next).toBe(plan.steps[index]?.id ?? null)
  expect(report.done).toBe(index === plan.steps.length)
  expect(report.steps.map(({ state }) => state)).toEqual(
    plan.steps.map((_, at) => (at < index ? 'done' : at === index ? 'next' : 'waiting')),
  )
}

/** Two clusters side by side: each waits for its members most of the time, but more would wait for the processor. */
const WAYS = [
  ['a bundle', 'a cross-certificate'],
  ['two CAs of one name', 'a CA of the peers’ own'],
] as const

/** In `npm test`, one of the four. */
const DRAWN = WAYS.flat().filter((_, index) => index === seed % 4)
const PAIRS = scaled<readonly (readonly string[])[]>({ short: [DRAWN], long: WAYS })

describe.each(PAIRS.map((pair) => ({ pair })))('following the plan', ({ pair }) => {
  it.concurrent.each(pair)('with %s: no write fails, no event is lost, and each step is told', async (way) => {
    const from = await createAuthority({ name: 'etcd CA' })
    const to = await createAuthority({ name: way === 'two CAs of one name' ? 'etcd CA' : 'etcd CA 2' })
    const crossCertificate = way === 'a cross-certificate' ? await from.crossSign(to) : undefined
    const sending = crossCertificate === undefined ? to : to.withCrossCertificate(crossCertificate)
    const clients = way === 'a CA of the peers’ own' ? await createAuthority({ name: 'client CA' }) : null
    const traffic = clients === null ? 'all' : 'peer'
    const authorities = clients === null ? from : { client: clients, peer: from }
    await using rolling = await startCluster(folder.file(way), authorities)
    const { cluster, directory, endpoints, files } = rolling
    const plan = planCaRoll({ from, to, members: NAMES, clients: ['writer'], traffic, crossCertificate })
    const actions = actionsOf(rolling, { from, to, sending, traffic, clients })
    // To try with, where the name alone does not tell.
    const credentials = [
      await from.issue({ role: 'client', name: 'looker' }),
      await to.issue({ role: 'client', name: 'looker' }),
    ]
    await using client = await createSecureClient({
      endpoints: cluster.endpoints,
      credentials: fromFiles({ ...files.clients.writer, watch: { pollInterval: '200ms' } }),
      preflight: 'all',
    })
    const load = await startLoad(client, { rate: 50, watchers: 3, leases: 0, locks: 0 })
    // A plan that was kept as JSON is as good.
    const kept = JSON.parse(JSON.stringify(plan)) as CaRollPlan
    const look = { directory, endpoints, credentials }
    expectNext(await checkCaRoll(kept, look), plan, 0)
    for (const [index, { id }] of plan.steps.entries()) {
      await actions[id]()
      expectNext(await checkCaRoll(kept, look), plan, index + 1)
    }
    await expect.poll(() => load.requests, { timeout: 30_000 }).toBeGreaterThan(100)
    const account = await load.end()
    expect(account.failed).toEqual([])
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
  })
})

it('the wrong order: the old CA is dropped too early, which is refused, seen, and really locks a member out', async () => {
  const from = await createAuthority({ name: 'etcd CA' })
  const to = await createAuthority({ name: 'etcd CA 2' })
  await using rolling = await startCluster(folder.file('wrong'), from)
  const { cluster, directory, endpoints, files } = rolling
  const plan = planCaRoll({ from, to, members: NAMES, clients: ['writer'] })
  const actions = actionsOf(rolling, { from, to, sending: to, traffic: 'all', clients: null })
  await actions['trust-both']()
  await actions['restart-trusting-both']()

  const early = await refused(writeTrust(directory, to.trustAnchors, { layout: 'etcd' }), 'ERR_WRITE_FAILED')
  expect(early.details.path).toBe(join(directory, 'members/m1/server.crt'))
  expect(early.message).toContain('would be trusted no longer')
  expectNext(await checkCaRoll(plan, { directory, endpoints }), plan, 2)

  await writeTrust(directory, to.trustAnchors, { layout: 'etcd', members: ['m3'], clients: [], overwrite: true })
  const report = await checkCaRoll(plan, { directory, endpoints })
  expect(report).toMatchObject({ ok: false, done: false, next: null })
  expect(new Set(errorCodes(report.findings))).toEqual(new Set(['ca-roll/trust-missing']))
  expect(findingOf(report.findings, 'ca-roll/trust-missing').details).toMatchObject({
    where: 'members/m3/ca.crt',
    loaded: false,
  })

  // What would have come of it: m3 refuses the others, and comes to nothing.
  const m3 = cluster.member('m3')
  await m3.stop()
  const give = new AbortController()
  const starting = m3.start({ signal: give.signal }).catch((error: unknown) => error)
  await m3.waitForLog(/certificate signed by unknown authority/, { timeout: '30s' })
  const during = await checkCaRoll(plan, { directory, endpoints })
  expect(during.ok).toBe(false)
  give.abort()
  await starting
  await m3.stop()

  // And back: both CAs, a restart, and the plan goes on where it was.
  await writeTrust(directory, [...from.trustAnchors, ...to.trustAnchors], { layout: 'etcd' })
  await m3.start()
  await expectHealthy(cluster.members, await fromFiles(files.clients.writer).load())
  expectNext(await checkCaRoll(plan, { directory, endpoints }), plan, 2)
})
