/** `isRetryable` on a real etcd: a program that repeats a call while it is true applies each write once. */
import { GRPCDeadlineExceededError, GRPCInvalidArgumentError } from 'etcd3'
import { describe, expect, it } from 'vitest'
import { isRetryable } from '../../src/client/index.js'
import { mintPki } from '../support/etcd.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const shared = sharedEtcd()
const { pki, connect } = shared

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([promise])
  if (result.status === 'rejected') return result.reason
  throw new Error('It should have been rejected')
}

/** Repeats a call for as long as its error is retryable. Each attempt takes as long as its deadline. */
async function repeat<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isRetryable(error)) throw error
    }
  }
}

describe('isRetryable', () => {
  it('isRetryable returns true while etcd is down, and the write that is repeated until etcd is back is applied once', async () => {
    await using client = await connect()
    await shared.etcd.stop()
    await expect.poll(() => client.tls.endpoints[0]?.state).not.toBe('ready')
    let [attempts, limit] = [0, 200]
    const put = (): Promise<unknown> => {
      attempts += 1
      const deadline = Date.now() + limit
      return client.put('once').value('1').options({ deadline }).exec()
    }
    const written = repeat(put)
    await expect.poll(() => attempts).toBeGreaterThan(1)
    // A busy etcd may answer a write later than that, whose outcome is then not known.
    limit = 60_000
    await shared.etcd.start()
    await written
    const { kvs } = await client.get('once').exec()
    expect(kvs[0]?.version).toBe('1')
  })

  it('isRetryable returns true for a client that cannot be created yet, and false for one that etcd refuses', async () => {
    await shared.etcd.stop()
    expect(isRetryable(await rejection(connect({ dialTimeout: '1s' })))).toBe(true)
    await shared.etcd.start()
    await using _client = await repeat(() => connect({ dialTimeout: '1s' }))
    const foreign = mintPki('Foreign CA').client
    const credentials = { ...foreign, trustAnchors: pki.client.trustAnchors, clientAnchors: foreign.trustAnchors }
    expect(isRetryable(await rejection(connect({ credentials })))).toBe(false)
  })

  it('isRetryable returns false for a write and true for a read that a frozen etcd does not answer', async () => {
    await using client = await connect()
    await client.get('a').string()
    await shared.etcd.pause()
    const deadline = Date.now() + 500
    const [write, read] = await Promise.all([
      rejection(client.put('a').value('1').options({ deadline }).exec()),
      rejection(client.get('a').options({ deadline }).string()),
    ])
    await shared.etcd.resume()
    expect(write).toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
    expect(isRetryable(write)).toBe(false)
    expect(read).toBeInstanceOf(GRPCDeadlineExceededError)
    expect(isRetryable(read)).toBe(true)
  })

  it('isRetryable returns false for a call that etcd refuses each time', async () => {
    await using client = await connect()
    const empty = await rejection(client.put('').value('1').exec())
    expect(empty).toBeInstanceOf(GRPCInvalidArgumentError)
    expect(isRetryable(empty)).toBe(false)
    const noLease = await rejection(client.put('a').value('1').lease('7').exec())
    expect(isRetryable(noLease)).toBe(false)
  })

  it('isRetryable returns true for a transaction that lost a race, because it wrote nothing', async () => {
    await using client = await connect()
    const race = client.stm({ retries: 0 }).transact(async (tx) => {
      await tx.get('counter').string()
      await client.put('counter').value('theirs')
      await tx.put('counter').value('ours')
    })
    expect(isRetryable(await rejection(race))).toBe(true)
    expect(await client.get('counter').string()).toBe('theirs')
  })
})
