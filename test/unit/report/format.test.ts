import { stripVTControlCharacters } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { EtcdMtlsError } from '../../../src/report/errors.js'
import type { CertificateRef, FailedReport, Finding } from '../../../src/report/finding.js'
import { type FormatOptions, formatReport } from '../../../src/report/format.js'
import { makeReport, validationFailed } from '../../../src/report/report.js'
import { finding } from '../../support/finding.js'
import { thrown } from '../../support/refused.js'
import { ref, sample } from './sample.js'

const checkedAt = new Date('2026-03-01T12:00:00.000Z')
const leaf = ref()
const other = { subject: 'CN=etcd issuing CA,O=Example', serialNumber: '77', fingerprint256: 'BB' }
const intermediate = ref({ role: 'intermediate', index: 1, ...other })
const anchor = ref({ role: 'anchor', index: 2, subject: 'CN=etcd root CA', fingerprint256: 'CC', origin: 'ca.crt' })

const hostNotCovered = sample({
  message:
    'The certificate "CN=etcd-0.etcd.svc" does not cover the host 10.0.0.7; it covers etcd-0.etcd.svc and localhost.',
  remedy: 'Issue it again with 10.0.0.7 as an IP name (`subjectAltName = IP:10.0.0.7`), not as a DNS name.',
  certificate: leaf,
})
const serverAuthOnly = sample({
  severity: 'warning',
  message: 'The certificate "CN=etcd-0.etcd.svc" carries serverAuth alone.',
  remedy: 'Issue it again with `extendedKeyUsage = serverAuth, clientAuth`.',
  certificate: leaf,
})

function print(findings: readonly Finding[], path: CertificateRef[] | null = null, options?: FormatOptions): string {
  return formatReport(makeReport({ checkedAt, path, findings }), options)
}

describe('formatReport', () => {
  it('prints reports that have no path or no date, such as reports on requests and on the roll of a CA', () => {
    const findings = [sample({ message: 'The request has no signature.', remedy: 'Sign it.' })]
    const failed = formatReport({ ok: false, findings })
    expect(failed).toBe('The request has no signature.\nFix: Sign it.\n  error file/missing\n\nFailed: 1 error')
    const passed = formatReport({ ok: true, checkedAt: checkedAt.toISOString(), findings: [] })
    expect(passed).toBe('Passed: no findings, as of 2026-03-01 12:00:00 UTC')
  })

  it('prints the errors, the path, the warnings, and the result with the date last', () => {
    const report = makeReport({
      checkedAt,
      path: [leaf, intermediate, anchor],
      findings: [
        serverAuthOnly,
        hostNotCovered,
        sample({ message: 'The file ca.crt does not exist.', remedy: 'Write it.' }),
      ],
    })
    expect(formatReport(report)).toBe(
      `
The certificate "CN=etcd-0.etcd.svc" does not cover the host 10.0.0.7; it covers
etcd-0.etcd.svc and localhost.
Fix: Issue it again with 10.0.0.7 as an IP name
     (\`subjectAltName = IP:10.0.0.7\`), not as a DNS name.
  error file/missing; leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt

The file ca.crt does not exist.
Fix: Write it.
  error file/missing

Path, from the trust anchor down:
  CN=etcd root CA (anchor, from ca.crt)
    CN=etcd issuing CA,O=Example (intermediate, from server.crt)
      CN=etcd-0.etcd.svc (leaf, from server.crt): 1 error, 1 warning

warning: The certificate "CN=etcd-0.etcd.svc" carries serverAuth alone.
Fix: Issue it again with \`extendedKeyUsage = serverAuth, clientAuth\`.
  warning file/missing

Failed: 2 errors, 1 warning, as of 2026-03-01 12:00:00 UTC`.slice(1),
    )
  })

  it('says that nothing was found', () => {
    expect(print([], [leaf, anchor])).toBe(
      `
Passed: no findings, as of 2026-03-01 12:00:00 UTC

Path, from the trust anchor down:
  CN=etcd root CA (anchor, from ca.crt)
    CN=etcd-0.etcd.svc (leaf, from server.crt)`.slice(1),
    )
  })

  it('leaves the path out where there is none, and says where it ends early', () => {
    const without = print([hostNotCovered])
    expect(without).not.toContain('Path')
    const partial = print([hostNotCovered], [leaf, intermediate])
    expect(partial).toContain('Path, as far as it could be built:\n  CN=etcd issuing CA')
  })

  it('sorts a report that was put together by hand, and counts infos', () => {
    const findings = [sample({ severity: 'info' }), sample({ severity: 'info' }), sample({ severity: 'warning' })]
    const text = formatReport({ ok: true, checkedAt, path: [], findings })
    expect(text.indexOf('\nwarning: ')).toBeLessThan(text.indexOf('\ninfo: '))
    expect(text.split('\n')[0]).toMatch(/^Passed: 1 warning, 2 infos, as of /)
  })

  it('counts next to a certificate the findings in its place only', () => {
    const asAnchor = ref({ role: 'anchor', index: 1 })
    const text = print([hostNotCovered], [leaf, asAnchor])
    expect(text).toContain('(anchor, from server.crt)\n')
    expect(text).toContain('(leaf, from server.crt): 1 error\n')
  })

  it('names a certificate without a subject by its serial number', () => {
    const nameless = ref({ subject: '' })
    const text = print([sample({ certificate: nameless })], [nameless])
    expect(text).toContain('  serial 0A1B2C3D (leaf, from server.crt): 1 error\n')
    expect(text).toContain('; leaf serial 0A1B2C3D, from server.crt\n')
  })

  it.each([undefined, 40, 57, 80, 120])('keeps to a width of %s', (width) => {
    const lines = print([hostNotCovered, serverAuthOnly], [leaf, intermediate, anchor], { width }).split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width ?? 80)
    expect(lines.filter((line) => line.endsWith(' '))).toEqual([])
  })

  it('shows which programs refuse it too, and the consequences', () => {
    const refusals = [
      { by: 'Go', words: 'x509: certificate is valid for …, not …' },
      { by: 'Node', words: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    ] as const
    const found = { ...hostNotCovered, refusals, consequences: [sample({ message: 'The gateway fails, too.' })] }
    const text = print([found], null, { width: 100 })
    expect(text).toContain(
      `not as a DNS name.
  Leads to: file/missing, The gateway fails, too.
  error file/missing; leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt
  Seen as Node: \`ERR_TLS_CERT_ALTNAME_INVALID\`, Go: \`x509: certificate is valid for …, not …\`
`,
    )
  })

  it('prints a remedy, a certificate and the words of others once, and the words beside no warning of a failed report', () => {
    const refusals = [{ by: 'Node', words: 'ERR_TLS_CERT_ALTNAME_INVALID' }] as const
    const other = { ...hostNotCovered, message: 'It does not cover etcd-1 either.', refusals }
    const text = print([{ ...hostNotCovered, refusals }, other])
    expect(text.match(/Seen as/g)).toHaveLength(1)
    expect(text.match(/serial 0A1B2C3D/g)).toHaveLength(1)
    expect(text).toContain('not as a DNS name.\n  Also: It does not cover etcd-1 either.\n  error ')
    expect(text.match(/Fix: /g)).toHaveLength(1)
    const warning = { ...serverAuthOnly, refusals: [{ by: 'etcd', words: '503' }] as const }
    expect(print([hostNotCovered, warning], [leaf])).not.toContain('503')
    expect(print([warning])).toContain('\n  Seen as etcd: `503`')
  })

  it('lists the other certificates of a finding and its consequences, at most five of each', () => {
    const many = (n: number) =>
      Array.from({ length: n }, (_, i) => ({ ...serverAuthOnly, certificate: ref({ subject: `CN=${String(i)}` }) }))
    const text = (n: number) => {
      const found = { ...serverAuthOnly, repeats: many(n), consequences: many(n) }
      return print([found], null, { width: Infinity })
    }
    expect(text(2)).toContain('\n  Also: "CN=0", "CN=1"\n  Leads to: ')
    expect(text(5)).toContain('"CN=4"\n')
    expect(text(6)).toContain('"CN=4", and 1 more\n')
    expect(text(6).match(/Leads to/g)).toHaveLength(5)
    expect(text(6)).toContain('\n  and 1 more\n')
    const line = print([{ ...serverAuthOnly, repeats: many(6) }], null, { oneLine: true })
    expect(line).toContain(' Also: 6 more certificates. Fix: ')
  })

  it('fits on one line of a log, without the infos', () => {
    const findings = [serverAuthOnly, sample({ severity: 'info', message: 'A trifle.' }), hostNotCovered]
    const line = print(findings, [leaf, anchor], { oneLine: true })
    expect(line).toBe(
      'Failed: 1 error, 1 warning, 1 info' +
        ` | error file/missing [leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt]: ${hostNotCovered.message} Fix: ${hostNotCovered.remedy}` +
        ` | warning file/missing [leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt]: ${serverAuthOnly.message} Fix: ${serverAuthOnly.remedy}` +
        ' | as of 2026-03-01 12:00:00 UTC',
    )
    expect(print([], [leaf], { oneLine: true })).toBe('Passed: no findings | as of 2026-03-01 12:00:00 UTC')
  })

  it('treats a narrower terminal as 40 columns and Infinity as one line', () => {
    expect(print([hostNotCovered], null, { width: 3 })).toBe(print([hostNotCovered], null, { width: 40 }))
    expect(print([hostNotCovered], null, { width: Infinity })).toContain(`\nFix: ${hostNotCovered.remedy}\n`)
  })

  it('colours by SGR codes only, and the text stays the same', () => {
    const printIn = (color: boolean) => print([hostNotCovered, serverAuthOnly], [leaf, anchor], { color })
    const [plain, coloured] = [printIn(false), printIn(true)]
    expect(stripVTControlCharacters(coloured)).toBe(plain)
    expect(coloured).toContain('\u001b[1;33mwarning:\u001b[0m The certificate')
    expect(coloured.replaceAll(/\u001b\[[0-9;]*m/g, '')).toBe(plain)
    expect(print([hostNotCovered, serverAuthOnly], [leaf, anchor])).toBe(plain)
  })

  it('prints no control character that a certificate or a caller brought along', () => {
    const hostile = '\u001b[2J\u0007\u202Eevil\r\n\u009B31m'
    const bad = ref({ subject: `CN=${hostile}`, origin: hostile, serialNumber: hostile })
    const findings = [sample({ certificate: bad, message: hostile, remedy: hostile })]
    const text = formatReport({ ok: true, checkedAt, path: [bad], findings }, { width: 200 })
    expect(text.replaceAll('\n', '')).toMatch(/^\P{C}*$/u)
    expect(text).toContain('\\u{1b}[2J\\u{7}\\u{202e}evil\\u{d}\\u{a}\\u{9b}31m')
  })

  it('prints the place in a configuration before the message, unless the message has it', () => {
    const place = { option: '--cert-file', file: 'etcd.service', line: 7, column: 3 }
    const findings = [{ ...sample({ message: 'It is not read.' }), place }]
    expect(print(findings)).toMatch(/^--cert-file \(etcd\.service:7:3\): It is not read\.\nFix: /)
    const line = print(findings, null, { oneLine: true })
    expect(line).toContain(': --cert-file (etcd.service:7:3): It is not read. Fix: ')
    const withPlace = [{ ...sample({ message: '--cert-file (etcd.service:7:3) is empty.' }), place }]
    expect(print(withPlace)).toMatch(/^--cert-file \(etcd\.service:7:3\) is empty\./)
  })

  it('a date out of range does not hide the findings', () => {
    const text = formatReport(makeReport({ checkedAt: new Date(NaN), path: null, findings: [hostNotCovered] }))
    expect(text).toContain('Failed: 1 error, as of an invalid date')
  })

  it('prints no path without a fault next to an error about something else', () => {
    const ofServer = sample({ certificate: ref({ fingerprint256: 'DD', origin: 'https://etcd-2:2379' }) })
    expect(print([ofServer], [leaf, anchor])).not.toContain('Path')
    expect(print([sample()], [leaf, anchor])).not.toContain('Path')
    expect(print([ofServer, sample({ certificate: anchor })], [leaf, anchor])).toContain('Path, from')
  })

  it('prints the remedy after the first sentence of a long message, in the first three lines, and then the rest', () => {
    const [one, two] = [
      'It closed the connection after the handshake.',
      'etcd does so if it is revoked. 2 more causes.',
    ]
    const long = `${one} ${two} ${'Another cause is here. '.repeat(5).trim()}`
    const lines = print([sample({ message: long, remedy: 'Read the log.' })]).split('\n')
    expect(lines.slice(0, 3)).toEqual([one, 'Fix: Read the log.', expect.stringContaining(`  ${two} Another cause`)])
    const short = print([sample({ message: `${one} ${two}`, remedy: 'Read.' })])
    expect(short.indexOf('causes.')).toBeLessThan(short.indexOf('Fix: '))
    const single = `It closed ${'the connection '.repeat(20)}to etcd.`
    expect(print([sample({ message: single, remedy: 'Read.' })])).toMatch(/to etcd\.\nFix: Read\./)
    expect(print([sample({ severity: 'warning', message: long })])).toContain(`\nwarning: ${one}\nFix: `)
  })

  it('prints the serial number of a certificate that the message names', () => {
    const message = 'The certificate "CN=etcd-0.etcd.svc" from server.crt has expired.'
    expect(print([sample({ message, certificate: leaf })])).toContain('\n  error file/missing; serial 0A1B2C3D\n')
  })

  it("prints as many messages of other programs as fit in one line, and Node's messages first", () => {
    const refusals = [
      { by: 'OpenSSL', words: 'certificate has expired' },
      { by: 'Go', words: 'x'.repeat(80) },
      { by: 'Node', words: 'CERT_HAS_EXPIRED' },
    ] as const
    const lines = print([{ ...sample(), refusals }]).split('\n')
    expect(lines).toContain('  Seen as Node: `CERT_HAS_EXPIRED`, OpenSSL: `certificate has expired`, …')
    expect(print([{ ...sample(), refusals: [refusals[1]] }])).not.toContain('Seen as')
  })

  it('counts the endpoints that failed in the first line, and prints a remedy that differs only in the endpoint once', () => {
    const silent = (url: string, remedy: string): Finding => ({
      ...finding('endpoint/not-processed', { endpoint: url, method: 'KV/Put', detail: '' }),
      message: `${url} is silent.`,
      remedy,
    })
    const [one, two] = ['https://etcd-1:2379', 'https://etcd-2:2379'] as const
    const text = (remedy: (url: string) => string): string => {
      const findings = [silent(one, remedy(one)), silent(two, remedy(two))]
      return formatReport({ ok: false, findings, endpoints: { total: 3, failed: 2 } })
    }
    const code = '  error endpoint/not-processed\n\nFailed: 2 errors'
    const first = `2 of 3 endpoints failed.\n${one} is silent.\n`
    const also = `\n  Also: ${two} is silent.\n${code}`
    expect(text((url) => `Start ${url}.`)).toBe(`${first}Fix: Start the endpoint.${also}`)
    expect(text((url) => `Run "curl ${url}".`)).toBe(`${first}Fix: Run "curl ${one}".${also}`)
    const single = formatReport({ ok: false, findings: [silent(one, 'Start it.')], endpoints: { total: 1, failed: 1 } })
    expect(single).toMatch(/^https:\/\/etcd-1:2379 is silent\.\nFix: Start it\.\n/)
  })

  it('prints the name and the result of each member before its findings', () => {
    const report = { ok: false, findings: [sample({ message: 'It is not read.' })] }
    const text = formatReport([
      { ...report, member: 'etcd-0' },
      { ok: true, findings: [], member: null },
    ])
    expect(text).toMatch(/^etcd-0: Failed: 1 error\n\nIt is not read\.\nFix: /)
    expect(text).toMatch(/\n\na member without a name: Passed: no findings$/)
  })

  describe('of an error', () => {
    const report = makeReport({ checkedAt, path: null, findings: [hostNotCovered] }) as FailedReport
    const failed = validationFailed(report)

    it.each([
      ['with a report', failed],
      [
        'with a report in the error that caused it',
        new Error('14 UNAVAILABLE', { cause: new Error('x', { cause: failed }) }),
      ],
    ])('prints the report of an error %s', (_, error) => {
      expect(formatReport(error)).toBe(formatReport(report))
      expect(formatReport(error, { oneLine: true })).toBe(formatReport(report, { oneLine: true }))
    })

    it('prints the findings of an error without a report', () => {
      const details = { origin: 'a', findings: [hostNotCovered] as [Finding] }
      const error = new EtcdMtlsError('ERR_CREDENTIALS_UNREADABLE', 'm', details)
      expect(formatReport(error)).toBe(formatReport({ ok: false, findings: [hostNotCovered] }))
    })

    it('prints the reason of an error before its findings, which do not name the member or the certificate', () => {
      const details = { reason: 'The member "etcd-0" cannot be written', findings: [hostNotCovered] }
      const error = new EtcdMtlsError('ERR_CONFIG_INVALID', details.reason, details)
      const text = formatReport({ ok: false, findings: [hostNotCovered] })
      expect(formatReport(error)).toBe(`${details.reason}\n\n${text}`)
      expect(formatReport(error, { oneLine: true })).toMatch(
        /^The member "etcd-0" cannot be written \| Failed: 1 error/,
      )
    })

    it.each([
      [
        'of this package',
        new EtcdMtlsError('ERR_CLOSED', 'The client is closed', { what: 'client' }),
        'The client is closed',
      ],
      ['of another program', new Error('a\u001b[2Jb'), 'a\\u{1b}[2Jb'],
    ])('prints the message of an error %s without findings, escaped', (_, error, text) => {
      expect(formatReport(error)).toBe(text)
    })

    it('ends on an error that is its own cause', () => {
      const error = new Error('loop')
      error.cause = error
      expect(formatReport(error)).toBe('loop')
    })
  })

  describe('with "auto"', () => {
    const saved = { ...process.env }
    afterEach(() => {
      for (const name of ['NO_COLOR', 'FORCE_COLOR', 'TERM']) {
        if (saved[name] === undefined) Reflect.deleteProperty(process.env, name)
        else process.env[name] = saved[name]
      }
    })

    it.each([
      [{ isTTY: true }, {}, true],
      [{ isTTY: false }, {}, false],
      [{}, {}, false],
      [{ isTTY: true }, { TERM: 'dumb' }, false],
      [{ isTTY: true }, { NO_COLOR: '1' }, false],
      [{ isTTY: true }, { NO_COLOR: '' }, true],
      [{ isTTY: false }, { FORCE_COLOR: '1' }, true],
      [{ isTTY: false }, { FORCE_COLOR: '' }, true],
      [{ isTTY: true }, { FORCE_COLOR: '0' }, false],
      [{ isTTY: false }, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    ])('chooses the colours for the stream %o with %o: %s', (stream, environment, isColoured) => {
      for (const name of ['NO_COLOR', 'FORCE_COLOR', 'TERM']) Reflect.deleteProperty(process.env, name)
      Object.assign(process.env, environment)
      const text = print([hostNotCovered], null, { color: 'auto', stream })
      expect(text.includes('\u001b')).toBe(isColoured)
      expect(print([hostNotCovered], null, { stream })).not.toContain('\u001b')
    })

    it.each([
      [{ isTTY: true, columns: 50 }, 50],
      [{ isTTY: true, columns: 0 }, 80],
      [{ isTTY: true }, 80],
      [{ columns: 50 }, 80],
    ])('wraps for the stream %o at %i columns', (stream, width) => {
      expect(print([hostNotCovered], null, { width: 'auto', stream })).toBe(print([hostNotCovered], null, { width }))
    })

    it('asks the standard output without a stream', () => {
      const auto = print([hostNotCovered], null, { width: 'auto', color: 'auto' })
      expect(auto).toBe(print([hostNotCovered], null, { width: 'auto', color: 'auto', stream: process.stdout }))
    })
  })

  it.each([
    ['an unknown option', { colour: true }, 'colour'],
    ['a width that is no number', { width: '80' }, 'width'],
    ['a colour that is no boolean', { color: 'always' }, 'color'],
    ['NaN', { width: NaN }, 'width'],
  ])('refuses %s', (_, options, option) => {
    expect(thrown(() => print([], null, options as never), 'ERR_OPTION_INVALID').details).toMatchObject({ option })
  })
})
