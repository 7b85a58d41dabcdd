/** Texts that are made to keep a reader busy, or are something else than they should be, end in findings. */
import { describe, expect, test } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'

const K = 100_000

/** YAML of 100 kB, by what it is made of. */
const HOSTILE: Readonly<Record<string, string>> = {
  brackets: '['.repeat(K),
  'dashes in a line': '- '.repeat(K / 2),
  braces: '{a: '.repeat(K / 4),
  documents: '--- a\n'.repeat(K / 6),
  aliases: `a: &a x\n${'b: *a\n'.repeat(K / 6)}`,
  keys: Array.from({ length: K / 8 }, (_, i) => `k${String(i)}: v`).join('\n'),
  'the same key': 'name: x\n'.repeat(K / 8),
  remarks: '#\n'.repeat(K / 2),
  'an open quote': `a: "${'x\n'.repeat(K / 2)}`,
  tabs: '\t'.repeat(K),
  colons: ': '.repeat(K / 2),
  questions: '? '.repeat(K / 2),
  anchors: '&a '.repeat(K / 3),
  tags: '!a '.repeat(K / 3),
  commas: `a: [${','.repeat(K)}`,
  'errors of each line': 'a: @\n'.repeat(K / 5),
  'carriage returns': 'a: b\r'.repeat(K / 5),
  'byte order marks': '\ufeff'.repeat(K),
  'deep indentation': Array.from({ length: 440 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  laughs: `a0: &l0 [x, x]\n${Array.from(
    { length: 12 },
    (_, i) =>
      `a${String(i + 1)}: &l${String(i + 1)} [${Array(9)
        .fill(`*l${String(i)}`)
        .join(', ')}]`,
  ).join('\n')}`,
  'an anchor within itself': 'a: &a [*a, *a]\n',
  'merge keys within themselves': 'a: &a\n  <<: *a\n  <<: [*a, *a]\n',
}

/** 100 ms of work for 100 kB, ten times over: this machine may be busy, and the work is bounded all the same. */
const MOST_WORK = 1_000_000

async function codesOf(config: ConfigInput): Promise<string[]> {
  const { findings } = await lintEtcdConfig(config, { readFiles: false })
  return findings.map(({ code }) => code)
}

describe('in bounded work', () => {
  test.each(Object.entries(HOSTILE))('%s', async (_, text) => {
    for (const config of [{ yaml: text }, { manifest: text }, { unit: text }, { flags: text }, { env: text }]) {
      const before = process.cpuUsage()
      const report = await lintEtcdConfig(config, { readFiles: false })
      const { user, system } = process.cpuUsage(before)
      expect(user + system).toBeLessThan(MOST_WORK)
      expect(report.findings.length).toBeLessThan(1000)
    }
  })

  test.each(['[Service]\nExecStart=etcd ' + '\\\n'.repeat(K / 2), '[Service]\n' + 'Environment=A=b\n'.repeat(K / 16)])(
    'units %#',
    async (unit) => {
      const before = process.cpuUsage()
      await lintEtcdConfig({ unit }, { readFiles: false })
      const { user, system } = process.cpuUsage(before)
      expect(user + system).toBeLessThan(MOST_WORK)
    },
  )
})

test('ten megabytes are not read', async () => {
  const text = 'name: a\n'.repeat(1_250_000)
  expect(await codesOf({ yaml: text })).toEqual(['config/too-large'])
  expect(await codesOf({ yaml: Buffer.from(text) })).toEqual(['config/too-large'])
  expect(await codesOf({ unit: text })).toEqual(['config/too-large'])
  expect(await codesOf({ manifest: text })).toEqual(['config/too-large'])
  expect(await codesOf({ flags: text })).toEqual(['config/too-large'])
  expect(await codesOf({ env: text })).toEqual(['config/too-large'])
})

test('aliases that grow beyond measure are refused', async () => {
  expect(await codesOf({ yaml: HOSTILE['laughs'] ?? '' })).toEqual(['config/yaml-excessive'])
})

test('what is no text in UTF-8 is told by what it is', async () => {
  expect(await codesOf({ yaml: Buffer.from('\ufeffname: a\n', 'utf16le') })).toEqual(['config/not-text'])
  expect(await codesOf({ yaml: Buffer.from([1, 2, 3, 4]) })).toEqual(['config/not-text'])
})

test('a byte order mark and CRLF do no harm', async () => {
  const text = 'name: a\r\nclient-transport-security:\r\n  cert-fil: x\r\n'
  const { findings } = await lintEtcdConfig({ yaml: Buffer.from(`\ufeff${text}`) }, { readFiles: false })
  expect(findings.map(({ code, details }) => [code, details])).toEqual([
    [
      'config/tls-key-unknown',
      {
        option: 'client-transport-security.cert-fil',
        file: null,
        line: 3,
        column: 3,
        nearest: 'client-transport-security.cert-file',
      },
    ],
  ])
})

test('anchors, aliases and merge keys are followed, and places are those of the text', async () => {
  const yaml = `client-transport-security: &tls
  cert-file: a.crt
  key-file: a.key
  trusted-ca-file: ca.crt
  client-cert-auth: true
peer-transport-security:
  <<: *tls
  key-file: b.key
  auto-tls: 1
`
  const { findings } = await lintEtcdConfig({ yaml }, { readFiles: false })
  expect(findings.find(({ code }) => code === 'config/value-type')?.details).toMatchObject({ line: 9, column: 3 })
})
