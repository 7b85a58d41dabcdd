import { expect, it } from 'vitest'
import { catalogue } from '../../../src/report/catalogue.js'
import { LAXER, SILENT, STRICTER } from '../../support/differences.js'

it('docs/differences.md lists codes of the catalogue, each with a program that differs, and cases of the tests', () => {
  for (const { code, peers } of [...STRICTER, ...LAXER]) {
    expect(Object.keys(catalogue)).toContain(code)
    expect(peers, code).not.toEqual([])
  }
  const lengths = [STRICTER, LAXER, SILENT].map(({ length }) => length)
  expect(Math.min(...lengths)).toBeGreaterThan(0)
})
