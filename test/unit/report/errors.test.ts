import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, vi } from 'vitest'
import { EtcdMtlsError, isError, isEtcdMtlsError } from '../../../src/report/errors.js'
import type { FailedReport } from '../../../src/report/index.js'
import { formatReport } from '../../../src/report/format.js'
import { validationFailed, withRemedy } from '../../../src/report/report.js'
import { checkOptions, optionInvalid } from '../../../src/report/option-error.js'
import { sample } from './sample.js'
import { thrown } from '../../support/refused.js'

describe('EtcdMtlsError', () => {
  const cause = new Error('underneath')
  const error = new EtcdMtlsError('ERR_CLOSED', 'The client is closed', { what: 'client' }, { cause })

  it('carries code, details and cause', () => {
    expect(error).toBeInstanceOf(Error)
    expect([error.code, error.details, error.cause]).toEqual(['ERR_CLOSED', { what: 'client' }, cause])
  })

  it('names itself in text, in its stack and in an inspection', () => {
    expect(String(error)).toBe('EtcdMtlsError: The client is closed')
    expect(error.stack).toMatch(/^EtcdMtlsError: The client is closed\n/)
    expect(inspect(error)).toMatch(/^EtcdMtlsError: The client is closed\n[^]*code: 'ERR_CLOSED'/)
  })

  it('prints its report, then the stack and the cause', () => {
    const found = sample({ message: 'It does not answer.', remedy: 'Start it.' })
    const report: FailedReport = { ok: false, checkedAt: new Date(0), path: null, findings: [found] }
    const failed = new EtcdMtlsError('ERR_UNREACHABLE', 'The first finding', { report }, { cause })
    const start = 'EtcdMtlsError [ERR_UNREACHABLE]: It does not answer.\nFix: Start it.\n'
    const text = inspect(failed, { depth: null })
    expect(text.startsWith(start)).toBe(true)
    expect(text).toMatch(
      /\n\nFailed: 1 error, as of 1970-01-01 00:00:00 UTC\n {4}at [^]*\{\n {2}cause: Error: underneath\n/,
    )
    expect(inspect({ failed })).toContain('failed: EtcdMtlsError [ERR_UNREACHABLE]: It does not answer.\n')
    expect(inspect(failed, { colors: true })).toContain('\u001b[1;31mIt does not answer.')
    expect(inspect(failed, { customInspect: false })).not.toContain('Fix: ')
    failed.stack = 'a stack without frames'
    expect(inspect(failed).startsWith(start)).toBe(true)
    expect(inspect(error)).toContain('cause: Error: underneath')
    expect(inspect(error, { customInspect: false })).not.toContain('details')
  })

  it('prints the remedy once, also after a reason', () => {
    const found = sample({ message: 'It does not answer.', remedy: 'Start it.' })
    const report: FailedReport = { ok: false, checkedAt: new Date(0), path: null, findings: [found] }
    const details = { reason: 'The configuration cannot be written: it does not answer.', findings: [found] }
    const errors = [
      validationFailed(report),
      new EtcdMtlsError('ERR_CONFIG_INVALID', withRemedy(details.reason, details.findings), details),
    ]
    for (const failed of errors) {
      expect(failed.message).toMatch(/Fix: Start it\.$/)
      for (const text of [inspect(failed), formatReport(failed), formatReport(failed, { oneLine: true })]) {
        expect(text.split('Start it.')).toHaveLength(2)
      }
    }
  })

  it('keeps its details in JSON', () => {
    const parsed: unknown = JSON.parse(JSON.stringify(error))
    expect(parsed).toEqual({
      name: 'EtcdMtlsError',
      message: 'The client is closed',
      code: 'ERR_CLOSED',
      details: { what: 'client' },
    })
  })

  it('an error has no cause if none was given', () => {
    expect('cause' in new EtcdMtlsError('ERR_CLOSED', 'm', { what: 'client' })).toBe(false)
  })
})

describe('isEtcdMtlsError', () => {
  const error = optionInvalid('hosts', 'must not be empty')

  it('knows its own, and its code', () => {
    expect(isEtcdMtlsError(error)).toBe(true)
    expect(isEtcdMtlsError(error, 'ERR_OPTION_INVALID')).toBe(true)
    expect(isEtcdMtlsError(error, 'ERR_CLOSED')).toBe(false)
  })

  it.each([
    ['null', null],
    ['undefined', undefined],
    ['a text', 'ERR_CLOSED'],
    ['another error', new Error('m')],
    ["Node's own error with a code", Object.assign(new Error('m'), { code: 'ERR_CLOSED' })],
    ['an object of the same shape', { name: 'EtcdMtlsError', code: 'ERR_CLOSED', message: 'm', details: {} }],
  ])('isEtcdMtlsError is false for %s', (_, value) => {
    expect(isEtcdMtlsError(value)).toBe(false)
    expect(isEtcdMtlsError(value, 'ERR_CLOSED')).toBe(false)
  })

  it('knows an error that a second copy of the package made', async () => {
    vi.resetModules()
    const second = await import('../../../src/report/errors.js')
    expect(second.EtcdMtlsError).not.toBe(EtcdMtlsError)
    const foreign = new second.EtcdMtlsError('ERR_CLOSED', 'm', { what: 'client' })
    expect(isEtcdMtlsError(foreign, 'ERR_CLOSED')).toBe(true)
  })
})

describe('checkOptions', () => {
  it('accepts known keys, and none', () => {
    checkOptions('issue', { name: 'a' }, ['name', 'hosts'])
    checkOptions('issue', {}, ['name', 'hosts'])
  })

  it.each([
    ['an unknown key', { nmae: 'a' }, 'issue.nmae', 'is not an option; the options are name, hosts'],
    ['no object', 'name', 'issue', 'must be an object with some of name, hosts; received a string'],
    ['nothing', undefined, 'issue', 'is missing: pass an object with some of name, hosts'],
    ['null', null, 'issue', 'must be an object with some of name, hosts; received null'],
    ['a list', [], 'issue', 'must be an object with some of name, hosts; received an empty array'],
  ])('refuses %s', (_, options, option, reason) => {
    const error = thrown(() => {
      checkOptions('issue', options, ['name', 'hosts'])
    }, 'ERR_OPTION_INVALID')
    expect([error.message, error.details]).toEqual([`Option "${option}" ${reason}`, { option, reason }])
  })
})

describe('isError', () => {
  it.each([
    [new Error('here'), true],
    [runInNewContext('new Error("elsewhere")') as unknown, true],
    [runInNewContext('new (class Own extends TypeError {})()') as unknown, true],
    [{ message: 'an object' }, false],
    [undefined, false],
  ])('knows an error of any realm from other values: %o', (value, expected) => {
    expect(isError(value)).toBe(expected)
  })
})
