import { describe, expect, it } from 'vitest'
import { notStarted, tellingLines } from '../../../src/testing/log-buffer.js'

const line = (level: string, msg: string, error?: string): string =>
  JSON.stringify({ level, msg, error, stacktrace: 'x\ny' })

describe('the telling lines of a log', () => {
  it('are the errors, read for people', () => {
    const logs = [
      line('info', 'starting'),
      line('warn', 'not recommended'),
      line('error', 'listener failed', 'bad key'),
    ]
    expect(tellingLines(logs)).toEqual(['error: listener failed: bad key'])
  })

  it('are the warnings where there are no errors', () => {
    expect(tellingLines([line('warn', 'slow'), line('info', 'ok')])).toEqual(['warn: slow'])
  })

  it('are the last lines where nothing is wrong, or nothing is JSON', () => {
    const logs = Array.from({ length: 9 }, (_, index) => `line ${String(index)}`)
    expect(tellingLines([...logs, '', '{not json'])).toEqual([
      'line 4',
      'line 5',
      'line 6',
      'line 7',
      'line 8',
      '{not json',
    ])
  })

  it('leave out the usage that follows an unknown flag', () => {
    expect(tellingLines(['flag provided but not defined: -x', 'Usage:', '  etcd [flags]'])).toEqual([
      'flag provided but not defined: -x',
    ])
  })
})

it('the error carries every line and shows the telling ones', () => {
  const cause = new Error('spawn')
  const logs = [line('info', 'starting'), line('fatal', 'no')]
  const error = notStarted('etcd could not be started.', logs, cause)
  expect(error).toMatchObject({ code: 'ERR_ETCD_NOT_STARTED', cause, details: { logs } })
  expect(error.message).toBe('etcd could not be started. The last lines of its log: fatal: no')
  expect(notStarted('It was not started.', []).message).toBe('It was not started.')
})
