import { expect, it } from 'vitest'
import { catalogue } from '../../../src/report/catalogue.js'
import { rows } from '../../../src/validate/finding.js'
import { isIgnorable } from '../../../src/validate/ignorable.js'

it.each(Object.entries(rows))('%s of this room can be ignored exactly if it is not an error', (code, { severity }) => {
  expect(isIgnorable(code)).toBe(severity !== 'error')
})

it('takes the codes of other rooms, whose reports keep their errors in any case', () => {
  const areas = new Set(Object.keys(rows).map((code) => code.split('/')[0]))
  const others = Object.keys(catalogue).filter((code) => !areas.has(code.split('/')[0]))
  expect(others.filter((code) => !isIgnorable(code))).toEqual([])
})

it.each([
  '',
  'login',
  'login/',
  'login/not-enabled/x',
  'toString',
  'san/nothing',
  'Login/X',
  null,
  1,
  ['login/not-enabled'],
])('%j is not a code', (code) => {
  expect(isIgnorable(code)).toBe(false)
})
