/** What the first validation of a process costs, of the worst inputs: nothing is compiled yet, no table is filled. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serialize } from 'node:v8'
import { chainOf, type HostileCase } from '../fuzz/hostile-chain.js'
import { hostileCases } from '../fuzz/hostile.js'
import { MAX_MS } from '../fuzz/loop.js'
import type { Bench, RemoteContender } from './harness.js'

const ORDINARY = 'ordinary chain of three'
const CHILD = fileURLToPath(new URL('support-cold-child.js', import.meta.url))

export const bench: Bench = {
  title: 'First validation of a process',
  about:
    'The cases of the table above, each as the first validation of a process: from bytes to a report, without the ' +
    'import. The JavaScript is not compiled yet, and OpenSSL has not loaded an algorithm yet.',
  unit: 'report',
  base: ORDINARY,
  slice: 0,
  rounds: 5,
  sample: 6,
  promises: [
    {
      says: `none takes more than ${String(MAX_MS)} ms of processor time`,
      holds: (measured) => hostileCases.every(({ name }) => measured(name).time <= MAX_MS),
    },
  ],
  prepare() {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    const cases: HostileCase[] = [{ name: ORDINARY, code: null, make: () => ({ input: chainOf({}) }) }, ...hostileCases]
    return {
      contenders: cases.map((each, i) => inFreshProcess(each, join(folder, String(i)))),
      dispose: () => {
        rmSync(folder, { recursive: true })
      },
    }
  },
}

function inFreshProcess({ name, make }: HostileCase, file: string): RemoteContender {
  let isMade = false
  return {
    name,
    measure() {
      if (!isMade) writeFileSync(file, serialize(make()))
      isMade = true
      return Promise.resolve(Number(execFileSync(process.execPath, [CHILD, file], { encoding: 'utf8' })))
    },
  }
}
