/** Two real clusters in one list of endpoints, and a change of members that etcd refuses. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import { startEtcd, startEtcdCluster, type TestEtcd } from '../../src/testing/index.js'
import { mintPki } from '../support/etcd.js'
import { dns, ip } from '../support/mint.js'
import { errorCodes, refused } from '../support/refused.js'

const pki = mintPki()
let one: TestEtcd
let two: TestEtcd

beforeAll(async () => {
  // The id of a cluster is made of the peer URLs of its members and of this token.
  const start = (token: string): Promise<TestEtcd> =>
    startEtcd({ server: pki.server, args: [`--initial-cluster-token=${token}`] })
  ;[one, two] = await Promise.all([start('one'), start('two')])
})

afterAll(async () => {
  await Promise.all([one.close(), two.close()])
})

it('a client of two clusters is refused', async () => {
  const endpoints = [one.endpoint, two.endpoint]
  const attempt = createSecureClient({ endpoints, credentials: pki.client })
  const { details } = await refused(attempt, 'ERR_HANDSHAKE_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/other-cluster'])
})

it('a client of one cluster never writes to another one that joins its endpoints', async () => {
  await using client = await createSecureClient({ endpoints: one.endpoint, credentials: pki.client })
  const report = await client.tls.setEndpoints([one.endpoint, two.endpoint])
  expect(errorCodes(report.findings)).toEqual(['endpoint/other-cluster'])
  for (let i = 0; i < 20; i += 1) await client.put(`written/${String(i)}`).value('here')
  await one.stop()
  await expect(client.put('written/late').value('nowhere')).rejects.toThrow()
  await one.start()
  await using stray = await createSecureClient({ endpoints: two.endpoint, credentials: pki.client })
  expect(await stray.getAll().prefix('written/').count()).toBe(0)
})

it('a member that etcd refuses to remove was certainly not removed', async () => {
  const names = ['m0', 'm1', 'm2'] as const
  await using cluster = await startEtcdCluster({
    members: names.map((name) => ({
      name,
      server: pki.server,
      peer: pki.issueServer({ names: [ip('127.0.0.1'), dns(name)], usages: ['serverAuth', 'clientAuth'] }),
    })) as [{ name: 'm0'; server: typeof pki.server; peer: typeof pki.server }],
  })
  const [first, second, third] = cluster.members
  if (first === undefined || second === undefined || third === undefined) throw new Error('three members')
  await using client = await createSecureClient({ endpoints: first.endpoint, credentials: pki.client })
  const { members } = await client.cluster.memberList({})
  const alive = members.find(({ name }) => name === 'm1')
  await third.stop()
  // With one of three down, etcd removes none of the others (strict reconfiguration check).
  const removal = client.cluster.memberRemove({ ID: alive?.ID ?? '0' })
  const error: unknown = await removal.catch((reason: unknown) => reason)
  expect(error).toMatchObject({ message: expect.stringContaining('unhealthy cluster') as string })
  expect((error as Error).cause).toBeUndefined()
})
