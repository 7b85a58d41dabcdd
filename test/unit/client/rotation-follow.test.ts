/** A client that follows its source of credentials, what it reports of it, and what becomes of it as time passes. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  createSecureClient,
  type SecureClientOptions,
  type SecureEtcd3,
  type TlsEvent,
} from '../../../src/client/index.js'
import { validFrom } from '../../../src/client/base/validated-credentials.js'
import type { Credentials, CredentialSource } from '../../../src/credentials/index.js'
import { mintPki } from '../../support/etcd.js'
import { refusingPeer, proxyTo, refuseCall } from '../../support/peers.js'
import { errorCodes, findingOf } from '../../support/refused.js'
import { type RecordingPeer, recordingPeer } from '../../support/recording-peer.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const pki = mintPki()
const other = mintPki('Other root')
const alice = pki.issueClient({ subject: 'alice' })
const bob = pki.issueClient({ subject: 'bob' })
const carol = pki.issueClient({ subject: 'carol' })
/** Of a CA that the servers do not trust. */
const mallory = other.issueClient({ subject: 'mallory' })
const stranger = { ...mallory, trustAnchors: [...mallory.trustAnchors, ...pki.client.trustAnchors] }

/** A source that yields what it is given, and throws an error that it is given. */
class TestSource implements CredentialSource {
  readonly origin = 'test source'
  /** What each watch was passed as what the client has. */
  readonly watches: string[] = []
  readonly signals: AbortSignal[] = []
  readonly #kept: (Credentials | Error)[] = []
  #wake = (): void => undefined

  load(): Promise<Credentials> {
    return Promise.resolve(alice)
  }

  give(...next: (Credentials | Error)[]): void {
    this.#kept.push(...next)
    this.#wake()
  }

  async *watch(signal: AbortSignal, held?: Credentials): AsyncGenerator<Credentials> {
    this.watches.push(String(held?.chain[0].subject))
    this.signals.push(signal)
    for (;;) {
      const next = this.#kept.shift()
      if (next instanceof Error) throw next
      if (next !== undefined) yield next
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

function connect(
  peer: Pick<RecordingPeer, 'endpoint'>,
  source: CredentialSource | Credentials,
  options: Partial<SecureClientOptions> = {},
): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: peer.endpoint, credentials: source, dialTimeout: '20s', ...options })
}

/** The next event of this type; those before it are passed over. */
async function next<T extends TlsEvent['type']>(
  events: AsyncIterator<TlsEvent, undefined>,
  type: T,
): Promise<Extract<TlsEvent, { type: T }>> {
  for (;;) {
    const { value } = await events.next()
    if (value === undefined) throw new Error(`It ended before ${type}`)
    if (isOf(value, type)) return value
  }
}

function isOf<T extends TlsEvent['type']>(event: TlsEvent, type: T): event is Extract<TlsEvent, { type: T }> {
  return event.type === type
}

describe('a source that can be watched', () => {
  it('switches to credentials that the source yields, and reports it, unless they are in use already', async () => {
    await using peer = await recordingPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give(alice, { ...alice, chain: [...alice.chain], origin: 'read again' }, bob)
    expect(await next(events, 'rotated')).toMatchObject({ report: { ok: true, path: [{ subject: 'CN=bob' }, {}] } })
    expect(peer.accepted).toBe(2)
    await client.get('a').string()
    expect(peer.names).toEqual(['bob'])
    await expect.poll(() => peer.open).toBe(1)
    // Another trust alone is a change.
    source.give({ ...bob, trustAnchors: [...bob.trustAnchors, ...other.client.trustAnchors] })
    await next(events, 'rotated')
    expect(peer.accepted).toBe(3)
  })

  it('uses only the last of several credentials that are yielded in a burst', async () => {
    await using peer = await recordingPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give(bob)
    await expect.poll(() => peer.accepted).toBe(2)
    source.give(bob, carol, bob, carol, alice, carol)
    await expect.poll(() => client.tls.report.path[0]?.subject).toBe('CN=carol')
    await client[Symbol.asyncDispose]()
    const seen: string[] = []
    for await (const event of events) if (event.type === 'rotated') seen.push(event.report.path[0]?.subject ?? '')
    expect(seen.at(-1)).toBe('CN=carol')
    expect(seen.length).toBeLessThanOrEqual(3)
  })

  it('reports a source whose watch fails, and watches it again from its last credentials', async () => {
    await using peer = await recordingPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give(bob)
    await next(events, 'rotated')
    source.give(new Error('inotify is gone'))
    const event = await next(events, 'source-failed')
    expect(event).toMatchObject({ origin: 'test source', error: { message: 'inotify is gone' } })
    expect(event.retryIn).toBeGreaterThanOrEqual(500)
    expect(event.retryIn).toBeLessThanOrEqual(1000)
    await client.get('a').string()
    expect(source.watches).toEqual(['CN=alice'])
    await expect.poll(() => source.watches).toEqual(['CN=alice', 'CN=bob'])
    // The same credentials again are reported once, and nothing is dialled.
    source.give(bob, bob)
    expect(await next(events, 'source-recovered')).toMatchObject({ origin: 'test source', changed: false })
    expect(peer.accepted).toBe(2)
    source.give(new Error('gone'))
    await next(events, 'source-failed')
    source.give(carol)
    expect(await events.next()).toMatchObject({ value: { type: 'source-recovered', changed: true } })
    await next(events, 'rotated')
  })

  it('tries credentials again that no endpoint accepts, and uses them when one does', async () => {
    await using old = await recordingPeer(pki.server)
    await using renewed = await recordingPeer(pki.server, { trust: stranger })
    let target = old.port
    await using proxy = await proxyTo(() => target)
    const source = new TestSource()
    await using client = await connect(proxy, source)
    const events = client.tls.events()
    source.give(stranger)
    const { report } = await next(events, 'rotation-refused')
    expect(report.findings[0].code).toBe('rotation/not-verified')
    await client.get('a').string()
    target = renewed.port
    await next(events, 'rotated')
    await client.get('a').string()
    expect([old.names, renewed.names]).toEqual([['alice'], ['mallory']])
  })

  it('does not try refused credentials again after a call of rotate()', async () => {
    await using peer = await recordingPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give(stranger)
    await next(events, 'rotation-refused')
    expect((await client.tls.rotate()).ok).toBe(true)
    await next(events, 'rotated')
    source.give(bob)
    await next(events, 'rotated')
    await client[Symbol.asyncDispose]()
    for await (const event of events) expect(event.type).not.toBe('rotation-refused')
  })

  it('does not watch the source with rotation: "off"', async () => {
    await using peer = await recordingPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source, { rotation: 'off' })
    source.give(bob)
    await client.get('a').string()
    expect(source.watches).toEqual([])
    expect((await client.tls.rotate(bob)).ok).toBe(true)
  })

  it('follows the source that rotate() is called with, and aborts its signal when the client closes', async () => {
    await using peer = await recordingPeer(pki.server)
    const [first, second] = [new TestSource(), new TestSource()]
    const client = await connect(peer, first)
    expect((await client.tls.rotate(second)).ok).toBe(true)
    expect([first.signals[0]?.aborted, second.signals[0]?.aborted]).toEqual([true, false])
    const events = client.tls.events()
    first.give(bob)
    second.give(carol)
    expect(await next(events, 'rotated')).toMatchObject({ report: { path: [{ subject: 'CN=carol' }, {}] } })
    second.give(bob)
    await client[Symbol.asyncDispose]()
    second.give(carol, new Error('too late'))
    expect(second.signals[0]?.aborted).toBe(true)
    await expect.poll(() => peer.open).toBe(0)
  })
})

describe('events', () => {
  it('reports an endpoint that is lost and comes back, and once one that stays away', async () => {
    await using peer = await recordingPeer(pki.server)
    const proxy = await proxyTo(peer.port)
    await using client = await connect(proxy, new TestSource())
    const events = client.tls.events()
    const seen = async (): Promise<string[]> => {
      const { status } = await next(events, 'endpoint-changed')
      return [status.endpoint, status.state, ...status.findings.map((each) => each.code)]
    }
    proxy.cut()
    expect(await seen()).toEqual([proxy.endpoint, 'failed', 'endpoint/lost'])
    expect(await seen()).toEqual([proxy.endpoint, 'ready'])
    await proxy[Symbol.asyncDispose]()
    expect((await seen())[2]).toBe('endpoint/lost')
    expect((await seen())[2]).toBe('endpoint/unreachable')
    await client.tls.probe()
    await client.tls.probe()
    await client.tls.rotate(bob)
    expect(await next(events, 'rotated')).toMatchObject({ report: { findings: [{ code: 'rotation/not-verified' }] } })
    await client[Symbol.asyncDispose]()
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  it('reports a login that fails, without the password', async () => {
    await using peer = await recordingPeer(pki.server, {
      onCall: (stream) => {
        refuseCall(stream, 3, 'etcdserver: authentication failed, invalid user ID or password')
      },
    })
    const auth = { username: 'alice', password: 'secret' }
    await using client = await connect(peer, new TestSource(), { auth, preflight: 'none' })
    const events = client.tls.events()
    await expect(client.get('a').string()).rejects.toThrow()
    const event = await next(events, 'login-failed')
    expect(event).toMatchObject({ username: 'alice', refused: true })
    expect(JSON.stringify(event) + String(event.error.stack)).not.toContain('secret')
  })
})

describe('a certificate that expires while the client runs', () => {
  const soon = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + HOUR) }

  /** Sets the clock of this process, not that of OpenSSL and of timers. */
  function setClock(offset: number): void {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + offset })
  }
  afterEach(() => {
    vi.useRealTimers()
  })

  it('reports an expired certificate as the cause of the refusal, and no clock', async () => {
    await using etcd = await recordingPeer(pki.server)
    await using refusing = await refusingPeer(pki.server, 45)
    let port = etcd.port
    await using proxy = await proxyTo(() => port)
    await using client = await connect(proxy, pki.issueClient(soon))
    expect(client.tls.report.findings[0].code).toBe('validity/expires-soon')
    setClock(2 * HOUR)
    expect(errorCodes(client.tls.report.findings)).toEqual(['validity/expired'])
    port = refusing.port
    proxy.cut()
    const findings = () => client.tls.endpoints[0]?.findings ?? []
    await expect.poll(() => findings().some(({ code }) => code.startsWith('handshake/'))).toBe(true)
    const codes = ['validity/expired', 'handshake/client-certificate-refused']
    for (const report of [await client.tls.probe(), await client.tls.probe()]) {
      expect(report.findings.map(({ code }) => code)).toEqual(codes)
      expect(findingOf(report.findings, 'validity/expired').message).toContain('CN=root')
      const found = findingOf(report.findings, 'handshake/client-certificate-refused')
      expect(found.details).toMatchObject({ alert: 45, validity: { here: 'expired' } })
      expect(found.remedy).not.toContain('clock')
    }
  })

  it('reports a server certificate that expires on an open connection', async () => {
    await using etcd = await recordingPeer(pki.issueServer(soon))
    await using client = await connect(etcd, pki.client)
    expect(client.tls.endpoints[0]?.findings.map(({ code }) => code)).toEqual(['validity/expires-soon'])
    setClock(2 * HOUR)
    expect(client.tls.endpoints[0]).toMatchObject({ state: 'ready', findings: [{ code: 'validity/expired' }] })
  })
})

describe('new credentials that are not valid yet', () => {
  it('uses new credentials when they become valid', async () => {
    await using etcd = await recordingPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(etcd, source)
    const events = client.tls.events()
    // Certificates count whole seconds. They must not be valid yet when the client gets them, also on a busy machine.
    const begin = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000)
    source.give(pki.issueClient({ subject: 'coming', notBefore: begin }))
    expect(errorCodes((await next(events, 'rotation-refused')).report.findings)).toEqual(['validity/not-yet-valid'])
    await next(events, 'rotated')
    expect(client.tls.report.path[0]?.subject).toBe('CN=coming')
  })

  it.each([
    ['that only have not begun', { notBefore: new Date(Date.now() + DAY) }, true],
    ['that are never valid', { notBefore: new Date(Date.now() + DAY), notAfter: new Date(Date.now() + HOUR) }, false],
    ['that are over', { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() - HOUR) }, false],
    ['that have another fault', { notBefore: new Date(Date.now() + DAY), usages: ['serverAuth'] }, false],
  ])('tries refused credentials again only if they become valid later: %s', (_which, options, heals) => {
    const credentials = pki.issueClient(options)
    const begin = credentials.chain[0].notBefore.getTime()
    expect(validFrom(credentials)).toBe(heals ? begin : null)
  })
})
