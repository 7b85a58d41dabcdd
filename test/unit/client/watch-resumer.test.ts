/** What becomes of a stream of watches when the connection below it changes: what is sent, and what the caller is given. */
import { describe, expect, it } from 'vitest'
import { EtcdMtlsError } from '../../../src/report/errors.js'
import { status } from '../../../src/client/transport/channel.js'
import type { ResumableStream } from '../../../src/client/streams/resumable-call.js'
import { ResumePositions, WatchEnds, WatchResumer } from '../../../src/client/streams/watch-resumer.js'
import { bytesField, int64Field, MalformedMessage } from '../../../src/client/transport/protobuf.js'
import {
  cancelRequest,
  progressRequest,
  readWatchedKeys,
  readWatchRequest,
  areWatched,
  readWatchResponse,
} from '../../../src/client/streams/watch-messages.js'
import { printable } from '../../../src/report/printable.js'
import { createFor, type ResponseParts, watchResponse } from '../../support/watch-wire.js'

/** A resumer between a server and a caller that write down what they get, in short words. */
class Bench implements ResumableStream {
  readonly positions: ResumePositions
  readonly resumer: WatchResumer
  #sent: string[] = []
  #delivered: string[] = []
  answerDue = false
  /** What the client answers when a token was refused. */
  renews = false
  /** Whether the server answers progress requests in the order of the events; null: the answer has not come. */
  exact: boolean | null = true
  refusal: EtcdMtlsError | null = null
  failure: string | null = null
  readonly ends = new WatchEnds()

  constructor(positions = new ResumePositions()) {
    this.positions = positions
    this.resumer = new WatchResumer(this, positions, this.ends)
    this.resumer.begin()
  }

  send(message: Buffer): void {
    const request = readWatchRequest(message)
    if (request.kind === 'create') {
      const { body, startRevision, watchId } = request.create
      this.#sent.push(
        `create ${readWatchedKeys(body).key.toString()} from ${String(startRevision)} as ${String(watchId)}`,
      )
    } else this.#sent.push(request.kind === 'cancel' ? `cancel ${String(request.watchId)}` : request.kind)
  }

  deliver(message: Buffer): void {
    const { created, canceled, watchId, lastRevision, revision, cancelReason } = readWatchResponse(message)
    const what = [
      ...(created ? ['created'] : []),
      ...(canceled ? ['canceled'] : []),
      ...(created || canceled ? [] : [lastRevision === null ? `progress ${String(revision)}` : String(lastRevision)]),
    ].join(' and ')
    this.#delivered.push(`${String(watchId)}: ${what}${cancelReason === '' ? '' : ` (${cancelReason})`}`)
  }

  deliverInBurst(message: Buffer): void {
    // etcd3 continues in a promise after these.
    expect(readWatchResponse(message)).toMatchObject({ created: false, canceled: false })
    this.deliver(message)
  }

  expectAnswer(due: boolean): void {
    this.answerDue = due
  }

  renewToken(): boolean {
    return this.renews
  }

  explainRefusal(): EtcdMtlsError | null {
    return this.refusal
  }

  checkProgressOrder(known: (exact: boolean) => void): void {
    if (this.exact !== null) known(this.exact)
  }

  fail(code: status, error: EtcdMtlsError): void {
    this.failure = `${status[code]}: ${error.message}`
  }

  invalidAnswer(reason: string): EtcdMtlsError {
    return new EtcdMtlsError('ERR_ANSWER_INVALID', reason, { method: 'Watch/Watch', endpoint: null, reason })
  }

  /** What was sent since the last look. */
  get sent(): string[] {
    return this.#sent.splice(0)
  }

  /** What the caller was given since the last look. */
  get delivered(): string[] {
    return this.#delivered.splice(0)
  }

  get all(): { sent: string[]; delivered: string[] } {
    return { sent: this.sent, delivered: this.delivered }
  }

  /** What came so far is not looked at. */
  forget(): void {
    this.#sent = []
    this.#delivered = []
  }

  create(key: string, startRevision = 0): this {
    this.resumer.outgoing(createFor(key, startRevision))
    return this
  }

  answer(response: ResponseParts): this {
    this.resumer.incoming(watchResponse(response))
    return this
  }

  /** A watch that etcd has created, at this revision of the store. */
  created(key: string, watchId: number, revision = 10, startRevision = 0): this {
    this.create(key, startRevision).answer({ revision, watchId, created: true })
    this.forget()
    return this
  }
}

describe('on its first attempt', () => {
  it('a watch has an id of ours, and all that the server says comes through', () => {
    const bench = new Bench().create('a')
    expect(bench.sent).toEqual(['create a from 0 as 1'])
    expect(bench.answerDue).toBe(true)
    bench.answer({ revision: 10, watchId: 1, created: true })
    expect(bench.answerDue).toBe(false)
    bench.answer({ revision: 11, watchId: 1, events: [11] }).answer({ revision: 20, watchId: 1 })
    expect(bench.all).toEqual({ sent: [], delivered: ['1: created', '1: 11', '1: progress 20'] })
  })

  it('the first watch is created alone; when the server has used our id, the others follow at once', () => {
    const bench = new Bench().create('a').create('b').create('c')
    expect(bench.sent).toEqual(['create a from 0 as 1'])
    bench.answer({ revision: 10, watchId: 1, created: true })
    expect(bench.sent).toEqual(['create b from 0 as 2', 'create c from 0 as 3'])
    // In whatever order.
    bench.answer({ revision: 10, watchId: 3, created: true }).answer({ revision: 10, watchId: 2, created: true })
    expect(bench.delivered).toEqual(['1: created', '3: created', '2: created'])
  })

  it('a server that gives ids of its own: one watch after the other, and the caller sees ours', () => {
    const bench = new Bench().create('a').create('b')
    bench.answer({ revision: 10, watchId: 0, created: true })
    expect(bench.all).toEqual({ sent: ['create a from 0 as 1', 'create b from 0 as 2'], delivered: ['1: created'] })
    bench.create('c')
    expect(bench.sent).toEqual([])
    bench.answer({ revision: 10, watchId: 1, created: true }).answer({ revision: 11, watchId: 1, events: [11] })
    expect(bench.all).toEqual({ sent: ['create c from 0 as 3'], delivered: ['2: created', '2: 11'] })
    bench.resumer.outgoing(cancelRequest(2n))
    expect(bench.sent).toEqual(['cancel 1'])
    bench.answer({ revision: 11, watchId: 1, canceled: true })
    expect(bench.delivered).toEqual(['2: canceled'])
  })

  it('the caller’s own id is kept, and not given twice', () => {
    const bench = new Bench()
    const own = Buffer.concat([createFor('a').subarray(2), Buffer.from([0x38, 1])])
    bench.resumer.outgoing(Buffer.concat([Buffer.from([0x0a, own.length]), own]))
    bench.answer({ revision: 10, watchId: 1, created: true })
    bench.create('b')
    expect(bench.sent).toEqual(['create a from 0 as 1', 'create b from 0 as 2'])
  })

  it('progress that the caller asked for is his; events for a watch that is gone are nobody’s', () => {
    const bench = new Bench().created('a', 1)
    bench.resumer.outgoing(progressRequest())
    bench.answer({ revision: 30, watchId: -1 }).answer({ revision: 30, watchId: 5, events: [30] })
    expect(bench.all).toEqual({ sent: ['progress'], delivered: ['-1: progress 30'] })
  })

  it('a cancel for a watch that has ended goes nowhere, as its id may be another’s by now', () => {
    const bench = new Bench().created('a', 1)
    bench.answer({ revision: 12, watchId: 1, canceled: true })
    bench.resumer.outgoing(cancelRequest(1n))
    expect(bench.all).toEqual({ sent: [], delivered: ['1: canceled'] })
  })

  it('a refused create is reported, and followed by what gets etcd3’s queue going', () => {
    const bench = new Bench().create('a').create('b')
    bench.answer({ revision: 10, watchId: -1, created: true, canceled: true, cancelReason: 'permission denied' })
    expect(bench.all).toEqual({
      sent: ['create a from 0 as 1', 'create b from 0 as 2'],
      delivered: ['1: created and canceled (permission denied)', '1: created'],
    })
  })
})

describe('on the next attempt', () => {
  it.each<[string, (bench: Bench) => Bench, number]>([
    ['created and nothing since: the revision after that', (bench) => bench, 11],
    ['an event: the revision after it', (bench) => bench.answer({ revision: 15, watchId: 1, events: [15] }), 16],
    ['progress: the revision after it', (bench) => bench.answer({ revision: 40, watchId: 1 }), 41],
    [
      'events that catch up: the revision after the last of them, not after the header',
      (bench) => bench.answer({ revision: 9000, watchId: 1, events: [12, 13, 14] }),
      15,
    ],
    [
      'a member that lags behind: never further back',
      (bench) => bench.answer({ revision: 15, watchId: 1, events: [15] }).answer({ revision: 12, watchId: 1 }),
      16,
    ],
  ])('%s', (_what, happened, next) => {
    const bench = happened(new Bench().created('a', 1))
    bench.forget()
    bench.resumer.begin()
    expect(bench.sent).toEqual([`create a from ${String(next)} as 1`])
    bench.answer({ revision: 9500, watchId: 1, created: true }).answer({ revision: 9500, watchId: 1, events: [9400] })
    expect(bench.delivered).toEqual(['1: 9400'])
  })

  it('a watch from a revision of the future keeps it', () => {
    const bench = new Bench().created('a', 1, 10, 500)
    bench.answer({ revision: 20, watchId: 1 })
    bench.resumer.begin()
    expect(bench.sent).toEqual(['create a from 500 as 1'])
  })

  it('a watch that was not created yet is asked for as before, and reported when it is', () => {
    const bench = new Bench().create('a').create('b', 7)
    bench.forget()
    bench.resumer.begin()
    bench.answer({ revision: 10, watchId: 1, created: true }).answer({ revision: 10, watchId: 2, created: true })
    expect(bench.all).toEqual({
      sent: ['create a from 0 as 1', 'create b from 7 as 2'],
      delivered: ['1: created', '2: created'],
    })
  })

  it('other ids of the server are mapped, also where they are the ids of others here', () => {
    const bench = new Bench().created('a', 1).created('b', 2)
    bench.resumer.begin()
    bench.answer({ revision: 10, watchId: 2, created: true }).answer({ revision: 10, watchId: 1, created: true })
    expect(bench.sent).toEqual(['create a from 11 as 1', 'create b from 11 as 2'])
    bench.answer({ revision: 11, watchId: 2, events: [11] }).answer({ revision: 12, watchId: 1, events: [12] })
    expect(bench.delivered).toEqual(['1: 11', '2: 12'])
  })

  it('a revision in pieces is delivered as a whole or not at all', () => {
    const bench = new Bench()
    bench.resumer.outgoing(createFor('a', 0, { fragment: true }))
    bench.answer({ revision: 10, watchId: 1, created: true })
    bench.forget()
    bench.answer({ revision: 11, watchId: 1, events: [11], fragment: true })
    expect(bench.delivered).toEqual([])
    bench.resumer.begin()
    expect(bench.sent).toEqual(['create a from 11 as 1'])
    bench
      .answer({ revision: 12, watchId: 1, created: true })
      .answer({ revision: 11, watchId: 1, events: [11], fragment: true })
      .answer({ revision: 11, watchId: 1, events: [11] })
    expect(bench.delivered).toEqual(['1: 11', '1: 11'])
  })

  it('a cancel that was not answered is answered, and the watch is not created again', () => {
    const bench = new Bench().created('a', 1).created('b', 2)
    bench.resumer.outgoing(cancelRequest(1n))
    expect(bench.sent).toEqual(['cancel 1'])
    bench.resumer.begin()
    expect(bench.all).toEqual({ sent: ['create b from 11 as 2'], delivered: ['1: canceled'] })
  })

  it('a cancel meanwhile: before it is asked for, and while it is', () => {
    const bench = new Bench().created('a', 1).created('b', 2)
    bench.resumer.begin()
    bench.resumer.outgoing(cancelRequest(2n))
    bench.resumer.outgoing(cancelRequest(1n))
    expect(bench.all).toEqual({ sent: ['create a from 11 as 1'], delivered: ['2: canceled'] })
    bench.answer({ revision: 11, watchId: 1, created: true })
    expect(bench.sent).toEqual(['cancel 1'])
    bench.answer({ revision: 11, watchId: 1, canceled: true })
    expect(bench.delivered).toEqual(['1: canceled'])
    bench.resumer.begin()
    expect(bench.sent).toEqual([])
  })

  it('a watch that is refused there has ended for the caller', () => {
    const bench = new Bench().created('a', 1).created('b', 2)
    bench.resumer.begin()
    bench.answer({ revision: 10, watchId: -1, created: true, canceled: true, cancelReason: 'permission denied' })
    expect(bench.all).toEqual({
      sent: ['create a from 11 as 1', 'create b from 11 as 2'],
      delivered: ['1: canceled (permission denied)'],
    })
  })

  it('a refused token is renewed instead, and all is asked for again', () => {
    const bench = new Bench().created('a', 1)
    bench.resumer.begin()
    bench.renews = true
    bench.forget()
    const refusal = { revision: 10, watchId: -1, created: true, canceled: true }
    bench.answer({ ...refusal, cancelReason: 'rpc error: etcdserver: invalid auth token' })
    expect(bench.delivered).toEqual([])
    bench.resumer.begin()
    expect(bench.sent).toEqual(['create a from 11 as 1'])
    bench.renews = false
    bench.answer({ ...refusal, cancelReason: 'rpc error: etcdserver: invalid auth token' })
    expect(bench.delivered).toEqual(['1: canceled (rpc error: etcdserver: invalid auth token)'])
  })

  it('what answers an older attempt’s question concerns nobody', () => {
    const bench = new Bench().created('a', 1)
    bench.resumer.outgoing(progressRequest())
    bench.resumer.begin()
    bench.answer({ revision: 30, watchId: -1 })
    expect(bench.delivered).toEqual([])
  })
})

describe('before an attempt is left', () => {
  it('the server is asked how far it has come, and its answer is for us alone', () => {
    const bench = new Bench().created('a', 1)
    let ready = 0
    bench.resumer.prepareToMove(() => (ready += 1))
    expect([bench.sent, ready]).toEqual([['progress'], 0])
    bench.answer({ revision: 500, watchId: -1 })
    expect([bench.delivered, ready]).toEqual([[], 1])
  })

  it('without a watch there is nothing to ask', () => {
    let ready = 0
    const bench = new Bench()
    bench.resumer.prepareToMove(() => (ready += 1))
    expect([bench.sent, ready]).toEqual([[], 1])
  })

  it.each([
    ['an etcd whose answer may overtake events', (bench: Bench) => (bench.exact = false)],
    ['a server that does not use our ids, such as the grpc-proxy', (bench: Bench) => bench.created('b', 7)],
  ])('%s is not asked', (what, prepare) => {
    const bench = new Bench()
    prepare(bench)
    if (what.startsWith('an etcd')) bench.created('a', 1)
    let ready = 0
    bench.resumer.prepareToMove(() => (ready += 1))
    expect([bench.sent, ready]).toEqual([[], 1])
  })

  it('a quiet watch continues from the progress that the server reported', () => {
    const bench = new Bench().created('a', 1)
    bench.resumer.prepareToMove(() => undefined)
    bench.answer({ revision: 500, watchId: -1 })
    bench.forget()
    bench.resumer.begin()
    expect(bench.sent).toEqual(['create a from 501 as 1'])
    bench.answer({ revision: 510, watchId: 1, created: true }).answer({ revision: 511, watchId: 1, events: [511] })
    expect(bench.delivered).toEqual(['1: 511'])
  })
})

describe('a quiet watch', () => {
  it('asks the server for its progress when two looks have found no event in between', () => {
    const bench = new Bench().created('a', 1)
    bench.resumer.refresh()
    expect(bench.sent).toEqual([])
    bench.resumer.refresh()
    expect(bench.sent).toEqual(['progress'])
    bench.answer({ revision: 500, watchId: -1 }).answer({ revision: 501, watchId: 1, events: [501] })
    bench.resumer.refresh()
    expect(bench.all).toEqual({ sent: [], delivered: ['1: 501'] })
    bench.exact = false
    bench.resumer.refresh()
    expect(bench.sent).toEqual([])
  })

  it('has progress responses without having asked for them, which the caller does not see', () => {
    const bench = new Bench()
    bench.resumer.outgoing(createFor('a', 0, { progressNotify: false }))
    bench.answer({ revision: 10, watchId: 1, created: true })
    bench.forget()
    bench.answer({ revision: 40, watchId: 1 })
    expect(bench.delivered).toEqual([])
    bench.resumer.begin()
    expect(bench.sent).toEqual(['create a from 41 as 1'])
  })

  it('that missed events ends with an error that names the revisions', () => {
    const bench = new Bench().created('a', 1)
    bench.resumer.begin()
    bench.answer({ revision: 700, watchId: 1, created: true })
    bench.forget()
    bench.answer({ revision: 700, watchId: 1, canceled: true, compactRevision: 400 })
    const [end = ''] = bench.delivered
    expect(end).toMatch(
      /^1: canceled \(etcd has compacted the revisions before 400, and the watch on "a" needs them from 11/,
    )
    expect(bench.ends.causeOf(/\((.*)\)/.exec(end)?.[1] ?? '')).toMatchObject({
      code: 'ERR_WATCH_COMPACTED',
      details: { key: 'a', rangeEnd: printable('\0'), revision: '11', compactRevision: '400' },
    })
  })
})

describe('a refused watch', () => {
  it('has a cause, whose message is part of the reason', () => {
    const bench = new Bench().create('a')
    bench.forget()
    bench.refusal = new EtcdMtlsError('ERR_CLOSED', 'User alice may not read "a".', { what: 'x' })
    bench.answer({ revision: 10, watchId: -1, created: true, canceled: true, cancelReason: 'permission denied' })
    const reason = 'permission denied. User alice may not read "a".'
    expect(bench.delivered).toEqual([`1: created and canceled (${reason})`, '1: created'])
    expect(bench.ends.causeOf(reason)).toBe(bench.refusal)
  })
})

describe('what etcd never sends', () => {
  const invalid = (bench: Bench, message: Buffer): void => {
    bench.resumer.incoming(Buffer.concat([watchResponse({ revision: 11, watchId: 2 }), message]))
  }

  it('ends the one watch that it belongs to, and the server is asked to cancel it', () => {
    const bench = new Bench().created('a', 1).created('b', 2)
    invalid(bench, Buffer.from('5a020805', 'hex'))
    const reason =
      'a response for the watch on "b" is invalid: an event cannot be read: type 5 is neither PUT nor DELETE'
    expect(bench.all).toEqual({ sent: ['cancel 2'], delivered: [`2: canceled (${reason})`] })
    expect(bench.ends.causeOf(reason)).toMatchObject({ code: 'ERR_ANSWER_INVALID' })
    bench.answer({ revision: 12, watchId: 2, events: [12] }).answer({ revision: 12, watchId: 1, events: [12] })
    expect(bench.delivered).toEqual(['1: 12'])
  })

  it('a part of a response that was not requested ends the watch', () => {
    const bench = new Bench().created('a', 1)
    bench.answer({ revision: 11, watchId: 1, events: [11], fragment: true })
    expect(bench.delivered).toEqual([expect.stringMatching(/canceled .*a part of a response, which was not requested/)])
  })

  it('parts without an end are limited', () => {
    const bench = new Bench()
    bench.resumer.outgoing(createFor('a', 0, { fragment: true }))
    bench.answer({ revision: 10, watchId: 1, created: true })
    const event = bytesField(
      2,
      Buffer.concat([bytesField(1, Buffer.from('k')), int64Field(3, 11n), bytesField(5, Buffer.alloc(1024 * 1024))]),
    )
    const part = Buffer.concat([watchResponse({ revision: 11, watchId: 1, fragment: true }), bytesField(11, event)])
    for (let i = 0; i < 64; i += 1) {
      expect(bench.failure).toBeNull()
      bench.resumer.incoming(part)
    }
    expect(bench.failure).toMatch(/^RESOURCE_EXHAUSTED: the parts of a response exceed 67108864 bytes/)
  })

  it('a message that belongs to no watch does not pass', () => {
    const bench = new Bench().created('a', 1)
    for (const bytes of ['0b0c', '1a0161', '0001']) {
      expect(() => {
        bench.resumer.incoming(Buffer.from(bytes, 'hex'))
      }).toThrow(MalformedMessage)
    }
    bench.answer({ revision: 11, watchId: 99, events: [11] }).answer({ revision: 11, watchId: 98, canceled: true })
    bench.answer({ revision: 11, watchId: 97, created: true })
    expect(bench.all).toEqual({ sent: [], delivered: [] })
  })

  it.each<[string, string, string, boolean]>([
    ['k', '', 'k', true],
    ['k', '', 'kk', false],
    ['a', 'b', 'azz', true],
    ['a', 'b', 'b', false],
    ['a', 'b', 'A', false],
    ['b', '\0', 'zz', true],
    ['b', '\0', 'a', false],
  ])('a watch from %j to %j: an event for %j passes: %j', (key, rangeEnd, changed, passes) => {
    const keys = { key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) }
    const response = readWatchResponse(watchResponse({ revision: 11, watchId: 1, events: [11], key: changed }))
    expect(areWatched(response, keys)).toBe(passes)
    const bench = new Bench().created('l', 1)
    bench.answer({ revision: 11, watchId: 1, events: [11] })
    expect(bench.delivered).toEqual([expect.stringContaining('a key that is not watched')])
  })

  it('an id that another watch has does not pass', () => {
    const bench = new Bench().created('a', 1).create('b')
    expect(() => bench.answer({ revision: 11, watchId: 1, created: true })).toThrow(MalformedMessage)
    expect(() => bench.answer({ revision: 11, watchId: -1, created: true })).toThrow(MalformedMessage)
  })
})

describe('when the stream has failed', () => {
  it('the request that etcd3 makes next is put right, once', () => {
    const first = new Bench().created('a', 1, 100, 1)
    first.answer({ revision: 120, watchId: 1, events: [1, 2, 3] })
    first.resumer.failed()
    const second = new Bench(first.positions).create('a', 121).create('a', 121)
    second.answer({ revision: 120, watchId: 1, created: true })
    expect(second.sent).toEqual(['create a from 4 as 1', 'create a from 121 as 2'])
  })

  it('also when it fails again before it was answered', () => {
    const first = new Bench().created('a', 1, 100, 1)
    first.resumer.failed()
    const second = new Bench(first.positions).create('a', 101)
    second.resumer.failed()
    expect(new Bench(first.positions).create('a', 101).sent).toEqual(['create a from 1 as 1'])
  })

  it('watches that ask alike find their own, in order', () => {
    const first = new Bench().created('a', 1, 100, 1).created('a', 2, 100)
    first.resumer.failed()
    const second = new Bench(first.positions).create('a', 101).create('a', 101)
    second.answer({ revision: 100, watchId: 1, created: true })
    expect(second.sent).toEqual(['create a from 1 as 1', 'create a from 101 as 2'])
  })

  it('what was up to date, is canceled, or asks for something else, is left alone', () => {
    const first = new Bench().created('a', 1, 100).created('b', 2, 100, 1).created('c', 3, 100, 1)
    first.resumer.outgoing(cancelRequest(2n))
    first.resumer.failed()
    const created = (key: string, from: number): string[] => new Bench(first.positions).create(key, from).sent
    expect(created('a', 101)).toEqual(['create a from 101 as 1'])
    expect(created('b', 101)).toEqual(['create b from 101 as 1'])
    expect(created('c', 102)).toEqual(['create c from 102 as 1'])
    expect(created('c', 101)).toEqual(['create c from 1 as 1'])
  })

  it('what never comes back is forgotten, the oldest first', () => {
    const positions = new ResumePositions()
    const key = (number: number): Buffer => Buffer.from(String(number))
    for (let i = 0; i < 10_001; i += 1) positions.note([{ body: key(i), from: 2n, next: 1n }])
    expect([positions.take(key(0), 2n), positions.take(key(1), 2n), positions.take(key(10_000), 2n)]).toEqual([
      null,
      1n,
      1n,
    ])
  })
})
