import { describe, expect, it } from 'vitest'
import { Fields, int64Field, MalformedMessage } from '../../../../src/client/transport/protobuf.js'
import { existingLeaseResponse, randomLeaseId, withLeaseId } from '../../../../src/client/transport/call-policy.js'

/** Every int64 field of a message, in order. */
function readFields(message: Uint8Array): [number, bigint][] {
  const found: [number, bigint][] = []
  const fields = new Fields(message)
  while (fields.next()) found.push([fields.number, fields.int64()])
  return found
}

const ttlOnly = int64Field(1, 10n)

describe('withLeaseId', () => {
  it('gives a lease grant without an id a random one and keeps its TTL', () => {
    const { id, request } = withLeaseId(ttlOnly)
    expect(readFields(request)).toEqual([
      [1, 10n],
      [2, id],
    ])
    expect(withLeaseId(ttlOnly).id).not.toBe(id)
  })

  it('replaces an id of 0 that is encoded explicitly', () => {
    const { id, request } = withLeaseId(Buffer.concat([Buffer.from([2 * 8, 0]), ttlOnly]))
    expect(readFields(request)).toEqual([
      [1, 10n],
      [2, id],
    ])
  })

  it('leaves a grant with an id as it is', () => {
    const own = Buffer.concat([ttlOnly, int64Field(2, 7n)])
    expect(withLeaseId(own)).toEqual({ id: 7n, request: own })
    expect(withLeaseId(withLeaseId(ttlOnly).request).id).not.toBe(0n)
  })

  it('keeps fields that this client does not know', () => {
    const { id, request } = withLeaseId(Buffer.concat([int64Field(9, 3n), ttlOnly]))
    expect(readFields(request)).toEqual([
      [9, 3n],
      [1, 10n],
      [2, id],
    ])
  })

  it('refuses a message that is not well formed', () => {
    expect(() => withLeaseId(Buffer.from([0x08]))).toThrow(MalformedMessage)
  })
})

describe('randomLeaseId', () => {
  it('is a positive int64', () => {
    for (let i = 0; i < 1000; i += 1) {
      const id = randomLeaseId()
      expect(id).toBeGreaterThan(0n)
      expect(BigInt.asIntN(64, id)).toBe(id)
    }
  })
})

describe('existingLeaseResponse', () => {
  it('answers a repeated grant with the id and TTL that it asked for', () => {
    const { id, request } = withLeaseId(ttlOnly)
    expect(readFields(existingLeaseResponse(request))).toEqual([
      [2, id],
      [3, 10n],
    ])
  })
})
