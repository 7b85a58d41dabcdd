import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AbortListeners } from '../../../src/client/base/timing.js'
import { contend, type Held, tryContend, type TryLockResult } from '../../../src/coordination/contend.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { FakeStore, LeaseGoneError, TransientError } from '../../support/fake-store.js'

const TTL = 6000
const QUEUE = { label: 'lock "jobs"', prefix: 'jobs/', ttl: TTL }

let store: FakeStore
let closing: AbortController

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  store = new FakeStore()
  closing = new AbortController()
})
afterEach(() => {
  vi.useRealTimers()
})

const claim = (value = '', signal: AbortSignal | null = null): Promise<Held> =>
  contend(store, QUEUE, { value, signal, closing: closing.signal, onAbort: new AbortListeners().listen })

const tryClaim = (value = ''): Promise<TryLockResult> =>
  tryContend(store, QUEUE, { value, signal: null, closing: closing.signal, onAbort: new AbortListeners().listen })

/** Lets what is under way go on, and a little time pass for the pauses between attempts. */
const settle = () => vi.advanceTimersByTimeAsync(100)

/** What became of a claim. */
function follow(claimed: Promise<Held>): { held: Held | null; error: unknown } {
  const outcome: { held: Held | null; error: unknown } = { held: null, error: null }
  claimed.then(
    (held) => (outcome.held = held),
    (error: unknown) => (outcome.error = error),
  )
  return outcome
}

/** The same, after what is under way went on. */
async function settled(claimed: Promise<Held>): Promise<{ held: Held | null; error: unknown }> {
  const outcome = follow(claimed)
  await settle()
  return outcome
}

/** Why a lease was lost, by the error; null for any other error. */
function lossOf(error: unknown): string | null {
  return isEtcdMtlsError(error, 'ERR_LEASE_LOST') ? error.details.reason : null
}

/** The lease under which the first or a later key is. */
function leaseOf(index: number): string {
  const key = [...store.keys.values()][index]
  if (key === undefined) throw new Error('No such key')
  return key.lease
}

describe('a contender', () => {
  it('holds the lock at once if no other contender has a key, with the create revision as its fencing token', async () => {
    const held = await claim()
    expect(held.fencingToken).toBe('2')
    expect(held.signal.aborted).toBe(false)
    expect(store.calls).toEqual(['grant', 'createKey', 'readQueue'])
    const [key] = store.keys.values()
    expect(key?.key).toBe(`jobs/${BigInt(key?.lease ?? 0).toString(16)}`)
  })

  it('loses the lock when the client switches to another cluster, with that as the cause', async () => {
    const held = await claim()
    const change = new Error('another cluster')
    store.changeCluster(change)
    const reason: unknown = held.signal.reason
    expect(reason).toMatchObject({ code: 'ERR_LEASE_LOST', details: { reason: 'gone' }, cause: change })
  })

  it('waits for the contender right before it and gets a higher token', async () => {
    const first = await claim()
    const second = follow(claim())
    const third = follow(claim())
    await settle()
    expect([second.held, third.held]).toEqual([null, null])
    await first[Symbol.asyncDispose]()
    await settle()
    expect(second.held?.fencingToken).toBe('3')
    expect(third.held).toBeNull()
  })

  it('takes the place of a contender that gave up only when the holder is gone', async () => {
    await claim()
    follow(claim())
    const third = follow(claim())
    await settle()
    store.expire(leaseOf(1))
    await settle()
    expect(third.held).toBeNull()
    store.expire(leaseOf(0))
    await settle()
    expect(third.held).not.toBeNull()
  })

  it.each(['grant', 'createKey', 'readQueue'])(
    'repeats a %s whose answer was lost, and has one key and one lease',
    async (call) => {
      store.losesAnswerOf.push(call, call)
      const outcome = follow(claim())
      await settle()
      await settle()
      await settle()
      expect(outcome.held?.fencingToken).toBe('2')
      expect([store.keys.size, store.leases.size]).toEqual([1, 1])
    },
  )

  it.each<[string, () => Promise<unknown>]>([
    [
      'when its watch is lost',
      () => {
        store.loseWatches()
        return settle()
      },
    ],
    ['after a TTL when its watch is silent', () => vi.advanceTimersByTimeAsync(TTL)],
  ])('looks again %s', async (_, happens) => {
    const first = await claim()
    const second = follow(claim())
    await settle()
    store.silent = true
    await first[Symbol.asyncDispose]()
    await happens()
    expect(second.held).not.toBeNull()
    expect(store.watches).toBe(0)
  })

  it('never wins with a lease that is gone', async () => {
    const first = await claim()
    const second = follow(claim())
    await settle()
    store.silent = true
    store.expire(leaseOf(1))
    await first[Symbol.asyncDispose]()
    store.loseWatches()
    await settle()
    expect(second.held).toBeNull()
    expect(second.error).toMatchObject({ code: 'ERR_LEASE_LOST', details: { what: 'lock "jobs"', reason: 'gone' } })
  })

  it('reports a lease that ended before the key was created', async () => {
    store.failures.push(['createKey', new LeaseGoneError()])
    const { error } = await settled(claim())
    expect(lossOf(error)).toBe('gone')
    expect(store.leases.size).toBe(0)
  })

  it('gives up waiting when etcd answers no keep-alive', async () => {
    await claim()
    store.answersKeepAlive = false
    const second = follow(claim())
    await vi.advanceTimersByTimeAsync(TTL)
    expect(lossOf(second.error)).toBe('unanswered')
    expect([store.keys.size, store.watches]).toEqual([1, 0])
  })

  it('rejects with an error that another attempt would meet again, and removes its key', async () => {
    store.failures.push(['readQueue', new Error('permission denied')])
    await expect(claim()).rejects.toThrow('permission denied')
    await settle()
    expect([store.keys.size, store.leases.size]).toEqual([0, 0])
  })

  it('rejects with the last error when the lease cannot be granted within the TTL', async () => {
    for (let i = 0; i < 1000; i += 1) store.failures.push(['grant', new TransientError('unreachable')])
    const outcome = follow(claim())
    await vi.advanceTimersByTimeAsync(TTL)
    expect(outcome.error).toEqual(new TransientError('unreachable'))
  })
})

describe('an aborted claim', () => {
  it('rejects at once with the reason of the signal and removes its key', async () => {
    await claim()
    const caller = new AbortController()
    const second = follow(claim('', caller.signal))
    await settle()
    expect(store.keys.size).toBe(2)
    const reason = new Error('enough')
    caller.abort(reason)
    await settle()
    expect(second.error).toBe(reason)
    expect([store.keys.size, store.leases.size, store.watches]).toEqual([1, 1, 0])
  })

  it('sends nothing when the signal was aborted before', async () => {
    await expect(claim('', AbortSignal.abort(new Error('never')))).rejects.toThrow('never')
    expect(store.calls).toEqual([])
  })

  it('the signal of a claim has no effect once the lock is held', async () => {
    const caller = new AbortController()
    const held = await claim('', caller.signal)
    caller.abort()
    await settle()
    expect(held.signal.aborted).toBe(false)
    expect(store.keys.size).toBe(1)
  })
})

describe('a lock that is held', () => {
  it('aborts its signal before the lease can have expired', async () => {
    const since = performance.now()
    const held = await claim()
    let abortedAt = 0
    held.signal.addEventListener('abort', () => (abortedAt = performance.now() - since))
    store.answersKeepAlive = false
    store.limit = new Error('The server accepts no further stream')
    await vi.advanceTimersByTimeAsync(TTL)
    expect(Math.round(abortedAt)).toBe(TTL * 0.9)
    expect(lossOf(held.signal.reason)).toBe('unanswered')
    expect(held.signal.reason).toMatchObject({ cause: store.limit })
  })

  it.each<[string, () => void, boolean]>([
    [
      'that was granted',
      () => {
        for (let i = 0; i < 8; i += 1) store.failures.push(['grant', new TransientError('unreachable')])
      },
      false,
    ],
    [
      'whose answer was lost',
      () => {
        store.losesAnswerOf.push(...Array.from({ length: 8 }, () => 'grant'))
      },
      true,
    ],
  ])('counts the TTL from the attempt %s', async (_, happens, isFirst) => {
    happens()
    store.answersKeepAlive = false
    const since = performance.now()
    const outcome = follow(claim())
    while (outcome.held === null) await vi.advanceTimersByTimeAsync(10)
    const taken = performance.now() - since
    let abortedAt = 0
    outcome.held.signal.addEventListener('abort', () => (abortedAt = performance.now() - since))
    await vi.advanceTimersByTimeAsync(2 * TTL)
    expect(taken).toBeGreaterThan(500)
    if (isFirst) expect(Math.round(abortedAt)).toBe(TTL * 0.9)
    else expect(abortedAt).toBeGreaterThan(TTL * 0.9 + taken - 20)
  })

  it('stays held while keep-alives are answered', async () => {
    const held = await claim()
    await vi.advanceTimersByTimeAsync(TTL * 10)
    expect(held.signal.aborted).toBe(false)
  })

  it('aborts its signal when etcd reports that the lease is gone', async () => {
    const held = await claim()
    store.expire(leaseOf(0))
    await vi.advanceTimersByTimeAsync(TTL / 3)
    expect(lossOf(held.signal.reason)).toBe('gone')
  })

  it('shows an aborted signal to code that runs before any timer after a pause of the process', async () => {
    const held = await claim()
    const { signal } = held
    const now = performance.now()
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + TTL)
    const order: string[] = []
    signal.addEventListener('abort', () => order.push('abort'))
    order.push(String(signal.aborted))
    expect(() => {
      signal.throwIfAborted()
    }).toThrow('The lease of the lock "jobs" may expire')
    clock.mockRestore()
    expect(order).toEqual(['abort', 'true'])
  })

  it('shows a pause in AbortSignal.any of its signal only after its signal itself was read', async () => {
    const { signal } = await claim()
    const either = AbortSignal.any([signal, new AbortController().signal])
    const now = performance.now()
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + TTL)
    expect([either.aborted, signal.aborted, either.aborted]).toEqual([false, true, true])
    clock.mockRestore()
  })

  it('a lock is released once, however often it is disposed of', async () => {
    const held = await claim()
    await Promise.all([held[Symbol.asyncDispose](), held[Symbol.asyncDispose]()])
    await held[Symbol.asyncDispose]()
    expect(store.calls.filter((each) => each === 'revoke')).toHaveLength(1)
    expect([store.keys.size, store.leases.size]).toEqual([0, 0])
    expect(isEtcdMtlsError(held.signal.reason, 'ERR_CLOSED')).toBe(true)
  })

  it('a lock is released if the answer to the revocation was lost', async () => {
    const held = await claim()
    store.losesAnswerOf.push('revoke')
    const released = held[Symbol.asyncDispose]()
    await settle()
    await released
    expect(store.leases.size).toBe(0)
  })

  it('ends its release after two seconds when etcd cannot be reached, and is revoked when it can', async () => {
    const held = await claim()
    for (let i = 0; i < 100; i += 1) store.failures.push(['revoke', new TransientError()])
    let released = false
    void held[Symbol.asyncDispose]().then(() => (released = true))
    await vi.advanceTimersByTimeAsync(1900)
    expect(released).toBe(false)
    await vi.advanceTimersByTimeAsync(100)
    expect([released, store.leases.size]).toEqual([true, 1])
    store.failures.length = 0
    await vi.advanceTimersByTimeAsync(TTL / 2)
    expect(store.leases.size).toBe(0)
  })

  it('aborts its signal when the client is closed', async () => {
    const held = await claim()
    closing.abort()
    expect(isEtcdMtlsError(held.signal.reason, 'ERR_CLOSED') && held.signal.reason.details.what).toBe('client')
  })
})

describe('tryLock', () => {
  it('A try holds a lock that is free, and `release()` frees it', async () => {
    const { held } = await tryClaim()
    expect(held?.fencingToken).toBe('2')
    expect(store.calls).toEqual(['readHolder', 'grant', 'createKey', 'readQueue'])
    await held?.release()
    expect([store.keys.size, store.leases.size]).toEqual([0, 0])
  })

  it('A try for a lock that is held returns the value of its holder after one read, also if others wait for it', async () => {
    await claim('node-1')
    follow(claim('node-2'))
    await settle()
    store.calls.length = 0
    expect(await tryClaim('node-3')).toEqual({ held: null, holder: 'node-1' })
    expect(store.calls).toEqual(['readHolder'])
  })

  it('One of two tries at the same time holds, and the other one leaves no key and no lease', async () => {
    const [first, second] = await Promise.all([tryClaim('first'), tryClaim('second')])
    expect(first.held?.signal.aborted).toBe(false)
    expect(second).toEqual({ held: null, holder: 'first' })
    expect([store.keys.size, store.leases.size, store.watches]).toEqual([1, 1, 0])
  })

  it('A try holds if the contender before it leaves while it reads that contender', async () => {
    let reads = 0
    vi.spyOn(store, 'readHolder').mockImplementation(async (prefix) => {
      reads += 1
      if (reads === 3) await (await first).held?.release()
      return FakeStore.prototype.readHolder.call(store, prefix)
    })
    const first = tryClaim('first')
    const second = tryClaim('second')
    expect((await second).held?.fencingToken).toBe('3')
  })

  it('A try is rejected with the last error if etcd cannot be reached for the TTL', async () => {
    for (let i = 0; i < 1000; i += 1) store.failures.push(['readHolder', new TransientError('unreachable')])
    let error: unknown = null
    tryClaim().catch((reason: unknown) => (error = reason))
    // And one pause between attempts.
    await vi.advanceTimersByTimeAsync(TTL + 400)
    expect(error).toEqual(new TransientError('unreachable'))
    expect(store.leases.size).toBe(0)
  })

  it('A try is rejected if the lease is gone before it holds', async () => {
    store.failures.push(['createKey', new LeaseGoneError()])
    await expect(tryClaim()).rejects.toMatchObject({ code: 'ERR_LEASE_LOST', details: { reason: 'gone' } })
    expect(store.leases.size).toBe(0)
  })
})
