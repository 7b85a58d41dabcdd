import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fingerprints, keyOf, readGood, writeGood } from '../../../scripts/lib/lint-cache.mjs'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

function write(path: string, text: string): void {
  mkdirSync(dirname(folder.file(path)), { recursive: true })
  writeFileSync(folder.file(path), text)
}

/** The files whose fingerprint another text of one file changes. */
function changedBy(path: string, text: string): string[] {
  const files = ['test/a.ts', 'test/alone.ts', 'src/b.ts', 'src/c.ts', 'src/x/index.ts']
  const before = fingerprints(folder.file('.'), files)
  write(path, text)
  const after = fingerprints(folder.file('.'), files)
  return files.filter((each) => before.get(each) !== after.get(each))
}

describe('the cache of lint results', () => {
  it('lints a file again if the file, or a file that it imports directly or not, has changed', () => {
    write(
      'test/a.ts',
      "import { b } from '../src/b.js'\nimport '../scripts/d.mjs'\nimport 'etcd-mtls/x'\nimport 'vitest'\n",
    )
    write('test/alone.ts', "const b = './b.js'\n")
    write('src/b.ts', "import type { C } from './c.js'\n")
    write('src/c.ts', "type B = typeof import('./b.js')\n")
    write('src/x/index.ts', 'export const x = 1\n')
    write('scripts/d.mjs', 'export const d = 1\n')
    write('scripts/d.d.mts', 'export const d: number\n')
    expect(changedBy('src/c.ts', "export type C = typeof import('./b.js')\n")).toEqual([
      'test/a.ts',
      'src/b.ts',
      'src/c.ts',
    ])
    expect(changedBy('src/b.ts', "import type { C } from './c.js'\n\n")).toEqual(['test/a.ts', 'src/b.ts', 'src/c.ts'])
    expect(changedBy('scripts/d.d.mts', 'export const d: string\n')).toEqual(['test/a.ts'])
    expect(changedBy('src/x/index.ts', 'export const x = 2\n')).toEqual(['test/a.ts', 'src/x/index.ts'])
    expect(changedBy('test/alone.ts', "const c = './c.js'\n")).toEqual(['test/alone.ts'])
  })

  it('forgets all results if a setting or a rule changes', () => {
    write('config.js', 'export default []\n')
    write('rules/one.mjs', 'export const rule = 1\n')
    const key = (): string => keyOf(folder.file('.'), ['config.js', 'rules'])
    const [place, first] = [folder.file('cache/good.json'), key()]
    writeGood(place, first, { 'test/a.ts': 'f' })
    expect(readGood(place, key())).toEqual({ 'test/a.ts': 'f' })
    write('rules/one.mjs', 'export const rule = 2\n')
    expect(readGood(place, key())).toEqual({})
  })

  it('starts without results if there is no cache', () => {
    expect(readGood(folder.file('cache/none.json'), 'key')).toEqual({})
  })
})
