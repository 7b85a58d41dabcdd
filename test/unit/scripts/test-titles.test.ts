import { Linter } from 'eslint'
import { describe, expect, it } from 'vitest'
import { faultOf, testTitle } from '../../../scripts/lib/eslint/test-titles.mjs'

describe('faultOf', () => {
  it.each([
    'rejects a server certificate that does not cover the dialled host',
    'does not retry a write',
    'never prints a private key',
    'the client reads a key',
    'A lock file of a killed process is taken by one process',
    '`release()` frees the lock',
    '%s follows a link of root',
    '"all" rejects if one endpoint is bad',
    'lock files of other hosts expire',
  ])('accepts the title %j', (title) => {
    expect(faultOf(title)).toBeNull()
  })

  it.each([
    ['what came with a line is gone', 'hides the actor behind "what"'],
    ['lets nobody in', 'hides the actor behind "nobody"'],
    ['keeps the keys of those', 'hides the actor behind "those"'],
    ['it reads a key', 'begins with "it", which continues another sentence'],
    ['is refused', 'begins with "is", which continues another sentence'],
    ['of a directory keeps its mode', 'begins with "of", which continues another sentence'],
    ['With a password, calls continue', 'begins with "With", which continues another sentence'],
    ['keep every entry', 'begins with "keep", which continues another sentence'],
    ['circles, by types too', 'has no verb'],
    ['%j', 'has no verb'],
    ['rejects', 'is not a sentence'],
  ])('finds the fault of the title %j', (title, fault) => {
    expect(faultOf(title)).toBe(fault)
  })
})

describe('the rule test-title', () => {
  const lint = (code: string): string[] => {
    const plugins = { house: { rules: { 'test-title': testTitle } } }
    const rules: Linter.RulesRecord = { 'house/test-title': 'error' }
    return new Linter({ cwd: '/repository' })
      .verify(code, [{ files: ['**/*.js'], plugins, rules }], { filename: '/repository/test/a.js' })
      .map(({ message }) => message)
  }

  it.each([
    "it('is refused', () => {})",
    'it(`is refused by ${name}`, () => {})',
    "it.each(rows)('is refused by %s', () => {})",
    "it.concurrent.for(rows)('is refused by %s', () => {})",
    "it.each([['refuses an empty name', 1], ['an empty name', 2]])('%s', () => {})",
    "it.each(['import in no circle', 'circles'])('the sources %s', () => {})",
    "const rows = [['refuses an empty name', 1], ['an empty name', 2]]; it.each(rows)('%s', () => {})",
    "it.each(rows)('%s', () => {})",
  ])('reports one title of %s', (code) => {
    expect(lint(code)).toEqual([expect.stringMatching(/^The title ".+: write a sentence/)])
  })

  it('accepts titles that are sentences, and any name of a describe', () => {
    expect(lint("const rows = ['refuses an empty name']; it.each(rows)('%s', () => {})")).toEqual([])
    expect(lint("describe('of a directory', () => { it('keeps its mode', () => {}) })")).toEqual([])
  })
})
