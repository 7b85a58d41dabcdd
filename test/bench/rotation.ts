/** How long requests take while the credentials rotate. */
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { mintPki } from '../support/etcd.js'
import type { Bench } from './harness.js'

const QUIET = 'no rotation, p99'
const ROTATING = 'rotations, p99'
/** Between two requests, and between two rotations, in milliseconds. */
const REQUEST_PAUSE = 5
const ROTATION_PAUSE = 100

export const bench: Bench = {
  title: 'Latency during rotations',
  about:
    'Reads of one key at 200 a second on a real etcd, with a rotation every 100 ms and without: the 99th percentile ' +
    'of the latency.',
  unit: 'request',
  base: QUIET,
  clock: 'wall',
  slice: 2000,
  rounds: 9,
  promises: [
    { says: 'at most 1.5 × the latency without rotation', holds: (measured) => measured(ROTATING).ratio <= 1.5 },
  ],
  prepare: async () => {
    const pki = mintPki()
    const renewals = Array.from({ length: 10 }, () => pki.issueClient())
    const etcd = await startEtcd({ server: pki.server })
    const client = await createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client })
    const rotating = async (milliseconds: number): Promise<number> => {
      const over = new AbortController()
      const rotations = (async () => {
        for (let turn = 0; !over.signal.aborted; turn += 1) {
          await client.tls.rotate(renewals[turn % renewals.length])
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
  return times.sort((one, other) => one - other)[Math.floor(times.length * 0.99)] ?? NaN
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
