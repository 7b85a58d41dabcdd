/**
 * Our result against those of Go, which validates clients and peers for etcd, and of Node, which validates servers:
 * random chains of one to four mutations each. `npm run differential` makes 20,000 from a random seed, which it prints;
 * `npm test` makes a few from a fixed one. What may differ stands in test/support/differences.ts, with the reason.
 */
import { writeSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Random, seedOf } from '../fuzz/random.js'
import { isLong, scaled, seed } from '../support/long.js'
import { type MintedCase, mintIfPossible } from '../support/mutation.js'
import { drawMutation } from '../support/mutations-drawn.js'
import { SINGLES } from '../support/mutations.js'
import { compareUses, Tally } from '../support/chain-differences.js'
import { GoWitness } from '../support/witness-go.js'

const CHAINS = scaled({ short: 80, long: 20_000 })
const SEED = isLong ? seed : 20_261_127
/** Milliseconds: twenty thousand chains, each with a handshake of Node and two of Go. */
const PATIENCE = 3_600_000
const BATCH = 100

it(
  'accepts no chain that etcd or Node refuses, and refuses others for documented reasons only',
  { timeout: PATIENCE },
  async () => {
    const go = await GoWitness.start()
    const tally = new Tally()
    try {
      for (let first = 0; first < CHAINS; first += BATCH) {
        const numbers = Array.from({ length: Math.min(BATCH, CHAINS - first) }, (_, i) => first + i)
        const cases = numbers.flatMap((number) => mintRandomCase(seedOf(SEED, number)) ?? [])
        for (const outcome of await compareUses(go, cases)) tally.add(outcome)
      }
    } finally {
      await go.close()
    }
    // Past the console, for what a test prints there is its failure.
    if (isLong) writeSync(2, `${tally.summary()}\n`)
    expect(tally.chains).toBeGreaterThan(CHAINS * 0.95)
    expect(tally.accepted.server).toBeGreaterThan(CHAINS / 10)
    expect(tally.differences).toEqual([])
  },
)

function mintRandomCase(from: number): MintedCase | null {
  const random = new Random(from)
  const applied = Array.from({ length: 1 + random.below(4) }, () =>
    random.once(3) ? random.pick(SINGLES) : drawMutation(random),
  ).filter((each) => each !== undefined)
  return mintIfPossible(applied)
}
