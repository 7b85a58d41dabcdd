/** A short run of the session fuzzer with a fixed seed; `npm run check -- fuzz --target sessions` runs it for longer. */
import { expect, it } from 'vitest'
import { runSessions } from '../../fuzz/sessions.js'
import { mintPki } from '../../support/etcd.js'
import { scaled } from '../../support/long.js'

it('survives sessions with a server that sends frames and messages that etcd never sends', async () => {
  const runs = scaled({ short: 40, long: 10_000 })
  const result = await runSessions(mintPki(), 1, runs)
  expect(result).toEqual({ sessions: runs, failure: null })
})
