/** The loop on a thread of its own, so that an input that never ends can be told, and ended. */
import { parentPort, workerData } from 'node:worker_threads'
import { inputSeed, runOne } from './loop.js'

/** What the thread is asked for. */
export interface FuzzOrder {
  readonly targets: readonly string[]
  readonly seed: number
  /** Inputs of each target at most. */
  readonly runs: number
  /** Epoch milliseconds. */
  readonly until: number
  /** [index of the target, seed of the input] as they are worked on; read from the other thread. */
  readonly progress: Int32Array
}

/** What the thread tells when it ends. */
export interface FuzzResult {
  readonly inputs: number
  readonly failure: { target: string; seed: number; reason: string; input: string } | null
}

const { targets, seed, runs, until, progress } = workerData as FuzzOrder
let inputs = 0
let failure: FuzzResult['failure'] = null
for (let run = 0; run < runs && Date.now() < until && failure === null; run++) {
  for (const [index, target] of targets.entries()) {
    const own = inputSeed(seed, run)
    Atomics.store(progress, 0, index)
    Atomics.store(progress, 1, own | 0)
    Atomics.add(progress, 2, 1)
    const found = runOne(target, own)
    inputs++
    if (found === null) continue
    failure = { ...found, input: Buffer.from(found.input).toString('base64') }
    break
  }
}
parentPort?.postMessage({ inputs, failure } satisfies FuzzResult)
