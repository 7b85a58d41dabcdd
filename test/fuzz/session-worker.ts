/** The sessions with a hostile server, on a thread of their own. */
import { parentPort, workerData } from 'node:worker_threads'
import { mintPki } from '../support/etcd.js'
import { runSessions } from './sessions.js'
import type { FuzzOrder, FuzzResult } from './worker.js'

const { targets, seed, runs, until, progress } = workerData as FuzzOrder
const { sessions, failure } = await runSessions(mintPki(), seed, runs, {
  until,
  onSession: (own) => {
    Atomics.store(progress, 1, own | 0)
    Atomics.add(progress, 2, 1)
  },
})
const target = targets[0] ?? ''
const found = failure === null ? null : { target, seed: failure.seed, reason: failure.reason, input: '' }
parentPort?.postMessage({ inputs: sessions, failure: found } satisfies FuzzResult)
