/** A client that follows its source of credentials, and tells what happens. */
import { describe, expect, it } from 'vitest'
import {
  createSecureClient,
  type SecureClientOptions,
  type SecureEtcd3,
  type TlsEvent,
} from '../../../src/client/index.js'
import type { Credentials, CredentialSource } from '../../../src/credentials/index.js'
import { mintPki } from '../../support/etcd.js'
import { proxyTo, refuseCall } from '../../support/peers.js'
import { type WitnessPeer, witnessPeer } from '../../support/witness-peer.js'

const pki = mintPki()
const other = mintPki('Other root')
const alice = pki.issueClient({ subject: 'alice' })
const bob = pki.issueClient({ subject: 'bob' })
const carol = pki.issueClient({ subject: 'carol' })

/** A source that yields what it is given, and throws when it is told to. */
class TestSource implements CredentialSource {
  readonly origin = 'test source'
  /** What each watch was told that the client has. */
  readonly watches: string[] = []
  readonly signals: AbortSignal[] = []
  #waiting: ((next: Credentials | Error) => void)[] = []
  #kept: (Credentials | Error)[] = []

  load(): Promise<Credentials> {
    return Promise.resolve(alice)
  }

  give(...next: (Credentials | Error)[]): void {
    for (const each of next) {
      const take = this.#waiting.shift()
      if (take === undefined) this.#kept.push(each)
      else take(each)
    }
  }

  async *watch(signal: AbortSignal, held?: Credentials): AsyncGenerator<Credentials> {
    this.watches.push(String(held?.chain[0].subject))
    this.signals.push(signal)
    for (;;) {
      const next =
        this.#kept.shift() ??
        (await new Promise<Credentials | Error>((resolve) => {
          this.#waiting.push(resolve)
        }))
      if (next instanceof Error) throw next
      yield next
    }
  }
}

function connect(
  peer: Pick<WitnessPeer, 'endpoint'>,
  source: CredentialSource,
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
  it('is followed: what it yields comes into use and is reported, unless it is in use already', async () => {
    await using peer = await witnessPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give(alice, { ...alice, chain: [...alice.chain], origin: 'read again' }, bob)
    expect(await next(events, 'rotated')).toMatchObject({ report: { ok: true, path: [{ subject: 'CN=bob' }, {}] } })
    expect(peer.accepted).toBe(2)
    await client.get('a').string()
    expect(peer.names).toEqual(['bob'])
    await expect.poll(() => peer.open).toBe(1)
  })

  it('another trust alone is a change', async () => {
    await using peer = await witnessPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give({ ...alice, trustAnchors: [...alice.trustAnchors, ...other.client.trustAnchors] })
    await next(events, 'rotated')
    expect(peer.accepted).toBe(2)
  })

  it('of a burst only the last one counts', async () => {
    await using peer = await witnessPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give(bob)
    await expect.poll(() => peer.accepted).toBe(2)
    source.give(bob, carol, bob, carol, alice, carol)
    await expect.poll(() => client.tls.report.path[0]?.subject).toBe('CN=carol')
    await client[Symbol.asyncDispose]()
    const told: string[] = []
    for await (const event of events) if (event.type === 'rotated') told.push(event.report.path[0]?.subject ?? '')
    expect(told.at(-1)).toBe('CN=carol')
    expect(told.length).toBeLessThanOrEqual(3)
  })

  it('whose watch fails is reported, and watched again after a while with what it yielded last; the client goes on', async () => {
    await using peer = await witnessPeer(pki.server)
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
    source.give(carol)
    await next(events, 'rotated')
  })

  it('that gives the same again after it failed is reported, once, and nothing is dialled', async () => {
    await using peer = await witnessPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give(new Error('half written'))
    await next(events, 'source-failed')
    source.give(alice)
    expect(await next(events, 'source-recovered')).toMatchObject({ origin: 'test source', changed: false })
    expect(peer.accepted).toBe(1)
    source.give(alice, new Error('gone'))
    await next(events, 'source-failed')
    source.give(bob)
    const told: string[] = []
    for await (const event of events) {
      told.push(event.type === 'source-recovered' ? `recovered, changed: ${String(event.changed)}` : event.type)
      if (event.type === 'rotated') break
    }
    expect(told).toEqual(['recovered, changed: true', 'rotated'])
  })

  it('what no endpoint accepts yet is tried again, and used once one does', async () => {
    await using old = await witnessPeer(pki.server)
    const mallory = other.issueClient({ subject: 'mallory' })
    const both = { ...mallory, trustAnchors: [...mallory.trustAnchors, ...pki.client.trustAnchors] }
    await using renewed = await witnessPeer(pki.server, { trust: both })
    let target = old.port
    await using proxy = await proxyTo(() => target)
    const source = new TestSource()
    await using client = await connect(proxy, source)
    const events = client.tls.events()
    source.give(both)
    const { report } = await next(events, 'rotation-refused')
    expect(report.findings[0].code).toBe('rotation/not-verified')
    await client.get('a').string()
    target = renewed.port
    await next(events, 'rotated')
    await client.get('a').string()
    expect([old.names, renewed.names]).toEqual([['alice'], ['mallory']])
  })

  it('what was refused is not tried again when a rotation by hand went further', async () => {
    await using peer = await witnessPeer(pki.server)
    const mallory = other.issueClient({ subject: 'mallory' })
    const source = new TestSource()
    await using client = await connect(peer, source)
    const events = client.tls.events()
    source.give({ ...mallory, trustAnchors: [...mallory.trustAnchors, ...pki.client.trustAnchors] })
    await next(events, 'rotation-refused')
    expect((await client.tls.rotate()).ok).toBe(true)
    await next(events, 'rotated')
    source.give(bob)
    await next(events, 'rotated')
    await client[Symbol.asyncDispose]()
    for await (const event of events) expect(event.type).not.toBe('rotation-refused')
  })

  it('is left alone with rotation: "off"', async () => {
    await using peer = await witnessPeer(pki.server)
    const source = new TestSource()
    await using client = await connect(peer, source, { rotation: 'off' })
    source.give(bob)
    await client.get('a').string()
    expect(source.watches).toEqual([])
    expect((await client.tls.rotate(bob)).ok).toBe(true)
  })

  it('another one that takes its place is followed instead', async () => {
    await using peer = await witnessPeer(pki.server)
    const [first, second] = [new TestSource(), new TestSource()]
    await using client = await connect(peer, first)
    expect(first.watches).toHaveLength(1)
    expect((await client.tls.rotate(second)).ok).toBe(true)
    expect(first.signals[0]?.aborted).toBe(true)
    expect(second.watches).toHaveLength(1)
    const events = client.tls.events()
    first.give(bob)
    second.give(carol)
    expect(await next(events, 'rotated')).toMatchObject({ report: { path: [{ subject: 'CN=carol' }, {}] } })
    expect((await client.tls.rotate(alice)).ok).toBe(true)
    expect(second.signals[0]?.aborted).toBe(true)
  })

  it('is notified when the client closes, and what it yields then is ignored', async () => {
    await using peer = await witnessPeer(pki.server)
    const source = new TestSource()
    const client = await connect(peer, source)
    source.give(bob)
    await client[Symbol.asyncDispose]()
    source.give(carol, new Error('too late'))
    expect(source.signals[0]?.aborted).toBe(true)
    await expect.poll(() => peer.open).toBe(0)
  })
})

describe('events', () => {
  it('tell of an endpoint that is lost and comes back', async () => {
    await using peer = await witnessPeer(pki.server)
    await using client = await connect(peer, new TestSource())
    const events = client.tls.events()
    peer.cut()
    expect(await next(events, 'endpoint-changed')).toMatchObject({
      status: { endpoint: peer.endpoint, state: 'failed', findings: [{ code: 'endpoint/lost' }] },
    })
    expect(await next(events, 'endpoint-changed')).toMatchObject({ status: { state: 'ready', findings: [] } })
  })

  it('tell once of an endpoint that stays away', async () => {
    await using peer = await witnessPeer(pki.server)
    const proxy = await proxyTo(peer.port)
    await using client = await connect(proxy, new TestSource())
    const events = client.tls.events()
    await proxy[Symbol.asyncDispose]()
    const codes = async (): Promise<string[]> => {
      const { status } = await next(events, 'endpoint-changed')
      return status.findings.map((each) => each.code)
    }
    expect([await codes(), await codes()]).toEqual([['endpoint/lost'], ['endpoint/unreachable']])
    await client.tls.probe()
    await client.tls.probe()
    await client.tls.rotate(bob)
    expect(await next(events, 'rotated')).toMatchObject({ report: { findings: [{ code: 'rotation/not-verified' }] } })
    await client[Symbol.asyncDispose]()
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  it('tell of a log-in that fails', async () => {
    await using peer = await witnessPeer(pki.server, {
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
