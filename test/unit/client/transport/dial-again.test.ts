/** A server that answers with alert 80 is waited for, and only within the dial time-out. */
import { describe, expect, it } from 'vitest'
import { createSecureClient } from '../../../../src/client/index.js'
import { mintPki } from '../../../support/etcd.js'
import { alertingPeer, emptyAnswer, grpcPeer, proxyTo, serverTls, silentPeer } from '../../../support/peers.js'
import { errorCodes, refused } from '../../../support/refused.js'
import { OwnTime } from '../../../support/own-time.js'

const pki = mintPki()

describe('alert 80', () => {
  it('is waited out', async () => {
    await using broken = await alertingPeer(80)
    await using good = await grpcPeer(serverTls(pki.server), emptyAnswer)
    await using proxy = await proxyTo(() => (proxy.accepted < 4 ? broken.port : good.port))
    await using client = await createSecureClient({ endpoints: proxy.endpoint, credentials: pki.client })
    expect(client.tls.endpoints[0]?.state).toBe('ready')
    expect(broken.accepted).toBeGreaterThan(1)
  })

  it('is reported if it persists, within the dial time-out', async () => {
    await using broken = await alertingPeer(80)
    using clock = new OwnTime()
    const attempt = createSecureClient({ endpoints: broken.endpoint, credentials: pki.client, dialTimeout: '600ms' })
    const { details } = await refused(attempt, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['handshake/failed'])
    expect(clock.elapsed).toBeLessThan(1200)
    expect(broken.accepted).toBeGreaterThan(2)
  })

  it('ends at once on the signal', async () => {
    await using broken = await alertingPeer(80)
    await using silent = await silentPeer()
    const give = new AbortController()
    const attempt = createSecureClient({
      endpoints: [broken.endpoint, silent.endpoint],
      credentials: pki.client,
      dialTimeout: '60s',
      signal: give.signal,
    })
    await expect.poll(() => broken.accepted).toBeGreaterThan(2)
    give.abort(new Error('enough'))
    await expect(attempt).rejects.toThrow('enough')
    await expect.poll(() => broken.open + silent.open).toBe(0)
  })
})
