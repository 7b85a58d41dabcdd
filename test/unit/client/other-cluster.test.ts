/** Endpoints of two clusters in one list: one cluster serves, and the other one is reported. */
import { expect, it } from 'vitest'
import type { SecureEtcd3, TlsEvent } from '../../../src/client/index.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import {
  answerHealthCheck,
  type CallHandler,
  emptyAnswer,
  grpcPeer,
  leaveOpen,
  type Peer,
  statusOf,
} from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()
const ours = 0xaan
const other = 0xbbn

interface Member extends AsyncDisposable {
  readonly peer: Peer
  readonly endpoint: string
  /** The cluster that it reports; null: it does not answer. */
  cluster: bigint | null
  /** Its status waits for this. */
  statusAfter: Promise<unknown>
  /** Statuses so far. */
  statuses: number
  /** Calls so far. */
  calls: number
}

async function startMember(cluster: bigint | null, delay = 0): Promise<Member> {
  const state = { cluster, calls: 0, statuses: 0, statusAfter: Promise.resolve() as Promise<unknown> }
  const onCall: CallHandler = (stream) => {
    state.calls += 1
    emptyAnswer(stream)
  }
  const onHealthCheck: CallHandler = (stream) => {
    setTimeout(() => {
      if (!stream.destroyed) answerHealthCheck(stream)
    }, delay)
  }
  const onStatus: CallHandler = (stream) => {
    const { cluster, statusAfter } = state
    if (cluster === null) return
    leaveOpen(stream)
    void statusAfter.then(() => {
      state.statuses += 1
      if (!stream.destroyed) stream.end(statusOf(cluster))
    })
  }
  const peer = await grpcPeer(pki.server, onCall, onHealthCheck, onStatus)
  const { endpoint } = peer
  return Object.assign(state, { peer, endpoint, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() })
}

const connect = connector({ credentials: pki.client })

function statesOf({ tls }: SecureEtcd3): string[] {
  return tls.endpoints.map(({ state }) => state)
}

it('uses the cluster with most endpoints, even if the other one is connected first', async () => {
  await using stray = await startMember(other)
  await using one = await startMember(ours, 100)
  await using two = await startMember(ours, 100)
  await using client = await connect([stray, one, two])
  await expect.poll(() => statesOf(client)).toEqual(['failed', 'ready', 'ready'])
  const found = findingOf(client.tls.endpoints[0]?.findings ?? [], 'endpoint/other-cluster')
  expect(found.details).toEqual({
    endpoint: stray.endpoint,
    cluster: 'bb',
    expected: 'aa',
    members: [one.endpoint, two.endpoint],
    hasMajority: true,
    clusters: [
      { id: 'aa', endpoints: [one.endpoint, two.endpoint] },
      { id: 'bb', endpoints: [stray.endpoint] },
    ],
  })
  const before = stray.calls
  for (let i = 0; i < 12; i += 1) await client.put('a').value(String(i))
  expect(stray.calls).toBe(before)
  expect(await client.tls.probe()).toMatchObject({ ok: false })
})

it.each([
  ['the stray member', [0]],
  ['all members', [0, 1, 2]],
])('sends no call to a member of another cluster once its status is there: %s answered late', async (_who, late) => {
  await using stray = await startMember(other)
  await using one = await startMember(ours)
  await using two = await startMember(ours)
  const members = [stray, one, two]
  let answer = (): void => undefined
  const later = new Promise<void>((resolve) => (answer = resolve))
  for (const i of late) Object.assign(members[i] ?? {}, { statusAfter: later })
  await using client = await connect(members)
  await expect.poll(() => statesOf(client)).toEqual(['ready', 'ready', 'ready'])
  answer()
  await expect.poll(() => statesOf(client)).toEqual(['failed', 'ready', 'ready'])
  findingOf(client.tls.endpoints[0]?.findings ?? [], 'endpoint/other-cluster')
  const before = stray.calls
  for (let i = 0; i < 12; i += 1) await client.put('a').value(String(i))
  expect(stray.calls).toBe(before)
})

it('blames the stray endpoint alone with preflight all, whichever member answers first', async () => {
  await using stray = await startMember(other)
  const ours3 = await Promise.all([startMember(ours), startMember(ours), startMember(ours)])
  const [one, two, three] = ours3
  await using _one = one
  await using _two = two
  await using _three = three
  // The status of a member is what reports its cluster: the stray one first, then the others one after the other.
  let before: Member = stray
  for (const each of ours3) {
    const previous = before
    each.statusAfter = expect.poll(() => previous.statuses, { interval: 5 }).toBeGreaterThan(0)
    before = each
  }
  const { details } = await refused(connect([stray, ...ours3], { preflight: 'all' }), 'ERR_HANDSHAKE_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/other-cluster'])
  expect(findingOf(details.report.findings, 'endpoint/other-cluster').details).toMatchObject({
    endpoint: stray.endpoint,
    members: ours3.map(({ endpoint }) => endpoint),
    hasMajority: true,
  })
})

it('blames neither of two endpoints of different clusters, and advises to delete nothing', async () => {
  await using one = await startMember(ours)
  await using stray = await startMember(other)
  const { details } = await refused(connect([one, stray], { preflight: 'all' }), 'ERR_HANDSHAKE_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/other-cluster'])
  const found = findingOf(details.report.findings, 'endpoint/other-cluster')
  expect(found.message).toContain('The endpoints belong to more than one cluster:')
  for (const each of [`ID aa has ${one.endpoint}`, `ID bb has ${stray.endpoint}`]) expect(found.message).toContain(each)
  expect(found.remedy).not.toMatch(/remove|empty/)
})

it('concludes nothing about the clusters while the first attempt at an endpoint is in progress', async () => {
  await using one = await startMember(ours)
  await using stray = await startMember(other)
  let answer = (): void => undefined
  await using late = await startMember(ours)
  late.statusAfter = new Promise<void>((resolve) => (answer = resolve))
  const events: TlsEvent[] = []
  const connecting = connect([stray, one, late], { preflight: 'all', onEvent: (event) => events.push(event) })
  const refusal = refused(connecting, 'ERR_HANDSHAKE_FAILED')
  await expect.poll(() => [stray.statuses, one.statuses]).toEqual([1, 1])
  const codes = (): string[] =>
    events.flatMap((event) => (event.type === 'endpoint-changed' ? event.status.findings.map(({ code }) => code) : []))
  expect(codes()).toEqual([])
  answer()
  const { details } = await refusal
  expect(findingOf(details.report.findings, 'endpoint/other-cluster').details).toMatchObject({
    endpoint: stray.endpoint,
  })
})

it('switches to a cluster that was restored under another id once most members report it', async () => {
  await using one = await startMember(ours)
  await using two = await startMember(ours)
  await using client = await connect([one, two], { preflight: 'all' })
  one.cluster = other
  one.peer.cut()
  await expect.poll(() => statesOf(client)).toEqual(['failed', 'ready'])
  two.cluster = other
  two.peer.cut()
  await expect.poll(() => statesOf(client), { timeout: 15_000 }).toEqual(['ready', 'ready'])
})

it('reports an endpoint of a known other cluster again, and does not switch to it', async () => {
  await using one = await startMember(ours)
  await using stray = await startMember(other)
  await using client = await connect([one])
  await client.tls.setEndpoints([one.endpoint, stray.endpoint])
  const report = await client.tls.setEndpoints([stray.endpoint])
  expect(report.ok).toBe(false)
  expect(errorCodes(report.findings)).toEqual(['endpoint/other-cluster'])
  await client.put('a').value('b')
  expect([one.calls > 0, stray.calls]).toEqual([true, 0])
})

it('uses a member that does not report its cluster, after a second at most', async () => {
  await using one = await startMember(ours)
  await using mute = await startMember(null)
  await using client = await connect([one, mute], { preflight: 'all' })
  expect(statesOf(client)).toEqual(['ready', 'ready'])
})

it('does not wait for the cluster of its only endpoint, and knows it when another endpoint is added', async () => {
  await using one = await startMember(ours)
  let answer = (): void => undefined
  one.statusAfter = new Promise<void>((resolve) => (answer = resolve))
  await using stray = await startMember(other)
  await using client = await connect([one], { dialTimeout: '30s' })
  expect(statesOf(client)).toEqual(['ready'])
  answer()
  await expect.poll(() => one.statuses).toBe(1)
  await client.put('a').value('b')
  const report = await client.tls.setEndpoints([one.endpoint, stray.endpoint])
  expect(errorCodes(report.findings)).toEqual(['endpoint/other-cluster'])
  expect(statesOf(client)).toEqual(['ready', 'failed'])
})

it('does not fail a dial whose status answer is late at the time-out', async () => {
  await using mute = await startMember(null)
  // The time-out is shorter than the wait for the status. On a busy machine the health check may be late as well.
  const states = async (): Promise<string[]> => {
    await using client = await connect([mute], { dialTimeout: '900ms', preflight: 'none' })
    await expect.poll(() => statesOf(client)).not.toEqual(['connecting'])
    return statesOf(client)
  }
  await expect.poll(states).toEqual(['ready'])
})
