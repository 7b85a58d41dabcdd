/** How long requests take while the credentials rotate, and how long a rotation holds the event loop. */
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { fromPem } from '../../src/credentials/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { mintPki, pemsOf } from '../support/etcd.js'
import { type Bench, quantile } from './harness.js'

const QUIET = 'no rotation, p99'
const ROTATING = 'one rotation a second, p99'
const TURN = 'longest turn of the event loop in a rotation, processor'
const MOST_MS = 2
/** Between two requests, and between two rotations, in milliseconds. */
const REQUEST_PAUSE = 5
const ROTATION_PAUSE = 1000

export const bench: Bench = {
  title: 'Latency during rotations',
  about:
    'Reads of one key at 200 a second on a real etcd, with a rotation every second and without: the 99th percentile ' +
    'of the latency. And the processor time of the longest turn of the event loop in a rotation without requests.',
  unit: 'request',
  base: QUIET,
  clock: 'wall',
  slice: 2000,
  rounds: 7,
  promises: [
    { says: 'at most 1.6 × the latency without rotation', holds: (measured) => measured(ROTATING).ratio <= 1.6 },
    {
      says: `a rotation holds the event loop for at most ${String(MOST_MS)} ms`,
      holds: (measured) => measured(TURN).time <= MOST_MS,
    },
  ],
  plots: [
    {
      title: 'Slowest of a hundred reads (p99)',
      bars: [
        { name: 'no rotation', contender: QUIET },
        { name: 'one rotation a second', contender: ROTATING },
      ],
    },
  ],
  prepare: async () => {
    const pki = mintPki()
    const renewals = Array.from({ length: 10 }, () => pemsOf(pki.issueClient()))
    const etcd = await startEtcd({ server: pki.server })
    const client = await createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client })
    let turn = 0
    const rotate = async (): Promise<void> => {
      turn += 1
      const renewed = renewals[turn % renewals.length] ?? pemsOf(pki.client)
      // Read again each time, as new files are.
      await client.tls.rotate(fromPem(renewed))
    }
    const rotating = async (milliseconds: number): Promise<number> => {
      const over = new AbortController()
      const rotations = (async () => {
        while (!over.signal.aborted) {
          await rotate()
          await sleep(ROTATION_PAUSE)
        }
      })()
      const slowest = await p99(client, milliseconds)
      over.abort()
      await rotations
      return slowest
    }
    return {
      contenders: [
        { name: QUIET, measure: (milliseconds) => p99(client, milliseconds) },
        { name: ROTATING, measure: rotating },
        { name: TURN, base: TURN, measure: (milliseconds) => longestTurn(rotate, milliseconds) },
      ],
      dispose: async () => {
        await client[Symbol.asyncDispose]()
        await etcd.close()
      },
    }
  },
}

async function p99(client: SecureEtcd3, milliseconds: number): Promise<number> {
  const times: number[] = []
  const requests: Promise<void>[] = []
  const began = performance.now()
  while (performance.now() - began < milliseconds) {
    const sent = performance.now()
    requests.push(
      client
        .get('key')
        .string()
        .then(() => {
          times.push(performance.now() - sent)
        }),
    )
    await sleep(REQUEST_PAUSE)
  }
  await Promise.all(requests)
  return quantile(times, 0.99)
}

/** The median over rotations of the longest turn of each, in milliseconds of the processor. */
async function longestTurn(rotate: () => Promise<void>, milliseconds: number): Promise<number> {
  const began = performance.now()
  const longest: number[] = []
  do {
    const meter = new TurnMeter()
    await rotate()
    longest.push(meter.end())
    await sleep(REQUEST_PAUSE)
  } while (performance.now() - began < milliseconds)
  return quantile(longest, 0.5)
}

/** Looks at the processor time once in each turn of the event loop. */
class TurnMeter {
  #longest = 0
  #before = process.cpuUsage()
  #next = setImmediate(() => {
    this.#look()
  })

  end(): number {
    clearImmediate(this.#next)
    return this.#longest
  }

  #look(): void {
    const { user, system } = process.cpuUsage(this.#before)
    this.#longest = Math.max(this.#longest, (user + system) / 1000)
    this.#before = process.cpuUsage()
    this.#next = setImmediate(() => {
      this.#look()
    })
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
