/**
 * What the TypeScript compiler says about the examples in the docs, and about the contract that the files next to this one
 * hold as types. The compiler runs once for all of it: it takes most of its time for the declarations of Node and etcd3.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileDeclarations, root } from '../support/compiled.js'
import { markdownFiles, readPage } from '../support/markdown.js'
import { type Snippet, TypeCheck } from '../support/type-check.js'

const blocks = markdownFiles(root).flatMap((file) =>
  readPage(readFileSync(join(root, file), 'utf8'))
    .blocks.filter(({ language }) => language === 'ts' || language === 'typescript')
    .map(({ code, line }): Snippet => ({ name: `${file}:${String(line)}`, code })),
)
const examples = typeScriptIn('docs/examples')
const contract = typeScriptIn('test/types').filter((file) => !file.endsWith('.test.ts'))

const IMPORT = "import { formatReport, type Report } from 'etcd-mtls'"
const EXPECT = "import { expectTypeOf } from 'vitest'\nimport type { Report } from 'etcd-mtls'"
const good: Snippet[] = [
  { name: 'good', code: `${IMPORT}\nconst f: (r: Report) => string = formatReport` },
  { name: 'kept', code: `${EXPECT}\nexpectTypeOf<Report['ok']>().toEqualTypeOf<boolean>()` },
]
// None with a fault of syntax: then the compiler looks at nothing else.
const bad: Snippet[] = [
  { name: 'unknown option', code: `${IMPORT}\nformatReport({} as Report, { colour: true })` },
  { name: 'unknown export', code: "import { formatRapport } from 'etcd-mtls'" },
  { name: 'broken', code: `${EXPECT}\nexpectTypeOf<Report['ok']>().toEqualTypeOf<true>()` },
  { name: 'nothing to expect', code: '// @ts-expect-error -- nothing is wrong below\nexport const a = 1' },
]

let compiler: TypeCheck
beforeAll(async () => {
  compiler = new TypeCheck([...blocks, ...good, ...bad], [...examples, ...contract], await compileDeclarations())
})

describe('the compiler', () => {
  it.each(good)('accepts the snippet $name', ({ name }) => {
    expect(compiler.ofSnippet(name)).toEqual([])
  })

  it.each(bad)('refuses the snippet $name', ({ name }) => {
    expect(compiler.ofSnippet(name)).not.toEqual([])
  })

  it('accepts every ts block of the docs', () => {
    expect(blocks.length).toBeGreaterThan(50)
    expect(blocks.flatMap(({ name }) => compiler.ofSnippet(name).map((line) => `${name} ${line}`))).toEqual([])
  })

  it('accepts every file in docs/examples', () => {
    expect(examples).not.toEqual([])
    expect(examples.flatMap((file) => compiler.ofFile(file).map((line) => `${file} ${line}`))).toEqual([])
  })

  it('finds that the types of the public API are those of the contract', () => {
    expect(contract).toContain('test/types/report.ts')
    expect(contract.flatMap((file) => compiler.ofFile(file).map((line) => `${file} ${line}`))).toEqual([])
  })
})

function typeScriptIn(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
}
