import { beforeEach, describe, expect, it } from 'vitest'
import { AbortListeners } from '../../../src/client/base/timing.js'
import { observeLeaders } from '../../../src/coordination/observe.js'
import { FakeStore } from '../../support/fake-store.js'

let store: FakeStore
let closing: AbortController
let ending: AbortController

beforeEach(() => {
  store = new FakeStore()
  closing = new AbortController()
  ending = new AbortController()
})

const observe = () =>
  observeLeaders(store, 'jobs/', ending.signal, { closing: closing.signal, onAbort: new AbortListeners().listen })

async function stand(name: string): Promise<void> {
  await store.grant(name)
  await store.createKey(`jobs/${name}`, name, name)
}

const watched = () => expect.poll(() => store.watches).toBe(1)

describe('the leaders of an election', () => {
  it('an observer lists the leaders in their order, from the one that leads now', async () => {
    await stand('a')
    await stand('b')
    const leaders = observe()
    expect((await leaders.next()).value).toEqual({ value: 'a', fencingToken: '2' })
    await watched()
    await stand('c')
    store.expire('a')
    store.expire('b')
    expect((await leaders.next()).value).toEqual({ value: 'b', fencingToken: '3' })
    expect((await leaders.next()).value).toEqual({ value: 'c', fencingToken: '4' })
    await leaders.return(undefined)
    expect(store.watches).toBe(0)
  })

  it('an observer waits for a leader while there is none', async () => {
    const leaders = observe()
    const first = leaders.next()
    await watched()
    await stand('a')
    expect((await first).value).toEqual({ value: 'a', fencingToken: '2' })
  })

  const LATER = [
    { value: 'b', fencingToken: '3' },
    { value: 'c', fencingToken: '4' },
  ]
  it.each<[string, () => void, object[]]>([
    [
      'an observer does not list a candidate that left in the same revision as the leader',
      () => {
        store.expire('a', 'b')
      },
      LATER.slice(1),
    ],
    [
      'an observer lists a leader whose term began and ended while the watch was lost, without a repetition',
      () => {
        store.loseWatches()
        store.expire('a')
        store.expire('b')
      },
      LATER,
    ],
    [
      'an observer continues with the current leader after etcd has refused the watch',
      () => {
        store.refuseWatches()
        store.expire('a')
        store.expire('b')
      },
      LATER.slice(1),
    ],
  ])('%s', async (_, happens, expected) => {
    for (const name of ['a', 'b', 'c']) await stand(name)
    const leaders = observe()
    await leaders.next()
    const next = leaders.next()
    await watched()
    happens()
    expect((await next).value).toEqual(expected[0])
    for (const each of expected.slice(1)) expect((await leaders.next()).value).toEqual(each)
  })

  it('an observer ends when the signal aborts, also while it waits for a leader', async () => {
    const leaders = observe()
    const first = leaders.next()
    await watched()
    ending.abort()
    expect(await first).toEqual({ done: true, value: undefined })
    expect(store.watches).toBe(0)
  })

  it('an observer ends when the client is closed', async () => {
    closing.abort()
    expect(await observe().next()).toEqual({ done: true, value: undefined })
  })

  it('an observer ends with an error that another attempt would meet again', async () => {
    store.failures.push(['list', new Error('permission denied')])
    await expect(observe().next()).rejects.toThrow('permission denied')
  })
})
