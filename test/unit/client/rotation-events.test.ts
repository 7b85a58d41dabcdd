/** How events are kept for their consumers, and when credentials are reported to expire. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EventHub, EVENTS_KEPT } from '../../../src/client/base/events.js'
import { Expiry, lifetimeOf } from '../../../src/client/expiry.js'
import type { TlsEvent } from '../../../src/client/index.js'
import { prepare, type ValidatedCredentials } from '../../../src/client/base/validated-credentials.js'
import { mintedCredentials } from '../../support/etcd.js'
import { mintCa, mintLeaf, type MintLeafOptions } from '../../support/mint.js'

describe('a consumer of events', () => {
  let hub: EventHub
  beforeEach(() => {
    hub = new EventHub()
  })

  function numbered(number: number): TlsEvent {
    return { type: 'source-failed', at: new Date(0), origin: String(number), error: new Error(), retryIn: 0 }
  }

  function emit(...numbers: number[]): void {
    for (const each of numbers) hub.emit(numbered(each))
  }

  async function next(events: AsyncIterator<TlsEvent, undefined>): Promise<string> {
    const { value } = await events.next()
    if (value?.type === 'events-missed') return `${String(value.count)} missed`
    return value?.type === 'source-failed' ? value.origin : 'done'
  }

  it('delivers each event in order, also the events between two calls of next(), and then the end', async () => {
    const events = hub.consume(numbered(0))
    emit(1)
    expect([await next(events), await next(events)]).toEqual(['0', '1'])
    const waiting = [next(events), next(events), next(events)]
    emit(2, 3)
    hub.end()
    expect(await Promise.all(waiting)).toEqual(['2', '3', 'done'])
    expect(await next(hub.consume(null))).toBe('done')
  })

  it('delivers unread events before the end', async () => {
    const events = hub.consume(null)
    emit(1)
    hub.end()
    emit(2)
    expect([await next(events), await next(events)]).toEqual(['1', 'done'])
  })

  it('drops the oldest events of a slow consumer, reports their number, and delays no other consumer', async () => {
    const [slow, quick] = [hub.consume(null), hub.consume(null)]
    for (let i = 0; i < EVENTS_KEPT + 3; i += 1) {
      emit(i)
      expect(await next(quick)).toBe(String(i))
    }
    expect(await next(slow)).toBe('3 missed')
    for (let i = 3; i < EVENTS_KEPT + 3; i += 1) expect(await next(slow)).toBe(String(i))
    emit(1000)
    expect(await next(slow)).toBe('1000')
  })

  it('delivers nothing to a consumer that has ended its loop', async () => {
    const events = hub.consume(null)
    emit(1, 2)
    for await (const event of events) if (event.type === 'source-failed') break
    emit(3)
    expect(await next(events)).toBe('done')
    const other = hub.consume(null)
    const waiting = next(other)
    await other.return?.()
    expect(await waiting).toBe('done')
  })
})

describe('the expiry of credentials', () => {
  const BEGIN = Date.UTC(2030, 0, 1)
  const HOUR = 3_600_000
  /** From the begin, less the second of notAfter, which belongs to the lifetime. */
  const lasting = (hours: number) => ({
    notBefore: new Date(BEGIN),
    notAfter: new Date(BEGIN + hours * HOUR - 1000),
  })
  const tls = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: null, revocation: 'if-listed' } as const
  const root = mintCa({ subject: 'Root', ...lasting(1000) })

  function validated(dates: Pick<MintLeafOptions, 'notBefore' | 'notAfter'> = lasting(30)): ValidatedCredentials {
    const leaf = mintLeaf({ subject: 'alice', usages: ['clientAuth'], issuer: root, ...dates })
    return prepare(mintedCredentials({ leaf, trust: [root] }), tls)
  }

  let events: { hours: number; what: string }[] = []
  let expiry: Expiry

  beforeEach(() => {
    vi.useFakeTimers({ now: BEGIN, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    events = []
    expiry = new Expiry(({ fraction: what }) => {
      events.push({ hours: (Date.now() - BEGIN) / HOUR, what })
    })
  })
  afterEach(() => {
    expiry.stop()
    vi.useRealTimers()
  })
  const reported = (): string[] => events.map(({ hours, what }) => `${String(hours)} h: ${what}`)

  it('reports the expiry at two thirds and nine tenths, then at falling intervals down to a minute, and every ten minutes after it', () => {
    expiry.follow(lifetimeOf(validated()))
    expect(expiry.reached).toBeNull()
    vi.advanceTimersByTime(31 * HOUR)
    expect(reported().slice(0, 4)).toEqual(['20 h: 2/3', '27 h: 9/10', '28.5 h: 9/10', '29.25 h: 9/10'])
    const before = events.filter(({ what }) => what !== 'expired')
    const pauses = before.slice(1).map(({ hours }, i) => hours - (before[i]?.hours ?? 0))
    expect(pauses.length).toBeGreaterThan(6)
    expect([...pauses].sort((a, b) => b - a)).toEqual(pauses)
    expect(Math.min(...pauses) * 60).toBeGreaterThanOrEqual(1)
    const after = events.filter(({ what }) => what === 'expired').map(({ hours }) => Math.round(hours * 60))
    expect(after).toEqual([0, 10, 20, 30, 40, 50, 60].map((minutes) => 1800 + minutes))
    const certificate = { role: 'leaf', subject: 'CN=alice' }
    expect(expiry.reached).toMatchObject({
      fraction: 'expired',
      certificate,
      dates: { notAfter: lasting(30).notAfter },
    })
  })

  it('reports the last event that was already due at once', () => {
    vi.setSystemTime(BEGIN + 28 * HOUR)
    expiry.follow(lifetimeOf(validated()))
    expect(reported()).toEqual(['28 h: 9/10'])
    expect(expiry.reached).toMatchObject({ fraction: '9/10' })
  })

  it('reports the expiry within an hour if the clock was set or the machine slept', () => {
    expiry.follow(lifetimeOf(validated()))
    vi.setSystemTime(BEGIN + 29 * HOUR)
    vi.advanceTimersByTime(HOUR)
    expect(reported()).toEqual(['30 h: expired'])
  })

  it('reports the expiry at once if the clock is set to the last day that a Date has', () => {
    expiry.follow(lifetimeOf(validated()))
    vi.setSystemTime(8.64e15)
    expect(expiry.reached).toMatchObject({ fraction: 'expired' })
    vi.advanceTimersByTime(HOUR)
    expect(reported().length).toBeGreaterThan(0)
    expect(events.at(-1)?.what).toBe('expired')
  })

  it('reports the expiry of the new credentials after a rotation', () => {
    expiry.follow(lifetimeOf(validated()))
    vi.advanceTimersByTime(21 * HOUR)
    expiry.follow(lifetimeOf(validated(lasting(60))))
    expect(expiry.reached).toBeNull()
    vi.advanceTimersByTime(34 * HOUR)
    expect(reported()).toEqual(['20 h: 2/3', '40 h: 2/3', '54 h: 9/10'])
  })

  it('reports the certificate of the path that expires first', () => {
    const short = mintCa({ subject: 'Short', issuer: root, ...lasting(3) })
    const leaf = mintLeaf({ subject: 'alice', usages: ['clientAuth'], issuer: short, ...lasting(30) })
    expiry.follow(lifetimeOf(prepare(mintedCredentials({ leaf, intermediates: [short], trust: [root] }), tls)))
    vi.advanceTimersByTime(3 * HOUR)
    expect(reported().slice(0, 2)).toEqual(['2 h: 2/3', '2.7 h: 9/10'])
    expect(reported().at(-1)).toBe('3 h: expired')
    expect(expiry.reached).toMatchObject({ certificate: { role: 'intermediate', subject: 'CN=Short' } })
  })

  it('reports nothing, and leaves no timer, after it was stopped', () => {
    expiry.follow(lifetimeOf(validated()))
    expiry.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})
