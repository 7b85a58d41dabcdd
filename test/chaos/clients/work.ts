/** What every kind of work in the process of one kind of client shares. */
import type { Etcd3 } from 'etcd3'
import { isEtcdMtlsError } from '../../../src/client/index.js'
import type { Random } from '../../fuzz/random.js'
import type { Recorder } from '../record.js'

export type ClientKind = 'etcd-mtls' | 'etcd3'

export interface Work<Client extends Etcd3 = Etcd3> {
  readonly kind: ClientKind
  /** Every key of this kind of client begins with it. */
  readonly prefix: string
  readonly clients: readonly Client[]
  readonly random: Random
  /** Longest pause between two operations of a loop, in milliseconds. */
  readonly pace: number
  readonly recorder: Recorder
  /** Aborts when the work has to end. */
  readonly stopping: AbortSignal
}

/** Milliseconds that a call may take. */
const DEADLINE = 5000

export function callOptions(): { deadline: number } {
  return { deadline: Date.now() + DEADLINE }
}

/** Whether a failed write may have been applied. Plain etcd3 does not say, so each failure may. */
function isUnknown(kind: ClientKind, error: unknown): boolean {
  return kind === 'etcd3' || (error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN'))
}

/** Counts a failed call. Returns whether it may have had an effect. */
export function recordFailure(work: Work, error: unknown, isWrite: boolean): boolean {
  const unknown = isWrite && isUnknown(work.kind, error)
  const message = error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error)
  work.recorder.add({ type: 'failure', message: message.replace(/\d+/g, 'N').slice(0, 160), unknown })
  return unknown
}

export function clientAt<Client extends Etcd3>({ clients }: Work<Client>, index: number): Client {
  const client = clients[index % clients.length]
  if (client === undefined) throw new Error('There is no client')
  return client
}

/** As a function: the compiler takes a property that it does not see written for constant. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve()
    })
    if (signal.aborted) resolve()
  })
}

/** Resolves after that time, or when the signal aborts, if that is earlier. Never rejects. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, signal.aborted ? 0 : milliseconds)
    signal.addEventListener('abort', end, { once: true })
  })
}
