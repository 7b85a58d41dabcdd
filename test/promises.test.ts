/** Each promise of SECURITY.md has a change that breaks it, which `npm run check -- promises` makes. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { changed, PROMISES, threatModel } from '../scripts/lib/promises.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(`${root}/${file}`, 'utf8')
const rows = threatModel(read('.github/SECURITY.md'))
/** Patterns of all titles in a file; `%s`, `$name` and so on stand for any text. The title of a group may precede one. */
function titlesIn(source: string): RegExp[] {
  const strings = source.matchAll(/\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`([^`]*)`),\s*(?:async )?\(/g)
  return Array.from(strings, ([, single, double, template]) => single ?? double ?? template ?? '')
    .map((title) => title.split(/%[a-z]|\$\{[^}]*\}|\$\w+/))
    .filter((parts) => parts.join('') !== '')
    .map((parts) => {
      const escaped = parts.map((part) => part.replace(/[\\^$*+?.()[\]{}|]/g, '\\$&'))
      return new RegExp(`(?:^| )${escaped.join('.*')}$`)
    })
}

const ofRow = (promise: string) => PROMISES.filter(({ row }) => promise.startsWith(row))

it('the threat model of SECURITY.md has rows', () => {
  expect(rows.length).toBeGreaterThan(10)
})

describe.each(rows)('the promise "$promise"', ({ promise, tests }) => {
  it('SECURITY.md names the tests that fail after a change that breaks the promise', () => {
    const used = ofRow(promise).flatMap((each) => each.tests.map(([file]) => file))
    expect(used).not.toEqual([])
    expect(used.filter((file) => !tests.includes(file))).toEqual([])
  })

  it('names tests that exist', () => {
    expect(tests.filter((file) => !existsSync(`${root}/${file}`))).toEqual([])
  })
})

describe.each(PROMISES)('the change with which $breaks', ({ row, changes, tests }) => {
  it('belongs to one row', () => {
    expect(rows.filter(({ promise }) => promise.startsWith(row))).toHaveLength(1)
  })

  it('names tests that have these titles in their files', () => {
    for (const [file, title] of tests) {
      expect(titlesIn(read(file)).some((pattern) => pattern.test(title)) ? '' : `${file}: ${title}`).toBe('')
    }
  })

  it('applies to the sources, and names tests', () => {
    for (const change of changes) expect(changed(read(change[0]), change)).not.toBe(read(change[0]))
    expect(tests).not.toEqual([])
  })
})
