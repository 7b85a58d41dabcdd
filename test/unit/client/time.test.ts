/** A client over the end of its own certificate, and a new certificate that has not begun. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { healsAt } from '../../../src/client/validated-credentials.js'
import { createSecureClient, type SecureEtcd3, type TlsEvent } from '../../../src/client/index.js'
import type { Credentials, CredentialSource } from '../../../src/credentials/index.js'
import { mintPki } from '../../support/etcd.js'
import { alertingPeer, proxyTo } from '../../support/peers.js'
import { errorCodes, findingOf } from '../../support/refused.js'
import { witnessPeer } from '../../support/witness-peer.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const pki = mintPki()

afterEach(() => {
  vi.useRealTimers()
})

/** Sets the clock of this process, not that of OpenSSL and of timers. */
function setClock(offset: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + offset })
}

async function untilFailed({ tls }: SecureEtcd3): Promise<void> {
  await expect.poll(() => tls.endpoints[0]?.findings.some(({ code }) => code.startsWith('handshake/'))).toBe(true)
}

describe('the own certificate comes to its end while the client runs', () => {
  const short = pki.issueClient({ notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + HOUR) })

  it('is the cause of the refusal, and no clock is blamed', async () => {
    await using etcd = await witnessPeer(pki.server)
    await using refusing = await alertingPeer(45)
    let port = etcd.port
    await using proxy = await proxyTo(() => port)
    await using client = await createSecureClient({ endpoints: proxy.endpoint, credentials: short })
    expect(client.tls.report.findings[0].code).toBe('validity/expires-soon')
    setClock(2 * HOUR)
    expect(errorCodes(client.tls.report.findings)).toEqual(['validity/expired'])
    port = refusing.port
    proxy.cut()
    await untilFailed(client)
    for (const report of [await client.tls.probe(), await client.tls.probe()]) {
      expect(report.findings.map(({ code }) => code)).toEqual([
        'validity/expired',
        'handshake/client-certificate-refused',
      ])
      expect(findingOf(report.findings, 'validity/expired').message).toContain('CN=root')
      const found = findingOf(report.findings, 'handshake/client-certificate-refused')
      expect(found.details).toMatchObject({ alert: 45, validity: { here: 'expired' } })
      expect(found.remedy).not.toContain('clock')
    }
  })

  it('a server certificate that comes to its end on an open connection is reported', async () => {
    const dates = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + HOUR) }
    await using etcd = await witnessPeer(pki.issueServer(dates))
    await using client = await createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client })
    expect(client.tls.endpoints[0]?.findings.map(({ code }) => code)).toEqual(['validity/expires-soon'])
    setClock(2 * HOUR)
    expect(client.tls.endpoints[0]).toMatchObject({ state: 'ready', findings: [{ code: 'validity/expired' }] })
  })
})

describe('new credentials that are not valid yet', () => {
  it('come into use when their time comes', async () => {
    await using etcd = await witnessPeer(pki.server)
    // Certificates count whole seconds.
    const begin = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000)
    const coming = pki.issueClient({ subject: 'coming', notBefore: begin })
    const source: CredentialSource = {
      origin: 'test source',
      load: () => Promise.resolve(pki.client),
      async *watch(signal): AsyncGenerator<Credentials> {
        yield coming
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve)
        })
      },
    }
    await using client = await createSecureClient({ endpoints: etcd.endpoint, credentials: source })
    const events = client.tls.events()
    const told: TlsEvent[] = []
    for await (const event of events) {
      told.push(event)
      if (event.type === 'rotated') break
    }
    const [refused] = told
    expect(told.map(({ type }) => type)).toEqual(['rotation-refused', 'rotated'])
    expect(refused?.type === 'rotation-refused' && errorCodes(refused.report.findings)).toEqual([
      'validity/not-yet-valid',
    ])
    expect(client.tls.report.path[0]?.subject).toBe('CN=coming')
  })

  it.each([
    ['that only have not begun', { notBefore: new Date(Date.now() + DAY) }, true],
    ['that never are valid', { notBefore: new Date(Date.now() + DAY), notAfter: new Date(Date.now() + HOUR) }, false],
    ['that are over', { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() - HOUR) }, false],
    ['that have another fault, too', { notBefore: new Date(Date.now() + DAY), usages: ['serverAuth'] }, false],
  ])('are looked at again only if time can heal them: %s', (_which, options, heals) => {
    const credentials = pki.issueClient(options)
    const begin = credentials.chain[0].notBefore.getTime()
    expect(healsAt(credentials)).toBe(heals ? begin : null)
  })
})
