/**
 * Decides which calls are repeated, and after which failures. A write is repeated only if etcd certainly did not
 * process it, because a repeated write can overwrite what another client wrote in between.
 */
import { type StatusObject, status } from './channel.js'
import { Fields, int64At, int64Field, MalformedMessage, randomInt64, withoutFields } from './protobuf.js'

/** `read`: changes nothing that a caller can observe. `grant`: a lease with an id of this client's choice. `write`: everything else. */
export type CallKind = 'read' | 'grant' | 'write'

export type Progress =
  /** It was never passed to a connection. */
  | 'unsent'
  /**
   * The server certainly did not process it: REFUSED_STREAM, a stream above the last id of its GOAWAY (RFC 9113 section
   * 8.7), or a connection that ended before the first byte was written.
   */
  | 'unprocessed'
  | 'answered'
  /** It was sent, and no answer came. */
  | 'unknown'

const SERVICE = '/etcdserverpb.'

/** Calls that change nothing. Authenticate creates a token, and losing one does no harm. */
const READS: ReadonlySet<string> = new Set([
  'KV/Range',
  'Lease/LeaseTimeToLive',
  'Lease/LeaseLeases',
  'Cluster/MemberList',
  'Maintenance/Status',
  'Maintenance/Hash',
  'Maintenance/HashKV',
  'Auth/Authenticate',
  'Auth/AuthStatus',
  'Auth/UserGet',
  'Auth/UserList',
  'Auth/RoleGet',
  'Auth/RoleList',
])

export const WATCH = `${SERVICE}Watch/Watch`
export const LEASE_KEEP_ALIVE = `${SERVICE}Lease/LeaseKeepAlive`
export const LEASE_GRANT = `${SERVICE}Lease/LeaseGrant`

const STREAMS: ReadonlySet<string> = new Set(['Watch/Watch', 'Lease/LeaseKeepAlive', 'Maintenance/Snapshot'])

/** The name of a call as `KV/Put`; the whole path if etcd has no such service. */
export function methodOf(path: string): string {
  return path.startsWith(SERVICE) ? path.slice(SERVICE.length) : path
}

/** The key of a request, or the beginning of its range; nothing for requests without one. */
export function keyOf(path: string, request: Uint8Array): { key?: Buffer } {
  if (!['KV/Range', 'KV/Put', 'KV/DeleteRange'].includes(methodOf(path))) return {}
  const fields = new Fields(request)
  while (fields.next()) if (fields.number === 1) return { key: Buffer.from(fields.bytes()) }
  return {}
}

export function isUnary(path: string): boolean {
  return path.startsWith(SERVICE) && !STREAMS.has(methodOf(path))
}

/** Whether a request may be repeated, and whether it needs a leader. */
export interface RequestTraits {
  readonly kind: CallKind
  readonly needsLeader: boolean
}

/** Field numbers of etcd's api/etcdserverpb/rpc.proto. */
const SERIALIZABLE = 7
const ALARM_ACTION = 1
const TXN_SUCCESS = 2
const TXN_FAILURE = 3
const OP_RANGE = 1
const OP_TXN = 4
const GRANT = { ttl: 1, id: 2 } as const
const GRANTED = { id: 2, ttl: 3 } as const

/** Deepest nesting of transactions that is read. etcd refuses deeper ones than any caller needs. */
export const MAX_NESTING = 16

/** Reads the traits of a unary request. A request that cannot be parsed counts as a write. */
export function traitsOf(path: string, request: Uint8Array): RequestTraits {
  const method = methodOf(path)
  const has = (number: number): boolean => int64At(request, number) !== 0n
  try {
    switch (method) {
      case 'KV/Range':
        return { kind: 'read', needsLeader: !has(SERIALIZABLE) }
      case 'KV/Txn': {
        const { writes, serializable } = traitsOfTxn(new Fields(request), 0)
        return { kind: writes ? 'write' : 'read', needsLeader: writes || !serializable }
      }
      case 'Lease/LeaseGrant':
        // With an id of the caller, a repetition cannot be distinguished from the lease of another client.
        return { kind: has(GRANT.id) ? 'write' : 'grant', needsLeader: true }
      case 'Maintenance/Alarm':
        return { kind: has(ALARM_ACTION) ? 'write' : 'read', needsLeader: false }
      default: {
        const needsLeader = !method.startsWith('Maintenance/') && method !== 'Cluster/MemberList'
        return { kind: READS.has(method) ? 'read' : 'write', needsLeader }
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return { kind: 'write', needsLeader: true }
  }
}

/** `serializable`: whether all of its reads are. */
function traitsOfTxn(txn: Fields, depth: number): { writes: boolean; serializable: boolean } {
  const traits = { writes: depth > MAX_NESTING, serializable: true }
  while (!traits.writes && txn.next()) {
    if (txn.number !== TXN_SUCCESS && txn.number !== TXN_FAILURE) continue
    const operation = txn.message()
    while (operation.next()) {
      if (operation.number === OP_RANGE) traits.serializable &&= int64At(operation.message(), SERIALIZABLE) !== 0n
      else if (operation.number === OP_TXN) {
        const nested = traitsOfTxn(operation.message(), depth + 1)
        traits.writes ||= nested.writes
        traits.serializable &&= nested.serializable
      } else traits.writes = true
    }
  }
  return traits
}

/** The message for a member that has no leader (api/v3rpc/rpctypes/error.go, ErrGRPCNoLeader). */
export const NO_LEADER = 'etcdserver: no leader'

/** Alarms of etcd (AlarmType of api/etcdserverpb/rpc.proto). */
export const ALARMS = ['NOSPACE', 'CORRUPT'] as const
export type Alarm = (typeof ALARMS)[number]

/** The alarm because of which etcd refused a call; null: another outcome (etcd api/v3rpc/rpctypes: ErrNoSpace, ErrCorrupt). */
export function alarmOf({ code, details }: StatusObject): Alarm | null {
  if (code === status.OK) return null
  if (details.includes('etcdserver: mvcc: database space exceeded')) return 'NOSPACE'
  return details.includes('etcdserver: corrupt cluster') ? 'CORRUPT' : null
}

/** Calls that etcd refuses while there is an alarm (server/etcdserver/apply: applierV3Capped and applierV3Corrupt). */
export const REFUSED_BY_ALARM: ReadonlySet<string> = new Set(['/etcdserverpb.KV/Put', '/etcdserverpb.Lease/LeaseGrant'])

export function isNoLeader({ code, details }: StatusObject): boolean {
  return code === status.UNAVAILABLE && details === NO_LEADER
}

export function isLeaseExists({ code, details }: StatusObject): boolean {
  return code === status.FAILED_PRECONDITION && details === 'etcdserver: lease already exists'
}

// The messages that etcd sends only before it proposes a request to the cluster, so that the request is certainly not applied:
//
// - no leader, not capable, rpc not supported for learner: server/etcdserver/api/v3rpc/interceptor.go, newUnaryInterceptor.
//   They come before the handler of the call.
// - too many requests: server/etcdserver/v3_server.go, processInternalRaftRequestOnce, before Propose. etcd 3.4 to 3.7 send it with
//   the status UNKNOWN, since rpctypes.ErrTooManyRequests is not a gRPC status.
// - raft proposal dropped: go.etcd.io/raft raft.go, ErrProposalDropped. The member neither appended nor forwarded it.
const BEFORE_PROPOSAL: ReadonlySet<string> = new Set([
  NO_LEADER,
  'etcdserver: not capable',
  'etcdserver: rpc not supported for learner',
  'etcdserver: too many requests',
  'raft proposal dropped',
])

// The answer to a change of members that would endanger the quorum (rpctypes.ErrGRPCUnhealthy). etcd checks that before it proposes the
// change (server/etcdserver/server.go, mayAddMember and mayRemoveMember), and the next attempt within seconds would get the same answer.
const UNHEALTHY_CLUSTER = 'etcdserver: unhealthy cluster'

// Statuses after which the outcome of a write is known. With any other status, etcd or a proxy stopped waiting, and the
// write may be applied later. RESOURCE_EXHAUSTED: request too large.
const DEFINITE: ReadonlySet<status> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
])

/** Statuses that this client sets for a stream that ended without one, except a deadline. */
const WITHOUT_ANSWER: readonly status[] = [status.UNAVAILABLE, status.INTERNAL, status.CANCELLED, status.UNKNOWN]

export function mayRepeat(kind: CallKind, outcome: StatusObject, progress: Progress): boolean {
  if (progress === 'unprocessed' || (progress === 'answered' && BEFORE_PROPOSAL.has(outcome.details))) return true
  if (kind === 'write' || progress === 'unsent') return false
  // UNAVAILABLE: the member or its connection failed. A deadline or a cancellation comes from the caller.
  if (progress === 'answered') return outcome.code === status.UNAVAILABLE
  return WITHOUT_ANSWER.includes(outcome.code)
}

export function mayBeApplied(kind: CallKind, outcome: StatusObject, progress: Progress): boolean {
  if (kind === 'read' || outcome.code === status.OK) return false
  if (progress === 'unknown') return true
  // etcd applies the write with which its space ends, and refuses it then (server/etcdserver/apply.go, quotaApplierV3). With CORRUPT it
  // applies nothing (corrupt.go, applierV3Corrupt).
  const alarm = progress === 'answered' ? alarmOf(outcome) : null
  if (alarm !== null) return alarm === 'NOSPACE'
  if (progress !== 'answered' || DEFINITE.has(outcome.code) || BEFORE_PROPOSAL.has(outcome.details)) return false
  if (outcome.details === UNHEALTHY_CLUSTER) return false
  // server/auth/store.go: errors of users and roles without a gRPC status of their own.
  return !(outcome.code === status.UNKNOWN && outcome.details.startsWith('auth: '))
}

/**
 * Sets the id in an encoded LeaseGrantRequest, so that a repeated grant asks for the same lease. etcd accepts any free
 * id (server/lease/lessor.go, `Grant`).
 *
 * @throws {MalformedMessage}
 */
export function withLeaseId(request: Uint8Array): Buffer {
  return Buffer.concat([withoutFields(request, [GRANT.id]), int64Field(GRANT.id, randomInt64())])
}

/** The id in an encoded LeaseGrantRequest. */
export function leaseIdOf(request: Uint8Array): bigint {
  return int64At(request, GRANT.id)
}

/**
 * The encoded LeaseGrantResponse for a repeated grant that is answered with "lease already exists": the first one was
 * applied, and its answer was lost.
 *
 * @throws {MalformedMessage}
 */
export function existingLeaseResponse(request: Uint8Array): Buffer {
  const [id, ttl] = [int64At(request, GRANT.id), int64At(request, GRANT.ttl)]
  return Buffer.concat([int64Field(GRANTED.id, id), int64Field(GRANTED.ttl, ttl)])
}
