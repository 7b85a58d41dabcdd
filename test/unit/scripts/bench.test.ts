/** `npm run bench` and its short form in `npm run check`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writePages } from '../../../scripts/lib/bench-pages.mjs'
import { type Bench, runBench } from '../../bench/harness.js'

/** Contenders that measure themselves take exactly these times, in milliseconds. */
function benchOf(own: number, limit: number): Bench {
  const contender = (name: string, time: number): { name: string; measure: () => Promise<number> } => {
    return { name, measure: () => Promise.resolve(time) }
  }
  return {
    title: 'Bench',
    about: 'About.',
    unit: 'call',
    base: 'plain',
    promises: [
      { says: 'processor', holds: (measured) => measured('own').ratio <= limit },
      { says: 'clock', clock: 'wall', holds: (measured) => measured('own').ratio <= limit },
    ],
    plots: [{ title: 'Plot', bars: [{ name: 'mine', contender: 'own' }] }],
    prepare: () => ({ contenders: [contender('plain', 10), contender('own', own)] }),
  }
}

it('the short form of a benchmark decides promises about processor time, a tenth more mildly', async () => {
  const decided = async (own: number, form: 'full' | 'short' | 'once'): Promise<string[]> =>
    (await runBench(benchOf(own, 1), form)).promises.map(({ says, held }) => `${says} ${held ? 'kept' : 'not kept'}`)
  expect(await decided(10.5, 'full')).toEqual(['processor not kept', 'clock not kept'])
  expect(await decided(10.5, 'short')).toEqual(['processor kept'])
  expect(await decided(11.5, 'short')).toEqual(['processor not kept'])
  expect(await decided(11.5, 'once')).toEqual([])
})

it('the short form of a benchmark measures only the subjects of its promises and their bases', async () => {
  const bench = benchOf(5, 1)
  const measured: string[] = []
  const contender = (name: string, base?: string) => ({
    ...{ name, ...(base === undefined ? {} : { base }) },
    measure: () => {
      if (!measured.includes(name)) measured.push(name)
      return Promise.resolve(10)
    },
  })
  const contenders = [contender('plain'), contender('other'), contender('own', 'own base'), contender('own base')]
  const rows = (form: 'full' | 'short') => runBench({ ...bench, prepare: () => ({ contenders }) }, form)
  expect((await rows('short')).rows.map(({ name }) => name)).toEqual(['plain', 'own', 'own base'])
  expect(measured.sort()).toEqual(['own', 'own base', 'plain'])
  expect((await rows('full')).rows).toHaveLength(4)
})

it('the pages of benchmarks are written with their plots, but not with a promise that is not kept', async () => {
  const root = mkdtempSync(join(tmpdir(), 'bench-pages-'))
  try {
    mkdirSync(join(root, 'docs'))
    const page = join(root, 'docs/benchmarks-all.md')
    writeFileSync(
      page,
      '<!-- bench:old -->\n\n## Old\n\n<!-- /bench -->\n\n<!-- bench:gone -->\n\n## Gone\n\n<!-- /bench -->\n',
    )
    const kept = await runBench(benchOf(5, 1))
    writePages(root, new Map([['new', kept]]), ['new', 'old'])
    const text = readFileSync(page, 'utf8')
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual(['Bench', 'Old'])
    expect(text).toContain('| own   |     5 ms |        200 |    0.50 | 0.50–0.50 |')
    expect(readFileSync(join(root, 'docs/plots/new.svg'), 'utf8')).toContain('>0.50<')
    const broken = await runBench(benchOf(15, 1))
    expect(() => {
      writePages(root, new Map([['new', broken]]), ['new'])
    }).toThrow('Nothing was written, because a promise is not kept: new.')
    expect(readFileSync(page, 'utf8')).toBe(text)
  } finally {
    rmSync(root, { recursive: true })
  }
})
