import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { differenceRows, HEADING, rowsIn } from '../../support/differences-page.js'

const page = readFileSync(new URL('../../../docs/differences.md', import.meta.url), 'utf8')

it('docs/differences.md shows the differences as the differential tests know them', () => {
  expect(page).toContain(HEADING)
  expect(rowsIn(page)).toEqual(differenceRows())
})

it('no reason holds what would end a cell', () => {
  expect(
    differenceRows()
      .flat()
      .filter((cell) => /[|\n]/.test(cell)),
  ).toEqual([])
})
