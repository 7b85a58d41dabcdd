/** Which server the doctor asks for its time. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { expect, it } from 'vitest'
import { examineCluster } from '../../../src/doctor/index.js'
import { memberOf } from '../../support/doctor-cluster.js'
import { pemsOf } from '../../support/etcd.js'
import { mintCa } from '../../support/mint.js'

const DAY = 86_400_000
const ca = mintCa({ subject: 'Cluster CA' })
const inDays = (days: number): Date => new Date(Date.now() + days * DAY)

it('asks no server for its time that has another certificate than the one that was validated', async () => {
  const client = memberOf(ca, 'root', { usages: ['clientAuth'], notBefore: inDays(-30), notAfter: inDays(300) })
  const expired = memberOf(ca, 'etcd', { notBefore: inDays(-30), notAfter: inDays(-1) })
  const other = memberOf(mintCa({ subject: 'Other CA' }), 'etcd')
  let [connections, requests] = [0, ''] as [number, string]
  const server = createServer(pemsOf(expired), (socket) => {
    socket.on('error', () => undefined).on('data', (bytes: Buffer) => (requests += bytes.toString('latin1')))
  })
  // The first two are without a certificate: the probe is repeated, because the chain is not valid. The change is for the next one.
  server.on('connection', () => {
    connections += 1
    if (connections === 2) server.setSecureContext(pemsOf(other))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const endpoints = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`
  const { findings } = await examineCluster({ endpoints, credentials: client, configs: [], dialTimeout: '2s' })
  server.close()
  expect([connections, requests]).toEqual([3, ''])
  expect(findings.map(({ code }) => code)).toContain('validity/expired')
})
