import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Keepalive } from '../../../../src/client/transport/keepalive.js'

describe('finding out that a peer went silent', () => {
  let bytes: number
  let due: boolean
  let pings: number[]
  let silentAt: number | null
  let answers: boolean
  let keepalive: Keepalive

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    bytes = 0
    due = true
    pings = []
    silentAt = null
    answers = false
    keepalive = new Keepalive({
      ping: () => {
        pings.push(performance.now())
        if (answers) setTimeout(() => (bytes += 17), 50)
        return true
      },
      bytesRead: () => bytes,
      awaitsAnswer: () => due,
      silent: () => {
        silentAt = performance.now()
      },
    })
    keepalive.start()
  })

  afterEach(() => {
    keepalive.stop()
    vi.useRealTimers()
  })

  const start = (): number => pings[0] ?? NaN

  it('an answer that is due: asked after 300 ms, given up within 1.5 s', () => {
    const began = performance.now()
    vi.advanceTimersByTime(1600)
    expect(start() - began).toBe(300)
    expect(silentAt).not.toBeNull()
    expect((silentAt ?? 0) - began).toBeLessThanOrEqual(1500)
  })

  it('a peer that answers pings is alive, however long it thinks, and is not asked more often than etcd allows', () => {
    answers = true
    vi.advanceTimersByTime(60_000)
    expect(silentAt).toBeNull()
    const pauses = pings.slice(1).map((at, i) => at - (pings[i] ?? 0))
    expect(pauses.length).toBeGreaterThan(5)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(5000)
  })

  it('only watches: silence is usual, and asked about after ten seconds', () => {
    due = false
    answers = true
    vi.advanceTimersByTime(9000)
    expect(pings).toEqual([])
    vi.advanceTimersByTime(2000)
    expect(pings).toHaveLength(1)
  })

  it('bytes that arrive are a sign of life', () => {
    for (let i = 0; i < 20; i += 1) {
      vi.advanceTimersByTime(250)
      bytes += 100
    }
    expect(pings).toEqual([])
    expect(silentAt).toBeNull()
  })

  it('calls with short deadlines do not hide a silent peer', () => {
    for (let i = 0; i < 6; i += 1) {
      vi.advanceTimersByTime(400)
      keepalive.stop()
      keepalive.start()
    }
    expect(pings).toHaveLength(1)
    expect(silentAt).not.toBeNull()
  })

  it('a process that was held up itself does not blame the peer', () => {
    vi.advanceTimersByTime(300)
    expect(pings).toHaveLength(1)
    // The event loop stood still: time went by, and no timer ran.
    vi.setSystemTime(Date.now() + 3000)
    const stood = performance.now() + 3000
    vi.spyOn(performance, 'now').mockReturnValue(stood)
    vi.advanceTimersByTime(300)
    expect(silentAt).toBeNull()
    vi.restoreAllMocks()
  })
})
