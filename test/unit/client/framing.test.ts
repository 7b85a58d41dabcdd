import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { timeoutHeader } from '../../../src/client/transport/call-headers.js'
import { frameMessage, MessageReader } from '../../../src/client/transport/framing.js'

describe('gRPC messages in bytes', () => {
  it('messages come out as they went in, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
        (messages, cuts) => {
          const stream = Buffer.concat(messages.map(frameMessage))
          const reader = new MessageReader(-1)
          const received: Buffer[] = []
          for (let at = 0; at < stream.length;) {
            const size = Number(cuts.next().value)
            received.push(...reader.push(stream.subarray(at, at + size)))
            at += size
          }
          expect(received.map((each) => each.toString('hex'))).toEqual(
            messages.map((each) => Buffer.from(each).toString('hex')),
          )
          expect(reader.partial).toBe(false)
        },
      ),
    )
  })

  it('a message that arrives byte by byte takes little more memory than its length', () => {
    const message = frameMessage(Buffer.alloc(1024 * 1024, 7))
    const reader = new MessageReader(-1)
    const before = process.memoryUsage()
    let received: Buffer | undefined
    for (let at = 0; at < message.length; at += 1) [received] = reader.push(message.subarray(at, at + 1))
    const after = process.memoryUsage()
    expect(received?.equals(message.subarray(5))).toBe(true)
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(16 * 1024 * 1024)
  })

  it('a message that arrives in records of TLS takes the memory of the bytes that have arrived, and is copied when it is complete', () => {
    const record = 16 * 1024
    const message = frameMessage(Buffer.alloc(100 * record, 7))
    const reader = new MessageReader(-1)
    let received: Buffer[] = []
    for (let at = 0; at < message.length; at += record) {
      // Buffer.from() would take it from a pool, which counts whole.
      received = reader.push(Buffer.from(new Uint8Array(message.subarray(at, at + record)).buffer))
      if (received.length === 0) expect(reader.held).toBe(at + record)
    }
    // toEqual() compares byte by byte, for seconds.
    expect(received.map((each) => each.equals(message.subarray(5)))).toEqual([true])
    expect(reader.held).toBe(0)
  })

  it('the reader reserves nothing for a length that was only announced', () => {
    const reader = new MessageReader(-1)
    const before = process.memoryUsage().arrayBuffers
    reader.push(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
  })

  it('refuses a compressed message, because the client offers no compression', () => {
    expect(() => new MessageReader(-1).push(Buffer.from([1, 0, 0, 0, 0]))).toThrow('Received a compressed message')
  })

  it('refuses a message above the limit before it has arrived', () => {
    const reader = new MessageReader(10)
    expect(reader.push(frameMessage(Buffer.alloc(10)))).toHaveLength(1)
    expect(() => reader.push(frameMessage(Buffer.alloc(11)).subarray(0, 5))).toThrow(
      expect.objectContaining({ tooLarge: true }),
    )
  })
})

describe('the time-out header', () => {
  it.each([
    [0, '1m'],
    [0.2, '1m'],
    [1500, '1500m'],
    [99_999_999, '99999999m'],
    [100_000_000, '28H'],
    [1e14, '27777778H'],
    [Number.MAX_SAFE_INTEGER, '99999999H'],
  ])('a time-out of %d ms is the header %s', (milliseconds, expected) => {
    expect(timeoutHeader(milliseconds)).toBe(expected)
  })
})
