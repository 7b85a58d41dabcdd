import { expect, it } from 'vitest'
import { type Column, tableLines } from '../../../src/cli/table.js'

const columns: Column[] = [
  { title: 'FILE', shrinks: 'never', values: ['server.crt', 'größe ✓.crt'] },
  { title: 'SUBJECT', shrinks: 'first', values: ['a short one', 'a subject of many characters'] },
  { title: 'CA', shrinks: 'first', values: ['itself', ''] },
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

it('a table that is too wide shortens a column of the last resort only after the others', () => {
  const address: Column = { title: 'ADDRESS', shrinks: 'last', values: ['10.0.0.1:2379', '10.0.0.1:2380'] }
  const name: Column = { title: 'NAME', shrinks: 'first', values: ['a-member-of-etcd', 'etcd-1'] }
  expect(tableLines([address, name], 24)[1]).toBe('10.0.0.1:2379  a-member…')
  expect(tableLines([address, name], 18)[1]).toBe('10.0.0.1:…  a-mem…')
})
