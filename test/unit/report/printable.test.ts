import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printable, printableDeep } from '../../../src/report/printable.js'
import { anyCharacter } from '../../support/any-character.js'

describe('printable', () => {
  it('leaves letters of every script, punctuation and emoji alone', () => {
    const text = 'CN=Ünïcode 名前 שם 😀,O="A, B"\\, C'
    expect(printable(text)).toBe(text)
  })

  it.each([
    ['ESC', '\u001b', '\\u{1b}'],
    ['a newline', '\n', '\\u{a}'],
    ['NUL', '\0', '\\u{0}'],
    ['DEL', '\u007f', '\\u{7f}'],
    ['the C1 control sequence introducer', '\u009b', '\\u{9b}'],
    ['a right-to-left override', '\u202e', '\\u{202e}'],
    ['a zero-width space', '\u200b', '\\u{200b}'],
    ['a soft hyphen', '\u00ad', '\\u{ad}'],
    ['a byte order mark', '\ufeff', '\\u{feff}'],
    ['a line separator', '\u2028', '\\u{2028}'],
    ['a paragraph separator', '\u2029', '\\u{2029}'],
    ['a tag character outside the BMP', '\u{e0041}', '\\u{e0041}'],
    ['an interlinear annotation mark', '\ufff9', '\\u{fff9}'],
    ['a variation selector', '\ufe0f', '\\u{fe0f}'],
    ['a Hangul filler', '\u3164', '\\u{3164}'],
    ['half a surrogate pair', '\ud800', '\\u{d800}'],
  ])('shows %s as an escape', (_, raw, shown) => {
    expect(printable(`a${raw}b`)).toBe(`a${shown}b`)
  })

  it('removes the first line of each key on P-256, which has few small letters by chance', () => {
    const lines = Array.from(
      { length: 3000 },
      () => `MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg${randomBytes(12).toString('base64')}`,
    )
    expect(lines.filter((line) => printable(line) === line)).toEqual([])
  })

  it('gives text without any control or format character, and gives the same again', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        const shown = printable(text)
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
        expect(printable(shown)).toBe(shown)
      }),
    )
  })
})

describe('printableDeep', () => {
  it('reaches strings in objects and lists, and lets other values pass', () => {
    const at = new Date(0)
    const others = { at, n: 1, yes: true, none: null, gone: undefined }
    const given = { a: ['\n', { b: '\r' }], ...others }
    expect(printableDeep(given)).toEqual({ a: ['\\u{a}', { b: '\\u{d}' }], ...others })
    expect(given.a[0]).toBe('\n')
  })

  it('cuts long text and says how long it was', () => {
    expect(printableDeep('x'.repeat(1000))).toBe('x'.repeat(1000))
    expect(printableDeep('x'.repeat(1001))).toBe(`${'x'.repeat(1000)}… (1001 characters)`)
  })

  it('cuts a long list of texts and says how long it was', () => {
    const names = (length: number) => Array.from({ length }, (_, index) => `n${String(index)}`)
    expect(printableDeep(names(50))).toEqual(names(50))
    expect(printableDeep(names(51))).toEqual([...names(50), '… (51 entries)'])
    expect(printableDeep(Array.from({ length: 51 }, () => 7))).toHaveLength(50)
  })
})
