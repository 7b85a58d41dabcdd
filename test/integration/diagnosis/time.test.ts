/** The own certificate comes to its end while the client runs: the commonest outage, on a real etcd. */
import { expect, it } from 'vitest'
import { createSecureClient, type TlsEvent } from '../../../src/client/index.js'
import { startEtcd } from '../../../src/testing/index.js'
import { mintPki } from '../../support/etcd.js'
import { proxyTo } from '../../support/peers.js'
import { findingOf } from '../../support/refused.js'

const pki = mintPki()

it('names the own certificate as the cause, blames no clock, and goes on with a new one', async () => {
  await using etcd = await startEtcd({ server: pki.server, via: 'binary' })
  await using proxy = await proxyTo(Number(new URL(etcd.endpoint).port))
  // Certificates count whole seconds, and the client needs some time to connect.
  const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 4000)
  const credentials = pki.issueClient({ notBefore: new Date(Date.now() - 3_600_000), notAfter })
  await using client = await createSecureClient({ endpoints: proxy.endpoint, credentials })
  const events = client.tls.events()
  expect(client.tls.report.ok).toBe(true)
  await expect.poll(() => client.tls.report.ok, { timeout: 60_000 }).toBe(false)
  proxy.cut()
  await expect
    .poll(() => client.tls.endpoints[0]?.findings.map(({ code }) => code), { timeout: 60_000 })
    .toEqual(['validity/expired', 'handshake/client-certificate-refused'])
  for (const report of [await client.tls.probe(), await client.tls.probe()]) {
    expect(findingOf(report.findings, 'validity/expired')).toMatchObject({
      certificate: { role: 'leaf', subject: 'CN=root' },
      details: { notAfter },
    })
    expect(report.findings.map(({ remedy }) => remedy).join()).not.toMatch(/clocks is wrong/)
  }
  // The remedy, followed.
  expect((await client.tls.rotate(pki.client)).ok).toBe(true)
  expect(await client.get('a').string()).toBeNull()
  await client[Symbol.asyncDispose]()
  const told: TlsEvent['type'][] = []
  for await (const { type } of events) told.push(type)
  expect(told).toContain('credentials-expired')
})
