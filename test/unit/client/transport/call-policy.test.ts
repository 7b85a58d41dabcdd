import { describe, expect, it } from 'vitest'
import { makeStatus, status } from '../../../../src/client/transport/channel.js'
import {
  type CallKind,
  existingLeaseResponse,
  isUnary,
  mayBeApplied,
  mayRepeat,
  type Progress,
  traitsOf,
  withLeaseId,
} from '../../../../src/client/transport/call-policy.js'
import { bytesField, Fields, int64Field, trueField } from '../../../../src/client/transport/protobuf.js'

const EMPTY: Buffer = Buffer.alloc(0)
const range = (serializable: boolean): Buffer =>
  Buffer.concat([bytesField(1, Buffer.from('a')), serializable ? trueField(7) : EMPTY])
const op = (kind: 1 | 2 | 3 | 4, request: Buffer): Buffer => bytesField(kind, request)
const txn = (success: readonly Buffer[], failure: readonly Buffer[] = []): Buffer =>
  Buffer.concat([
    bytesField(1, int64Field(1, 3n)),
    ...success.map((each) => bytesField(2, each)),
    ...failure.map((each) => bytesField(3, each)),
  ])

it.each<[string, CallKind, 'leader' | 'any member', Buffer]>([
  ['KV/Range', 'read', 'leader', EMPTY],
  ['KV/Range', 'read', 'any member', range(true)],
  ['KV/Txn', 'read', 'any member', EMPTY],
  ['KV/Txn', 'read', 'leader', txn([op(1, range(false))], [op(1, range(true))])],
  ['KV/Txn', 'read', 'any member', txn([op(1, range(true))])],
  ['KV/Txn', 'read', 'leader', txn([op(4, txn([op(1, range(false))]))])],
  ['Lease/LeaseTimeToLive', 'read', 'leader', EMPTY],
  ['Maintenance/Status', 'read', 'any member', EMPTY],
  ['Maintenance/Alarm', 'read', 'any member', EMPTY],
  ['Cluster/MemberList', 'read', 'any member', EMPTY],
  ['Auth/UserGet', 'read', 'leader', EMPTY],
  ['KV/Put', 'write', 'leader', EMPTY],
  ['KV/DeleteRange', 'write', 'leader', EMPTY],
  ['KV/Compact', 'write', 'leader', EMPTY],
  ['KV/Txn', 'write', 'leader', txn([op(2, EMPTY)])],
  ['KV/Txn', 'write', 'leader', txn([], [op(3, EMPTY)])],
  ['KV/Txn', 'write', 'leader', txn([op(1, range(false)), op(4, txn([], [op(2, EMPTY)]))])],
  ['KV/Txn', 'write', 'leader', txn([bytesField(9, EMPTY)])],
  ['KV/Txn', 'write', 'leader', Buffer.from([0x12, 0x7f])],
  ['Lease/LeaseRevoke', 'write', 'leader', EMPTY],
  ['Lease/LeaseGrant', 'write', 'leader', int64Field(2, 7n)],
  // Its id may be chosen by this client.
  ['Lease/LeaseGrant', 'grant', 'leader', int64Field(1, 60n)],
  ['Maintenance/Alarm', 'write', 'any member', int64Field(1, 2n)],
  ['Maintenance/Defragment', 'write', 'any member', EMPTY],
  ['Auth/UserAdd', 'write', 'leader', EMPTY],
  ['Cluster/MemberAdd', 'write', 'leader', EMPTY],
  ['Unknown/Call', 'write', 'leader', EMPTY],
])('a call of %s is a %s that needs %s, by its request', (method, kind, needed, request) => {
  expect(traitsOf(`/etcdserverpb.${method}`, request)).toEqual({ kind, needsLeader: needed === 'leader' })
})

it('a transaction that is nested deeper than any caller needs counts as a write', () => {
  const nested = (levels: number): Buffer =>
    Array.from({ length: levels }).reduce<Buffer>((inner) => txn([op(4, inner)]), txn([op(1, range(true))]))
  const kinds = [16, 17].map((levels) => traitsOf('/etcdserverpb.KV/Txn', nested(levels)).kind)
  expect(kinds).toEqual(['read', 'write'])
})

it.each([
  ['/etcdserverpb.KV/Range', true],
  ['/etcdserverpb.Watch/Watch', false],
  ['/etcdserverpb.Lease/LeaseKeepAlive', false],
  ['/etcdserverpb.Maintenance/Snapshot', false],
  ['/helloworld.Greeter/SayHello', false],
])('the call %s is a unary call of etcd: %s', (path, expected) => {
  expect(isUnary(path)).toBe(expected)
})

describe('a failed attempt', () => {
  const { UNAVAILABLE, UNKNOWN, DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED, INTERNAL, CANCELLED } = status
  const repeated = (kind: CallKind, code: status, details: string, progress: Progress): [boolean, boolean] => {
    const outcome = makeStatus(code, details)
    return [mayRepeat(kind, outcome, progress), mayBeApplied(kind, outcome, progress)]
  }

  it.each<[string, status, string, Progress, [boolean, boolean]]>([
    ['was never sent', UNAVAILABLE, 'No endpoint is ready', 'unsent', [false, false]],
    ['was refused by REFUSED_STREAM or GOAWAY', UNAVAILABLE, 'Stream refused by server', 'unprocessed', [true, false]],
    ['lost its connection', UNAVAILABLE, 'Connection dropped', 'unknown', [false, true]],
    ['met its deadline', DEADLINE_EXCEEDED, 'Deadline exceeded', 'unknown', [false, true]],
    ['was cancelled after it was sent', CANCELLED, 'Cancelled on client', 'unknown', [false, true]],
    ['found a member without a leader', UNAVAILABLE, 'etcdserver: no leader', 'answered', [true, false]],
    ['found a learner', UNAVAILABLE, 'etcdserver: rpc not supported for learner', 'answered', [true, false]],
    ['found an overloaded member', UNKNOWN, 'etcdserver: too many requests', 'answered', [true, false]],
    ['was dropped by raft', UNKNOWN, 'raft proposal dropped', 'answered', [true, false]],
    ['would endanger the quorum', UNAVAILABLE, 'etcdserver: unhealthy cluster', 'answered', [false, false]],
    ['timed out in etcd', UNAVAILABLE, 'etcdserver: request timed out', 'answered', [false, true]],
    [
      'timed out at a lost leader',
      UNAVAILABLE,
      'etcdserver: request timed out, possibly due to previous leader failure',
      'answered',
      [false, true],
    ],
    ['met a member that stops', UNAVAILABLE, 'etcdserver: server stopped', 'answered', [false, true]],
    ['was denied', PERMISSION_DENIED, 'etcdserver: permission denied', 'answered', [false, false]],
    ['found no space', RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', 'answered', [false, true]],
    ['found a corrupt cluster', status.DATA_LOSS, 'etcdserver: corrupt cluster', 'answered', [false, false]],
    ['was too large', RESOURCE_EXHAUSTED, 'etcdserver: request is too large', 'answered', [false, false]],
    [
      'has an answer that is too large',
      RESOURCE_EXHAUSTED,
      'Received message larger than max',
      'unknown',
      [false, true],
    ],
    ['was refused by the auth store', UNKNOWN, 'auth: user not found', 'answered', [false, false]],
    ['met an unknown error', UNKNOWN, 'disk I/O error', 'answered', [false, true]],
  ])(
    'an attempt of a write that %s is repeated only if it was certainly not processed',
    (_what, code, details, progress, expected) => {
      expect(repeated('write', code, details, progress)).toEqual(expected)
    },
  )

  it.each<[string, status, string, Progress, boolean]>([
    ['lost its connection', UNAVAILABLE, 'Connection dropped', 'unknown', true],
    ['was reset', INTERNAL, 'Received RST_STREAM', 'unknown', true],
    ['met a member that stops', UNKNOWN, 'The call ended without a gRPC status', 'unknown', true],
    ['timed out in etcd', UNAVAILABLE, 'etcdserver: request timed out', 'answered', true],
    ['saw the leader change', UNAVAILABLE, 'etcdserver: leader changed', 'answered', true],
    ['met its deadline', DEADLINE_EXCEEDED, 'Deadline exceeded', 'unknown', false],
    ['was denied', PERMISSION_DENIED, 'etcdserver: permission denied', 'answered', false],
    [
      'asked for a compacted revision',
      status.OUT_OF_RANGE,
      'etcdserver: mvcc: required revision has been compacted',
      'answered',
      false,
    ],
    ['was never sent', UNAVAILABLE, 'No endpoint is ready', 'unsent', false],
  ])(
    'an attempt of a read that %s is repeated if another endpoint may answer',
    (_what, code, details, progress, expected) => {
      expect(repeated('read', code, details, progress)).toEqual([expected, false])
      expect(repeated('grant', code, details, progress)[0]).toBe(expected)
    },
  )
})

/** Every int64 field of a message, in order. */
function readFields(message: Uint8Array): [number, bigint][] {
  const found: [number, bigint][] = []
  const fields = new Fields(message)
  while (fields.next()) found.push([fields.number, fields.int64()])
  return found
}

const ttlOnly = int64Field(1, 10n)

it('gives a lease grant a random id, a positive int64, and keeps its TTL and fields that this client does not know', () => {
  const given = Buffer.concat([int64Field(9, 3n), Buffer.from([2 * 8, 0]), ttlOnly])
  const ids = Array.from({ length: 100 }, () => {
    const [unknown, ttl, id] = readFields(withLeaseId(given))
    expect([unknown, ttl, id?.[0]]).toEqual([[9, 3n], [1, 10n], 2])
    return id?.[1] ?? 0n
  })
  expect(new Set(ids).size).toBe(100)
  for (const id of ids) expect([id > 0n, BigInt.asIntN(64, id)]).toEqual([true, id])
})

it('answers a repeated grant with the id and TTL that it asked for', () => {
  const request = Buffer.concat([ttlOnly, int64Field(2, 7n)])
  expect(readFields(existingLeaseResponse(request))).toEqual([
    [2, 7n],
    [3, 10n],
  ])
})
