/** The endpoints of a live client are replaced. */
import { describe, expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import { mintPki } from '../../support/etcd.js'
import { silentPeer } from '../../support/peers.js'
import { witnessPeer } from '../../support/witness-peer.js'

const pki = mintPki()

describe('setEndpoints', () => {
  it('dials new endpoints, keeps the connection of those that stay, and leaves the others', async () => {
    await using one = await witnessPeer(pki.server)
    await using two = await witnessPeer(pki.server)
    await using three = await witnessPeer(pki.server)
    const { endpoint } = one
    await using client = await createSecureClient({
      endpoints: [endpoint, two.endpoint],
      credentials: pki.client,
      preflight: 'all',
    })
    const report = await client.tls.setEndpoints([endpoint, three.endpoint])
    expect(report).toMatchObject({ ok: true, findings: [] })
    expect(client.tls.endpoints.map((each) => [each.endpoint, each.state])).toEqual([
      [endpoint, 'ready'],
      [three.endpoint, 'ready'],
    ])
    await expect.poll(() => two.open).toBe(0)
    expect([one.accepted, two.accepted, three.accepted]).toEqual([1, 1, 1])
    await Promise.all([1, 2, 3, 4].map(() => client.get('a').string()))
    expect([one.names.length > 0, two.names.length, three.names.length > 0]).toEqual([true, 0, true])
    // A new server name is another endpoint, with a connection of its own.
    await client.tls.setEndpoints([{ url: endpoint, serverName: 'localhost' }, three.endpoint])
    await expect.poll(() => [one.accepted, one.open]).toEqual([2, 1])
  })

  it('a list of which nothing is ready changes nothing, and reports why', async () => {
    await using one = await witnessPeer(pki.server)
    const gone = await silentPeer()
    await gone[Symbol.asyncDispose]()
    await using client = await createSecureClient({ endpoints: one.endpoint, credentials: pki.client })
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const report = await client.tls.setEndpoints(gone.endpoint)
      expect(report.findings.map(({ code }) => code)).toEqual(['endpoint/unreachable'])
    }
    expect(client.tls.endpoints.map((each) => [each.endpoint, each.state])).toEqual([[one.endpoint, 'ready']])
    expect(await client.get('a').string()).toBeNull()
    expect(one.accepted).toBe(1)
  })

  it('a client whose endpoints are all down takes the new list', async () => {
    const one = await witnessPeer(pki.server)
    await using two = await witnessPeer(pki.server)
    await using client = await createSecureClient({ endpoints: one.endpoint, credentials: pki.client })
    await one[Symbol.asyncDispose]()
    await expect.poll(() => client.tls.endpoints[0]?.state).not.toBe('ready')
    expect((await client.tls.setEndpoints([two.endpoint])).ok).toBe(true)
    expect(await client.get('a').string()).toBeNull()
    // Rotations go on with the new list.
    expect((await client.tls.rotate(pki.issueClient({ subject: 'bob' }))).ok).toBe(true)
    await client.get('a').string()
    expect(two.names.at(-1)).toBe('bob')
  })

  it('refuses a wrong call, and one after the client was closed', async () => {
    await using one = await witnessPeer(pki.server)
    const client = await createSecureClient({ endpoints: one.endpoint, credentials: pki.client })
    await expect(client.tls.setEndpoints([])).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    await expect(client.tls.setEndpoints('http://a')).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    await client[Symbol.asyncDispose]()
    await expect(client.tls.setEndpoints(one.endpoint)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
