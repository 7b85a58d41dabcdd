/** The calls that wait for an endpoint, and which failures of an endpoint end a wait. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { refusalIn } from '../../../src/client/diagnosis/explain.js'
import { finding } from '../../../src/client/base/finding.js'
import { makeStatus, type Outcome, status } from '../../../src/client/transport/channel.js'
import { MAX_WAITING, WaitingCalls } from '../../../src/client/waiting-calls.js'

class Waiting {
  outcome: Outcome | null = null
  readonly longestWait: number | null
  wasCarried = false

  constructor(longestWait: number | null) {
    this.longestWait = longestWait
  }

  refuse(outcome: Outcome): void {
    this.outcome = outcome
  }
}

const down = (): Outcome => makeStatus(status.UNAVAILABLE, 'down')

describe('WaitingCalls', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('WaitingCalls expires each call after its own limit, or after the default one', () => {
    const expired: Waiting[] = []
    const waiting = new WaitingCalls<Waiting>((call) => expired.push(call), 500)
    const [stream, unary, limited] = [new Waiting(null), new Waiting(1000), new Waiting(Infinity)]
    for (const each of [stream, unary, limited]) waiting.add(each)
    vi.advanceTimersByTime(999)
    expect(expired).toEqual([stream])
    vi.advanceTimersByTime(1)
    expect(expired).toEqual([stream, unary])
    vi.advanceTimersByTime(3_600_000)
    expect(waiting.size).toBe(1)
    waiting.remove(limited)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('WaitingCalls keeps a call that waits again while it is served', () => {
    const waiting = new WaitingCalls<Waiting>(() => undefined, 500)
    const call = new Waiting(1000)
    waiting.add(call)
    waiting.serve((each) => {
      waiting.add(each)
      return true
    })
    expect([waiting.size, vi.getTimerCount()]).toEqual([1, 1])
    waiting.serve(() => true)
    expect([waiting.size, vi.getTimerCount()]).toEqual([0, 0])
  })

  it('WaitingCalls serves streams first, then calls in their order', () => {
    const waiting = new WaitingCalls<Waiting>(() => undefined, 500)
    const [first, stream, second] = [new Waiting(1000), new Waiting(null), new Waiting(1000)]
    for (const each of [first, stream, second]) waiting.add(each)
    const served: Waiting[] = []
    waiting.serve((call) => served.push(call) > 0)
    expect(served).toEqual([stream, first, second])
  })

  it('WaitingCalls serves each call once if serving one of them serves all', () => {
    const waiting = new WaitingCalls<Waiting>(() => undefined, 500)
    for (let i = 0; i < 3; i += 1) waiting.add(new Waiting(1000))
    const served: Waiting[] = []
    const serve = (call: Waiting): boolean => {
      served.push(call)
      if (served.length === 1) waiting.serve(serve)
      return true
    }
    waiting.serve(serve)
    expect(new Set(served).size).toBe(3)
    expect([served.length, waiting.size, vi.getTimerCount()]).toEqual([3, 0, 0])
  })

  it('WaitingCalls refuses only the calls that match', () => {
    const waiting = new WaitingCalls<Waiting>(() => undefined, 500)
    const [stream, unary] = [new Waiting(null), new Waiting(1000)]
    for (const each of [stream, unary]) waiting.add(each)
    waiting.refuse(down, ({ longestWait }) => longestWait === null)
    expect([stream.outcome?.details, unary.outcome]).toEqual(['down', null])
  })

  it('WaitingCalls refuses a call beyond the limit with ERR_TOO_MANY_CALLS, but no stream, and no call that a connection had', () => {
    const waiting = new WaitingCalls<Waiting>(() => undefined, 500)
    for (let i = 0; i < MAX_WAITING; i += 1) waiting.add(new Waiting(1000))
    const late = new Waiting(1000)
    waiting.add(late)
    expect(late.outcome).toMatchObject({ code: status.UNAVAILABLE, cause: { code: 'ERR_TOO_MANY_CALLS' } })
    expect(waiting.size).toBe(MAX_WAITING)
    waiting.add(new Waiting(null))
    // Its memory is taken already.
    late.wasCarried = true
    waiting.add(late)
    expect(waiting.size).toBe(MAX_WAITING + 2)
    waiting.refuse(down)
  })
})

describe('refusalIn', () => {
  const endpoint = 'https://a:2379'
  const lost = finding('endpoint/lost', { endpoint, reason: 'unanswered', detail: '' })
  const closed = { endpoint, errorCode: 'ECONNRESET', handshake: null }

  it.each([
    [
      'certain',
      'a refused certificate',
      [finding('handshake/no-common-parameters', { endpoint, alert: 40, versions: null })],
    ],
    [
      'certain',
      'a refusal after a lost connection',
      [lost, finding('login/failed', { username: 'a', refused: true, lineBreakIn: null, detail: '' })],
    ],
    ['possible', 'a connection that ended during the first request', [lost]],
    [
      'possible',
      'a connection that ended in the handshake',
      [finding('endpoint/closed', { ...closed, answered: true })],
    ],
    ['none', 'a connection that ended before an answer', [finding('endpoint/closed', { ...closed, answered: false })]],
    ['none', 'a member without a leader', [finding('endpoint/no-leader', { endpoint, members: [], starting: [] })]],
    ['none', 'no finding', []],
  ] as const)('refusalIn reports %s for %s', (expected, _what, findings) => {
    expect(refusalIn(findings)).toBe(expected)
  })
})
