/** Counts what a client does. Counting is one addition, so that calls do not notice it. */
import type { FindingCode } from '../../report/finding.js'

/** Why an attempt of a call was followed by another one. */
export type RepeatReason = 'failed' | 'unprocessed' | 'token-refused'

/** Numbers since the client was created. They only grow. */
export class Meter {
  attempts = 0
  outcomeUnknown = 0
  hedgedReads = 0
  watchesResumed = 0
  leasesLost = 0
  rotations = 0
  readonly repeats: Record<RepeatReason, number> = { failed: 0, unprocessed: 0, 'token-refused': 0 }
  readonly rotationsRefused = new Map<FindingCode, number>()
  readonly handshakes = new Map<FindingCode | 'ok', number>()
  /** By path, such as `/etcdserverpb.KV/Put`: how many calls ended with each gRPC status. */
  readonly calls = new Map<string, number[]>()

  callEnded(path: string, code: number): void {
    let counts = this.calls.get(path)
    if (counts === undefined) {
      counts = []
      this.calls.set(path, counts)
    }
    counts[code] = (counts[code] ?? 0) + 1
  }
}

export function countOne<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
