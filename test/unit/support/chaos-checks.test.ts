/** The checks of `npm run check -- chaos` find what they look for. */
import { describe, expect, it } from 'vitest'
import { brokenPromises, type Account, PROMISED } from '../../chaos/account.js'
import {
  leaseFaults,
  observerFaults,
  setFaults,
  shareConnected,
  valuesAppliedTwice,
  wasConnected,
  watchFaults,
} from '../../chaos/checks.js'
import { planOf } from '../../chaos/faults.js'
import type { QuorumChange } from '../../chaos/network.js'
import { type Entry, eventLine, Recording } from '../../chaos/record.js'
import type { StoreEvent } from '../../chaos/store-history.js'
import { Holders } from '../../chaos/clients/holders.js'

const event = (type: StoreEvent['type'], revision: number, key: string, value: string, at: number): StoreEvent => ({
  revision: String(revision),
  type,
  key,
  value,
  at,
})
const put = (revision: number, key: string, value: string, at = revision): StoreEvent =>
  event('put', revision, key, value, at)
const remove = (revision: number, key: string, at = revision): StoreEvent => event('delete', revision, key, '', at)
const element = (name: string, certain = true): Entry => ({ type: 'element', set: 'a/set0', element: name, certain })

describe('the check of append-only sets', () => {
  it('accepts elements of unknown outcome, whether they are there or not', () => {
    const recording = new Recording([element('1'), element('2', false), element('3', false)])
    expect(setFaults(recording, [put(1, 'a/set0', '1'), put(2, 'a/set0', '1,3')])).toEqual([])
  })

  it.each<[string, Entry[], StoreEvent[]]>([
    ['is lost', [element('1'), element('2')], [put(1, 'a/set0', '1')]],
    ['twice', [element('1')], [put(1, 'a/set0', '1'), put(2, 'a/set0', '1,1')]],
    ['did not add one element', [element('1'), element('2')], [put(1, 'a/set0', '1'), put(2, 'a/set0', '2')]],
    ['was refused', [element('1')], [put(1, 'a/set0', '1'), put(2, 'a/set0', '1,2')]],
  ])('finds an element or a write that %s', (fault, entries, events) => {
    expect(setFaults(new Recording(entries), events).join()).toContain(fault)
  })
})

describe('the check of values', () => {
  it('finds a value that was put twice into its register', () => {
    const events = [put(1, 'a/r0', 'a/r0#1'), put(2, 'a/r0', 'a/r0#2'), put(3, 'a/r0', 'a/r0#1'), put(4, 'a/l', 'held')]
    expect(valuesAppliedTwice('a/', [...events, put(5, 'a/l', 'held')])).toEqual(['a/r0#1'])
    expect(valuesAppliedTwice('b/', events)).toEqual([])
  })
})

describe('the check of watches', () => {
  const events = [put(1, 'a/x', '1'), put(2, 'a/y', '2'), put(3, 'b/x', '3'), remove(4, 'a/x')]
  const seen = (lines: string[], canceled = false): Recording =>
    new Recording([
      { type: 'watch', watch: 'w', prefix: 'a/', after: '1' },
      { type: 'events', watch: 'w', lines },
      ...(canceled ? [{ type: 'watch-canceled', watch: 'w' } as const] : []),
    ])
  const exact = [put(2, 'a/y', '2'), remove(4, 'a/x')].map(eventLine)

  it('accepts the exact history, and a part of it from a watch that was canceled', () => {
    expect(watchFaults(seen(exact), events)).toEqual([])
    expect(watchFaults(seen(exact.slice(0, 1), true), events)).toEqual([])
  })

  it.each([
    ['a missing event', exact.slice(1)],
    ['a missing last event', exact.slice(0, 1)],
    ['an event twice', [...exact, ...exact.slice(1)]],
    ['another value', [put(2, 'a/y', 'other'), remove(4, 'a/x')].map(eventLine)],
  ])('finds %s', (_, lines) => {
    expect(watchFaults(seen(lines), events)).toHaveLength(1)
  })
})

describe('the check of leases', () => {
  const quorum: QuorumChange[] = [
    { at: 0, connected: true },
    { at: 50_000, connected: false },
    { at: 51_000, connected: true },
  ]
  const entries: Entry[] = [
    { type: 'lease', key: 'a/l1' },
    { type: 'lease-lost', key: 'a/l1', at: 20_000 },
    { type: 'lease', key: 'a/l2' },
    { type: 'lease-lost', key: 'a/l2', at: 55_000 },
    { type: 'lease', key: 'a/l3' },
  ]

  it('tells a lease that was lost with a quorum from one without, and one that expired while its client held it', () => {
    const events = [remove(1, 'a/l1', 21_000), remove(2, 'a/l2', 54_000), remove(3, 'a/l3', 60_000)]
    const found = leaseFaults(new Recording(entries), { events, quorum })
    expect(found).toEqual({ whileConnected: ['a/l1'], others: 1, unnoticed: ['a/l2', 'a/l3'] })
  })

  it('knows when a quorum was connected', () => {
    expect(wasConnected(quorum, 10_000, 49_999)).toBe(true)
    expect(wasConnected(quorum, 10_000, 50_001)).toBe(false)
    expect(wasConnected(quorum, 50_500, 60_000)).toBe(false)
    expect(wasConnected(quorum, 51_000, 60_000)).toBe(true)
    expect(shareConnected(quorum, 0, 100_000)).toBe(0.99)
  })
})

describe('the check of observers', () => {
  const events = [put(1, 'e/a', ''), put(2, 'e/b', ''), put(3, 'e/c', ''), remove(4, 'e/b'), remove(5, 'e/a')]
  const seen = (...tokens: string[]): Recording =>
    new Recording(tokens.map((token) => ({ type: 'leader', election: 'e/', token })))

  it('accepts each leader in its order, from the first one that was seen', () => {
    expect(observerFaults(seen('1', '3'), events)).toEqual([])
    expect(observerFaults(seen('3'), events)).toEqual([])
  })

  it.each([[['1']], [['1', '2', '3']], [['1', '3', '1']]])('finds the fault in %j', (tokens) => {
    expect(observerFaults(seen(...tokens), events)).toHaveLength(1)
  })
})

describe('the holders of a lock', () => {
  it('reports two holders at once, a token that goes back, and a holder that is refused', () => {
    const faults: string[] = []
    const holders = new Holders('lock', (fault) => faults.push(fault))
    const [one, other, last] = [{ isHeld: () => true }, { isHeld: () => true }, { isHeld: () => true }]
    holders.enter(one, '5')
    holders.write(one, '5')
    expect(faults).toEqual([])
    holders.enter(other, '7')
    holders.write(other, '7')
    holders.write(one, '5')
    holders.leave(one)
    holders.leave(other)
    holders.enter(last, '6')
    expect(faults).toEqual(['lock: 2 holders at once', 'lock: stale token 5 of a holder', 'lock: token 6 after 7'])
  })
})

describe('the plan of a seed', () => {
  const turns = (seed: number, count: number) => {
    const plan = planOf(seed, 3, null)
    return Array.from({ length: count }, () => plan.next().value)
  }

  it('the plan of a seed is the same each time, and has faults alone and at once, and of every kind', () => {
    const plan = turns(7, 18)
    expect(plan).toEqual(turns(7, 18))
    expect(plan).not.toEqual(turns(8, 18))
    expect(plan.map(({ faults }) => faults.length)).toEqual(Array.from({ length: 9 }, () => [1, 3]).flat())
    expect(new Set(plan.filter((_, index) => index % 2 === 0).map(({ faults }) => faults[0]?.kind)).size).toBe(9)
  })
})

describe('the promises', () => {
  const kept: Account = {
    ...{ answered: 1000, outcomeUnknown: 1, failures: {}, leasesLostOtherwise: 1, rotationFailures: [], rss: [] },
    seen: { register: 1, element: 1, watch: 1, events: 1, lease: 1, term: 1, leader: 1, rotation: 1 },
    faults: Object.fromEntries(PROMISED.map((row) => [row, []])) as unknown as Account['faults'],
    recovery: { follower: [], leader: [] },
  }
  const broken = (change: Partial<Account>, only: string[] | null = null, plain: Account = kept): number =>
    brokenPromises({ clients: { 'etcd-mtls': { ...kept, ...change }, etcd3: plain }, only }).length

  it('the promises are kept without a fault', () => {
    expect(broken({})).toBe(0)
    expect(broken({}, ['restart'])).toBe(0)
  })

  it('each fault breaks a promise', () => {
    for (const row of PROMISED) expect([row, broken({ faults: { ...kept.faults, [row]: ['a'] } })]).toEqual([row, 1])
    expect(broken({ failures: { a: 1 } })).toBe(1)
  })

  it('the promises are stricter if members are only restarted: no failed call, and at most one of unknown outcome in a thousand', () => {
    const plain = { ...kept, failures: { a: 500 } }
    expect(broken({ failures: { a: 1 } }, null, plain)).toBe(0)
    expect(broken({ failures: { a: 1 } }, ['restart'], plain)).toBe(1)
    expect(broken({ outcomeUnknown: 2 }, ['restart'])).toBe(1)
  })
})
