/**
 * The codes of findings and the names that the subpaths export at run time, as checked-in lists: a reviewer sees in the diff what
 * a change adds or takes away. `npm test -- test/surface.test.ts -u` writes them again. And what comments must have.
 */
import { expect, it } from 'vitest'
import { catalogue } from '../src/report/catalogue.js'
import { publicDeclarations } from './support/public-declarations.js'

it('the package has the codes that test/surface/codes.txt lists', async () => {
  await expect(lines(Object.keys(catalogue))).toMatchFileSnapshot('surface/codes.txt')
})

it('exports the names at run time that test/surface/names.txt lists', async () => {
  const modules = {
    '.': await import('../src/index.js'),
    './credentials': await import('../src/credentials/index.js'),
    './validate': await import('../src/validate/index.js'),
    './authority': await import('../src/authority/index.js'),
    './config': await import('../src/config/index.js'),
    './client': await import('../src/client/index.js'),
    './coordination': await import('../src/coordination/index.js'),
    './metrics': await import('../src/metrics/index.js'),
    './doctor': await import('../src/doctor/index.js'),
    './testing': await import('../src/testing/index.js'),
  }
  const names = Object.entries(modules).flatMap(([path, module]) =>
    Object.keys(module).map((name) => `${path} ${name}`),
  )
  await expect(lines(names)).toMatchFileSnapshot('surface/names.txt')
})

const { functions, options } = publicDeclarations()

it('shows an example for each public function', () => {
  expect(functions.map(({ name }) => name)).toEqual(expect.arrayContaining(['createSecureClient', 'lock', 'startEtcd']))
  expect(functions.filter(({ examples }) => examples.length === 0).map(({ name }) => name)).toEqual([])
})

it('names the default of each option', () => {
  expect(options.length).toBeGreaterThan(150)
  expect(options.filter(({ hasDefault }) => !hasDefault).map(({ name }) => name)).toEqual([])
})

function lines(entries: readonly string[]): string {
  return `${[...entries].sort().join('\n')}\n`
}
