/** The sessions with a hostile server, in a process of their own: ending it ends their sockets, too. */
import { mintPki } from '../support/etcd.js'
import { runSessions } from './sessions.js'
import type { FuzzOrder, FuzzResult } from './worker.js'

/** What this process reports: each session as it starts, and the result at the end. */
export type SessionMessage = { readonly session: number } | { readonly result: FuzzResult }

function report(message: SessionMessage): void {
  process.send?.(message)
}

process.once('message', ({ targets, seed, runs, until }: Omit<FuzzOrder, 'progress'>) => {
  void runSessions(mintPki(), seed, runs, {
    until,
    onSession: (session) => {
      report({ session })
    },
  }).then(({ sessions, failure }) => {
    const target = targets[0] ?? ''
    const found = failure === null ? null : { target, seed: failure.seed, reason: failure.reason, input: '' }
    report({ result: { inputs: sessions, failure: found } })
    process.disconnect()
  })
})
// Without the process that gave the order, nobody reads the result.
process.once('disconnect', () => process.exit())
