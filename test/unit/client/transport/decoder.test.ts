/** Own decoding of etcd's answers against that of etcd3, for every message that etcd3 receives. */
import { Etcd3 } from 'etcd3'
import {
  assert,
  property,
  uint8Array,
  type Arbitrary,
  constantFrom,
  array,
  tuple,
  nat,
  bigInt,
  oneof,
  constant,
} from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decoderOf } from '../../../../src/client/transport/decoder.js'

interface Definition {
  readonly responseDeserialize: (bytes: Buffer) => unknown
  readonly responseSerialize: (message: unknown) => Buffer
  readonly responseType: { type: { name: string } }
}
interface Host {
  getServiceClient(name: string): { constructor: { service: Record<string, Definition> } }
}

const SERVICES = ['KV', 'Watch', 'Lease', 'Auth', 'Cluster', 'Maintenance']

function definitions(): Definition[] {
  const client = new Etcd3({ hosts: 'localhost:1' })
  const [host] = Reflect.get(Reflect.get(client, 'pool') as object, 'hosts') as [Host]
  return SERVICES.flatMap((name) => Object.values(host.getServiceClient(name).constructor.service))
}

const METHODS = definitions().map((each) => [each.responseType.type.name, each] as const)

function varint(value: bigint): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}

const number = oneof(
  nat(200).map(BigInt),
  bigInt(0n, 2n ** 64n - 1n),
  constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n),
)

const scalar = tuple(nat(13), number).map(([field, value]) => [...varint(BigInt(field << 3)), ...varint(value)])
/** Of a field that no message has. */
const unknown = constantFrom(
  [0xa0, 0x06, 0x01],
  [0xa2, 0x06, 0x02, 1, 2],
  [0xa5, 0x06, 1, 2, 3, 4],
  [0xa1, 6, 1, 2, 3, 4, 5, 6, 7, 8],
)

/** Fields of a message, nested up to a depth. */
function fields(depth: number): Arbitrary<number[]> {
  const content = depth === 0 ? uint8Array({ maxLength: 6 }).map((bytes) => [...bytes]) : fields(depth - 1)
  const delimited = tuple(nat(13), oneof(content, constant<number[]>([]), constant([...Buffer.from('é€')]))).map(
    ([field, bytes]) => [...varint(BigInt((field << 3) | 2)), ...varint(BigInt(bytes.length)), ...bytes],
  )
  return array(oneof(scalar, delimited, unknown), { maxLength: 6 }).map((each) => each.flat())
}

type Outcome = { value: unknown; keys: string } | { error: string }

function outcome(decode: (bytes: Buffer) => unknown, bytes: Buffer): Outcome {
  try {
    const value = decode(bytes)
    return { value, keys: JSON.stringify(value) }
  } catch (error) {
    return { error: String(error) }
  }
}

describe.each(METHODS)('%s', (_name, definition) => {
  const decode = decoderOf(definition)

  it('A response is decoded without etcd3 if nothing in it is unusual', () => {
    const own = decoderOf({
      ...definition,
      responseDeserialize: () => {
        throw new Error('It is left to etcd3')
      },
    })
    expect(own(Buffer.alloc(0))).toEqual(definition.responseDeserialize(Buffer.alloc(0)))
    const header = {
      cluster_id: '14841639068965178418',
      member_id: '10276657743932975437',
      revision: '12',
      raft_term: '2',
    }
    const bytes = definition.responseSerialize({ header })
    expect(own(bytes)).toEqual(definition.responseDeserialize(bytes))
  })

  it('A response is decoded as by etcd3, with the same keys in the same order, for any bytes', () => {
    const isEqual = (bytes: number[] | Uint8Array): void => {
      const message = Buffer.from(bytes)
      expect(outcome(decode, message)).toEqual(outcome(definition.responseDeserialize, message))
    }
    assert(property(fields(2), isEqual), { numRuns: 200 })
    assert(property(uint8Array({ maxLength: 20 }), isEqual), { numRuns: 100 })
  })
})

it('A message that is nested deeper than any that etcd sends is left to etcd3', () => {
  const [, definition] = METHODS.find(([name]) => name === 'TxnResponse') ?? []
  if (definition === undefined) throw new Error('etcd3 has no transactions')
  const decode = decoderOf({ ...definition, responseDeserialize: () => 'left to etcd3' })
  // TxnResponse.responses (3) has ResponseOp.response_txn (4).
  const nested = (levels: number): Buffer => {
    let message: number[] = []
    for (let level = 0; level < levels; level += 1) {
      const operation = [0x22, ...varint(BigInt(message.length)), ...message]
      message = [0x1a, ...varint(BigInt(operation.length)), ...operation]
    }
    return Buffer.from(message)
  }
  expect(decode(nested(8))).toEqual(definition.responseDeserialize(nested(8)))
  expect(decode(nested(9))).toBe('left to etcd3')
})
