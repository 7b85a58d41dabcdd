/** Durations of options; those of Go are in render-extra.test.ts. */
import { expect, it } from 'vitest'
import { parseDuration } from '../../../src/report/duration.js'
import { thrown } from '../../support/refused.js'

it.each([
  ['0s', 0],
  ['250ms', 250],
  ['5s', 5000],
  ['30m', 1_800_000],
  ['12h', 43_200_000],
  ['90d', 7_776_000_000],
  ['999999999999ms', 999_999_999_999],
])('reads %s as %d milliseconds', (text, milliseconds) => {
  expect(parseDuration(text, 'clockSkew')).toBe(milliseconds)
})

it('refuses any other duration, and names the option', () => {
  for (const text of ['', '5', 's', '5 s', ' 5s', '5s ', '5sx', '-5s', '1.5s', '5S', '5w', '1h30m', ['5s'], 5, null]) {
    const { details } = thrown(() => parseDuration(text, 'clockSkew'), 'ERR_OPTION_INVALID')
    expect(details).toMatchObject({ option: 'clockSkew' })
  }
  expect(() => parseDuration('9999999999999s', 'clockSkew')).toThrow('a duration string such as "90d"')
})
