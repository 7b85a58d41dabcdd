/** Watches of etcd3 whose server sends too much: what arrives, what ends, and how often the client asks again. */
import type { ServerHttp2Stream } from 'node:http2'
import type { Watcher } from 'etcd3'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../../src/client/index.js'
import { readWatchRequest } from '../../../../src/client/streams/watch-messages.js'
import { frameMessage, MessageReader } from '../../../../src/client/transport/framing.js'
import { mintPki } from '../../../support/etcd.js'
import { grpcPeer, leaveOpen, refuseCall } from '../../../support/peers.js'
import { watchResponse } from '../../../support/watch-wire.js'

const pki = mintPki()
const LIMIT = 1000
/** Ends a stream. */
const MALFORMED = Buffer.from([0x0b])

interface Server extends AsyncDisposable {
  readonly client: SecureEtcd3
  /** When each stream of watches was opened, in milliseconds. */
  readonly opened: readonly number[]
}

type Send = (message: Buffer) => void

/** A server of watches; `onCreate` sends what follows the answer to a create. */
async function serve(onCreate: (send: Send, watchId: number, from: number) => void): Promise<Server> {
  const opened: number[] = []
  const onStream = (stream: ServerHttp2Stream): void => {
    opened.push(performance.now())
    leaveOpen(stream)
    stream.on('error', () => undefined)
    const reader = new MessageReader(-1)
    const send: Send = (message) => void stream.write(frameMessage(message))
    stream.on('data', (piece: Buffer) => {
      for (const message of reader.push(piece)) {
        const request = readWatchRequest(message)
        if (request.kind === 'cancel') {
          send(watchResponse({ revision: 100, watchId: Number(request.watchId), canceled: true }))
        }
        if (request.kind !== 'create') continue
        const [watchId, from] = [Number(request.create.watchId), Number(request.create.startRevision)]
        send(watchResponse({ revision: 100, watchId, created: true }))
        onCreate(send, watchId, from)
      }
    })
  }
  const peer = await grpcPeer(pki.server, onStream)
  const client = await createSecureClient({
    endpoints: peer.endpoint,
    credentials: pki.client,
    etcd3: { grpcOptions: { 'grpc.max_receive_message_length': LIMIT } },
  })
  return {
    client,
    opened,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await peer[Symbol.asyncDispose]()
    },
  }
}

interface Seen {
  revisions: number[]
  errors: Error[]
}

function follow(watcher: Watcher): Seen {
  const seen: Seen = { revisions: [], errors: [] }
  watcher.on('put', ({ mod_revision }: { mod_revision: string }) => seen.revisions.push(Number(mod_revision)))
  watcher.on('error', (error) => seen.errors.push(error))
  return seen
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index)

/** @param opened When each stream was opened, in milliseconds. */
async function expectGrowingPauses(opened: readonly number[]): Promise<void> {
  await expect.poll(() => opened.length).toBeGreaterThanOrEqual(6)
  const pauses = opened.slice(1).map((each, index) => each - (opened[index] ?? 0))
  for (const [index, least] of [25, 50, 100, 200, 400].entries()) {
    expect(pauses[index]).toBeGreaterThanOrEqual(least - 5)
  }
}

describe('a watch', () => {
  it('receives the events of a response above the limit from a server that sends no fragments', async () => {
    await using one = await serve((send, watchId) => {
      send(watchResponse({ revision: 100, watchId, events: range(1, 60), size: 100 }))
    })
    const seen = follow(one.client.watch().key('k').startRevision('1').watcher())
    await expect.poll(() => seen.revisions).toEqual(range(1, 60))
    expect([seen.errors, one.opened.length]).toEqual([[], 1])
  })

  it('ends with one error and its cause at an event above the limit, and other watches continue', async () => {
    await using one = await serve((send, watchId, from) => {
      if (from > 60) return
      send(watchResponse({ revision: 100, watchId, events: range(from, from + 4) }))
      // To the first watch, once both are created.
      if (from === 51) send(watchResponse({ revision: 100, watchId: 1, events: [6], size: LIMIT }))
    })
    // The watches of one builder share a stream.
    const builder = one.client.namespace('k').watch().key('')
    const large = follow(builder.startRevision('1').watcher())
    const other = follow(builder.startRevision('51').watcher())
    await expect.poll(() => large.errors).toHaveLength(1)
    expect(large.errors[0]).toMatchObject({
      cause: { code: 'ERR_ANSWER_TOO_LARGE', details: { call: 'Watch/Watch', limit: LIMIT } },
    })
    expect(large.errors[0]?.message).toContain('watch again from revision 6.')
    expect(large.revisions).toEqual(range(1, 5))
    // It is created again after the stream has ended with the large event.
    await expect.poll(() => other.revisions).toEqual(range(51, 60))
    expect([large.errors.length, other.errors]).toEqual([1, []])
  })

  it('a watch is opened again with growing pauses if each stream fails after its first response', async () => {
    await using one = await serve((send) => {
      send(MALFORMED)
    })
    one.client.watch().key('k').watcher()
    await expectGrowingPauses(one.opened)
  })

  it('A watch is opened again with growing pauses if the server ends each stream with OK', async () => {
    const opened: number[] = []
    await using peer = await grpcPeer(pki.server, (stream) => {
      opened.push(performance.now())
      refuseCall(stream, 0, '')
    })
    await using client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client })
    client.watch().key('k').watcher()
    await expectGrowingPauses(opened)
  })

  it('A watch has a stream of its own until the client has sixteen of them', async () => {
    await using one = await serve(() => undefined)
    const namespace = one.client.namespace('k')
    for (let each = 0; each < 10; each += 1) await one.client.watch().key('k').create()
    const watchers = [await namespace.watch().key('').create()]
    for (let each = 0; each < 20; each += 1) watchers.push(await namespace.watch().key('').create())
    expect(one.opened).toHaveLength(16)
    await Promise.all(watchers.map((each) => each.cancel()))
    await namespace.watch().key('').create()
    expect(one.opened).toHaveLength(17)
  })

  it('continues at its own position after its stream failed, although another watch made the same request', async () => {
    const streams: Send[] = []
    await using one = await serve((send, watchId, from) => {
      if (from > 1) {
        send(watchResponse({ revision: 100, watchId, events: range(from, 8) }))
        return
      }
      streams.push(send)
      send(watchResponse({ revision: 100, watchId, events: range(1, streams.length === 1 ? 5 : 3) }))
    })
    const watchers = [1, 2].map(() => one.client.watch().key('k').startRevision('1').watcher())
    const seen = watchers.map(follow)
    await expect.poll(() => seen.map(({ revisions }) => revisions.length).sort()).toEqual([3, 5])
    // The one that was served last is opened again first.
    for (const sendTo of streams.reverse()) sendTo(MALFORMED)
    await expect.poll(() => seen.map(({ revisions }) => revisions)).toEqual([range(1, 8), range(1, 8)])
  })
})
