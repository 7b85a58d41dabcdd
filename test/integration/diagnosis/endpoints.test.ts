/** The endpoints of a live client on a cluster of three members: replaced, followed, and asked who leads. */
import { beforeAll, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../../src/client/index.js'
import { findingOf } from '../../support/refused.js'
import { sharedCluster } from '../../support/shared-etcd.js'

// Otherwise etcd removes no member in the first five seconds.
const shared = sharedCluster(['--strict-reconfig-check=false'])
const { connect } = shared
/** The endpoints of the members. */
let [a, b, c] = ['', '', '']
beforeAll(() => {
  ;[a = '', b = '', c = ''] = shared.cluster.endpoints
})

function urlsOf({ tls }: SecureEtcd3): string[] {
  return tls.endpoints.map(({ endpoint }) => endpoint)
}

it('replaces the endpoints under calls and a watch, and none of them notices', async () => {
  await using client = await connect({ endpoints: [a, b] })
  const seen: string[] = []
  const watcher = await client.watch().prefix('moved/').create()
  watcher.on('put', ({ value }) => seen.push(value.toString()))
  const written: string[] = []
  const done = new AbortController()
  const writing = (async () => {
    for (let i = 0; !done.signal.aborted; i += 1) {
      await client.put(`moved/${String(i)}`).value(String(i))
      written.push(String(i))
    }
  })()
  for (const endpoints of [
    [b, c],
    [c, a],
    [a, b],
  ] as const) {
    const before = written.length
    expect((await client.tls.setEndpoints(endpoints)).ok).toBe(true)
    expect(client.tls.endpoints.map((each) => [each.endpoint, each.state])).toEqual(
      endpoints.map((each) => [each, 'ready']),
    )
    await expect.poll(() => written.length).toBeGreaterThan(before)
  }
  done.abort()
  await writing
  await expect.poll(() => seen).toEqual(written)
  await watcher.cancel()
})

it('names the leader', async () => {
  await using client = await connect()
  expect(client.tls.endpoints.map(({ role }) => role)).toEqual([null, null, null])
  const report = await client.tls.probe()
  expect(report.ok).toBe(true)
  expect(client.tls.endpoints.map(({ role }) => role).sort()).toEqual(['follower', 'follower', 'leader'])
  const leader = client.tls.endpoints.find(({ role }) => role === 'leader')?.endpoint ?? ''
  expect(findingOf(report.findings, 'endpoint/leader').message).toContain(`${leader} leads the cluster`)
  // The leader may not be one of the endpoints.
  const followers = [a, b, c].filter((each) => each !== leader)
  await client.tls.setEndpoints(followers)
  expect(findingOf((await client.tls.probe()).findings, 'endpoint/leader').details).toMatchObject({ leader: null })
})

it('follows the member list, and reports a cluster that has lost its quorum', async () => {
  await using client = await connect({ endpoints: a, refreshEndpoints: '1s' })
  await expect.poll(() => urlsOf(client).sort()).toEqual([a, b, c].sort())
  const { members } = await client.cluster.memberList({})
  const gone = members.find(({ name }) => name === 'm3')
  await client.cluster.memberRemove({ ID: gone?.ID ?? '' })
  await expect.poll(() => urlsOf(client).sort()).toEqual([a, b].sort())
  // The member that left may have led: a write may fail until the next election is over.
  const write = client.put('still').value('here')
  await expect.poll(async () => (await Promise.allSettled([write.exec()]))[0].status).toBe('fulfilled')
  await shared.cluster.member('m2').stop()
  await shared.cluster.member('m1').waitForLog(/lost leader/, { timeout: '60s' })
  await expect
    .poll(async () => (await client.tls.probe()).findings.map(({ severity, code }) => `${severity} ${code}`))
    .toEqual(expect.arrayContaining(['error endpoint/no-leader', 'error endpoint/unreachable']))
})
