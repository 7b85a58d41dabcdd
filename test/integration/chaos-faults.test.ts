/** The short form of `npm run check -- chaos`, with a fixed seed: a cluster in namespaces of its own, in a process of its own. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { brokenPromises, type ChaosReport } from '../chaos/account.js'
import { root } from '../support/compiled.js'
import { scaled } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'

const { file } = temporaryFolder()

it('keeps registers linearizable, sets whole, watches exact, leases alive and locks exclusive while members fail', async () => {
  const json = file('report.json')
  const seconds = String(scaled({ short: 12, long: 180 }))
  // Slower than by hand, for it shares the machine with other tests.
  const [pace, rotation] = scaled({ short: ['600', '1000'], long: ['40', '300'] })
  const options = `--alone --seed 7 --seconds ${seconds} --pace ${pace} --rotation ${rotation}`.split(' ')
  const args = [join(root, 'scripts', 'chaos.mjs'), ...options, '--json', json]
  // Exit code 1 means that a promise was broken: the report names it.
  const run = promisify(execFile)(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 })
  const output = await run.catch((error: unknown) => error)
  const report = JSON.parse(readReport(json, output)) as ChaosReport
  expect(brokenPromises(report), JSON.stringify(report)).toEqual([])
  const account = report.clients['etcd-mtls']
  expect(account?.answered).toBeGreaterThan(0)
  expect(account?.seen.register).toBeGreaterThan(3)
  for (const type of ['element', 'events', 'term', 'leader'] as const) {
    expect(account?.seen[type], type).toBeGreaterThan(0)
  }
}, 600_000)

function readReport(file: string, output: unknown): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new Error('The run wrote no report', { cause: output })
  }
}
