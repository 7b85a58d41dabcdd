/** The contract between a call and the connections that may carry it. */
import type { OutgoingHttpHeaders } from 'node:http2'
import type { EtcdMtlsError } from '../../report/errors.js'
import type { Outcome } from './call-status.js'
import type { Deadline, status } from './channel.js'
import type { Connection } from './connection.js'
import type { ReceiveBudget } from './framing.js'
import type { Answer } from './health-check.js'

/** A call that waits to be carried. */
export interface WaitingCall {
  /** The HTTP/2 authorities of endpoints to be chosen only if no other one is ready. */
  readonly avoid: ReadonlySet<string>
  /** Whether it is a stream without an end of its own. */
  readonly openEnded: boolean
  /** Called at most once, with a connection. */
  carry(connection: Connection, headers: OutgoingHttpHeaders): void
  /** Called at most once, instead: there is no connection. */
  refuse(outcome: Outcome): void
}

/** A call that is on a connection. */
export interface CarriedCall {
  /** The HTTP/2 authority of the endpoint that carries it; null before that. */
  readonly carriedBy: string | null
  /** The call migrates to another connection, if it can. */
  migrate(): void
  /** Whether the caller may still send, as on a watch: such a call has no end of its own. */
  readonly openEnded: boolean
  cancelWithStatus(code: status, details: string): void
}

/** A call that ended. */
export interface EndedCall {
  /** As `/etcdserverpb.KV/Put`. */
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  /** The first message, as it was sent; null if none was. */
  readonly request: Uint8Array | null
  /** The HTTP/2 authority of the endpoint that carried it; null if none did. */
  readonly carriedBy: string | null
  /** The head of an answer that is not gRPC's; null for any other, and if none came. */
  readonly answer: Answer | null
}

/** What a call needs from the client that it belongs to. */
export interface CallRoute {
  /** For people: where the call goes. */
  readonly target: string
  /** Longest answer accepted, in bytes; -1 for no limit. */
  readonly maxReceiveLength: number
  /** Limits what all unfinished messages hold together. */
  readonly receiveBudget: ReceiveBudget
  /** The headers that make a member without a leader refuse a call (rpctypes.MetadataRequireLeaderKey); null: they are not used. */
  readonly leaderHeaders: OutgoingHttpHeaders | null
  /** Whether an endpoint outside of `avoid` is ready. */
  hasOther(avoid: ReadonlySet<string>): boolean
  /** Why no endpoint is ready, or none that is has a leader; null if one is and has, or none has failed yet. */
  whyNotReady(): EtcdMtlsError | null
  /** Gives the call a connection, at once or later. */
  assign(call: WaitingCall, path: string): void
  /** The call ended before it was carried. */
  withdraw(call: WaitingCall): void
  /** The outcome as the caller gets it. The client learns from it, such as that a member has no leader. */
  conclude(outcome: Outcome, call: EndedCall): Outcome
  /** Carried calls, so that closing the client can end them. */
  readonly carried: Set<CarriedCall>
}

/** The parts of one call. */
export interface CallParts {
  readonly route: CallRoute
  /** As `/etcdserverpb.KV/Put`. */
  readonly path: string
  readonly deadline: Deadline
  /** The HTTP/2 authority; null: the connection's own. */
  readonly authority: string | null
  /** Headers in addition to those of gRPC and of the metadata; null: none. */
  readonly headers: OutgoingHttpHeaders | null
  /** The HTTP/2 authorities of endpoints to be chosen only if no other one is ready. */
  readonly avoid: ReadonlySet<string>
}
