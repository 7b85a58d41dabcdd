/** When a peer is asked, and when it is given up, by the clock alone. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Keepalive } from '../../../../src/client/transport/keepalive.js'

interface Peer {
  keepalive: Keepalive
  read: number
  written: number
  due: boolean
  /** How long the answer to a question takes; null: it does not answer. */
  answersAfter: number | null
  asked: number[]
  givenUpAt: number | null
}

function peerWith(options: Partial<Peer> & { roundTrip?: number } = {}): Peer {
  const peer: Omit<Peer, 'keepalive'> = {
    read: 0,
    written: 0,
    due: true,
    answersAfter: null,
    asked: [],
    givenUpAt: null,
    ...options,
  }
  const keepalive = new Keepalive(
    {
      ask: (answered) => {
        peer.asked.push(performance.now())
        if (peer.answersAfter === null) return
        setTimeout(() => {
          peer.read += 31
          answered()
        }, peer.answersAfter)
      },
      bytesRead: () => peer.read,
      bytesWritten: () => peer.written,
      awaitsAnswer: () => peer.due,
      silent: () => (peer.givenUpAt = performance.now()),
    },
    options.roundTrip ?? 1,
  )
  const whole = Object.assign(peer, { keepalive })
  keepalive.start()
  return whole
}

describe('the keepalive of a connection', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  })

  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  it('asks a peer that owes an answer after 300 ms, and gives it up after 1.5 s', () => {
    const began = performance.now()
    const peer = peerWith()
    vi.advanceTimersByTime(1600)
    expect((peer.asked[0] ?? 0) - began).toBe(300)
    expect((peer.givenUpAt ?? Infinity) - began).toBeLessThanOrEqual(1500)
  })

  it('keeps a peer that answers, however long its real answer takes, and asks it once a second at most', () => {
    const peer = peerWith({ answersAfter: 50 })
    vi.advanceTimersByTime(60_000)
    expect(peer.givenUpAt).toBeNull()
    const pauses = peer.asked.slice(1).map((at, i) => at - (peer.asked[i] ?? 0))
    expect(pauses.length).toBeGreaterThan(50)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1000)
  })

  it.each([1, 200, 600, 1000, 1600, 3000])(
    'notices within three seconds or round trips that a peer froze that only carries watches (round trip %i ms)',
    (roundTrip) => {
      const peer = peerWith({ due: false, roundTrip, answersAfter: roundTrip })
      vi.advanceTimersByTime(60_000)
      expect(peer.givenUpAt).toBeNull()
      // Frozen right after it answered: that answer is still in transit for half a round trip.
      const frozen = performance.now()
      peer.answersAfter = null
      vi.advanceTimersByTime(20_000)
      const noticed = (peer.givenUpAt ?? Infinity) - frozen
      expect(noticed).toBeLessThanOrEqual(Math.max(3000, 3 * roundTrip))
    },
  )

  it('takes no slow network for a silent peer, from the first question on', () => {
    const peer = peerWith({ roundTrip: 1600, answersAfter: 1900 })
    vi.advanceTimersByTime(60_000)
    expect(peer.givenUpAt).toBeNull()
  })

  it('takes bytes that arrive as a sign of life, even if the question waits in a long send queue', () => {
    const peer = peerWith({ written: 0 })
    peer.written = 1_400_000
    for (let i = 0; i < 50; i += 1) {
      vi.advanceTimersByTime(1000)
      peer.read += 13
    }
    expect(peer.givenUpAt).toBeNull()
  })

  it('extends the limit for a long send queue, within bounds', () => {
    const peer = peerWith()
    peer.written = 1_400_000
    vi.advanceTimersByTime(5000)
    expect(peer.givenUpAt).toBeNull()
    vi.advanceTimersByTime(2000)
    expect(peer.givenUpAt).not.toBeNull()
  })

  it('gives up a silent peer even if every call on it has a short deadline', () => {
    const peer = peerWith()
    for (let i = 0; i < 6; i += 1) {
      vi.advanceTimersByTime(400)
      peer.keepalive.stop()
      peer.keepalive.start()
    }
    expect(peer.asked).toHaveLength(1)
    expect(peer.givenUpAt).not.toBeNull()
  })

  it('does not count time in which this process was blocked', () => {
    const peer = peerWith()
    vi.advanceTimersByTime(300)
    expect(peer.asked).toHaveLength(1)
    // The event loop stood still: time went by, and no timer ran.
    const later = performance.now() + 3000
    vi.spyOn(performance, 'now').mockReturnValue(later)
    vi.advanceTimersByTime(300)
    expect(peer.givenUpAt).toBeNull()
  })

  it('asks nothing while no call is open', () => {
    const peer = peerWith({ answersAfter: 1 })
    peer.keepalive.stop()
    vi.advanceTimersByTime(600_000)
    expect(peer.asked).toEqual([])
  })
})
