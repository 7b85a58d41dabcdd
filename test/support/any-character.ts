/** Any character, for `fc.string({ unit: anyCharacter })`. Unlike with `unit: 'binary'`, fast-check makes no map of all of them, which takes a second. */
import fc from 'fast-check'

const SURROGATES = 0x800

export const anyCharacter = fc
  .nat(0x10ffff - SURROGATES)
  .map((code) => String.fromCodePoint(code < 0xd800 ? code : code + SURROGATES))
