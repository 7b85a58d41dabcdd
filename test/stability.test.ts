/** docs/stability.md: each promise has its test, and the support table names the versions that are tested. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { undocumentedDeprecations } from '../scripts/lib/release/contents.mjs'
import { NODES, TYPESCRIPTS } from '../scripts/lib/supported.mjs'
import { ETCD_LINES } from '../src/config/tables/version.js'
import { root } from './support/compiled.js'

const readText = (file: string): string => readFileSync(join(root, file), 'utf8')
const page = readText('docs/stability.md')
const rows = [...page.matchAll(/^\| (Node \d+|TypeScript|etcd) +\| (.+?) +\| (.*?) +\| (.+?) +\|$/gm)].map(
  ([, name = '', versions = '', until = '']) => ({ name, versions, until }),
)
const rowsOf = (name: string) => rows.filter((each) => each.name.startsWith(name))

it('the support table has the versions that the matrix runs, and when their support ends', () => {
  const nodes = NODES.map(({ oldest, ends }) => ({
    name: `Node ${oldest.split('.')[0] ?? ''}`,
    versions: `${oldest} and later`,
    until: ends,
  }))
  expect(rowsOf('Node')).toEqual(nodes)
  expect(rowsOf('TypeScript').map(({ versions }) => versions)).toEqual([TYPESCRIPTS.join(', ')])
  expect(rowsOf('etcd').map(({ versions }) => versions)).toEqual([ETCD_LINES.join(', ')])
})

it('package.json accepts the supported versions of Node, and no older ones of their lines', () => {
  const { engines } = JSON.parse(readText('package.json')) as { engines: { node: string } }
  const [first, second] = NODES
  expect(engines.node).toBe(`^${first?.oldest ?? ''} || >=${second?.oldest ?? ''}`)
})

it('README.md and docs/tool-chains.md have the supported versions', () => {
  const [first, second] = NODES.map(({ oldest }) => oldest)
  const [oldest = '', newest = ''] = [ETCD_LINES[0], ETCD_LINES.at(-1)]
  const node = `Node ${first ?? ''} and later 20.x, or ${second ?? ''} and later`
  expect(readText('README.md')).toContain(`${node}; etcd ${oldest} to ${newest}`)
  expect(readText('docs/tool-chains.md')).toContain(`Use TypeScript ${TYPESCRIPTS[0] ?? ''} or later`)
})

it('each test and script that docs/stability.md names exists', () => {
  const named = [...page.matchAll(/`((?:test|scripts)\/[\w./-]+)`/g)].map(([, path = '']) => path)
  expect(named.length).toBeGreaterThan(8)
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

it('docs/stability.md names the experimental functions', () => {
  const marked = [...readText('test/surface/names.txt').matchAll(/ (\w+) @experimental$/gm)].map(
    ([, name = '']) => name,
  )
  expect([...new Set(marked)].filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})

it('docs/upgrading.md has a row for each deprecated name', () => {
  expect(undocumentedDeprecations(root)).toEqual([])
})
