import { describe, expect, it } from 'vitest'
import { LogBuffer } from '../../../src/testing/log-buffer.js'

const never = new AbortController().signal

describe('what etcd has written', () => {
  it('is put together to lines, whatever the pieces it came in', () => {
    const logs = new LogBuffer()
    for (const piece of ['on', 'e\ntw', 'o\r\n', 'three']) logs.write(piece)
    expect(logs.lines()).toEqual(['one', 'two'])
    logs.end()
    logs.end()
    expect(logs.lines()).toEqual(['one', 'two', 'three'])
  })

  it('is bounded; the oldest lines go', () => {
    const logs = new LogBuffer()
    for (let line = 0; line < 5_010; line++) logs.write(`${String(line)}\n`)
    expect(logs.lines()).toHaveLength(5_000)
    expect(logs.lines()[0]).toBe('10')
  })

  it('is handed out as a copy', () => {
    const logs = new LogBuffer()
    logs.lines().push('mine')
    expect(logs.lines()).toEqual([])
  })
})

describe('the wait for a line', () => {
  it('finds one that was written before', async () => {
    const logs = new LogBuffer()
    logs.write('ready\n')
    expect(await logs.waitFor(/ready/, never)).toBe('ready')
  })

  it('finds one that comes later, also with the flag g, and for every waiter', async () => {
    const logs = new LogBuffer()
    const waits = [logs.waitFor(/b/g, never), logs.waitFor(/b/, never)]
    logs.write('a\nb1\nb2\n')
    expect(await Promise.all(waits)).toEqual(['b1', 'b1'])
  })

  it('does not find one that was cleared', async () => {
    const logs = new LogBuffer()
    logs.write('ready 1\n')
    logs.clear()
    const wait = logs.waitFor(/ready/, never)
    logs.write('ready 2\n')
    expect(await wait).toBe('ready 2')
  })

  it('ends with the reason of the signal', async () => {
    const stop = new AbortController()
    const wait = new LogBuffer().waitFor(/x/, stop.signal)
    stop.abort(new Error('enough'))
    await expect(wait).rejects.toThrow('enough')
    await expect(new LogBuffer().waitFor(/x/, stop.signal)).rejects.toThrow('enough')
  })
})
