/** Units and files of variables, read as systemd reads them; where there is a systemd, it is asked. */
import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lintOne } from '../../../support/lint-one.js'
import { fileVariables, type Variable } from '../../../../src/config/read/env.js'
import type { ReadMember } from '../../../../src/config/read/input.js'
import { Reading } from '../../../../src/config/read/read-option.js'
import { plainDollars, splitTokens } from '../../../../src/config/read/tokenizer.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { loadService, readBySystemd } from '../../../support/systemd.js'
import { scaled } from '../../../support/long.js'
import { readMember } from '../../../support/read-config.js'

const folder = temporaryFolder()

/** Texts of the signs that mean something to systemd. */
const odd = fc
  .array(
    fc.constantFrom('a', 'b', ' ', '\t', '"', "'", '\\', '$', '`', '#', ';', '%%', '=', 'ü', 'n', 'x41', '101', '\\\n'),
  )
  .map((parts) => parts.join(''))

describe('a file of variables', () => {
  const parse = (text: string): Variable[] => fileVariables({ text, file: null }, new Reading({}), 'systemd')
  const valuesOf = (text: string): string[] => parse(text).map(({ value }) => plainDollars(value))

  /** Each seen in systemd 257. */
  const CASES: readonly (readonly [right: string, value: string])[] = [
    ['', ''],
    ['a b  ', 'a b'],
    ['a b #c', 'a b #c'],
    ['"a b  "', 'a b  '],
    [String.raw`"a\nb \z \$ \` \" \\ x"`, String.raw`a\nb \z $ ` + '` " \\ x'],
    [String.raw`'a "b" \n'`, String.raw`a "b" \n`],
    [String.raw`a\b\ c  `, 'ab c'],
    ['"a" b \'c\'', "ab 'c'"],
    ['"a"\'b\'"c"', 'abc'],
    ['q"r"s', 'q"r"s'],
    ['"two\nlines"', 'two\nlines'],
    ['a\\\nb', 'ab'],
    ['"a\\\nb"', 'ab'],
    ["it's", "it's"],
    ['a \\\n', 'a '],
  ]

  it.each(CASES)('reads the value %j as systemd does', (right, value) => {
    expect(valuesOf(`A=${right}\n`)).toEqual([value])
    expect(readBySystemd(folder, [right]) ?? [value]).toEqual([value])
  })

  it('reads any other value as systemd does', () => {
    fc.assert(
      // Quotes that are not closed, and a backslash at the end, reach into the next line: one value is read at a time.
      fc.property(odd, (right) => {
        const [value = ''] = valuesOf(`ID=${right}\n`)
        expect(readBySystemd(folder, [right]) ?? [value]).toEqual([value])
      }),
      { numRuns: scaled({ short: 6, long: 25 }) },
    )
  })

  it('skips comments and lines that are not assignments, and reports places', () => {
    const text = '# A=1\n ; B=2\nC = 3\n4D=4\nE\n  export F=5\nG=6\\\n7\r\nH=8'
    expect(parse(text)).toMatchObject([
      { name: 'C', value: '3', isExported: false, place: { line: 3, column: 1 } },
      { name: 'F', value: '5', isExported: true, place: { line: 6, column: 10 } },
      { name: 'G', value: '67', isExported: false, place: { line: 7, column: 1 } },
      { name: 'H', value: '8', isExported: false, place: { line: 9, column: 1 } },
    ])
  })
})

/** The words of an ExecStart= that are read, commands apart. */
function commandsOf(line: string): string[][] {
  const commands: string[][] = [[]]
  for (const { text, isEnd } of splitTokens(line, 'systemd')) {
    if (isEnd) commands.push([])
    else commands.at(-1)?.push(text)
  }
  return commands.filter((words) => words.length > 0)
}

describe('a command line', () => {
  const CASES: readonly (readonly [line: string, ...words: string[]])[] = [
    [String.raw`/bin/etcd "a b" 'c\'d' e\x41 "f\"g" $HOME x$$y a;b pre"quo"ted \101 "q\ts"`, '/bin/etcd', 'a b', "c'd", 'eA', 'f"g', '$HOME', 'x$$y', 'a;b', 'prequoted', 'A', 'q\ts'],
    [String.raw`/bin/etcd a\zb "c\zd" '\z' \x41 "\u00e9" a\;b`, '/bin/etcd', String.raw`a\zb`, String.raw`c\zd`, String.raw`\z`, 'A', 'é', String.raw`a\;b`],
    ['/bin/etcd --a \\\n  # no\n  ; no\n  --b', '/bin/etcd', '--a', '--b'],
    [String.raw`/bin/etcd one \; two;three ';'`, '/bin/etcd', 'one', ';', 'two;three', ';'],
  ] // prettier-ignore

  it.each(CASES)('splits %s into arguments as systemd does', (line, ...words) => {
    expect(commandsOf(line)).toEqual([words])
    const loaded = loadService(folder, `[Service]\nType=oneshot\nExecStart=${line}\n`)
    // Systemd shows a tab as it is written.
    expect(loaded?.commands.map((each) => each.map((word) => word.replaceAll('\\t', '\t'))) ?? [words]).toEqual([words])
  })

  it('splits two commands at a semicolon', () => {
    const line = '/bin/sleep 1 ; /bin/etcd --name=a'
    const commands = [['/bin/sleep', '1'], ['/bin/etcd', '--name=a']] // prettier-ignore
    expect(commandsOf(line)).toEqual(commands)
    expect(loadService(folder, `[Service]\nType=oneshot\nExecStart=${line}\n`)?.commands ?? commands).toEqual(commands)
  })
})

describe('a unit', () => {
  const read = (unit: string): Promise<ReadMember> => readMember({ unit }, { readFiles: true, root: null })
  const given = async (unit: string): Promise<Record<string, string>> => {
    const { settings } = await read(unit)
    return Object.fromEntries(settings.all().map(({ place, text }) => [place.option, text]))
  }

  it.each<[string, string, Record<string, string>]>([
    ['prefixes', '[Service]\nExecStart=-+/usr/bin/etcd --name=a', { '--name': 'a' }],
    ['another name for the program', '[Service]\nExecStart=@/usr/bin/etcd etcd --name=a', { '--name': 'a' }],
    ['no variables after a colon', '[Service]\nEnvironment=A=b\nExecStart=:/usr/bin/etcd --name=${A}', { '--name': '${A}' }],
    ['a variable within a word', '[Service]\nEnvironment=A=b\nExecStart=/usr/bin/etcd --name=x${A}y', { '--name': 'xby' }],
    ['a variable without braces within a word', '[Service]\nEnvironment=A=b\nExecStart=/usr/bin/etcd --name=x$A', { '--name': 'x$A' }],
    ['an escaped dollar', '[Service]\nEnvironment=A=b\nExecStart=/usr/bin/etcd --name=$${A}', { '--name': '${A}' }],
    ['several arguments in a variable', `[Service]\nEnvironment='O=--name=a "--data-dir=/x y"'\nExecStart=/usr/bin/etcd $O`, { '--name': 'a', '--data-dir': '/x y' }],
    ['a percent sign', '[Service]\nEnvironment=A=1%%\nExecStart=/usr/bin/etcd --name=a%%${A}', { '--name': 'a%1%' }],
    ['a shell with a variable', '[Service]\nEnvironment=N=a\nExecStart=/bin/sh -c "exec etcd --name=$N"', { '--name': 'a' }],
    ['several assignments', `[Service]\nEnvironment="ETCD_NAME=a b" ETCD_DATA_DIR=/d 'ETCD_LOG_LEVEL=debug'\nExecStart=/usr/bin/etcd`, { ETCD_NAME: 'a b', ETCD_DATA_DIR: '/d' }],
    ['an empty assignment, which resets the list', '[Service]\nEnvironment=ETCD_NAME=a\nEnvironment=\nEnvironment=ETCD_DATA_DIR=/d\nExecStart=/usr/bin/etcd', { ETCD_DATA_DIR: '/d' }],
    ['another command before etcd', '[Service]\nExecStart=/bin/sleep 1 ; /usr/bin/etcd --name=a', { '--name': 'a' }],
    ['another section', '[Unit]\nExecStart=/usr/bin/etcd --name=b\n[Service]\nExecStart=/usr/bin/etcd --name=a', { '--name': 'a' }],
  ])('reads a unit with %s', async (_, unit, options) => {
    expect(await given(unit)).toEqual(options)
  }) // prettier-ignore

  it('files of variables win over the unit, and one that may be missing is not missed', async () => {
    writeFileSync(folder.file('etcd.env'), 'ETCD_NAME=file\nexport ETCD_CLIENT_CERT_AUTH=true\n')
    const unit = `[Service]\nEnvironment=ETCD_NAME=unit ETCD_DATA_DIR=/d\nEnvironmentFile=-/no/such/file\nEnvironmentFile=${folder.file('etcd.env')}\nExecStart=/usr/bin/etcd`
    expect(await given(unit)).toEqual({ ETCD_NAME: 'file', ETCD_DATA_DIR: '/d' })
    const { findings } = await read(unit)
    expect(findings.map(({ code, details }) => [code, 'line' in details ? details.line : 0])).toEqual([
      ['config/unit-invalid', 2],
    ])
    const missing = await lintOne({ unit: unit.replace('=-', '=') })
    expect(missing.findings.map(({ code }) => code)).toContain('file/missing')
  })

  it.each([
    ['etcd.service', 'etcd etcd.service etcd  etcd'],
    ['etcd-main.service', 'etcd-main etcd-main.service etcd-main  main'],
    ['etcd-db@a-b.service', 'etcd-db etcd-db@a-b.service etcd-db@a-b a-b db'],
    ['etcd@.service', 'etcd %n %N %i etcd'],
  ])('expands the specifiers that the name %s gives', async (name, values) => {
    const file = folder.file(name)
    writeFileSync(folder.file('%m.env'), 'ETCD_DATA_DIR=/d\n')
    writeFileSync(
      file,
      `[Service]\nEnvironment="ETCD_NAME=%p %n %N %i %j"\nEnvironmentFile=${folder.file('%%m.env')}\nExecStart=/usr/bin/etcd --initial-cluster-token=%p-%m`,
    )
    const { settings } = await readMember({ file })
    expect(settings.server('name').text).toBe(values)
    expect(settings.server('initialClusterToken')).toMatchObject({
      isUnresolved: true,
      text: `${values.split(' ', 1)[0] ?? ''}-%m`,
    })
  })

  it('does not validate specifiers and folders that depend on the machine', async () => {
    const { context, settings } = await read(
      '[Service]\nWorkingDirectory=~\nEnvironment=ETCD_NAME=%H\nExecStart=/usr/bin/etcd',
    )
    expect(context).toMatchObject({ directory: '/' })
    expect(settings.server('name').isUnresolved).toBe(true)
  })
})
