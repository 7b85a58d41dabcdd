import { describe, expect, it } from 'vitest'
import type { FailedReport, Finding } from '../../../src/report/finding.js'
import {
  assertValid,
  errorMessage,
  makeReport,
  summarize,
  validationFailed,
  withRemedy,
} from '../../../src/report/report.js'
import { finding } from '../../support/finding.js'
import { thrown } from '../../support/refused.js'
import { ref, sample } from './sample.js'

const checkedAt = new Date('2026-03-01T12:00:00Z')
const error = sample({ message: 'E.', remedy: 'Mend E.' })
const warning = sample({ severity: 'warning', message: 'W.', remedy: 'Mend W.' })
const info = sample({ severity: 'info', message: 'I.', remedy: 'Mend I.' })

describe('makeReport', () => {
  it.each([
    ['a report is ok without findings', [], [ref()], true],
    ['a report is ok without errors', [warning, info], [], true],
    ['fails by one error, the worst first, without a path', [info, error], null, false],
  ] as const)('%s', (_, findings, path, ok) => {
    const sorted = ok ? findings : [error, info]
    expect(makeReport({ checkedAt, path: path && [...path], findings })).toEqual({
      ok,
      checkedAt,
      path,
      findings: sorted,
    })
  })

  it('a passed report has a path, if an empty one', () => {
    expect(makeReport({ checkedAt, path: null, findings: [] }).path).toEqual([])
  })

  it('puts the worst first and keeps the order within a severity, in a new list', () => {
    const second = sample({ message: 'E2.' })
    const given = [info, warning, error, second]
    expect(makeReport({ checkedAt, path: null, findings: given }).findings).toEqual([error, second, warning, info])
    expect(given).toEqual([info, warning, error, second])
  })

  it('ignores warnings and infos on request, errors never', () => {
    const other = finding('endpoint/lost', { endpoint: 'https://a:2379', reason: 'closed', detail: '' })
    const findings = [error, warning, info, { ...other, severity: 'warning' as const }]
    const report = makeReport({ checkedAt, path: null, findings, ignore: ['file/missing'] })
    expect(report.findings.map((each) => [each.code, each.severity])).toEqual([
      ['file/missing', 'error'],
      ['endpoint/lost', 'warning'],
    ])
  })
})

describe('assertValid', () => {
  it('lets a passed report through', () => {
    assertValid(makeReport({ checkedAt, path: [], findings: [warning] }))
  })

  it('throws the report, with the first error as the message', () => {
    const findings = [warning, error, sample({ message: 'E2.', remedy: 'Mend E2.' })]
    const report = makeReport({ checkedAt, path: null, findings })
    const { message, details } = thrown(() => {
      assertValid(report)
    }, 'ERR_VALIDATION_FAILED')
    expect(details).toEqual({ report })
    expect(message).toBe('[file/missing] E. Fix: Mend E.')
  })
})

describe('messages', () => {
  const endpoint = 'https://etcd-2:2379'
  const refused = (detail: string): Finding =>
    finding('handshake/failed', { endpoint, alert: null, certificateSent: null, errorCode: 'X', detail })

  it('the message of an error is the first error finding and its remedy', () => {
    const report = makeReport({ checkedAt, path: null, findings: [warning, error] }) as FailedReport
    expect(validationFailed(report).message).toBe('[file/missing] E. Fix: Mend E.')
    expect(errorMessage([error], 'etcd was not ready: ')).toBe('etcd was not ready: [file/missing] E. Fix: Mend E.')
    expect(errorMessage([warning, info])).toBe('')
    expect(withRemedy('No member has "x"', [error])).toBe('No member has "x". Fix: Mend E.')
  })

  it('a message names the command that prints a remedy of more than 300 characters', () => {
    const of = (length: number): string => errorMessage([{ ...error, remedy: 'r'.repeat(length) }])
    expect(of(300)).toMatch(/^\[file\/missing\] E\. Fix: r{300}$/)
    expect(of(301)).toBe('[file/missing] E. Fix: npx etcd-mtls explain file/missing')
  })

  it('a message has the endpoint, and at most 600 characters of a text from a peer, cut between two words', () => {
    const words = ['word '.repeat(400), `${'word '.repeat(140)}${endpoint}`].map((message) => ({
      ...refused(''),
      message,
    }))
    for (const text of words.map((each) => summarize([each]))) {
      expect(text).toContain(endpoint)
      expect(text).toMatch(/ word …$/)
      expect([text.length > 590, text.length <= 600]).toEqual([true, true])
    }
    expect(summarize([{ ...refused(''), message: 'x'.repeat(999) }])).toHaveLength(600)
  })
})
