import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wrapText } from '../../../src/report/format.js'

const wrap = (text: string, width: number, first = '', rest = '') => wrapText(text, { width, first, rest })

describe('wrapText', () => {
  it('fills lines up to the width and no further', () => {
    expect(wrap('aa bb cc dd', 5)).toEqual(['aa bb', 'cc dd'])
    expect(wrap('aa bb cc dd', 4)).toEqual(['aa', 'bb', 'cc', 'dd'])
  })

  it('hangs further lines under the first', () => {
    expect(wrap('one two three', 12, 'Fix: ', '     ')).toEqual(['Fix: one two', '     three'])
  })

  it('an empty text is one line, the prefix without its trailing space', () => {
    expect(wrap('', 40, 'Fix: ', '     ')).toEqual(['Fix:'])
  })

  it('keeps a command in backticks on one line where it fits', () => {
    expect(wrap('Run `openssl x509 -noout` now.', 22)).toEqual(['Run', '`openssl x509 -noout`', 'now.'])
  })

  it('breaks a command that is longer than a line at its spaces', () => {
    expect(wrap('Run `openssl x509 -noout` now.', 14)).toEqual(['Run `openssl', 'x509 -noout`', 'now.'])
  })

  it('a backtick without its partner holds nothing together', () => {
    expect(wrap('a ` bb cc dd', 5)).toEqual(['a `', 'bb cc', 'dd'])
  })

  it('counts code points, not UTF-16 units', () => {
    expect(wrap('😀😀 😀😀', 5)).toEqual(['😀😀 😀😀'])
  })

  it('loses and changes no word, and only a line of one word runs over', () => {
    const word = fc.stringMatching(/^[a-z`:.]{1,30}$/)
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 10, max: 60 }), (words, width) => {
        const lines = wrap(words.join(' '), width, '- ', '  ')
        expect(lines.map((line) => line.slice(2)).join(' ')).toBe(words.join(' '))
        for (const line of lines) expect(line.length <= width || !line.slice(2).includes(' ')).toBe(true)
      }),
    )
  })
})
