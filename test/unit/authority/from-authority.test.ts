/** Credentials that renew themselves: by hand-moved clocks, with authorities that fail, hang and end. */
import { getEventListeners } from 'node:events'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { authoritySource } from '../../../src/authority/authority-source.js'
import {
  type Authority,
  createAuthority,
  fromAuthority,
  type IssueRequest,
  type Ledger,
} from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import type { Credentials, WatchableSource } from '../../../src/credentials/credentials.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { childModules } from '../../support/child-modules.js'
import { handClock, type HandClock } from '../../support/hand-clock.js'

const HOUR = 3_600_000
const EXACT = { jitter: 0 }

interface Bench {
  clock: HandClock
  authority: Authority
  source: WatchableSource
  /** Entries that the ledger received, of end-entity certificates only. */
  issued: () => Promise<number>
  /** While set, every certificate is refused with it. */
  trouble: Error | null
  /** While set, nothing is answered. */
  hangs: boolean
  /** How often the authority was asked. */
  asked: number
}

async function bench(
  request: Partial<IssueRequest> = {},
  options: Parameters<typeof fromAuthority>[2] = EXACT,
  caValidity = '3650d',
): Promise<Bench> {
  const clock = handClock()
  const ledger = memoryLedger()
  const noted: string[] = []
  const state = { trouble: null as Error | null, hangs: false, asked: 0 }
  const watched: Ledger = {
    read: () => ledger.read(),
    append: async (entries) => {
      if (entries.some((each) => each.kind === 'issued' && each.role === 'ca')) return
      state.asked += 1
      if (state.hangs) await new Promise(() => undefined)
      if (state.trouble !== null) throw state.trouble
      for (const each of entries) noted.push(each.kind)
    },
  }
  const authority = await createAuthority({ name: 'CA', clock: clock.now, ledger: watched, validity: caValidity })
  const wanted = { role: 'client', name: 'alice', validity: '3h', ...request } as IssueRequest
  const source = authoritySource(authority.issuer, wanted, options, clock)
  return Object.assign(state, { clock, authority, source, issued: async () => Promise.resolve(noted.length) })
}

/** Reads a watch in the background. */
function follow(source: WatchableSource, held?: Credentials, controller = new AbortController()) {
  const got: Credentials[] = []
  const errors: unknown[] = []
  const run = async (): Promise<void> => {
    try {
      for await (const each of source.watch(controller.signal, held)) got.push(each)
    } catch (error) {
      errors.push(error)
    }
  }
  const ended = run()
  return { got, errors, ended, controller, again: run }
}

const serials = (list: readonly Credentials[]): string[] => list.map(({ chain }) => chain[0].serialNumber)
/** Once the follower rests again. */
const resting = (clock: HandClock, count = 1): Promise<void> => expect.poll(() => clock.waits.length).toBe(count)

describe('load', () => {
  it('returns the same credentials until two thirds of the lifetime, and then new ones', async () => {
    const { source, clock, issued } = await bench()
    const first = await source.load()
    expect(first.chain[0].subject.toString()).toBe('CN=alice')
    clock.advance(2 * HOUR - 1000)
    expect((await source.load()).chain[0]).toBe(first.chain[0])
    clock.advance(2000)
    const second = await source.load()
    expect(second.chain[0].serialNumber).not.toBe(first.chain[0].serialNumber)
    expect(second.key.spki).not.toEqual(first.key.spki)
    expect(second.chain[0].notAfter.toISOString()).toBe('2026-06-01T05:00:01.000Z')
    expect(await issued()).toBe(2)
  })

  it('shares one certificate among concurrent calls, with separate lists', async () => {
    const { source, issued } = await bench()
    const all = await Promise.all(Array.from({ length: 50 }, () => source.load()))
    expect(new Set(serials(all)).size).toBe(1)
    all[0]?.trustAnchors.pop()
    expect((await source.load()).trustAnchors).toHaveLength(1)
    expect(await issued()).toBe(1)
  })

  it.each([
    [0, 2 * HOUR - 0.1 * HOUR],
    [0.5, 2 * HOUR],
    [1, 2 * HOUR + 0.1 * HOUR],
  ])('moves renewal by a tenth of the rest of the lifetime: %d', async (random, due) => {
    const { source, clock, issued } = await bench({}, { random: () => random })
    await source.load()
    // The second of notAfter counts to the lifetime.
    clock.advance(due - 1000)
    await source.load()
    expect(await issued()).toBe(1)
    clock.advance(3000)
    await source.load()
    expect(await issued()).toBe(2)
  })

  it('returns the old credentials while the authority fails, as long as they are valid', async () => {
    const it = await bench()
    const first = await it.source.load()
    it.trouble = new Error('the store is away')
    it.clock.advance(2.5 * HOUR)
    expect(serials([await it.source.load()])).toEqual(serials([first]))
    expect(it.asked).toBe(2)
    // Not asked again at once.
    await it.source.load()
    expect(it.asked).toBe(2)
    it.clock.advance(HOUR)
    await expect(it.source.load()).rejects.toThrow('the store is away')
    await expect(it.source.load()).rejects.toThrow('the store is away')
    it.trouble = null
    expect(serials([await it.source.load()])).not.toEqual(serials([first]))
  })

  it('does not wait for an authority that hangs while the old credentials are valid', async () => {
    const it = await bench()
    const first = await it.source.load()
    it.hangs = true
    it.clock.advance(2.5 * HOUR)
    const loading = it.source.load()
    await expect.poll(() => it.asked).toBe(2)
    await expect.poll(() => it.clock.waits.toSorted((a, b) => a - b)).toEqual([5000, 60_000])
    it.clock.advance(5000)
    expect(serials([await loading])).toEqual(serials([first]))
    it.clock.advance(55_000)
    await resting(it.clock, 0)
    it.hangs = false
    it.clock.advance(1000)
    expect(serials([await it.source.load()])).not.toEqual(serials([first]))
  })

  it('stops waiting for the caller whose signal is aborted, and for no other', async () => {
    const it = await bench()
    it.hangs = true
    const controller = new AbortController()
    const loading = it.source.load(controller.signal)
    controller.abort(new Error('enough'))
    await expect(loading).rejects.toThrow('enough')
    await expect(it.source.load(AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

describe('clocks that jump', () => {
  it('recovers after a jump to 1970 and to 2060', async () => {
    const it = await bench()
    const first = await it.source.load()
    it.clock.set(new Date('1970-01-01T00:00:10Z'))
    expect(serials([await it.source.load()])).toEqual(serials([first]))
    it.clock.set(new Date('2060-01-01T00:00:00Z'))
    const error: unknown = await it.source.load().catch((reason: unknown) => reason)
    expect(isEtcdMtlsError(error, 'ERR_ISSUE_REFUSED'), inspect(error)).toBe(true)
    expect(String(error)).toContain('has expired')
    it.clock.set(new Date('2026-06-01T01:00:00Z'))
    expect(serials([await it.source.load()])).toEqual(serials([first]))
    expect(await it.issued()).toBe(1)
  })

  it('replaces credentials that are not valid yet after a jump back', async () => {
    const it = await bench({}, EXACT)
    it.clock.advance(5 * HOUR)
    const first = await it.source.load()
    it.clock.advance(1000)
    it.clock.set(new Date('2026-06-01T01:00:00Z'))
    const second = await it.source.load()
    expect(serials([second])).not.toEqual(serials([first]))
    expect(second.chain[0].notAfter.toISOString()).toBe('2026-06-01T04:00:00.000Z')
  })

  it('notices within a minute that the machine slept', async () => {
    const it = await bench({ validity: '90d' })
    const first = await it.source.load()
    const { got, controller, ended } = follow(it.source)
    await resting(it.clock)
    expect(it.clock.waits).toEqual([60_000])
    it.clock.set(new Date('2026-08-15T00:00:00Z'))
    it.clock.advance(60_000)
    await expect.poll(() => got.length).toBe(1)
    expect(serials(got)).not.toEqual(serials([first]))
    controller.abort()
    await ended
  })
})

describe('watch', () => {
  it('yields each new set, at two thirds of the lifetime, to every consumer', async () => {
    const it = await bench()
    const held = await it.source.load()
    const [one, other] = [follow(it.source, held), follow(it.source)]
    for (let round = 1; round <= 3; round++) {
      for (let part = 0; part < 3; part++) {
        await resting(it.clock, 2)
        it.clock.advance((119 * 60_000) / 3)
      }
      await resting(it.clock, 2)
      expect([one.got.length, other.got.length]).toEqual([round - 1, round - 1])
      it.clock.advance(62_000)
      await expect.poll(() => [one.got.length, other.got.length]).toEqual([round, round])
    }
    expect(serials(one.got)).toEqual(serials(other.got))
    expect(new Set([...serials(one.got), ...serials([held])]).size).toBe(4)
    expect(await it.issued()).toBe(4)
    for (const each of [one, other]) {
      each.controller.abort()
      await each.ended
      expect(getEventListeners(each.controller.signal, 'abort')).toEqual([])
      expect(each.errors).toEqual([])
    }
    expect(it.clock.waits).toEqual([])
  })

  it('reports a failure once, tries again after longer pauses, and yields when it is over', async () => {
    const it = await bench()
    const held = await it.source.load()
    const watching = follow(it.source, held)
    await resting(it.clock)
    it.trouble = new Error('the store is away')
    it.clock.advance(2.5 * HOUR)
    await watching.ended
    expect(watching.errors).toMatchObject([{ code: 'ERR_ISSUE_REFUSED', cause: it.trouble }])
    const again = watching.again()
    const pauses: number[] = []
    for (let tries = it.asked; tries < 12; tries = it.asked) {
      await resting(it.clock)
      const [pause = 0] = it.clock.waits
      pauses.push(pause)
      it.clock.advance(pause)
      await expect.poll(() => it.asked).toBe(tries + 1)
    }
    expect(watching.errors).toHaveLength(1)
    for (const [index, pause] of pauses.entries()) {
      const longest = Math.min(60_000, 1000 * 2 ** index)
      expect(pause).toBeGreaterThanOrEqual(longest / 2)
      expect(pause).toBeLessThanOrEqual(longest)
    }
    await resting(it.clock)
    it.trouble = null
    it.clock.advance(60_000)
    await expect.poll(() => watching.got.length).toBe(1)
    expect(serials(watching.got)).not.toEqual(serials([held]))
    watching.controller.abort()
    await again
    expect(it.clock.waits).toEqual([])
  })

  it('yields the old credentials again after a clock was wrong', async () => {
    const it = await bench()
    const held = await it.source.load()
    const watching = follow(it.source, held)
    await resting(it.clock)
    it.clock.set(new Date('2060-01-01T00:00:00Z'))
    it.clock.advance(60_000)
    await watching.ended
    expect(String(watching.errors[0])).toContain('has expired')
    const again = watching.again()
    await resting(it.clock)
    it.clock.set(new Date('2026-06-01T00:10:00Z'))
    it.clock.advance(60_000)
    await expect.poll(() => serials(watching.got)).toEqual(serials([held]))
    watching.controller.abort()
    await again
  })

  it('does not issue again and again at the end of the authority', async () => {
    const it = await bench({ validity: '3h' }, EXACT, '4h')
    await it.source.load()
    it.clock.advance(2.5 * HOUR)
    const last = await it.source.load()
    expect(last.chain[0].notAfter).toEqual(it.authority.certificate.notAfter)
    const watching = follow(it.source, last)
    await resting(it.clock)
    it.clock.advance(1.2 * HOUR)
    await watching.ended
    expect(String(watching.errors[0])).toContain('as the credentials that it issued do already')
    expect(serials([await it.source.load()])).toEqual(serials([last]))
    expect(await it.issued()).toBe(2)
    it.clock.advance(0.4 * HOUR)
    await expect(it.source.load()).rejects.toThrow('has expired')
  })

  it('ends at once by return and abort, also while it issues', async () => {
    for (const end of ['return', 'abort'] as const) {
      const it = await bench()
      it.hangs = true
      const controller = new AbortController()
      const iterator = it.source.watch(controller.signal)
      const next = iterator.next()
      await expect.poll(() => it.asked).toBe(1)
      if (end === 'abort') controller.abort()
      else await iterator.return?.()
      expect(await next).toEqual({ done: true, value: undefined })
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    }
  })
})

it('lets a process end that only watches a source', async () => {
  using children = await childModules(['src/authority/index.ts'])
  const child = children.start(`
    const { createAuthority, fromAuthority } = await load('index')
    const source = fromAuthority(await createAuthority({ name: 'CA' }), { role: 'client', name: 'x' })
    const { chain } = await source.load()
    void source.watch(new AbortController().signal).next()
    console.log('follows', chain[0].subject.toString())
  `)
  expect(await child.ended).toBe('follows CN=x\n')
})

describe('a wrong call', () => {
  it('refuses a wrong signal and random function', async () => {
    const authority = await createAuthority({ name: 'CA' })
    const source = fromAuthority(authority, { role: 'client', name: 'a' }, { random: () => 2 })
    expect(() => source.watch(null as never)).toThrow('"signal"')
    await expect(source.load()).rejects.toThrow('"random"')
  })
})

it('prints the origin of a source', async () => {
  const { source } = await bench()
  expect(inspect(source) + JSON.stringify(source)).toContain('client "alice" of the authority "CN=CA"')
})
