/** Two real clusters in one list of endpoints, and a change of members that etcd refuses. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import { startEtcd, startEtcdCluster, type TestEtcdCluster } from '../../src/testing/index.js'
import { mintPki, threeMembers } from '../support/etcd.js'
import { errorCodes, refused } from '../support/refused.js'

const pki = mintPki()
let cluster: TestEtcdCluster

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: threeMembers(pki) })
})

afterAll(async () => {
  await cluster.close()
})

it('a client of two clusters is refused, and one of a cluster never writes to another that joins its endpoints', async () => {
  await using stray = await startEtcd({ server: pki.server })
  const [one = ''] = cluster.endpoints
  const endpoints: [string, string] = [one, stray.endpoint]
  const attempt = createSecureClient({ endpoints, credentials: pki.client })
  const { details } = await refused(attempt, 'ERR_HANDSHAKE_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/other-cluster'])
  await using client = await createSecureClient({ endpoints: one, credentials: pki.client })
  const report = await client.tls.setEndpoints(endpoints)
  expect(errorCodes(report.findings)).toEqual(['endpoint/other-cluster'])
  for (let i = 0; i < 20; i += 1) await client.put(`written/${String(i)}`).value('here')
  await cluster.members[0]?.stop()
  await expect(client.put('written/late').value('nowhere')).rejects.toThrow()
  await cluster.members[0]?.start()
  await using other = await createSecureClient({ endpoints: stray.endpoint, credentials: pki.client })
  expect(await other.getAll().prefix('written/').count()).toBe(0)
})

it('a member that etcd refuses to remove was certainly not removed', async () => {
  const [first = '', second] = cluster.endpoints
  await using client = await createSecureClient({ endpoints: first, credentials: pki.client })
  const { members } = await client.cluster.memberList({})
  const alive = members.find(({ clientURLs }) => clientURLs.includes(second ?? ''))
  await cluster.members[2]?.stop()
  // With one of three down, etcd removes none of the others (strict reconfiguration check).
  const removal = client.cluster.memberRemove({ ID: alive?.ID ?? '0' })
  const error: unknown = await removal.catch((reason: unknown) => reason)
  expect(error).toMatchObject({ message: expect.stringContaining('unhealthy cluster') as string })
  expect((error as Error).cause).toBeUndefined()
})
