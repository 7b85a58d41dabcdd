/** `watch`, `pages` and `mirror` on a real etcd: order, slow readers, compaction and ends. */
import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Mirror, mirror, pages, type SecureEtcd3, watch, type WatchEvent } from '../../src/client/index.js'
import { proxyTo } from '../support/peers.js'
import { heldPorts } from '../support/ports.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const shared = sharedEtcd()
const { freePort } = heldPorts()
let client: SecureEtcd3
beforeAll(async () => {
  client = await shared.connect()
})
afterAll(() => client[Symbol.asyncDispose]())

const textOf = ({ type, key, value }: WatchEvent): string => `${type} ${key.toString()} ${value.toString()}`.trim()
const streams = (): number => client.tls.metrics().endpoints[0]?.streams ?? 0
const revisionNow = async (): Promise<string> => (await client.get('none').exec()).header.revision
const put = async (key: string, value: string): Promise<string> =>
  (await client.put(key).value(value).exec()).header.revision

/** The next change; throws at the end. */
async function next(events: AsyncIterator<WatchEvent, undefined>): Promise<WatchEvent> {
  const { value } = await events.next()
  if (value === undefined) throw new Error('The iteration has ended')
  return value
}

async function take(events: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const taken: WatchEvent[] = []
  for await (const event of events) if (taken.push(event) === count) break
  return taken
}

/** Compacts up to now, while a client is cut from etcd for a moment. */
async function compactWhileCut(
  cut: () => Promise<() => Promise<void>>,
  change: () => Promise<unknown>,
): Promise<string> {
  const heal = await cut()
  await change()
  const revision = await revisionNow()
  await client.kv.compact({ revision })
  await heal()
  return revision
}

/** A client behind a proxy that can be taken away. */
async function connectThroughProxy() {
  const port = await freePort()
  let proxy = await proxyTo(shared.etcd.port, port)
  const behind = await shared.connect({ endpoints: proxy.endpoint })
  return {
    behind,
    cut: async () => {
      await proxy[Symbol.asyncDispose]()
      return async () => {
        proxy = await proxyTo(shared.etcd.port, port)
      }
    },
    [Symbol.asyncDispose]: async () => {
      await behind[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
    },
  }
}

describe('watch', () => {
  it('yields the changes of a prefix or a key from a revision on, and ends its stream with the loop', async () => {
    const first = await put('w/a', '1')
    await put('w/b', '2')
    await client.delete().key('w/a')
    const events = await take(watch(client, { prefix: 'w/', startRevision: first }), 3)
    expect(events.map(textOf)).toEqual(['put w/a 1', 'put w/b 2', 'delete w/a'])
    expect(events[1]).toMatchObject({ version: '1', createRevision: events[1]?.modRevision, lease: null })
    const [only] = await take(watch(client, { key: 'w/b', startRevision: BigInt(first) }), 1)
    expect(only?.value.toString()).toBe('2')
    const [any] = await take(watch(client, { prefix: '', startRevision: Number(first) }), 1)
    expect(any?.modRevision).toBe(first)
    await expect.poll(streams).toBe(0)
  })

  it('ends without an error when its signal aborts, its client closes, or return() is called', async () => {
    const controller = new AbortController()
    const other = await shared.connect()
    const watches = [
      watch(client, { key: 'quiet', signal: controller.signal }),
      watch(client.withSignal(controller.signal), { key: 'quiet' }),
      watch(other, { key: 'quiet' }),
      watch(client, { key: 'quiet' }),
    ]
    const ends = watches.map((each) => each.next())
    await expect.poll(streams).toBe(3)
    controller.abort()
    await other[Symbol.asyncDispose]()
    await watches[3]?.return?.()
    expect(await Promise.all(ends)).toEqual(watches.map(() => ({ done: true, value: undefined })))
    await expect.poll(streams).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(await watch(client, { key: 'quiet', signal: controller.signal }).next()).toMatchObject({ done: true })
  })

  it.each([
    [{}, 'Option "prefix" must be given'],
    [{ key: 'a', prefix: 'a' }, 'Option "prefix" must be given'],
    [{ key: 7 }, 'Option "key" must be a string or a Buffer; received 7'],
    [{ key: 'a', startRevision: '-1' }, 'Option "startRevision" must be a revision'],
    [{ key: 'a', signal: {} }, 'Option "signal" must be an AbortSignal'],
    [{ key: 'a', limit: 1 }, 'Option "limit" is not an option'],
  ])('refuses the options %j at once', (options, message) => {
    expect(() => watch(client, options as never)).toThrow(message)
  })

  it('throws the revisions of a compaction, from the start and in the middle', async () => {
    const first = await put('c/a', '1')
    await using proxied = await connectThroughProxy()
    const events = watch(proxied.behind, { prefix: 'c/', startRevision: first })
    expect(textOf(await next(events))).toBe('put c/a 1')
    const compacted = await compactWhileCut(proxied.cut, async () => {
      await put('c/a', '2')
      await put('c/a', '3')
    })
    const error = { code: 'ERR_WATCH_COMPACTED', details: { key: 'c/', compactRevision: compacted } }
    await expect(events.next()).rejects.toMatchObject(error)
    await expect(watch(client, { prefix: 'c/', startRevision: first }).next()).rejects.toMatchObject(error)
  })

  it('goes on over restarts of etcd, and yields each event once', async () => {
    const first = await put('r/key', '0')
    const events = watch(client, { key: 'r/key', startRevision: first })
    for (const round of ['0', '1', '2']) {
      expect((await next(events)).value.toString()).toBe(round)
      await shared.etcd.stop()
      await shared.etcd.start()
      await put('r/key', String(Number(round) + 1))
    }
    await events.return?.()
  })

  it('holds etcd back while its loop is slow: 100 MB of events take little memory, and none is lost', async () => {
    const [size, count] = [100_000, 1000]
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await using slow = await shared.connect()
    const events = watch(slow, { prefix: 'slow/', startRevision: await put('slow/first', 'x') })
    await events.next()
    collect()
    const before = process.memoryUsage()
    for (let index = 0; index < count; index += 20) {
      const writes = Array.from({ length: 20 }, (_, at) =>
        client.put(`slow/${String(index + at)}`).value('v'.repeat(size)),
      )
      await Promise.all(writes)
    }
    collect()
    const after = process.memoryUsage()
    const taken = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed
    // What the windows of HTTP/2 let through, and what the writer of this process has not given back yet.
    expect(taken).toBeLessThan(50_000_000)
    const seen = await take(events, count)
    expect(new Set(seen.map(({ key }) => key.toString())).size).toBe(count)
    expect(seen.every(({ value }) => value.length === size)).toBe(true)
    await client.delete().prefix('slow/')
  })
})

describe('pages', () => {
  const fill = async (prefix: string, count: number, value = 'x'): Promise<string[]> => {
    const keys = Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`)
    for (const key of keys) await client.put(key).value(value)
    return keys
  }

  it('yields the keys of a prefix at the revision of the first page, while others write', async () => {
    const keys = await fill('p/', 25)
    const read: string[] = []
    const [sizes, revisions] = [[] as number[], new Set<string>()]
    for await (const { entries, revision } of pages(client, { prefix: 'p/', limit: 10 })) {
      sizes.push(entries.length)
      revisions.add(revision)
      read.push(...entries.map(({ key }) => key.toString()))
      await client.put('p/999').value('later')
      await client.delete().key('p/024')
    }
    expect(read).toEqual(keys)
    expect(sizes).toEqual([10, 10, 5])
    expect(revisions.size).toBe(1)
  })

  it('ends with the last key if the revision is compacted, and mixes no revisions', async () => {
    await fill('q/', 20)
    const all = pages(client, { prefix: 'q/', limit: 5 })
    const first = await all.next()
    const revision = first.done === true ? '' : first.value.revision
    await client.kv.compact({ revision: await put('q/000', 'changed') })
    await expect(all.next()).rejects.toMatchObject({
      code: 'ERR_PAGES_COMPACTED',
      details: { prefix: 'q/', revision, lastKey: 'q/004' },
    })
    expect(await all.next()).toMatchObject({ done: true })
  })

  it('yields fewer keys of large values, and one page of no keys', async () => {
    await fill('large/', 12, 'v'.repeat(1_000_000))
    const sizes: number[] = []
    for await (const { entries } of pages(client, { prefix: 'large/' })) sizes.push(entries.length)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(12)
    expect(Math.max(...sizes)).toBeLessThan(5)
    const none = pages(client, { prefix: 'none/' })
    expect((await none.next()).value?.entries).toEqual([])
    expect(() => pages(client, { prefix: 'a', limit: 0 })).toThrow('Option "limit" must be a positive integer')
  })

  it('ends with the signal of a view', async () => {
    const all = pages(client.withSignal(AbortSignal.abort(new Error('over'))), { prefix: '' })
    await expect(all.next()).rejects.toMatchObject({ cause: { message: 'over' } })
  })
})

describe('mirror', () => {
  const stateOf = (copy: Mirror): Record<string, string> =>
    Object.fromEntries([...copy.entries()].map(([key, { value }]) => [key, value.toString()]))

  it('a mirror has the keys, follows their changes, and ends with its client', async () => {
    await put('m/a', '1')
    const other = await shared.connect()
    const copy = mirror(other, { prefix: 'm/' })
    expect(copy.revision).toBeNull()
    await copy.ready
    expect(stateOf(copy)).toEqual({ 'm/a': '1' })
    const changes = copy.changes()
    await put('m/b', '2')
    await client.delete().key('m/a')
    expect(textOf(await next(changes))).toBe('put m/b 2')
    expect(textOf(await next(changes))).toBe('delete m/a')
    expect(copy.get(Buffer.from('m/b'))?.value.toString()).toBe('2')
    expect(copy.get('m/a')).toBeUndefined()
    const end = changes.next()
    await other[Symbol.asyncDispose]()
    expect(await end).toMatchObject({ done: true })
    expect(stateOf(copy)).toEqual({ 'm/b': '2' })
  })

  it('lists the keys again after a compaction, and reports each missed change', async () => {
    await client.delete().prefix('m/')
    await put('m/gone', '1')
    await put('m/changed', '1')
    await using proxied = await connectThroughProxy()
    await using copy = mirror(proxied.behind, { prefix: 'm/' })
    await copy.ready
    const changes = copy.changes()
    await compactWhileCut(proxied.cut, async () => {
      await client.delete().key('m/gone')
      await put('m/changed', '2')
      await put('m/new', '1')
    })
    const seen = (await take(changes, 3)).map(textOf)
    expect(seen.sort()).toEqual(['delete m/gone', 'put m/changed 2', 'put m/new 1'])
    expect(stateOf(copy)).toEqual({ 'm/changed': '2', 'm/new': '1' })
    await put('m/new', '2')
    await expect.poll(() => stateOf(copy)).toEqual({ 'm/changed': '2', 'm/new': '2' })
  })

  it('gives a slow loop the last change of each key, and none of a key that came and went', async () => {
    await client.delete().prefix('s/')
    await using copy = mirror(client, { prefix: 's/' })
    await copy.ready
    const changes = copy.changes()
    for (const value of ['1', '2', '3']) await put('s/a', value)
    await put('s/b', '1')
    await client.delete().key('s/b')
    await put('s/end', '1')
    await expect.poll(() => copy.get('s/end')).toBeDefined()
    expect((await take(changes, 2)).map(textOf)).toEqual(['put s/a 3', 'put s/end 1'])
  })

  it('rejects `ready` if it ends before, with the reason', async () => {
    const closed = mirror(client, { prefix: 'm/' })
    closed.close()
    await expect(closed.ready).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    const reason = new Error('over')
    await expect(mirror(client, { prefix: 'm/', signal: AbortSignal.abort(reason) }).ready).rejects.toBe(reason)
    expect(() => mirror(client, { prefix: 7 as never })).toThrow(
      'Option "prefix" must be a string or a Buffer; received 7',
    )
  })
})
