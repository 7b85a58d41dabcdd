/** Findings that somebody accepts, with a reason, do not count; the report lists them. */
import { describe, expect, it } from 'vitest'
import { lintCluster, type LintOptions } from '../../../../src/config/lint/lint.js'
import { lintOne } from '../../../support/lint-one.js'
import { formatReport } from '../../../../src/report/format.js'
import { findingOf, refused } from '../../../support/refused.js'

const URL = 'http://10.0.0.1:2379'
const LAB = `name: lab
listen-client-urls: ${URL}
advertise-client-urls: ${URL}
`
const CODE = 'config/plaintext-url'
const REASON = 'A lab without other users.'

function lint(yaml: string, options: LintOptions = {}): ReturnType<typeof lintOne> {
  return lintOne({ yaml }, { readFiles: false, comments: true, ...options })
}

describe('the option ignore', () => {
  it('takes an error with a reason, and lists it', async () => {
    expect((await lint(LAB)).ok).toBe(false)
    const report = await lint(LAB, { ignore: [{ code: CODE, reason: REASON }] })
    expect(report.ok).toBe(true)
    expect(report.findings.map(({ code }) => code)).not.toContain(CODE)
    expect(report.suppressed).toMatchObject([{ finding: { code: CODE, severity: 'error' }, reason: REASON, by: null }])
  })

  it('suppresses at one place alone if a place is given', async () => {
    const option = 'listen-client-urls'
    const at = (place: object): Promise<boolean> =>
      lint(LAB, { ignore: [{ code: CODE, place, reason: REASON }] }).then(({ ok }) => ok)
    expect(await at({ option })).toBe(true)
    expect(await at({ option, line: 2 })).toBe(true)
    expect(await at({ option, line: 3 })).toBe(false)
    expect(await at({ option: 'listen-peer-urls' })).toBe(false)
  })

  it('still takes codes of warnings and infos, which are left out without a trace', async () => {
    const yaml = 'name: a\ndata-dir: b\nhartbeat-interval: 1\n'
    const report = await lint(yaml, { ignore: ['config/option-ignored'] })
    expect(report).toMatchObject({ ok: true, findings: [], suppressed: [] })
  })

  it.each<[unknown, RegExp]>([
    [
      ['config/client-auth-off'],
      /"ignore\[0\]" must be the code of a warning or an info, or \{ code, reason \} for any finding; received /,
    ],
    [[{ code: CODE }], /"ignore\[0\]\.reason" is missing: pass the reason/],
    [
      [{ code: CODE, reason: ' ' }],
      /"ignore\[0\]\.reason" must be the reason, as a string that is not empty; received " "/,
    ],
    [[{ code: 'config/nothing', reason: REASON }], /"ignore\[0\]\.code" must be the code of a finding of the lint/],
    [[{ code: 'constructor', reason: REASON }], /"ignore\[0\]\.code" must be the code of a finding of the lint/],
    [[{ code: CODE, reason: REASON, line: 1 }], /"ignore\[0\]\.line" is not an option/],
    [[{ code: CODE, reason: REASON, place: { row: 1 } }], /"ignore\[0\]\.place" must be an object/],
    [CODE, /"ignore" must be an array/],
  ])('refuses %j', async (ignore, message) => {
    const { message: received } = await refused(lint(LAB, { ignore: ignore as [] }), 'ERR_OPTION_INVALID')
    expect(received).toMatch(message)
  })
})

describe('a comment', () => {
  const COMMENT = `# etcd-mtls-ignore ${CODE}: ${REASON}\n`
  const flags = `--listen-client-urls=${URL} --advertise-client-urls=${URL}`
  const POD = `kind: Pod\nspec:\n  containers:\n  ${COMMENT}  - command: [etcd, --listen-client-urls=${URL}, --advertise-client-urls=${URL}]\n`

  it.each([
    ['a file of etcd', { yaml: `${LAB}  ${COMMENT}` }],
    ['a file that begins with a byte order mark', { yaml: `\ufeff${COMMENT}${LAB}` }],
    ['variables', { env: `${COMMENT}ETCD_LISTEN_CLIENT_URLS=${URL}\nETCD_ADVERTISE_CLIENT_URLS=${URL}\n` }],
    ['a unit', { unit: `[Service]\n;${COMMENT.slice(1)}ExecStart=/usr/bin/etcd \\\n ${COMMENT} ${flags}\n` }],
    ['a manifest', { manifest: POD }],
    ['a script', { flags: `${COMMENT}etcd ${flags}` }],
  ])('suppresses in %s', async (_, config) => {
    const report = await lintOne(config, { readFiles: false, comments: true })
    expect(report.ok).toBe(true)
    expect(report.suppressed).toMatchObject([
      { finding: { code: CODE }, reason: REASON, by: { line: expect.any(Number) as number } },
    ])
    expect((await lintOne(config, { readFiles: false })).ok).toBe(false)
  })

  it('gives its reason as printable text of at most 1,000 characters', async () => {
    const reasonOf = async (reason: string): Promise<string | undefined> =>
      (await lintOne({ flags: `# etcd-mtls-ignore ${CODE}: ${reason}\netcd ${flags}` }, { comments: true }))
        .suppressed[0]?.reason
    expect(await reasonOf('ok \u{1b}[2K\u{202e}ko\u{200b}')).toBe('ok \\u{1b}[2K\\u{202e}ko\\u{200b}')
    for (const long of ['a lab '.repeat(200), '\u{202e}'.repeat(999), 'x'.repeat(1000)]) {
      expect((await reasonOf(long))?.length).toBe(1000)
    }
  })

  it('suppresses nothing in a value, after a value, or with a code that only begins alike', async () => {
    for (const line of [
      `data-dir: "${COMMENT.trim()}"`,
      `data-dir: /x ${COMMENT.trim()}`,
      `# etcd-mtls-ignored ${CODE}: x`,
    ]) {
      expect(await lint(`${LAB}${line}\n`)).toMatchObject({ ok: false, suppressed: [] })
    }
  })

  it('suppresses nothing in the arguments and variables of a process, which have no comments', async () => {
    const inName = `a\n${COMMENT}`
    const process = { flags: `etcd\0--name=${inName}\0${flags.replaceAll(' ', '\0')}\0`, env: `A=${inName}\0B=\0` }
    expect(await lintOne(process, { readFiles: false, comments: true })).toMatchObject({ ok: false, suppressed: [] })
  })

  it.each([
    [`# etcd-mtls-ignore ${CODE}`, 'no reason', false],
    [`# etcd-mtls-ignore ${CODE}:`, 'no reason', false],
    ['# etcd-mtls-ignore config/no-such-code: x', 'unknown code', false],
    ['# etcd-mtls-ignore', 'unknown code', false],
    ['# etcd-mtls-ignore config/client-auth-off: x', 'nothing to suppress', false],
  ])('%s is reported: %s', async (line, why, ok) => {
    const report = await lint(`${line}\n${LAB}`)
    expect(report.ok).toBe(ok)
    const found = findingOf(report.findings, 'config/suppression-without-effect')
    expect(found).toMatchObject({ severity: 'warning', details: { why }, place: { line: 1, column: 1 } })
  })

  it('a comment of one member does not suppress findings of another member', async () => {
    const member = (name: string, comment = ''): { yaml: string } => ({
      yaml: `${comment}${LAB.replace('lab', name).replaceAll('10.0.0.1', name === 'a' ? '10.0.0.1' : '10.0.0.2')}`,
    })
    const report = await lintCluster([member('a', COMMENT), member('b')], { readFiles: false, comments: true })
    const at = report.findings.filter(({ code }) => code === CODE).map(({ place }) => place?.file)
    expect(at).toEqual(['members[1]'])
    expect(report.suppressed.map((each) => ('finding' in each ? each.finding.place?.file : null))).toEqual([
      'members[0]',
    ])
  })
})

it('a formatted report lists the suppressed findings, with their reasons', async () => {
  const report = await lint(LAB, { ignore: [{ code: CODE, reason: REASON }] })
  expect(formatReport(report, { width: 120 })).toContain(
    `Suppressed:\n  error ${CODE} at listen-client-urls (line 2:1): ${REASON}`,
  )
  expect(formatReport(report, { oneLine: true })).toContain('1 suppressed')
})
