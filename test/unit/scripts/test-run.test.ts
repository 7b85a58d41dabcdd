import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { planRun } from '../../../scripts/lib/test-run.mjs'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

function write(path: string, text: string): void {
  const file = folder.file(path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const LONG = ['test/integration/a.test.ts', 'test/unit/x/b.test.ts']

describe('planRun', () => {
  beforeAll(() => {
    write('test/unit/x/b.test.ts', "import { scaled } from '../../support/long.js'\n")
    write('test/integration/a.test.ts', "import { isLong } from '../support/long.js'\n")
    write('test/unit/c.test.ts', 'const text = "import { scaled } from \'../support/long.js\'"\n')
  })

  it.each([
    [[], { whole: true, filters: [] }],
    [['test/unit/c'], { filters: ['test/unit/c'] }],
    [['--unit'], { unit: true, whole: true }],
    [['--unit', '-t', 'name'], { unit: true, filters: ['-t', 'name'] }],
    [['--long'], { long: true, whole: true, filters: LONG }],
    [['--long', 'test/unit/c'], { long: true, filters: ['test/unit/c'] }],
    [['--watch'], { unit: true, watch: true }],
    [['--conformance'], { conformance: true, whole: true }],
    [['--watch', 'test/unit/c'], { watch: true, filters: ['test/unit/c'] }],
  ])('reads the arguments %j', (args, expected) => {
    const usual = { unit: false, long: false, watch: false, conformance: false, whole: false, filters: [] }
    expect(planRun(args, folder.file('.'))).toEqual({ ...usual, ...expected })
  })
})

it('test files import test/support/long.ts themselves, so that `npm run test:long` finds them', () => {
  const support = fileURLToPath(new URL('../../support/', import.meta.url))
  const files = readdirSync(support).filter((file) => file.endsWith('.ts'))
  expect(files.filter((file) => readFileSync(`${support}${file}`, 'utf8').includes("/long.js'"))).toEqual(['long.ts'])
})
