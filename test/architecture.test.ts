import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as rules from './support/architecture.js'
import { readSource, readSources, scanImports, type Source } from './support/imports.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = readSources(root, 'src')

it('the sources are found', () => {
  expect(sources.map(({ path }) => path)).toContain('src/index.ts')
  expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(sources.length)
})

it.each([
  ['import in one direction, types included', rules.againstDirection],
  ['of the upper rooms import from others by their doors', rules.pastTheIndex],
  ['of the client import from no floor above', rules.upstairs],
  ['import in no circle', rules.cycles],
  ['name each third-party package in one place', rules.pastTheDoors],
  ['do nothing while they load', rules.actingOnLoad],
  ['are short', rules.tooLong],
  ['are at most 25 in a folder', rules.crowded],
  [
    'are no fragments of the one file that imports them',
    (all: Source[]) => rules.fragments(all, scanImports(root, 'test')),
  ],
  ['hide members by #', rules.privateByKeyword],
  [
    're-export in the root, and do nothing else there',
    (all: Source[]) => rules.moreThanReexports(all.filter(({ path }) => path === 'src/index.ts')),
  ],
] as const)('the sources %s', (_, rule) => {
  expect(rule(sources)).toEqual([])
})

it('the page of the design names every room, in the order of their imports', () => {
  const page = readFileSync(`${root}/docs/design.md`, 'utf8')
  expect(page).toContain(`\n${rules.ROOMS.join(' <- ')}\n`)
  expect([...page.matchAll(/^\| `([\w-]+)` +\|/gm)].map(([, room]) => room)).toEqual([...rules.ROOMS])
})

it('tests that put modules in the place of others are called so, and get modules of their own', () => {
  const files = readdirSync(`${root}/test`, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  )
  const found = files.filter((path) => /vi\.(mock|doMock)\(/.test(readFileSync(`${root}/test/${path}`, 'utf8')))
  expect(found.length).toBeGreaterThan(0)
  expect(found.filter((path) => !path.endsWith('.isolated.test.ts'))).toEqual([])
})

it('the root folder holds the agreed files, dotfiles, and files that git ignores', () => {
  const agreed =
    'CHANGELOG.md CONTRIBUTING.md LICENSE README.md action.yml docs package-lock.json package.json scripts src test tsconfig.json typedoc.json'
  const ignored = readFileSync(new URL('../.gitignore', import.meta.url), 'utf8')
    .split('\n')
    .map((line) => line.replace(/\/$/, ''))
  const present = readdirSync(root).filter((name) => !name.startsWith('.') && !ignored.includes(name))
  expect(present.sort()).toEqual(agreed.split(' '))
})

describe('each rule bites', () => {
  const at = (path: string, text: string) => readSource(path, text)
  const later = 'src/validate/b.ts imports src/client/a.ts, which is in a later room'

  it.each([
    "import { a } from '../client/a.js'",
    "import type { A } from '../client/a.js'",
    "export * from '../client/a.js'",
    "export type { A } from '../client/a.js'",
    "type A = import('../client/a.js').A",
    "const a = () => import('../client/a.js')",
    "import a = require('../client/a.js')",
  ])('the rule of direction finds %s', (text) => {
    expect(rules.againstDirection([at('src/validate/b.ts', text)])).toEqual([later])
  })

  it.each([
    ['src/client/a.ts', "import '../validate/b.js'", 0],
    ['src/client/a.ts', "import '../config/b.js'", 1],
    ['src/config/a.ts', "import '../authority/b.js'", 0],
    ['src/report/errors.ts', "import type { A } from '../x509/a.js'", 1],
    ['src/report/a.ts', "import '../index.js'", 1],
    ['src/attic/a.ts', "import '../report/errors.js'", 1],
    ['src/client/a.ts', "import '../attic/b.js'", 1],
  ])('the rule of direction compares the rooms of %s and of %s', (path, text, violations) => {
    expect(rules.againstDirection([at(path, text)])).toHaveLength(violations)
  })

  it.each([
    ['src/client/base/a.ts', "import '../etcd3/options.js'", 0],
    ['src/client/base/a.ts', "import '../session.js'", 1],
    ['src/client/transport/a.ts', "import type { A } from '../streams/a.js'", 1],
    ['src/client/session.ts', "import './diagnosis/a.js'", 0],
    ['src/client/session.ts', "import './deferred.js'", 1],
    ['src/client/session.ts', "import './etcd3/secure-etcd3.js'", 1],
    ['src/client/index.ts', "import './etcd3/secure-etcd3.js'", 0],
  ])('the rule of floors checks %s with %s', (path, text, violations) => {
    expect(rules.upstairs([at(path, text)])).toHaveLength(violations)
  })

  it.each([
    ['src/cli/a.ts', "import '../config/index.js'", 0],
    ['src/cli/a.ts', "import '../config/internal-read.js'", 0],
    ['src/cli/lint/a.ts', "import type { A } from '../../config/lint/lint.js'", 1],
    ['src/doctor/a.ts', "const a = () => import('../client/session.js')", 1],
    ['src/doctor/a.ts', "import './b.js'", 0],
    ['src/config/a.ts', "import '../x509/der.js'", 0],
  ])('the rule of the index checks %s with %s', (path, text, violations) => {
    expect(rules.pastTheIndex([at(path, text)])).toHaveLength(violations)
  })

  it('the rule of circles finds circles of files, by types too', () => {
    const a = at('src/x509/a.ts', "import { b } from './b.js'")
    const b = at('src/x509/b.ts', "import type { C } from './c.js'")
    const c = at('src/x509/c.ts', "import './a.js'")
    expect(rules.cycles([a, b, c])).toEqual(['src/x509/a.ts -> src/x509/b.ts -> src/x509/c.ts -> src/x509/a.ts'])
    expect(rules.cycles([a, b])).toEqual([])
    expect(rules.cycles([at('src/x509/a.ts', "import './a.js'")])).toEqual(['src/x509/a.ts -> src/x509/a.ts'])
  })

  it.each([
    ['src/validate/a.ts', "import type { Name } from '@peculiar/x509'", ', whose door is src/x509/peculiar.ts'],
    ['src/x509/peculiar.ts', "import '@peculiar/asn1-schema/build/x.js'", null],
    ['src/client/session.ts', "import { Etcd3 } from 'etcd3'", ', whose door is src/client/etcd3/'],
    ['src/client/etcd3/secure-etcd3.ts', "import { Etcd3 } from 'etcd3'", null],
    ['src/client/etcd3/secure-etcd3.ts', "import '@grpc/grpc-js'", ', whose door is src/client/transport/channel.ts'],
    ['src/testing/container.ts', "import 'testcontainers'", null],
    ['src/client/a.ts', "import 'lodash'", 'src/client/a.ts imports lodash, which has no door'],
    ['src/client/a.ts', "import 'fs'", ', which has no door'],
    ['src/client/a.ts', "import 'node:fs'", null],
    ['src/client/a.ts', 'const load = (name: string) => import(name)', 'src/client/a.ts computes what it imports'],
  ])('the rule of doors checks %s with %s', (path, text, violation) => {
    const found = rules.pastTheDoors([at(path, text)])
    expect(found).toEqual(violation === null ? [] : [expect.stringContaining(violation)])
  })

  it.each([
    ['globalThis.x = 1', 1],
    ['let counter = 0', 1],
    ['const cache = new WeakMap<object, string>()', 1],
    ["const known = new Set(['a'])", 0],
    ['for (const a of b) c(a)', 1],
    ["import 'a'\nexport const a = 1\nfunction b() {}\nclass C {}\ninterface D {}\ntype E = 1", 0],
  ])('the rule of loading checks the side effects and the state of %s', (text, violations) => {
    expect(rules.actingOnLoad([at('src/x509/a.ts', text)])).toHaveLength(violations)
  })

  it('the rules find long files, crowded folders, and members hidden by the keyword', () => {
    expect(rules.tooLong([at('src/x509/a.ts', '//\n'.repeat(rules.MAX_LINES))])).toEqual([])
    expect(rules.tooLong([at('src/x509/a.ts', '//\n'.repeat(rules.MAX_LINES + 1))])).toHaveLength(1)
    const files = (count: number) => Array.from({ length: count }, (_, i) => at(`src/x509/a${String(i)}.ts`, ''))
    expect(rules.crowded(files(rules.MAX_FILES))).toEqual([])
    expect(rules.crowded(files(rules.MAX_FILES + 1))).toEqual(['src/x509 has 26 files; 25 are the limit'])
    expect(rules.privateByKeyword([at('src/x509/a.ts', 'class A { private b = 1 }')])).toHaveLength(1)
    expect(rules.privateByKeyword([at('src/x509/a.ts', 'class A { #b = 1; private constructor() {} }')])).toEqual([])
  })

  it('the rule of fragments finds a short file that one file imports', () => {
    const part = (lines: number) => at('src/x509/part.ts', 'export const a = 1\n'.repeat(lines))
    const user = (name: string) => at(`src/x509/${name}.ts`, "import { a } from './part.js'")
    const small = part(rules.MIN_LINES - 1)
    expect(rules.fragments([small, user('b')], [])).toEqual(['src/x509/part.ts (59 lines) belongs to src/x509/b.ts'])
    expect(rules.fragments([small, user('b'), user('c')], [])).toEqual([])
    expect(rules.fragments([part(rules.MIN_LINES), user('b')], [])).toEqual([])
    expect(rules.fragments([small, at('src/x509/b.ts', "const a = () => import('./part.js')")], [])).toEqual([])
    const test = at('test/a.test.ts', "import { a } from '../src/x509/part.js'")
    expect(rules.fragments([small, user('b')], [test])).toEqual([])
  })

  it('the rule of the root finds more than re-exports', () => {
    const ofRoot = (text: string) => rules.moreThanReexports([at('src/index.ts', text)])
    expect(ofRoot("export * from './a.js'\nexport { b } from './b.js'")).toEqual([])
    expect(ofRoot("import { a } from './a.js'\nexport { a }")).toHaveLength(2)
    expect(rules.moreThanReexports([])).toEqual(['src/index.ts is missing'])
  })

  it('loadedBy follows neither types nor lazy imports', () => {
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
