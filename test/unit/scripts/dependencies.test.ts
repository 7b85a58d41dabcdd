import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { staleReason } from '../../../scripts/lib/dependencies.mjs'

const LOCKED = {
  '': { version: '1.0.0' },
  'node_modules/a': { version: '1.2.3' },
  'node_modules/only-on-windows': { version: '2.0.0', optional: true },
}

it.each<[what: string, installed: object | null, reason: string | null]>([
  ['packages at the versions of the lockfile are kept', { 'node_modules/a': { version: '1.2.3' } }, null],
  [
    'packages at another version are fetched again',
    { 'node_modules/a': { version: '1.2.2' } },
    'node_modules/a is not at version 1.2.3',
  ],
  ['a package that is missing is fetched', {}, 'node_modules/a is not at version 1.2.3'],
  [
    'a folder that an interrupted installation left does not count as a whole one',
    null,
    'node_modules is missing or incomplete',
  ],
])('%s', (_, installed, reason) => {
  const root = mkdtempSync(join(tmpdir(), 'dependencies-'))
  try {
    mkdirSync(join(root, 'node_modules'))
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: LOCKED }))
    const file = join(root, 'node_modules/.package-lock.json')
    if (installed !== null) writeFileSync(file, JSON.stringify({ packages: installed }))
    expect(staleReason(root)).toBe(reason)
  } finally {
    rmSync(root, { recursive: true })
  }
})
