/** Lines of a report (format.ts); format.test.ts has whole reports. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { wrapText } from '../../../src/report/print-report.js'

it.each<[what: string, text: string, width: number, lines: string[], first?: string, rest?: string]>([
  ['fills lines up to the width', 'aa bb cc dd', 5, ['aa bb', 'cc dd']],
  ['fills no line further', 'aa bb cc dd', 4, ['aa', 'bb', 'cc', 'dd']],
  ['makes one line of an empty text, the prefix without its last space', '', 40, ['Fix:'], 'Fix: ', '     '],
  [
    'keeps a command in backticks on one line that can hold it',
    'Run `openssl x509 -noout` now.',
    22,
    ['Run', '`openssl x509 -noout`', 'now.'],
  ],
  ['breaks a longer one at its spaces', 'Run `openssl x509 -noout` now.', 14, ['Run `openssl', 'x509 -noout`', 'now.']],
  ['holds nothing together by a single backtick', 'a ` bb cc dd', 5, ['a `', 'bb cc', 'dd']],
  ['counts code points, not UTF-16 units', '😀😀 😀😀', 5, ['😀😀 😀😀']],
])('%s', (_, text, width, lines, first = '', rest = '') => {
  expect(wrapText(text, { width, first, rest })).toEqual(lines)
})

it('loses and changes no word, and only a line of one word runs over', () => {
  const word = fc.stringMatching(/^[a-z`:.]{1,30}$/)
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 10, max: 60 }), (words, width) => {
      const lines = wrapText(words.join(' '), { width, first: '- ', rest: '  ' })
      expect(lines.map((line) => line.slice(2)).join(' ')).toBe(words.join(' '))
      for (const line of lines) expect(line.length <= width || !line.slice(2).includes(' ')).toBe(true)
    }),
  )
})
