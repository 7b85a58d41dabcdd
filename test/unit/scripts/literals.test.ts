/** What a line must contain so that a pattern can match it. */
import { expect, it } from 'vitest'
import { literalsOf } from '../../../scripts/lib/literals.mjs'

it.each([
  ['abc', ['abc']],
  ['a|bc', ['a', 'bc']],
  ['abc\\.def?g', ['abc.de']],
  ['ab*cde', ['cde']],
  ['a[xy]bcd', ['bcd']],
  ['(?:first|second) part', [' part']],
  ['(?:first|second)', ['first', 'second']],
  ['(?:long words)?abc', ['abc']],
  ['(?:long words){0,2}abc', ['abc']],
  ['ab+cd', ['ab']],
  ['\\babc\\b', ['abc']],
  ['^(?=.*server log).*abc', ['server log']],
  ['^(?!.*server log).*abc', ['abc']],
  ['(?<!not )abc', ['abc']],
  ['\\[-\\]etcd failed', ['[-]etcd failed']],
  ['abc|\\d+', null],
  ['(?:abc)?', null],
])('a match of %s contains one of %j', (pattern, literals) => {
  expect(literalsOf(pattern)).toEqual(literals)
})
