/**
 * Ids of leases, chosen on the client: a grant that is sent again asks for the same lease, so that a lost answer leaves no
 * second lease behind. etcd takes any id that is free (server/lease/lessor.go, `Grant`).
 */
import { randomBytes } from 'node:crypto'
import { Fields, int64Field, without } from '../streams/protobuf.js'

/** etcd api/etcdserverpb/rpc.proto: LeaseGrantRequest. */
const REQUEST_TTL = 1
const REQUEST_ID = 2
/** etcd api/etcdserverpb/rpc.proto: LeaseGrantResponse. */
const RESPONSE_ID = 2
const RESPONSE_TTL = 3

const MAX_INT63 = (1n << 63n) - 1n

/**
 * An encoded LeaseGrantRequest that names its lease. An id that the caller chose stays; 0, which lets etcd choose, is replaced
 * by a random one.
 *
 * @throws {MalformedMessage}
 */
export function withLeaseId(request: Uint8Array): { id: bigint; request: Uint8Array } {
  const { id } = readGrant(request)
  if (id !== 0n) return { id, request }
  const chosen = randomLeaseId()
  return { id: chosen, request: Buffer.concat([without(request, [REQUEST_ID]), int64Field(REQUEST_ID, chosen)]) }
}

/**
 * The encoded LeaseGrantResponse for a grant that was sent again and is answered with "lease already exists": the first
 * sending was applied, and its answer was lost.
 *
 * @throws {MalformedMessage}
 */
export function existingLeaseResponse(request: Uint8Array): Buffer {
  const { id, ttl } = readGrant(request)
  return Buffer.concat([int64Field(RESPONSE_ID, id), int64Field(RESPONSE_TTL, ttl)])
}

/** A random id from 1 to 2^63 - 1. Among a billion leases, two share an id with a probability of 0.1. */
export function randomLeaseId(): bigint {
  // The lowest bit is set, because 0 lets etcd choose.
  return (randomBytes(8).readBigUInt64BE() & MAX_INT63) | 1n
}

function readGrant(request: Uint8Array): { id: bigint; ttl: bigint } {
  const grant = { id: 0n, ttl: 0n }
  const fields = new Fields(request)
  while (fields.next()) {
    if (fields.number === REQUEST_ID) grant.id = fields.int64()
    else if (fields.number === REQUEST_TTL) grant.ttl = fields.int64()
  }
  return grant
}
