import { describe, expect, it } from 'vitest'
import { LogBuffer, notStarted, mostSevereLines } from '../../../src/testing/log-buffer.js'

const never = new AbortController().signal

describe('what etcd has written', () => {
  it('the output of etcd is joined to lines, whatever the pieces it came in', () => {
    const logs = new LogBuffer()
    for (const piece of ['on', 'e\ntw', 'o\r\n', 'three']) logs.write(piece)
    expect(logs.lines()).toEqual(['one', 'two'])
    logs.end()
    logs.end()
    expect(logs.lines()).toEqual(['one', 'two', 'three'])
  })

  it('the output of etcd is bounded; the oldest lines go', () => {
    const logs = new LogBuffer()
    for (let line = 0; line < 5_010; line++) logs.write(`${String(line)}\n`)
    expect(logs.lines()).toHaveLength(5_000)
    expect(logs.lines()[0]).toBe('10')
  })
})

describe('the wait for a line', () => {
  it('finds one that was written before, but not one that was cleared', async () => {
    const logs = new LogBuffer()
    logs.write('ready 1\n')
    expect(await logs.waitFor(/ready/, never)).toBe('ready 1')
    logs.clear()
    const wait = logs.waitFor(/ready/, never)
    logs.write('ready 2\n')
    expect(await wait).toBe('ready 2')
  })

  it('finds one that comes later, also with the flag g, and for every waiter', async () => {
    const logs = new LogBuffer()
    const waits = [logs.waitFor(/b/g, never), logs.waitFor(/b/, never)]
    logs.write('a\nb1\nb2\n')
    expect(await Promise.all(waits)).toEqual(['b1', 'b1'])
  })

  it('ends with the reason of the signal', async () => {
    const stop = new AbortController()
    const wait = new LogBuffer().waitFor(/x/, stop.signal)
    stop.abort(new Error('enough'))
    await expect(wait).rejects.toThrow('enough')
    await expect(new LogBuffer().waitFor(/x/, stop.signal)).rejects.toThrow('enough')
  })
})

const line = (level: string, msg: string, error?: string): string =>
  JSON.stringify({ level, msg, error, stacktrace: 'x\ny' })

it.each<[string, string[], string[]]>([
  [
    'the errors, as sentences',
    [line('info', 'starting'), line('warn', 'not recommended'), line('error', 'listener failed', 'bad key')],
    ['error: listener failed: bad key'],
  ],
  ['the warnings if there are no errors', [line('warn', 'slow'), line('info', 'ok')], ['warn: slow']],
  [
    'the last lines if nothing is wrong, or nothing is JSON',
    ['1', '2', '3', '4', '5', '6', '', '{not json'],
    ['2', '3', '4', '5', '6', '{not json'],
  ],
  [
    'the lines before the usage that follows an unknown flag',
    ['flag provided but not defined: -x', 'Usage:', '  etcd [flags]'],
    ['flag provided but not defined: -x'],
  ],
])('an error shows %s', (_what, logs, shown) => {
  expect(mostSevereLines(logs)).toEqual(shown)
})

it('the error carries every line and its cause', () => {
  const cause = new Error('spawn')
  const logs = [line('info', 'starting'), line('fatal', 'no')]
  const error = notStarted('etcd could not be started.', logs, cause)
  expect(error).toMatchObject({ code: 'ERR_ETCD_NOT_STARTED', cause, details: { logs } })
  expect(error.message).toBe('etcd could not be started. The last lines of its log: fatal: no')
  expect(notStarted('It was not started.', []).message).toBe('It was not started.')
})
