import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type KeepAliveAnswer, type KeepAliveStream, LeaseKeeper } from '../../../../src/client/streams/lease-keeper.js'

const TTL = 6000
/** TTL minus the margin of a tenth. */
const DEADLINE = 5400

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A stream whose server is the test. */
class FakeStream implements KeepAliveStream {
  readonly sentAt: number[] = []
  ended = false
  readonly #listeners: Record<string, ((value: never) => void)[]> = {}

  write(): void {
    this.sentAt.push(performance.now())
  }
  end(): void {
    this.ended = true
  }
  cancel(): void {
    this.ended = true
    this.emit('error', new Error('Cancelled'))
  }
  on(event: string, listener: (value: never) => void): this {
    this.#listeners[event] = [...(this.#listeners[event] ?? []), listener]
    return this
  }
  emit(event: string, value?: KeepAliveAnswer | Error): void {
    for (const listener of this.#listeners[event] ?? []) listener(value as never)
  }
  answer(TTL = '6', ID = '7'): void {
    this.emit('data', { ID, TTL })
  }
}

function startKeeper(open?: () => Promise<FakeStream>) {
  const streams: FakeStream[] = []
  const reported: string[] = []
  const since = performance.now()
  const openStream = async (): Promise<FakeStream> => {
    const stream = open === undefined ? new FakeStream() : await open()
    streams.push(stream)
    return stream
  }
  const keeper = new LeaseKeeper({ id: '7', ttl: TTL, since }, openStream, {
    onRenewed: () => reported.push(`renewed at ${at()}`),
    onFailed: (error) => reported.push(`failed at ${at()}: ${String(error)}`),
    onLost: (reason, cause) =>
      reported.push(`${reason} at ${at()}${cause instanceof Error ? `: ${cause.message}` : ''}`),
  })
  const at = (): string => String(Math.round(performance.now() - since))
  return {
    keeper,
    streams,
    reported,
    sentAt: () => streams.map((each) => each.sentAt.map((time) => Math.round(time - since))),
  }
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)

describe('a lease keeper', () => {
  it('sends a keep-alive at each sixth of the TTL over one stream', async () => {
    const { streams, sentAt, reported } = startKeeper()
    for (let turn = 0; turn < 3; turn += 1) {
      await pass(1000)
      streams[0]?.answer()
    }
    expect(sentAt()).toEqual([[1000, 2000, 3000]])
    expect(reported).toEqual(['renewed at 1000', 'renewed at 2000', 'renewed at 3000'])
  })

  it('asks over another stream after a twelfth of the TTL, and reports the loss before the lease can expire', async () => {
    const { sentAt, reported, streams } = startKeeper()
    await pass(TTL)
    expect(sentAt()).toEqual([1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000].map((at) => [at]))
    expect(reported).toEqual([`unanswered at ${String(DEADLINE)}`])
    expect(streams.every((each) => each.ended)).toBe(true)
    streams[0]?.answer()
    await pass(TTL)
    expect(reported).toHaveLength(1)
  })

  it('counts from the sending of the keep-alive that was answered, not from the answer', async () => {
    const { reported, streams } = startKeeper()
    await pass(1900)
    streams[0]?.answer()
    await pass(TTL * 2)
    expect(reported).toEqual(['renewed at 1900', `unanswered at ${String(1000 + DEADLINE)}`])
  })

  it('takes a late answer over the first stream, drops the requests that were sent before it, and keeps later ones', async () => {
    const { streams, sentAt, reported } = startKeeper()
    await pass(2200)
    expect(streams).toHaveLength(3)
    streams[1]?.answer()
    expect(streams.map((each) => each.ended)).toEqual([true, false, false])
    await pass(600)
    streams[2]?.answer()
    expect(sentAt()).toEqual([[1000], [1500, 2500], [2000]])
    expect(reported).toEqual(['renewed at 2200', 'renewed at 2800'])
  })

  it('keeps a lease whose keep-alives are all answered after four fifths of the TTL', async () => {
    const { keeper, streams, reported } = startKeeper()
    keeper.renew()
    const late = TTL * 0.8
    for (let time = 0; time < TTL * 4; time += 100) {
      const now = performance.now()
      for (const each of streams)
        if (!each.ended && each.sentAt.some((sent) => Math.abs(now - sent - late) < 50)) each.answer()
      await pass(100)
    }
    expect(reported.filter((each) => each.startsWith('unanswered'))).toEqual([])
    expect(streams.filter((each) => !each.ended).length).toBeLessThanOrEqual(12)
  })

  it('tries again soon after a stream failed and names the failure when the lease is lost', async () => {
    const { reported, sentAt } = startKeeper(() => Promise.reject(new Error('No endpoint')))
    await pass(TTL)
    expect(sentAt()).toEqual([])
    expect(reported.length).toBeGreaterThan(10)
    expect(reported.at(-1)).toBe(`unanswered at ${String(DEADLINE)}: No endpoint`)
  })

  it('goes on over a new stream when the old one breaks or ends', async () => {
    const { streams, sentAt } = startKeeper()
    await pass(1000)
    streams[0]?.emit('error', new Error('broken'))
    await pass(100)
    streams[1]?.answer()
    streams[1]?.emit('end')
    await pass(100)
    expect(sentAt()).toEqual([[1000], [1100], [1200]])
  })

  it('reports a lease that etcd does not have at once', async () => {
    const { streams, reported } = startKeeper()
    await pass(1000)
    streams[0]?.answer('0')
    expect(reported).toEqual(['gone at 1000'])
  })

  it('ignores answers for another lease and answers to no request', async () => {
    const { streams, reported } = startKeeper()
    await pass(1000)
    streams[0]?.answer('6', '8')
    streams[0]?.answer()
    streams[0]?.answer()
    expect(reported).toEqual(['renewed at 1000'])
  })

  it('reports the loss when it is asked after a pause, before any timer has run', () => {
    const { keeper, reported } = startKeeper()
    const now = performance.now()
    const spy = vi.spyOn(performance, 'now').mockReturnValue(now + TTL)
    keeper.check()
    keeper.check()
    spy.mockRestore()
    expect(reported).toEqual(['unanswered at 6000'])
  })

  it('reports nothing after it was stopped', async () => {
    const { keeper, streams, reported } = startKeeper()
    await pass(1000)
    keeper.stop()
    streams[0]?.answer('0')
    await pass(TTL)
    expect(reported).toEqual([])
    expect(streams[0]?.ended).toBe(true)
  })
})
