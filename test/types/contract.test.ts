/** The files beside this one hold the contract as types; here the compiler is asked about them, so that `npm test` tells. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../support/compiled.js'
import { typeCheck, typeCheckFiles } from '../support/type-check.js'

const files = readdirSync(join(root, 'test/types'))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => `test/types/${name}`)

test('the contract holds', { timeout: 60_000 }, () => {
  expect(files).toContain('test/types/report.ts')
  expect(typeCheckFiles(files)).toEqual([])
})

test('a broken promise is seen', { timeout: 60_000 }, () => {
  const head = "import { expectTypeOf } from 'vitest'\nimport type { Report } from 'etcd-mtls'\n"
  const complaints = typeCheck([
    { name: 'kept', code: `${head}expectTypeOf<Report['ok']>().toEqualTypeOf<boolean>()` },
    { name: 'broken', code: `${head}expectTypeOf<Report['ok']>().toEqualTypeOf<true>()` },
    { name: 'nothing to expect', code: '// @ts-expect-error -- nothing is wrong below\nexport const a = 1' },
  ])
  expect([...complaints].map(([name, lines]) => [name, lines.length])).toEqual([
    ['kept', 0],
    ['broken', 1],
    ['nothing to expect', 1],
  ])
})
