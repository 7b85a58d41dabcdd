import { describe, expect, it } from 'vitest'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { assertValid, makeReport, summarize, validationFailed, type FailedReport } from '../../../src/report/report.js'
import { finding } from '../../support/finding.js'
import { ref, sample } from './sample.js'

const checkedAt = new Date('2026-03-01T12:00:00Z')
const error = sample({ message: 'E.', remedy: 'Mend E.' })
const warning = sample({ severity: 'warning', message: 'W.', remedy: 'Mend W.' })
const info = sample({ severity: 'info', message: 'I.', remedy: 'Mend I.' })

describe('makeReport', () => {
  it('is ok without findings, and without errors', () => {
    expect(makeReport({ checkedAt, path: [ref()], findings: [] })).toEqual({
      ok: true,
      checkedAt,
      path: [ref()],
      findings: [],
    })
    expect(makeReport({ checkedAt, path: [], findings: [warning, info] }).ok).toBe(true)
  })

  it('a passed report has a path, if an empty one', () => {
    expect(makeReport({ checkedAt, path: null, findings: [] }).path).toEqual([])
  })

  it('one error makes it fail, and the path may be missing', () => {
    expect(makeReport({ checkedAt, path: null, findings: [info, error] })).toEqual({
      ok: false,
      checkedAt,
      path: null,
      findings: [error, info],
    })
  })

  it('puts the worst first and keeps the order within a severity', () => {
    const second = sample({ message: 'E2.' })
    const { findings } = makeReport({ checkedAt, path: null, findings: [info, warning, error, second] })
    expect(findings).toEqual([error, second, warning, info])
  })

  it('leaves its input as it was', () => {
    const findings = [info, error]
    makeReport({ checkedAt, path: null, findings, ignore: ['file/missing'] })
    expect(findings).toEqual([info, error])
  })

  it('ignores warnings and infos on request, errors never', () => {
    const other = finding('endpoint/lost', { endpoint: 'https://a:2379', reason: 'closed', detail: '' })
    const report = makeReport({
      checkedAt,
      path: null,
      findings: [error, warning, info, { ...other, severity: 'warning' }],
      ignore: ['file/missing'],
    })
    expect(report.findings.map((each) => [each.code, each.severity])).toEqual([
      ['file/missing', 'error'],
      ['endpoint/lost', 'warning'],
    ])
  })
})

describe('assertValid', () => {
  it('lets a passed report through', () => {
    expect(() => {
      assertValid(makeReport({ checkedAt, path: [], findings: [warning] }))
    }).not.toThrow()
  })

  it('throws the report, and lists every error with its remedy in one message', () => {
    const report = makeReport({
      checkedAt,
      path: null,
      findings: [warning, error, sample({ message: 'E2.', remedy: 'Mend E2.' })],
    })
    const thrown = thrownBy(() => {
      assertValid(report)
    })
    expect(isEtcdMtlsError(thrown, 'ERR_VALIDATION_FAILED') && thrown.details.report).toBe(report)
    expect((thrown as Error).message).toBe(
      'The credentials are refused: [file/missing] E. Mend E. [file/missing] E2. Mend E2.',
    )
  })
})

describe('validationFailed and summarize', () => {
  it('name what was refused', () => {
    const report = makeReport({ checkedAt, path: null, findings: [error] }) as FailedReport
    expect(validationFailed('The new credentials are refused', report).message).toBe(
      'The new credentials are refused: [file/missing] E. Mend E.',
    )
  })

  it('nothing but errors', () => {
    expect(summarize([warning, info])).toBe('')
  })
})

function thrownBy(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown')
}
