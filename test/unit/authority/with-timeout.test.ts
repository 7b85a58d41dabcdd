/** A key or a store that is elsewhere may hang or fail: it is reported, in bounded time. */
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createAuthority, type Ledger } from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import { refused as refusedWith } from '../../support/refused.js'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const never = (): Promise<never> => new Promise(() => undefined)

const refused = (work: Promise<unknown>) => refusedWith(work, 'ERR_ISSUE_REFUSED')

describe('a signer or a ledger that never answers', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** `vi.waitFor` would move the clock. */
  async function isWaitedFor(): Promise<void> {
    while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve))
  }

  /** The outcome, once so much time has gone by, and not before. */
  async function after(seconds: number, work: Promise<unknown>): Promise<string> {
    const outcome = refused(work)
    let ended = false
    void outcome.finally(() => (ended = true))
    await isWaitedFor()
    await vi.advanceTimersByTimeAsync(seconds * 1000 - 1)
    expect(ended).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    const { details } = await outcome
    expect(vi.getTimerCount()).toBe(0)
    return details.reason
  }

  it('reports a signer that never answers', async () => {
    expect(await after(60, createAuthority({ name: 'CA', signer: { publicKey, sign: never } }))).toBe(
      'The signer gave no answer within 60 s',
    )
  })

  it('reports a ledger that never answers when it appends and when it reads', async () => {
    const ledger: Ledger = { append: never, read: never }
    expect(await after(180, createAuthority({ name: 'CA', ledger }))).toBe('The ledger gave no answer within 180 s')
    const authority = await createAuthority({ name: 'CA', ledger: { ...memoryLedger(), read: never } })
    expect(await after(180, authority.issueCrl())).toBe('The ledger gave no answer within 180 s')
  })

  it('a CRL that waits for the ledger does not delay the next one', async () => {
    let isSilent = true
    const inner = memoryLedger()
    const ledger: Ledger = { ...inner, read: () => (isSilent ? never() : inner.read()) }
    const authority = await createAuthority({ name: 'CA', ledger })
    await after(180, authority.issueCrl())
    isSilent = false
    await expect(authority.issueCrl()).resolves.toBeDefined()
  })
})

describe('a ledger that fails', () => {
  it.each([undefined, null, 'entries', { length: 1 }])('reports a ledger that reads %j', async (given) => {
    const ledger: Ledger = { ...memoryLedger(), read: () => Promise.resolve(given as never) }
    const authority = await createAuthority({ name: 'CA', ledger })
    expect((await refused(authority.issueCrl())).details.reason).toContain('did not return a list of entries')
  })
})
