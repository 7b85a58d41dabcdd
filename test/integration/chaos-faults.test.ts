/** The short form of `npm run chaos`, with a fixed seed: a cluster in namespaces of its own, in a process of its own. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import type { Account } from '../chaos/main.js'
import { root } from '../support/compiled.js'
import { scaled } from '../support/long.js'

const SEED = '7'

it('keeps every register linearizable, every watch exact and every lease alive while members fail', async () => {
  const args = [join(root, '.config', 'chaos.mjs'), '--json', '--alone', '--seed', SEED]
  const seconds = String(scaled({ short: 20, long: 180 }))
  const run = promisify(execFile)(process.execPath, [...args, '--seconds', seconds], { maxBuffer: 16 * 1024 * 1024 })
  // With exit code 1, the account says what was violated.
  const { stdout } = await run.catch((error: unknown) => {
    if (error instanceof Error && 'stdout' in error && String(error.stdout).includes('{'))
      return { stdout: String(error.stdout) }
    throw error
  })
  const account = JSON.parse(stdout.slice(stdout.indexOf('{'))) as Account
  expect(account).toMatchObject({ notLinearizable: [], appliedTwice: [], watchFaults: [], leasesLost: 0 })
  expect(account.operations).toBeGreaterThan(100)
  expect(account.registers).toBeGreaterThan(3)
}, 600_000)
