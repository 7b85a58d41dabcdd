/** Views of a client on a real etcd: what ends with their signal, and what does not. */
import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { lock } from '../../src/coordination/index.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const CALLS = 10_000
const shared = sharedEtcd()
const reason = new Error('the request was withdrawn')

let client: SecureEtcd3
beforeAll(async () => {
  client = await shared.connect()
})
afterAll(() => client[Symbol.asyncDispose]())

it('leaves no listener on the signal of 10,000 calls, of one view and of many', async () => {
  const { signal } = new AbortController()
  const view = client.withSignal(signal)
  for (let made = 0; made < CALLS; made += 100) {
    const calls = Array.from({ length: 100 }, (_, index) => {
      const each = index % 2 === 0 ? view : client.withSignal(signal)
      return index % 4 < 2 ? each.get('a').string() : each.put('a').value('b').exec()
    })
    await Promise.all(calls)
  }
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

it('ends the watches of a view with its signal, and no other one', async () => {
  const controller = new AbortController()
  const view = client.withSignal(controller.signal)
  const seen: string[] = []
  const watchers = await Promise.all([
    client.watch().prefix('watched/').create(),
    view.watch().prefix('watched/').create(),
    view.namespace('watched/').watch().prefix('').create(),
  ])
  for (const [index, watcher] of watchers.entries())
    watcher.on('put', ({ value }) => seen.push(`${String(index)} ${value.toString()}`))
  await client.put('watched/a').value('first')
  await expect.poll(() => seen.toSorted()).toEqual(['0 first', '1 first', '2 first'])
  const ended = Promise.all(watchers.slice(1).map((each) => new Promise<void>((resolve) => each.on('end', resolve))))
  controller.abort(reason)
  await ended
  await client.put('watched/a').value('second')
  await expect.poll(() => seen.slice(3)).toEqual(['0 second'])
  await expect(view.watch().key('a').create()).rejects.toMatchObject({ cause: reason })
  await watchers[0].cancel()
})

it('ends the leases of a view with its signal, and no other one', async () => {
  const controller = new AbortController()
  const [own, other] = [client.withSignal(controller.signal).lease(1), client.lease(1)]
  await Promise.all([own.put('leased/own').value('x'), other.put('leased/other').value('x')])
  const failed = new Promise((resolve) => own.on('keepaliveFailed', resolve))
  controller.abort(reason)
  await expect(failed).resolves.toBe(reason)
  await expect.poll(() => client.getAll().prefix('leased/').keys(), { timeout: 10_000 }).toEqual(['leased/other'])
  await new Promise((resolve) => other.once('keepaliveSucceeded', resolve))
  expect(other.revoked()).toBe(false)
  await expect(own.put('leased/own').value('x')).rejects.toMatchObject({ cause: reason })
  await other.revoke()
})

it('ends a snapshot with its signal', async () => {
  const controller = new AbortController()
  await client.put('large').value('v'.repeat(1_000_000))
  const stream = await client.withSignal(controller.signal).maintenance.snapshot()
  const failed = new Promise<Error>((resolve) => stream.on('error', resolve))
  controller.abort(reason)
  expect((await failed).message).toContain('CANCELLED')
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
})

it('ends the wait for a lock with the signal of the view', async () => {
  const controller = new AbortController()
  await using held = await lock(client, 'lock', { ttl: '5s' })
  const waiting = lock(client.withSignal(controller.signal), 'lock', { ttl: '5s' })
  const refused = expect(waiting).rejects.toThrow()
  await expect.poll(() => client.getAll().prefix('lock/').count()).toBe(2)
  controller.abort(reason)
  await refused
  expect(held.signal.aborted).toBe(false)
})

it('ends the watches of a closed view, whose client goes on', async () => {
  const view = client.withSignal(new AbortController().signal)
  const watcher = await view.watch().key('a').create()
  const ended = new Promise<void>((resolve) => watcher.on('end', resolve))
  view.close()
  await ended
  await expect(view.watch().key('a').create()).rejects.toThrow('the client was already closed')
  await expect(client.put('a').value('b').exec()).resolves.toBeDefined()
})
