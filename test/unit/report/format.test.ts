import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { CertificateRef, Finding } from '../../../src/report/finding.js'
import { type FormatOptions, formatReport } from '../../../src/report/format.js'
import { makeReport } from '../../../src/report/report.js'
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
    expect(failed).toMatch(/^Failed: 1 error\n\nerror: [^]*The request has no signature\./)
    const passed = formatReport({ ok: true, checkedAt: checkedAt.toISOString(), findings: [] })
    expect(passed).toBe('Passed as of 2026-03-01 12:00:00 UTC: no findings')
  })

  it('prints the result, the errors, the path and then the warnings', () => {
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
Failed as of 2026-03-01 12:00:00 UTC: 2 errors, 1 warning

error: file/missing
  The certificate "CN=etcd-0.etcd.svc" does not cover the host 10.0.0.7; it
  covers etcd-0.etcd.svc and localhost.
  Fix: Issue it again with 10.0.0.7 as an IP name
       (\`subjectAltName = IP:10.0.0.7\`), not as a DNS name.
  leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt

error: file/missing
  The file ca.crt does not exist.
  Fix: Write it.

Path, from the trust anchor down:
  CN=etcd root CA (anchor, from ca.crt)
    CN=etcd issuing CA,O=Example (intermediate, from server.crt)
      CN=etcd-0.etcd.svc (leaf, from server.crt): 1 error, 1 warning

warning: file/missing
  The certificate "CN=etcd-0.etcd.svc" carries serverAuth alone.
  Fix: Issue it again with \`extendedKeyUsage = serverAuth, clientAuth\`.`.slice(1),
    )
  })

  it('says that nothing was found', () => {
    expect(print([], [leaf, anchor])).toBe(
      `
Passed as of 2026-03-01 12:00:00 UTC: no findings

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
    expect(text.indexOf('warning: ')).toBeLessThan(text.indexOf('info: '))
    expect(text.split('\n')[0]).toMatch(/: 1 warning, 2 infos$/)
  })

  it('counts next to a certificate the findings in its place only', () => {
    const asAnchor = ref({ role: 'anchor', index: 1 })
    const text = print([hostNotCovered], [leaf, asAnchor])
    expect(text).toContain('(anchor, from server.crt)\n')
    expect(text).toMatch(/\(leaf, from server\.crt\): 1 error$/)
  })

  it('names a certificate without a subject by its serial number', () => {
    const nameless = ref({ subject: '' })
    const text = print([sample({ certificate: nameless })], [nameless])
    expect(text).toMatch(/ {2}serial 0A1B2C3D \(leaf, from server\.crt\): 1 error$/)
    expect(text).toContain('  leaf serial 0A1B2C3D, from server.crt\n')
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
    const text = print([found])
    expect(text).toContain(
      `
       (\`subjectAltName = IP:10.0.0.7\`), not as a DNS name.
  Leads to: file/missing, The gateway fails, too.
  leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt
  Seen as
    Go: \`x509: certificate is valid for …, not …\`
    Node: \`ERR_TLS_CERT_ALTNAME_INVALID\``,
    )
  })

  it('prints a remedy, a certificate and the words of others once, and the words beside no warning of a failed report', () => {
    const refusals = [{ by: 'Node', words: 'ERR_TLS_CERT_ALTNAME_INVALID' }] as const
    const other = { ...hostNotCovered, message: 'It does not cover etcd-1 either.', refusals }
    const text = print([{ ...hostNotCovered, refusals }, other])
    expect(text.match(/Seen as/g)).toHaveLength(1)
    expect(text.match(/serial 0A1B2C3D/g)).toHaveLength(1)
    expect(text).toContain('\n  It does not cover etcd-1 either.\n  Fix: as above.')
    const warning = { ...serverAuthOnly, refusals: [{ by: 'etcd', words: '503' }] as const }
    expect(print([hostNotCovered, warning], [leaf])).not.toContain('503')
    expect(print([warning])).toContain('etcd: `503`')
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
      'Failed as of 2026-03-01 12:00:00 UTC: 1 error, 1 warning, 1 info' +
        ` | error file/missing [leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt]: ${hostNotCovered.message} Fix: ${hostNotCovered.remedy}` +
        ` | warning file/missing [leaf CN=etcd-0.etcd.svc, serial 0A1B2C3D, from server.crt]: ${serverAuthOnly.message} Fix: ${serverAuthOnly.remedy}`,
    )
    expect(print([], [leaf], { oneLine: true })).toBe('Passed as of 2026-03-01 12:00:00 UTC: no findings')
  })

  it('treats a narrower terminal as 40 columns and Infinity as one line', () => {
    expect(print([hostNotCovered], null, { width: 3 })).toBe(print([hostNotCovered], null, { width: 40 }))
    expect(print([hostNotCovered], null, { width: Infinity })).toContain(`  Fix: ${hostNotCovered.remedy}`)
  })

  it('colours by SGR codes only, and the text stays the same', () => {
    const printIn = (color: boolean) => print([hostNotCovered, serverAuthOnly], [leaf, anchor], { color })
    const [plain, coloured] = [printIn(false), printIn(true)]
    expect(stripVTControlCharacters(coloured)).toBe(plain)
    expect(coloured).toContain('\u001b[1;31merror\u001b[0m: \u001b[1mfile/missing\u001b[0m')
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

  it('prints the place in a configuration unless the message has it', () => {
    const place = { option: '--cert-file', file: 'etcd.service', line: 7, column: 3 }
    const findings = [{ ...sample({ message: 'It is not read.' }), place }]
    expect(print(findings)).toContain('\n  It is not read.\n  At --cert-file (etcd.service:7:3)\n  Fix: ')
    const line = print(findings, null, { oneLine: true })
    expect(line).toContain('It is not read. (at --cert-file (etcd.service:7:3)) Fix: ')
    const withPlace = [{ ...sample({ message: '--cert-file (etcd.service:7:3) is empty.' }), place }]
    expect(print(withPlace)).not.toContain('At --cert-file')
  })

  it('a date out of range does not hide the findings', () => {
    const text = formatReport(makeReport({ checkedAt: new Date(NaN), path: null, findings: [hostNotCovered] }))
    expect(text).toContain('Failed as of an invalid date')
  })

  it.each([
    ['an unknown option', { colour: true }, 'colour'],
    ['a width that is no number', { width: '80' }, 'width'],
    ['NaN', { width: NaN }, 'width'],
  ])('refuses %s', (_, options, option) => {
    expect(thrown(() => print([], null, options as never), 'ERR_OPTION_INVALID').details).toMatchObject({ option })
  })
})
