/** The fuzz loop in a process of its own: an input that never ends, fills the memory or ends the process is seen from outside. */
import { mintPki } from '../support/etcd.js'
import { inputSeed, runOne } from './loop.js'
import { runSessions } from './sessions.js'

/** What the process is asked for; `sessions` alone is the target that runs a client against a server. */
interface FuzzOrder {
  readonly targets: readonly string[]
  readonly seed: number
  /** Inputs of each target at most. */
  readonly runs: number
  /** Epoch milliseconds. */
  readonly until: number
}

interface FuzzResult {
  readonly inputs: number
  readonly failure: { target: string; seed: number; reason: string; input: string } | null
}

function report(message: { target: string; seed: number } | { result: FuzzResult }): void {
  process.send?.(message)
}

async function work({ targets, seed, runs, until }: FuzzOrder): Promise<FuzzResult> {
  if (targets.includes('sessions')) {
    const onSession = (own: number): void => {
      report({ target: 'sessions', seed: own })
    }
    const { sessions, failure } = await runSessions(mintPki(), seed, runs, { until, onSession })
    return { inputs: sessions, failure: failure === null ? null : { target: 'sessions', ...failure, input: '' } }
  }
  let inputs = 0
  for (let run = 0; run < runs && Date.now() < until; run++) {
    for (const target of targets) {
      const own = inputSeed(seed, run)
      report({ target, seed: own })
      const failure = runOne(target, own)
      inputs++
      if (failure !== null) {
        return { inputs, failure: { ...failure, input: Buffer.from(failure.input).toString('base64') } }
      }
    }
    // Messages leave the process in the meantime.
    await new Promise(setImmediate)
  }
  return { inputs, failure: null }
}

process.once('message', (order: FuzzOrder) => {
  void work(order).then((result) => {
    report({ result })
    process.disconnect()
  })
})
// Without the process that gave the order, nobody reads the result.
process.once('disconnect', () => process.exit())
