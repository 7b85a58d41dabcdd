/** Leases that are kept alive, each with a key, and replaced when they are lost. */
import { LEASE_TTL } from '../checks.js'
import { aborted, callOptions, clientAt, pause, recordFailure, type Work } from './work.js'

const LEASES = 4

export async function keepLeases(work: Work): Promise<void> {
  await Promise.all(Array.from({ length: LEASES }, (_, slot) => keepLease(work, slot)))
}

async function keepLease(work: Work, slot: number): Promise<void> {
  const { stopping, recorder } = work
  for (let generation = 0; !stopping.aborted; generation += 1) {
    const key = `${work.prefix}lease${String(slot)}-${String(generation)}`
    const lease = clientAt(work, slot).lease(LEASE_TTL)
    const over = new AbortController()
    let held = false
    lease.on('lost', (error) => {
      if (held) recorder.add({ type: 'lease-lost', key, at: Date.now() })
      else recordFailure(work, error, false)
      over.abort()
    })
    try {
      await lease.put(key).value('held').options(callOptions()).exec()
      if (over.signal.aborted) continue
      held = true
      recorder.add({ type: 'lease', key })
      await aborted(over.signal, stopping)
    } catch (error) {
      recordFailure(work, error, true)
      lease.release()
      await pause(500, stopping)
    }
  }
}
