/** A short run of the fuzz loop with fixed seeds; `npm run fuzz` goes on for as long as its options say. */
import { describe, expect, it } from 'vitest'
import { readTree, writeTree } from '../../fuzz/der-tree.js'
import { inputSeed, runMany, runOne } from '../../fuzz/loop.js'
import { mutateDer } from '../../fuzz/mutate.js'
import { Random } from '../../fuzz/random.js'
import { CHAIN, POOL } from '../../fuzz/seeds.js'
import { TARGETS } from '../../fuzz/targets.js'

describe('readers and validator under fuzz', () => {
  it.each(Object.keys(TARGETS))('%s', (target) => {
    expect(runMany(target, 1, 100)).toBeNull()
  })
})

describe('the loop', () => {
  it('makes the same input of the same seed', () => {
    for (const [target, make] of Object.entries(TARGETS)) {
      for (let seed = 0; seed < 20; seed++) {
        expect(make(new Random(seed)).input, `${target} ${String(seed)}`).toEqual(make(new Random(seed)).input)
      }
    }
  })

  it('repeats a failure by the seed that it told', () => {
    const seeds = Array.from({ length: 100 }, (_, run) => inputSeed(7, run))
    expect(new Set(seeds).size).toBe(100)
    expect(inputSeed(seeds[50] ?? 0, 0)).toBe(seeds[50])
  })

  it('knows no other targets', () => {
    expect(() => runOne('der ', 1)).toThrow('There is no target')
  })
})

describe('the mutator', () => {
  it('takes DER apart and puts it together again', () => {
    for (const der of POOL) expect(writeTree(readTree(der))).toEqual(der)
    expect(readTree(CHAIN.leaf.der)[0]?.children).toHaveLength(3)
  })

  it('changes nearly every input', () => {
    const changed = Array.from({ length: 300 }, (_, seed) => mutateDer(new Random(seed), CHAIN.leaf.der, POOL))
    expect(changed.filter((each) => !each.equals(CHAIN.leaf.der)).length).toBeGreaterThan(250)
    // Most are DER still, so that they reach what stands behind the first check.
    expect(changed.filter((each) => readTree(each)[0]?.tag === 0x30).length).toBeGreaterThan(150)
  })
})
