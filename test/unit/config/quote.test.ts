/** Quoting, checked by those who take it apart: a real `sh`, and systemd's rules. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quoteForEnvironment, quoteForShell, quoteForUnit } from '../../../src/config/render/quote.js'
import { temporaryFolder } from '../../support/openssl.js'
import { AT_ONCE, loadService, readBySystemd, unquoteUnitLine } from '../../support/systemd.js'
import { scaled } from '../../support/long.js'

const folder = temporaryFolder()
const NASTY = ['', ' ', "'", '"', '\\', '$', '`', '$HOME', '$(id)', '`id`', '!', '#a', '~', '*', '%n', "it's", `"'"'`, '\\n', 'a\\', '-n', 'ünï', '🔒', ';', '&&', '|', 'a=b', '{a,b}', '[a]', '?', '<', '>', '(', ' a  b ', '%%', '$$', '${a}', "\\'", '\\"', '\\$', 'a\u2003b', '\u00a0'] // prettier-ignore

/** Texts without control characters, which are refused before they are quoted. */
const text = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.array(fc.constantFrom(...NASTY)).map((parts) => parts.join('')),
  )
  .filter((each) => !/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(each))

/** What `sh` makes of a script, word by word. */
function shell(script: string): string[] {
  const { stdout, stderr, status } = spawnSync('sh', ['-c', script, 'sh'], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.split('\0').slice(0, -1)
}

describe('for a shell', () => {
  it('a shell reads each argument of quoteForShell as it was', () => {
    expect(shell(`printf '%s\\0' ${NASTY.map(quoteForShell).join(' ')}`)).toEqual(NASTY)
    fc.assert(
      fc.property(fc.array(text, { minLength: 50, maxLength: 100 }), (words) => {
        expect(shell(`printf '%s\\0' ${words.map(quoteForShell).join(' ')}`)).toEqual(words)
      }),
      { numRuns: scaled({ short: 6, long: 20 }) },
    )
  })

  it('quoteForShell leaves a plain argument readable', () => {
    expect(quoteForShell('--cert-file=/etc/etcd/server.crt')).toBe('--cert-file=/etc/etcd/server.crt')
    expect(quoteForShell("it's")).toBe(String.raw`'it'\''s'`)
  })
})

describe('for a file of variables', () => {
  const variables = (values: readonly string[]): string =>
    values.map((value, i) => `V${String(i)}=${quoteForEnvironment(value)}\n`).join('')

  it('a shell reads each value of quoteForEnvironment as it was', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 20, maxLength: 40 }), (values) => {
        writeFileSync(folder.file('env'), variables(values))
        const words = values.map((_, i) => `"$V${String(i)}"`).join(' ')
        expect(shell(`. ${quoteForShell(folder.file('env'))} && printf '%s\\0' ${words}`)).toEqual(values)
      }),
      { numRuns: scaled({ short: 6, long: 20 }) },
    )
  })

  it('systemd reads each value of quoteForEnvironment as it was', () => {
    const values = [...NASTY, ...fc.sample(text, 30)]
    for (let at = 0; at < values.length; at += AT_ONCE) {
      const some = values.slice(at, at + AT_ONCE)
      // Where there is no systemd, its rules are those of the reader's tests.
      expect(readBySystemd(folder, some.map(quoteForEnvironment)) ?? some).toEqual(some)
    }
  })

  it('quoteForEnvironment uses single quotes if they suffice, and double quotes around a single one', () => {
    expect(quoteForEnvironment('/etc/a b')).toBe("'/etc/a b'")
    expect(quoteForEnvironment('a"b')).toBe(`'a"b'`)
    expect(quoteForEnvironment(`it's $5 "\\\``)).toBe(String.raw`"it's \$5 \"\\` + '\\`"')
  })
})

it('our reader reads each argument of quoteForUnit as it was', () => {
  expect(quoteForUnit('/usr/bin/etcd')).toBe('/usr/bin/etcd')
  expect(quoteForUnit('100%')).toBe('100%%')
  expect(quoteForUnit('a $HOME "b"')).toBe(String.raw`"a $$HOME \"b\""`)
  const words = [...NASTY, ...fc.sample(text, 200)].filter((word) => word !== '')
  expect(unquoteUnitLine(words.map(quoteForUnit).join(' '))).toEqual(words)
})

it('systemd reads each argument of quoteForUnit as it was', () => {
  const words = [...NASTY, ...fc.sample(text, 100)].filter((word) => word !== '')
  const lines = words.map((word) => `ExecStart=/bin/echo ${quoteForUnit(word)}\n`)
  const loaded = loadService(folder, `[Service]\nType=oneshot\n${lines.join('')}`)
  // Variables are put in when it starts: two dollars are still two.
  const read = loaded?.commands.map(([, word = '']) => word.replaceAll('$$', '$'))
  expect(read ?? words).toEqual(words)
})
