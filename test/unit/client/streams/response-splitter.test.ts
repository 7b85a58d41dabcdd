import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ResponseSplitter } from '../../../../src/client/streams/response-splitter.js'
import { readWatchResponse, RESPONSE, revisionOfEvent } from '../../../../src/client/streams/watch-messages.js'
import { frameMessage, FramingError, MessageReader } from '../../../../src/client/transport/framing.js'
import { bytesField, Fields } from '../../../../src/client/transport/protobuf.js'
import { watchResponse } from '../../../support/watch-wire.js'

function revisions(message: Buffer): number[] {
  const found: number[] = []
  const fields = new Fields(message)
  while (fields.next()) if (fields.number === RESPONSE.events) found.push(Number(revisionOfEvent(fields.message())))
  return found
}

/** Reads framed messages in pieces of so many bytes. */
function read(framed: Buffer, limit: number, size = 7): { messages: Buffer[]; error: unknown } {
  const reader = new MessageReader(limit, (length, max) => new ResponseSplitter(length, max))
  const messages: Buffer[] = []
  for (let at = 0; at < framed.length; at += size) {
    try {
      messages.push(...reader.push(framed.subarray(at, at + size)))
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      return { messages: [...messages, ...error.completed], error }
    }
  }
  return { messages, error: reader.partial ? 'partial' : null }
}

describe('a watch response above the limit', () => {
  it('becomes fragments with all of its events, in order, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 60, max: 400 }),
        fc.integer({ min: 1, max: 90 }),
        fc.boolean(),
        (events, limit, size, fragment) => {
          const response = watchResponse({ revision: 999, watchId: 7, events, fragment })
          const { messages, error } = read(Buffer.concat([frameMessage(response), frameMessage(response)]), limit, size)
          expect(error).toBeNull()
          expect(messages.flatMap(revisions)).toEqual([...events, ...events])
          if (response.length > limit) for (const each of messages) expect(each.length).toBeLessThanOrEqual(limit + 20)
          for (const each of messages) expect(readWatchResponse(each)).toMatchObject({ watchId: 7n, revision: 999n })
          const half = messages.slice(0, messages.length / 2).map((each) => readWatchResponse(each).fragment)
          expect(half).toEqual([...half.slice(1).map(() => true), fragment])
          for (const each of messages) expect(revisions(each).length).toBeGreaterThan(0)
        },
      ),
    )
  })

  it('takes the memory of a fragment, and not that of the response', () => {
    const events = Array.from({ length: 100 }, (_, index) => index + 1)
    const framed = frameMessage(watchResponse({ revision: 200, watchId: 7, events, size: 100_000 }))
    const reader = new MessageReader(200_000, (length, max) => new ResponseSplitter(length, max))
    let [held, count] = [0, 0]
    for (let at = 0; at < framed.length; at += 16_384) {
      for (const message of reader.push(framed.subarray(at, at + 16_384))) count += revisions(message).length
      held = Math.max(held, reader.held)
    }
    expect(count).toBe(100)
    expect(held).toBeLessThan(600_000)
  })

  it('a watch response is refused at an event above the limit, with the events before it and the beginning of the response', () => {
    const [before, after] = [
      watchResponse({ revision: 9, watchId: 7, events: [1, 2, 3] }),
      watchResponse({ revision: 9, watchId: 7, events: [4], size: 500 }),
    ]
    const event = after.subarray(after.indexOf(Buffer.from([0x5a])))
    const { messages, error } = read(frameMessage(Buffer.concat([before, event])), 400)
    expect(messages.map((each) => [revisions(each), readWatchResponse(each).fragment])).toEqual([[[1, 2, 3], true]])
    const { head, tooLarge, message } = error as FramingError
    expect(tooLarge).toBe(true)
    expect(message).toMatch(/larger than max \(5\d\d vs 400\)/)
    expect(readWatchResponse(head ?? Buffer.alloc(0))).toMatchObject({ watchId: 7n, revision: 9n })
  })

  it.each<[string, Buffer, boolean]>([
    ['a reason above the limit', bytesField(6, Buffer.alloc(500)), true],
    ['many fields before its events', Buffer.concat(Array.from({ length: 500 }, () => Buffer.from([0x10, 1]))), true],
    [
      'a field after its events',
      Buffer.concat([bytesField(11, Buffer.alloc(300)), bytesField(6, Buffer.alloc(200))]),
      false,
    ],
    ['a field of an unknown wire type', Buffer.alloc(500, 0x0b), false],
    ['a tag without an end', Buffer.alloc(500, 0xff), false],
  ])('a watch response above the limit is refused with %s', (_what, message, isTooLarge) => {
    expect(read(frameMessage(message), 400)).toMatchObject({ messages: [], error: { tooLarge: isTooLarge } })
  })

  it('a watch response is passed on if it ends in the middle of a field, which its reader reports', () => {
    const broken = Buffer.concat([
      watchResponse({ revision: 9, watchId: 7, events: [1, 2], size: 300 }),
      Buffer.from([0x5a, 99, 1]),
    ])
    const { messages } = read(frameMessage(broken), 400)
    expect(messages).toHaveLength(2)
    expect(() => readWatchResponse(messages[1] ?? Buffer.alloc(0))).toThrow('A field goes beyond its message')
  })
})
