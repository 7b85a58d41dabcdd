/** The fuzz loop: seeds in, the first failure out. */
import { Random, seedOf } from './random.js'
import { type FuzzCase, TARGETS } from './targets.js'

/** An input that broke a rule, and the seed that makes it again. */
interface Failure {
  readonly target: string
  /** Of this one input: `npm run check -- fuzz --target TARGET --seed SEED --runs 1` repeats it. */
  readonly seed: number
  readonly reason: string
  readonly input: Uint8Array | string
}

/** Milliseconds of processor time that one input may cost. */
export const MAX_MS = 100
/** Times that a slow input is tried again before it is called slow: it may have been the machine. */
const TRIES = 3

/** Runs the input of one seed. */
export function runOne(target: string, seed: number): Failure | null {
  const make = TARGETS[target]
  if (make === undefined) throw new Error(`There is no target ${target}; there are ${Object.keys(TARGETS).join(', ')}`)
  const made = make(new Random(seed))
  try {
    const cost = costOf(made)
    if (cost <= MAX_MS) return null
    return { target, seed, reason: `took ${cost.toFixed(0)} ms of processor time`, input: made.input }
  } catch (error) {
    return {
      target,
      seed,
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      input: made.input,
    }
  }
}

/** Seeds of single inputs: the first is the seed itself, so that one run repeats a failure. */
export function inputSeed(seed: number, run: number): number {
  return run === 0 ? seed >>> 0 : seedOf(seed, run)
}

/** Runs so many inputs of a target. */
export function runMany(target: string, seed: number, runs: number): Failure | null {
  for (let run = 0; run < runs; run++) {
    const failure = runOne(target, inputSeed(seed, run))
    if (failure !== null) return failure
  }
  return null
}

function costOf({ check }: FuzzCase): number {
  let least = Infinity
  for (let attempt = 0; attempt < TRIES && least > MAX_MS; attempt++) least = Math.min(least, processorTime(check))
  return least
}

/** Processor time in milliseconds. The clock on the wall would count what other processes do. */
export function processorTime(run: () => void): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
