import { expect, it } from 'vitest'
import { tableLines } from '../../../src/cli/table.js'

const columns = [
  { title: 'FILE', canShrink: false, values: ['server.crt', 'größe ✓.crt'] },
  { title: 'SUBJECT', canShrink: true, values: ['a short one', 'a subject of many characters'] },
  { title: 'CA', canShrink: true, values: ['itself', ''] },
]

it('a table has the width of its longest values, if that fits', () => {
  expect(tableLines(columns, 80)).toEqual([
    'FILE         SUBJECT                       CA',
    'server.crt   a short one                   itself',
    'größe ✓.crt  a subject of many characters',
  ])
})

it('a table that is too wide loses characters of the columns that may shrink, down to six', () => {
  expect(tableLines(columns, 36)[2]).toBe('größe ✓.crt  a subject of m…')
  expect(tableLines(columns, 10)).toEqual([
    'FILE         SUBJE…  CA',
    'server.crt   a sho…  itself',
    'größe ✓.crt  a sub…',
  ])
})
