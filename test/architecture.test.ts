import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as rules from './support/architecture.js'
import { readSource, readSources, scanImports } from './support/imports.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = readSources(root, 'src')

describe('the sources', () => {
  it('are found', () => {
    expect(sources.map(({ path }) => path)).toContain('src/index.ts')
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(sources.length)
  })

  it('import in one direction, types included', () => {
    expect(rules.againstDirection(sources)).toEqual([])
  })

  it('import no file that is not there', () => {
    expect(rules.leadingNowhere(sources)).toEqual([])
  })

  it('import in no circle', () => {
    expect(rules.cycles(sources)).toEqual([])
  })

  it('name each third-party package in one place', () => {
    expect(rules.pastTheDoors(sources)).toEqual([])
  })

  it('do nothing while they load', () => {
    expect(rules.actingOnLoad(sources)).toEqual([])
  })

  it('are short', () => {
    expect(rules.tooLong(sources)).toEqual([])
  })

  it('are at most 25 in a folder', () => {
    expect(rules.crowded(sources)).toEqual([])
  })

  it('are no fragments of the one file that imports them', () => {
    expect(rules.fragments(sources, scanImports(root, 'test'))).toEqual([])
  })

  it('hide members by #', () => {
    expect(rules.privateByKeyword(sources)).toEqual([])
  })

  it('the root re-exports and does nothing else', () => {
    const index = sources.find(({ path }) => path === 'src/index.ts')
    expect(index === undefined ? ['src/index.ts is missing'] : rules.moreThanReexports(index)).toEqual([])
  })
})

it('tests that put modules in the place of others are called so, and get modules of their own', () => {
  const files = readdirSync(`${root}/test`, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  )
  const found = files.filter((path) => /vi\.(mock|doMock)\(/.test(readFileSync(`${root}/test/${path}`, 'utf8')))
  expect(found.length).toBeGreaterThan(0)
  expect(found.filter((path) => !path.endsWith('.isolated.test.ts'))).toEqual([])
})

describe('the root folder', () => {
  const AGREED = [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'docs',
    'package-lock.json',
    'package.json',
    'src',
    'test',
    'tsconfig.json',
    'typedoc.json',
  ]

  it('holds what was agreed, dotfiles, and what git ignores', () => {
    const ignored = readFileSync(new URL('../.gitignore', import.meta.url), 'utf8')
      .split('\n')
      .map((line) => line.replace(/\/$/, ''))
    const present = readdirSync(root).filter((name) => !name.startsWith('.') && !ignored.includes(name))
    expect(present.sort()).toEqual(AGREED)
  })
})

describe('each rule bites', () => {
  const at = (path: string, text: string) => readSource(path, text)

  it('direction, by an import of each kind', () => {
    const broken = [
      "import { a } from '../client/a.js'",
      "import type { A } from '../client/a.js'",
      "export * from '../client/a.js'",
      "export type { A } from '../client/a.js'",
      "type A = import('../client/a.js').A",
      "const a = () => import('../client/a.js')",
      "import a = require('../client/a.js')",
    ]
    for (const text of broken) {
      expect(rules.againstDirection([at('src/validate/b.ts', text)]), text).toEqual([
        'src/validate/b.ts imports src/client/a.ts, which is in a later room',
      ])
    }
    expect(rules.againstDirection([at('src/client/a.ts', "import '../validate/b.js'")])).toEqual([])
    expect(rules.againstDirection([at('src/report/errors.ts', "import type { A } from '../x509/a.js'")])).toHaveLength(
      1,
    )
    expect(rules.againstDirection([at('src/report/a.ts', "import '../index.js'")])).toHaveLength(1)
    expect(rules.againstDirection([at('src/attic/a.ts', "import '../report/errors.js'")])).toEqual([
      'src/attic/a.ts is in no room',
    ])
    expect(rules.againstDirection([at('src/client/a.ts', "import '../attic/b.js'")])).toHaveLength(1)
  })

  it('circles, by types too', () => {
    const a = at('src/x509/a.ts', "import { b } from './b.js'")
    const b = at('src/x509/b.ts', "import type { C } from './c.js'")
    const c = at('src/x509/c.ts', "import './a.js'")
    expect(rules.cycles([a, b, c])).toEqual(['src/x509/a.ts -> src/x509/b.ts -> src/x509/c.ts -> src/x509/a.ts'])
    expect(rules.cycles([a, b])).toEqual([])
    expect(rules.cycles([at('src/x509/a.ts', "import './a.js'")])).toEqual(['src/x509/a.ts -> src/x509/a.ts'])
  })

  it('missing files', () => {
    expect(rules.leadingNowhere([at('src/x509/a.ts', "import './gone.js'")])).toHaveLength(1)
  })

  it('doors', () => {
    const past = (path: string, text: string) => rules.pastTheDoors([at(path, text)])
    expect(past('src/validate/a.ts', "import type { Name } from '@peculiar/x509'")).toEqual([
      'src/validate/a.ts imports @peculiar/x509, whose door is src/x509/engine.ts',
    ])
    expect(past('src/x509/engine.ts', "import '@peculiar/asn1-schema/build/x.js'")).toEqual([])
    expect(past('src/client/session.ts', "import { Etcd3 } from 'etcd3'")).toHaveLength(1)
    expect(past('src/client/connect.ts', "import { Etcd3 } from 'etcd3'")).toEqual([])
    expect(past('src/client/connect.ts', "import '@grpc/grpc-js'")).toHaveLength(1)
    expect(past('src/testing/container.ts', "import 'testcontainers'")).toEqual([])
    expect(past('src/client/a.ts', "import 'lodash'")).toEqual(['src/client/a.ts imports lodash, which has no door'])
    expect(past('src/client/a.ts', "import 'fs'")).toHaveLength(1)
    expect(past('src/client/a.ts', "import 'node:fs'")).toEqual([])
    expect(past('src/client/a.ts', 'const load = (name: string) => import(name)')).toEqual([
      'src/client/a.ts computes what it imports',
    ])
  })

  it('side effects and state', () => {
    const acting = (text: string) => rules.actingOnLoad([at('src/x509/a.ts', text)])
    expect(acting('globalThis.x = 1')).toEqual(['src/x509/a.ts acts while it loads: globalThis.x = 1'])
    expect(acting('let counter = 0')).toHaveLength(1)
    expect(acting('const cache = new WeakMap<object, string>()')).toHaveLength(1)
    expect(acting("const known = new Set(['a'])")).toEqual([])
    expect(acting('for (const a of b) c(a)')).toHaveLength(1)
    expect(acting("import 'a'\nexport const a = 1\nfunction b() {}\nclass C {}\ninterface D {}\ntype E = 1")).toEqual(
      [],
    )
  })

  it('length', () => {
    expect(rules.tooLong([at('src/x509/a.ts', '//\n'.repeat(rules.MAX_LINES))])).toEqual([])
    expect(rules.tooLong([at('src/x509/a.ts', '//\n'.repeat(rules.MAX_LINES + 1))])).toHaveLength(1)
  })

  it('crowded folders', () => {
    const files = (count: number) => Array.from({ length: count }, (_, i) => at(`src/x509/a${String(i)}.ts`, ''))
    expect(rules.crowded(files(rules.MAX_FILES))).toEqual([])
    expect(rules.crowded(files(rules.MAX_FILES + 1))).toEqual(['src/x509 has 26 files; 25 are the limit'])
  })

  it('fragments', () => {
    const part = (lines: number) => at('src/x509/part.ts', 'export const a = 1\n'.repeat(lines))
    const user = (name: string) => at(`src/x509/${name}.ts`, "import { a } from './part.js'")
    const small = part(rules.MIN_LINES - 1)
    expect(rules.fragments([small, user('b')], [])).toEqual(['src/x509/part.ts (59 lines) belongs to src/x509/b.ts'])
    expect(rules.fragments([small, user('b'), user('c')], [])).toEqual([])
    expect(rules.fragments([part(rules.MIN_LINES), user('b')], [])).toEqual([])
    expect(rules.fragments([small, at('src/x509/b.ts', "const a = () => import('./part.js')")], [])).toEqual([])
    expect(
      rules.fragments([small, user('b')], [at('test/a.test.ts', "import { a } from '../src/x509/part.js'")]),
    ).toEqual([])
  })

  it('members that are hidden by the keyword', () => {
    expect(rules.privateByKeyword([at('src/x509/a.ts', 'class A { private b = 1 }')])).toHaveLength(1)
    expect(rules.privateByKeyword([at('src/x509/a.ts', 'class A { #b = 1; private constructor() {} }')])).toEqual([])
  })

  it('the re-exporting root', () => {
    expect(rules.moreThanReexports(at('src/index.ts', "export * from './a.js'\nexport { b } from './b.js'"))).toEqual(
      [],
    )
    expect(rules.moreThanReexports(at('src/index.ts', "import { a } from './a.js'\nexport { a }"))).toHaveLength(2)
  })

  it('what is loaded: neither types nor lazy imports', () => {
    const graph = [
      at('src/a.ts', "import './b.js'\nimport type { C } from './c.js'\nconst d = () => import('./d.js')"),
      at('src/b.ts', "import { x } from '@scope/pkg/deep'\nexport { y } from 'other'\nimport 'node:fs'"),
      at('src/c.ts', "import 'unused'"),
      at('src/d.ts', "import 'lazy'"),
    ]
    expect(rules.loadedBy(graph, 'src/a.ts')).toEqual({
      files: ['src/a.ts', 'src/b.ts'],
      packages: ['@scope/pkg', 'other'],
    })
  })
})
