/** The channels of `node:diagnostics_channel`, for tracing and for tools that collect metrics. */
import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { Finding, FindingCode } from '../../report/finding.js'
import type { TlsEvent } from './tls-session.js'

/** What `etcd-mtls:call` publishes, the same object for each event of a call. */
export interface CallMessage {
  /** As `KV/Put`. */
  method: string
  /** The URL of the endpoint that carried the last attempt; null before that. */
  endpoint: string | null
  /** How many attempts were made so far. */
  attempt: number
  /** The gRPC status, such as `OK`; null before the end. */
  status: string | null
  /** Set with the event `error`: why the call failed. */
  error?: Error
  /** The key, or the beginning of a range; only with the option `includeKeys`. */
  key?: Buffer
  /** A subscriber of `start` sets `traceparent`, `tracestate` or `baggage` here, and etcd receives them with the request. */
  metadata: Record<string, string>
}

/** What `etcd-mtls:dial` publishes after each attempt to connect. */
export interface DialMessage {
  endpoint: string
  ok: boolean
  /** The codes of the findings of an attempt that failed. */
  codes: FindingCode[]
  /** Milliseconds, with the TLS handshake and the first answer of etcd. */
  duration: number
}

/** What `etcd-mtls:rotation` publishes. */
export type RotationMessage = Extract<TlsEvent, { type: 'rotated' | 'rotation-refused' }>

/** What `etcd-mtls:finding` publishes when the findings of an endpoint change. */
export interface FindingMessage {
  endpoint: string
  finding: Finding
}

const CALL = tracingChannel<unknown, CallMessage>('etcd-mtls:call')
const DIAL = channel('etcd-mtls:dial')
const ROTATION = channel('etcd-mtls:rotation')
const FINDING = channel('etcd-mtls:finding')
/** The headers of W3C Trace Context and Baggage. */
const PROPAGATED = ['traceparent', 'tracestate', 'baggage']

/** Whether somebody listens to calls. If nobody does, this is all that a call pays. */
export function isTraced(): boolean {
  return CALL.hasSubscribers
}

/** Publishes the start of a call, runs `start` in the context of the subscribers, and returns the headers that they set. */
export function traceStart(message: CallMessage, start: () => void): void {
  CALL.start.runStores(message, start)
  CALL.end.publish(message)
}

export function traceEnd(message: CallMessage, deliver: () => void): void {
  if (message.error !== undefined) CALL.error.publish(message)
  CALL.asyncStart.runStores(message, deliver)
  CALL.asyncEnd.publish(message)
}

/** What etcd receives for a trace: nothing else, and no line breaks, whatever a subscriber writes. */
export function propagated({ metadata }: CallMessage): [name: string, value: string][] {
  return PROPAGATED.flatMap((name) => {
    const value: unknown = metadata[name]
    return typeof value === 'string' && /^[\x20-\x7e]{1,8192}$/.test(value) ? [[name, value]] : []
  })
}

export function publishDial(message: () => DialMessage): void {
  if (DIAL.hasSubscribers) DIAL.publish(message())
}

/** Publishes the events that have channels. */
export function publishEvent(event: TlsEvent): void {
  if (ROTATION.hasSubscribers && (event.type === 'rotated' || event.type === 'rotation-refused'))
    ROTATION.publish(event)
  if (!FINDING.hasSubscribers || event.type !== 'endpoint-changed') return
  const { endpoint, findings } = event.status
  for (const finding of findings) FINDING.publish({ endpoint, finding } satisfies FindingMessage)
}
