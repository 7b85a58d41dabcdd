/** The messages of the streams that can be resumed. The bytes in hexadecimal are what protobufjs makes of etcd's own .proto. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bytesField,
  Fields,
  int64Field,
  MalformedMessage,
  keepKnownFields,
  trueField,
  withoutFields,
} from '../../../src/client/transport/protobuf.js'
import {
  cancelRequest,
  createRequest,
  makeResponse,
  progressRequest,
  readWatchRequest,
  withWatchId,
  readWatchResponse,
  RESPONSE_SHAPE,
} from '../../../src/client/streams/watch-messages.js'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

describe('requests', () => {
  it('a create keeps the fields that the client does not know, and asks for fragments and progress responses', () => {
    const request = readWatchRequest(hex('0a160a02612f1202613018e80720012a0100300138074001'))
    expect(request).toEqual({
      kind: 'create',
      create: {
        body: hex('0a02612f120261302a0100300120014001'),
        startRevision: 1000n,
        watchId: 7n,
        progressNotify: true,
      },
    })
  })

  it('the smallest create is made again with a revision and an id', () => {
    const request = readWatchRequest(hex('0a050a01612001'))
    if (request.kind !== 'create') throw new Error(request.kind)
    expect(request.create).toMatchObject({ startRevision: 0n, watchId: 0n })
    expect(createRequest(request.create)).toEqual(hex('0a070a016120014001'))
    const again = createRequest({ ...request.create, startRevision: 1000n, watchId: 7n })
    expect(again).toEqual(hex('0a0c0a01612001400118e8073807'))
    expect(readWatchRequest(again)).toMatchObject({ create: { startRevision: 1000n, watchId: 7n } })
  })

  it('requests to cancel and for progress are read and written', () => {
    expect(readWatchRequest(hex('120308ac02'))).toEqual({ kind: 'cancel', watchId: 300n })
    expect(readWatchRequest(hex('1200'))).toEqual({ kind: 'cancel', watchId: 0n })
    expect(readWatchRequest(hex('1a00'))).toEqual({ kind: 'progress' })
    expect(cancelRequest(300n)).toEqual(hex('120308ac02'))
    expect(cancelRequest(0n)).toEqual(hex('1200'))
    expect(progressRequest()).toEqual(hex('1a00'))
  })

  it('a request of an unknown kind is read as such', () => {
    expect(readWatchRequest(hex('2200'))).toEqual({ kind: 'other' })
    expect(readWatchRequest(hex(''))).toEqual({ kind: 'other' })
  })
})

describe('responses', () => {
  it('a response holds a revision that a number cannot hold', () => {
    const message = hex('0a2108b298eaf1948386fccd0110cdd2918bd2b881cf8e01188180808080808010200210031801')
    expect(readWatchResponse(message)).toMatchObject({
      revision: 9_007_199_254_740_993n,
      watchId: 3n,
      created: true,
      canceled: false,
      lastRevision: null,
    })
  })

  it('a refused create has the id -1', () => {
    expect(readWatchResponse(hex('0a02180510ffffffffffffffffff011801200132026e6f'))).toMatchObject({
      watchId: -1n,
      created: true,
      canceled: true,
      cancelReason: 'no',
    })
  })

  it('the reason of a cancel becomes printable', () => {
    expect(readWatchResponse(hex('0a00200132041b5b6d00')).cancelReason).toBe('\\u{1b}[m\\u{0}')
  })

  it('a response names the compacted revision', () => {
    expect(readWatchResponse(hex('0a021832100120012828'))).toMatchObject({ canceled: true, compactRevision: 40n })
  })

  it('the revision of events is that of the last one, and not that of its predecessor or of the header', () => {
    const value = '78'.repeat(200)
    const events = hex(
      `0a0318a846100238015ad30112d0010a016b180b2ac801${value}5a170801120c0a016b100318b009200230631a050a016b180b`,
    )
    expect(readWatchResponse(events)).toMatchObject({ revision: 9000n, fragment: true, lastRevision: 1200n })
  })

  it('a response under another id keeps every other byte', () => {
    const response = hex('0a0218055a040a02180b')
    const renamed = withWatchId(Buffer.concat([response, hex('1002')]), 9n)
    expect(renamed).toEqual(Buffer.concat([response, hex('1009')]))
    expect(withWatchId(renamed, 0n)).toEqual(response)
  })

  it('responses that the client makes itself are read back', () => {
    const header = hex('1805')
    expect(readWatchResponse(makeResponse(header, 4n, { created: true }))).toMatchObject({
      fault: null,
      revision: 5n,
      watchId: 4n,
      created: true,
      canceled: false,
    })
    const canceled = makeResponse(header, 0n, { canceled: true, reason: 'no', compactRevision: 7n })
    expect(readWatchResponse(canceled)).toMatchObject({
      created: false,
      canceled: true,
      cancelReason: 'no',
      compactRevision: 7n,
    })
    expect(readWatchResponse(makeResponse(header, 4n, { created: true, canceled: true }))).toMatchObject({
      created: true,
      canceled: true,
    })
  })

  const header = bytesField(1, int64Field(3, 5n))
  const kv = bytesField(2, Buffer.concat([bytesField(1, Buffer.from('k')), int64Field(3, 11n)]))
  const event = (...fields: Buffer[]): Buffer => Buffer.concat([header, bytesField(11, Buffer.concat(fields))])

  it('passes a message with known fields only unchanged', () => {
    const previous = bytesField(3, Buffer.concat([bytesField(1, Buffer.from('k')), int64Field(3, 10n)]))
    const message = event(int64Field(1, 1n), kv, previous)
    expect(readWatchResponse(message)).toMatchObject({ fault: null, lastRevision: 11n })
    expect(readWatchResponse(message).message).toBe(message)
  })

  it('removes unknown fields at every depth', () => {
    const unknown = bytesField(20, Buffer.from('text'))
    const inner = bytesField(2, Buffer.concat([unknown, bytesField(1, Buffer.from('k')), int64Field(3, 11n), unknown]))
    const message = Buffer.concat([unknown, event(unknown, inner), int64Field(2, 4n)])
    expect(readWatchResponse(message).message).toEqual(Buffer.concat([event(kv), int64Field(2, 4n)]))
  })

  it.each([
    ['an event of an unknown type', event(int64Field(1, 2n), kv), /type 2/],
    ['an event of a negative type', event(int64Field(1, -1n), kv), /type -1/],
    ['an event without a key', event(int64Field(1, 1n)), /no key/],
    ['an event with two keys', event(kv, kv), /twice/],
    ['a previous value of another key', event(kv, bytesField(3, int64Field(3, 10n))), /another key/],
    ['an event with a group', event(kv, hex('0b0c')), /Wire type 3/],
    ['an event that ends in a field', event(kv, hex('1a')), /ends in a field/],
    ['no header', bytesField(11, kv), /no header/],
  ])('%s is reported as the fault of one watch', (_what, message, fault) => {
    const response = readWatchResponse(Buffer.concat([message, int64Field(2, 4n)]))
    expect(response).toMatchObject({ watchId: 4n, fault: expect.stringMatching(fault) as string })
  })

  it.each([
    ['a group', hex('0b0c')],
    ['an id of another type', bytesField(2, Buffer.from('a'))],
    ['two ids', Buffer.concat([int64Field(2, 1n), int64Field(2, 2n)])],
    ['a header that is not one', bytesField(1, bytesField(3, Buffer.from('a')))],
    ['a field with the number 0', hex('0001')],
  ])('%s is malformed', (_what, message) => {
    expect(() => readWatchResponse(Buffer.concat([header, trueField(4), message]))).toThrow(MalformedMessage)
  })
})

describe('the wire format', () => {
  it('an int64 of any size is read back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const fields = new Fields(int64Field(5, value))
        if (value === 0n) expect(fields.next()).toBe(false)
        else {
          expect(fields.next()).toBe(true)
          expect([fields.number, fields.int64(), fields.next()]).toEqual([5, value, false])
        }
      }),
    )
  })

  it('fields of every type are stepped over, and kept or left out as a whole', () => {
    const varint = hex('0896ffffff0f')
    const fixed64 = hex('110102030405060708')
    const fixed32 = hex('1d01020304')
    const text = bytesField(1000, Buffer.from('text'))
    const message = Buffer.concat([varint, fixed64, text, fixed32])
    expect(withoutFields(message, [])).toEqual(message)
    expect(withoutFields(message, [1, 1000])).toEqual(Buffer.concat([fixed64, fixed32]))
  })

  it.each([
    ['a tag without a value', '08'],
    ['a varint without an end', '08ffff'],
    ['a varint of eleven bytes', '08ffffffffffffffffffff01'],
    ['bytes beyond the end', '0a0561'],
    ['a length beyond all bounds', '0affffffff0f61'],
    ['a fixed64 beyond the end', '0901020304'],
    ['a group', '0b0c'],
    ['a tag of six bytes', '8080808080800100'],
  ])('%s is malformed', (_what, bytes) => {
    expect(() => {
      const fields = new Fields(hex(bytes))
      while (fields.next()) fields.int64()
    }).toThrow(MalformedMessage)
  })

  it('passes a response on only if it has no other fields than its shape, for any changed bytes', () => {
    const kv = Buffer.concat([bytesField(1, Buffer.from('key')), int64Field(3, 300n), bytesField(5, Buffer.from('v'))])
    const event = bytesField(11, Buffer.concat([int64Field(1, 1n), bytesField(2, kv), bytesField(3, kv)]))
    const valid = Buffer.concat([bytesField(1, int64Field(3, 300n)), int64Field(2, 4n), event, event])
    const change = fc.tuple(fc.nat(valid.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
        const bytes = Buffer.from(valid)
        for (const [at, value] of changes) bytes[at] = value
        let passed: Buffer
        try {
          const { message, fault } = readWatchResponse(bytes)
          if (fault !== null) return
          passed = message
        } catch {
          return
        }
        expect(keepKnownFields(passed, RESPONSE_SHAPE)).toBe(passed)
      }),
      { numRuns: 2000 },
    )
  })

  it('throws only MalformedMessage, and ends, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const read of [readWatchRequest, readWatchResponse]) {
          try {
            read(Buffer.from(bytes))
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedMessage)
          }
        }
      }),
    )
  })
})
