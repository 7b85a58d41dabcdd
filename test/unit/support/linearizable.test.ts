import { describe, expect, it } from 'vitest'
import { isLinearizable, type Operation } from '../../chaos/linearizable.js'

const read = (called: number, returned: number, value: string | null): Operation => ({
  called,
  returned,
  action: { type: 'read', value },
})
const write = (called: number, returned: number, value: string | null): Operation => ({
  called,
  returned,
  action: { type: 'write', value },
})
const cas = (
  called: number,
  returned: number,
  expected: string | null,
  value: string,
  swapped: boolean | null,
  found: string | null = null,
): Operation => ({
  called,
  returned,
  action: { type: 'cas', expected, value, swapped, found },
})

describe('isLinearizable', () => {
  it.each<[string, Operation[]]>([
    ['operations one after the other', [write(0, 1, 'a'), read(2, 3, 'a'), write(4, 5, null), read(6, 7, null)]],
    [
      'a read during a write that sees the old value',
      [write(0, 1, 'a'), write(2, 9, 'b'), read(3, 4, 'a'), read(5, 6, 'b')],
    ],
    [
      'a write of unknown outcome that is seen much later',
      [write(0, Infinity, 'a'), read(5, 6, null), read(7, 8, 'a')],
    ],
    ['a write of unknown outcome that is never seen', [write(0, Infinity, 'a'), read(5, 6, null)]],
    [
      'a swap and a swap that found another value',
      [write(0, 1, 'a'), cas(2, 3, 'a', 'b', true), cas(4, 5, 'a', 'c', false, 'b')],
    ],
    [
      'a swap of unknown outcome',
      [write(0, 1, 'a'), cas(2, Infinity, 'a', 'b', null), read(3, 4, 'a'), read(5, 6, 'b')],
    ],
  ])('accepts %s', (_what, history) => {
    expect(isLinearizable(history)).toBe(true)
  })

  it.each<[string, Operation[]]>([
    ['a stale read', [write(0, 1, 'a'), write(2, 3, 'b'), read(4, 5, 'a')]],
    [
      'a value that comes back',
      [write(0, 9, 'a'), read(1, 2, 'a'), write(3, 4, 'b'), read(5, 6, 'b'), read(7, 8, 'a')],
    ],
    ['a write that was acknowledged and is lost', [write(0, 1, 'a'), read(2, 3, null)]],
    [
      'a swap that was answered no although it was applied',
      [write(0, 1, 'a'), cas(2, 3, 'a', 'b', false, 'b'), read(4, 5, 'b')],
    ],
    [
      'a write of unknown outcome that is applied twice',
      [write(0, Infinity, 'a'), read(1, 2, 'a'), write(3, 4, 'b'), read(5, 6, 'b'), read(7, 8, 'a')],
    ],
  ])('refuses %s', (_what, history) => {
    expect(isLinearizable(history)).toBe(false)
  })

  it('ends for many writes of unknown outcome that do the same', () => {
    const deletes = Array.from({ length: 40 }, (_, index) => write(index, Infinity, null))
    expect(isLinearizable([...deletes, write(50, 51, 'a'), read(52, 53, 'b')])).toBe(false)
  })
})
