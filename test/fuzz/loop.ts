/** The loop: breaks seeds, reads what comes out, and stops at the first input after which something does not hold. */
import { mutate } from './mutate.js'
import { randomFrom } from './random.js'
import type { Target, TargetName } from './targets.js'

/** Longest time that one input may take, in milliseconds. */
const TIME_LIMIT = 100

export interface Outcome {
  inputs: number
  /** Null where everything held. */
  failure: { target: TargetName; seed: number; input: Buffer; reason: string } | null
}

/**
 * @param seed Of the first input; each further one has the next number, so that a failure's own number repeats it.
 * @param goesOn Asked before each input.
 */
export async function fuzz(
  targets: Readonly<Partial<Record<TargetName, Target>>>,
  seed: number,
  goesOn: (inputs: number) => boolean,
): Promise<Outcome> {
  const names = Object.keys(targets) as TargetName[]
  let inputs = 0
  for (; goesOn(inputs); inputs += 1) {
    const number = seed + inputs
    const random = randomFrom(number)
    const target = random.pick(names)
    const chosen = targets[target]
    if (chosen === undefined) throw new TypeError(`There is no target ${target}`)
    const original = random.pick(chosen.seeds)
    const input = mutate(original, random)
    const reason = await failureOf(chosen, input, original)
    if (reason !== null) return { inputs, failure: { target, seed: number, input, reason } }
  }
  return { inputs, failure: null }
}

async function failureOf(target: Target, input: Buffer, original: Buffer): Promise<string | null> {
  try {
    if ((await timed(target, input, original)) <= TIME_LIMIT) return null
    // A machine has pauses of its own: slow is what is slow three times.
    const again = Math.min(await timed(target, input, original), await timed(target, input, original))
    return again <= TIME_LIMIT ? null : `It took ${again.toFixed(0)} ms`
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
}

async function timed(target: Target, input: Buffer, original: Buffer): Promise<number> {
  const started = process.cpuUsage()
  await target.run(input, original)
  const { user, system } = process.cpuUsage(started)
  return (user + system) / 1000
}
