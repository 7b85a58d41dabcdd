/** A write that waits in the buffers of a connection while the network is cut must not arrive when the network heals. */
import { expect, it } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import { mintPki } from '../support/etcd.js'
import { connectionsTo, partitionedEtcd, socketsTo } from '../support/partition.js'

it('never delivers a write of a connection that was given up, after the network has healed', async () => {
  const pki = mintPki()
  await using etcd = await partitionedEtcd(pki)
  await using client = await createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client })
  await client.put('key').value('first')
  etcd.partition()
  let left = -1
  const zombie = client
    .put('key')
    .value('zombie')
    .exec()
    .catch((error: unknown) => {
      // No turn of the event loop has passed: a caller that goes on at once finds the queue dropped.
      left = connectionsTo(etcd.address)
      throw error
    })
  await expect(zombie).rejects.toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
  expect(left).toBe(0)
  // A connection that is closed and not reset waits in the kernel (FIN-WAIT-1) and sends its queue again and again.
  await expect.poll(() => client.tls.endpoints[0]?.state).not.toBe('ready')
  etcd.heal()
  await client.put('key').value('later')
  // The connection of the client, and no other one that could still deliver something.
  await expect.poll(() => socketsTo(etcd.address)).toBe(1)
  const watcher = await client.watch().key('key').startRevision('1').create()
  const values: string[] = []
  watcher.on('put', ({ value }) => values.push(value.toString()))
  await expect.poll(() => values.length).toBeGreaterThanOrEqual(2)
  expect(values).toEqual(['first', 'later'])
})
