import { expect, it } from 'vitest'
import { catalogue } from '../../../src/report/catalogue.js'
import { isIgnorable } from '../../../src/validate/ignorable.js'

it.each(Object.entries(catalogue))('%s can be ignored exactly where it is no error', (code, { severity }) => {
  expect(isIgnorable(code)).toBe(severity !== 'error')
})

it.each([
  '',
  'login',
  'login/',
  'login/not-enabled/x',
  'toString',
  'constructor/x',
  'san/nothing',
  null,
  1,
  ['login/not-enabled'],
])('%j is no code', (code) => {
  expect(isIgnorable(code)).toBe(false)
})
