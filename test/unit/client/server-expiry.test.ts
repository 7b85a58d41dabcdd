/** Events about the certificates that servers present. */
import { expect, it } from 'vitest'
import { firstToExpire } from '../../../src/client/expiry.js'
import type { TlsEvent } from '../../../src/client/index.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { grpcPeer, proxyTo } from '../../support/peers.js'

const pki = mintPki()
const connect = connector({ credentials: pki.client })
const SECOND = 1000

/** A server's credentials with a lifetime that began and ends so many seconds from now. */
function lasting(from: number, to: number) {
  const now = Date.now()
  return pki.issueServer({ notBefore: new Date(now + from * SECOND), notAfter: new Date(now + to * SECOND) })
}

type ServerEvent = Extract<TlsEvent, { type: `server-certificate-${string}` }>

function recorder(): { events: ServerEvent[]; onEvent: (event: TlsEvent) => void } {
  const events: ServerEvent[] = []
  const onEvent = (event: TlsEvent): void => {
    if (event.type === 'server-certificate-expiring' || event.type === 'server-certificate-expired') events.push(event)
  }
  return { events, onEvent }
}

it('reports the certificate of a server when most of its lifetime is over, and when it has expired', async () => {
  await using peer = await grpcPeer(lasting(-600, 5))
  const { events, onEvent } = recorder()
  await using client = await connect([peer], { onEvent })
  await expect.poll(() => events.map(({ type }) => type)).toContain('server-certificate-expired')
  expect(events[0]).toMatchObject({ type: 'server-certificate-expiring', fraction: '9/10', endpoint: peer.endpoint })
  for (const { certificate, notAfter, endpoint } of events) {
    expect([endpoint, certificate.subject, certificate.notAfter]).toEqual([peer.endpoint, 'CN=etcd', notAfter])
  }
  expect(client.tls.endpoints[0]?.findings.map(({ code }) => code)).toContain('validity/expired')
})

it('reports nothing if the server presents a renewed certificate at the next handshake, and uses that connection', async () => {
  await using old = await grpcPeer(lasting(-600, 300))
  await using renewed = await grpcPeer(pki.server)
  let dials = 0
  await using proxy = await proxyTo(() => ((dials += 1) === 1 ? old.port : renewed.port))
  const { events, onEvent } = recorder()
  await using client = await connect([proxy], { onEvent })
  await expect.poll(() => client.tls.endpoints[0]?.path?.[0]?.fingerprint256).toBe(pki.server.chain[0].fingerprint256)
  expect([events, dials]).toEqual([[], 2])
  expect(await client.get('a').string()).toBeNull()
})

it('dials once, and reports the certificate, if each handshake presents another one that is about to expire', async () => {
  await using first = await grpcPeer(lasting(-6000, 300))
  await using second = await grpcPeer(lasting(-6000, 301))
  let dials = 0
  await using proxy = await proxyTo(() => ((dials += 1) % 2 === 1 ? first.port : second.port))
  const { events, onEvent } = recorder()
  await using client = await connect([proxy], { onEvent })
  await expect.poll(() => events.length).toBe(1)
  expect(dials).toBe(2)
  expect(await client.get('a').string()).toBeNull()
  expect([events.length, dials]).toEqual([1, 2])
})

it('follows no certificate if a path is empty', () => {
  expect(firstToExpire([], [])).toBeNull()
})
