import { describe, expect, it } from 'vitest'
import { CLIENT } from '../../../src/client/base/tls-session.js'
import type { SecureEtcd3 } from '../../../src/client/index.js'
import { election, lock, tryLock } from '../../../src/coordination/index.js'

/** As much of a client as the check of the options reads. */
const client = withClosing(new AbortController().signal)

describe('the options of a lock', () => {
  it.each([
    ['ttl', '2s', "at least '3s'; received '2s'"],
    ['ttl', '3500ms', 'whole seconds'],
    ['ttl', 'soon', 'duration'],
    ['signal', 'stop', 'AbortSignal'],
    ['retries', 3, 'is not an option'],
    ['value', 7, 'a string'],
  ])('lock and tryLock refuse the option %s: %j', async (option, value, reason) => {
    const options = { ttl: '10s', [option]: value }
    for (const take of [lock, tryLock]) {
      await expect(take(client, 'name', options)).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
      await expect(take(client, 'name', options)).rejects.toThrow(reason)
    }
  })

  it('a lock refuses an empty name and a client of plain etcd3', async () => {
    await expect(lock(client, '', { ttl: '10s' })).rejects.toThrow('"name"')
    await expect(lock({} as unknown as SecureEtcd3, 'name', { ttl: '10s' })).rejects.toThrow('"client"')
  })

  it('a closed client is ERR_CLOSED before any option is checked', async () => {
    await expect(lock(withClosing(AbortSignal.abort()), 'name', { ttl: '10s' })).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    })
  })
})

describe('the options of an election', () => {
  it('an election checks its options when it is created, and the options of a campaign and an observer when they begin', async () => {
    expect(() => election(client, 'name', { ttl: '1s' })).toThrow('"ttl"')
    const race = election(client, 'name', { ttl: '10s' })
    await expect(race.campaign(7 as unknown as string)).rejects.toThrow('"value"')
    expect(() => race.observe({ signal: 'x' as unknown as AbortSignal })).toThrow('"signal"')
  })
})

function withClosing(closing: AbortSignal): SecureEtcd3 {
  return { [CLIENT]: { closing }, leaseClient: {} } as unknown as SecureEtcd3
}
