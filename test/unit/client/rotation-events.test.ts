/** How events are kept for those who take them, and when credentials are said to expire. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { prepare, type ValidatedCredentials } from '../../../src/client/validated-credentials.js'
import { EventHub, EVENTS_KEPT, Expiry } from '../../../src/client/events.js'
import type { TlsEvent } from '../../../src/client/index.js'
import { mintedCredentials } from '../../support/etcd.js'
import { mintCa, mintLeaf } from '../../support/mint.js'

/** An event that can be told from others. */
function numbered(number: number): TlsEvent {
  return { type: 'source-failed', at: new Date(0), origin: String(number), error: new Error(), retryIn: 0 }
}

function numberOf(result: IteratorResult<TlsEvent, undefined>): string {
  if (result.done === true) return 'done'
  const { value } = result
  if (value.type === 'events-missed') return `${String(value.count)} missed`
  return value.type === 'source-failed' ? value.origin : value.type
}

describe('consumers', () => {
  it('nothing is lost between two next(), and every next() is answered in turn', async () => {
    const hub = new EventHub()
    const events = hub.consume(null)
    hub.emit(numbered(1))
    hub.emit(numbered(2))
    expect([numberOf(await events.next()), numberOf(await events.next())]).toEqual(['1', '2'])
    const waiting = [events.next(), events.next(), events.next()]
    hub.emit(numbered(3))
    hub.emit(numbered(4))
    hub.end()
    expect((await Promise.all(waiting)).map(numberOf)).toEqual(['3', '4', 'done'])
  })

  it('what is kept at the end is taken before it', async () => {
    const hub = new EventHub()
    const events = hub.consume(numbered(0))
    hub.emit(numbered(1))
    hub.end()
    hub.emit(numbered(2))
    const told: string[] = []
    for await (const event of events) told.push(numberOf({ done: false, value: event }))
    expect(told).toEqual(['0', '1'])
    expect(numberOf(await hub.consume(null).next())).toBe('done')
  })

  it('a slow one loses the oldest, gets their number, and delays no other consumer', async () => {
    const hub = new EventHub()
    const [slow, quick] = [hub.consume(null), hub.consume(null)]
    for (let i = 0; i < EVENTS_KEPT + 3; i += 1) {
      hub.emit(numbered(i))
      expect(numberOf(await quick.next())).toBe(String(i))
    }
    expect(numberOf(await slow.next())).toBe('3 missed')
    for (let i = 3; i < EVENTS_KEPT + 3; i += 1) expect(numberOf(await slow.next())).toBe(String(i))
    hub.emit(numbered(1000))
    expect(numberOf(await slow.next())).toBe('1000')
  })

  it('one that leaves receives no more', async () => {
    const hub = new EventHub()
    const events = hub.consume(null)
    hub.emit(numbered(1))
    hub.emit(numbered(2))
    const told: string[] = []
    for await (const event of events) {
      told.push(numberOf({ done: false, value: event }))
      if (told.length === 1) break
    }
    expect(told).toEqual(['1'])
    hub.emit(numbered(3))
    expect(numberOf(await events.next())).toBe('done')
    const other = hub.consume(null)
    const waiting = other.next()
    await other.return?.()
    expect(numberOf(await waiting)).toBe('done')
  })
})

describe('expiry', () => {
  const BEGIN = Date.UTC(2030, 0, 1)
  const HOUR = 3_600_000
  /** Thirty hours, less the second of notAfter, which belongs to them. */
  const dates = { notBefore: new Date(BEGIN), notAfter: new Date(BEGIN + 30 * HOUR - 1000) }
  const root = mintCa({ subject: 'Root', notBefore: new Date(BEGIN), notAfter: new Date(BEGIN + 1000 * HOUR) })

  function validated(options: Partial<Parameters<typeof mintLeaf>[0]> = {}): ValidatedCredentials {
    const leaf = mintLeaf({ subject: 'alice', usages: ['clientAuth'], issuer: root, ...dates, ...options })
    return prepare(mintedCredentials({ leaf, trust: [root] }), {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
      revocation: 'if-listed',
    })
  }

  let told: string[] = []
  let expiry: Expiry

  beforeEach(() => {
    vi.useFakeTimers({ now: BEGIN, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    told = []
    expiry = new Expiry((event) => {
      const hours = (Date.now() - BEGIN) / HOUR
      told.push(`${String(hours)} h: ${event.type === 'credentials-expiring' ? event.fraction : 'expired'}`)
    })
  })

  afterEach(() => {
    expiry.stop()
    vi.useRealTimers()
  })

  it('is reported at two thirds, at nine tenths, and at the end', () => {
    expiry.follow(validated())
    expect(expiry.reached).toBeNull()
    vi.advanceTimersByTime(30 * HOUR)
    expect(told.slice(0, 4)).toEqual(['20 h: 2/3', '27 h: 9/10', '28.5 h: 9/10', '29.25 h: 9/10'])
    expect(told.at(-1)).toBe('30 h: expired')
    expect(expiry.reached).toMatchObject({
      type: 'credentials-expired',
      certificate: { role: 'leaf', subject: 'CN=alice' },
      notAfter: dates.notAfter,
    })
  })

  it('comes again at falling intervals down to a minute, and every ten minutes after the end', () => {
    const times: number[] = []
    expiry = new Expiry(() => times.push(Date.now()))
    expiry.follow(validated())
    vi.advanceTimersByTime(31 * HOUR)
    const before = times.filter((each) => each <= BEGIN + 30 * HOUR)
    const pauses = before.slice(1).map((each, i) => each - (before[i] ?? 0))
    expect(pauses.length).toBeGreaterThan(6)
    expect([...pauses].sort((a, b) => b - a)).toEqual(pauses)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(60_000)
    const after = times.slice(before.length).map((each) => each - BEGIN - 30 * HOUR)
    expect(after).toEqual([1, 2, 3, 4, 5, 6].map((each) => each * 600_000))
  })

  it('a mark that was passed before is reported at once, and only the last one', () => {
    vi.setSystemTime(BEGIN + 28 * HOUR)
    expiry.follow(validated())
    expect(told).toEqual(['28 h: 9/10'])
    expect(expiry.reached).toMatchObject({ type: 'credentials-expiring', fraction: '9/10' })
  })

  it('a clock that is set, or a machine that slept, is noticed within an hour', () => {
    expiry.follow(validated())
    vi.setSystemTime(BEGIN + 29 * HOUR)
    vi.advanceTimersByTime(HOUR)
    expect(told).toEqual(['30 h: expired'])
  })

  it('after a rotation only the new credentials count', () => {
    expiry.follow(validated())
    vi.advanceTimersByTime(21 * HOUR)
    expiry.follow(validated({ notBefore: new Date(BEGIN), notAfter: new Date(BEGIN + 60 * HOUR - 1000) }))
    expect(expiry.reached).toBeNull()
    vi.advanceTimersByTime(34 * HOUR)
    expect(told).toEqual(['20 h: 2/3', '40 h: 2/3', '54 h: 9/10'])
  })

  it('the certificate that ends first counts, whichever it is', () => {
    const short = mintCa({
      subject: 'Short',
      notBefore: new Date(BEGIN),
      notAfter: new Date(BEGIN + 3 * HOUR - 1000),
      issuer: root,
    })
    const leaf = mintLeaf({ subject: 'alice', usages: ['clientAuth'], issuer: short, ...dates })
    const credentials = mintedCredentials({ leaf, intermediates: [short], trust: [root] })
    expiry.follow(
      prepare(credentials, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: null, revocation: 'if-listed' }),
    )
    vi.advanceTimersByTime(3 * HOUR)
    expect(told.slice(0, 2)).toEqual(['2 h: 2/3', '2.7 h: 9/10'])
    expect(told.at(-1)).toBe('3 h: expired')
    expect(expiry.reached).toMatchObject({ certificate: { role: 'intermediate', subject: 'CN=Short' } })
  })

  it('stopped, it emits nothing and leaves no timer', () => {
    expiry.follow(validated())
    expiry.stop()
    expect(vi.getTimerCount()).toBe(0)
    vi.advanceTimersByTime(100 * HOUR)
    expect(told).toEqual([])
  })
})
