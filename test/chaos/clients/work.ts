/** What every kind of work in the process of one kind of client shares. */
import type { Etcd3 } from 'etcd3'
import { pause as pauseFor } from '../../../src/client/base/timing.js'
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

/** Counts a failed call. Returns whether it may have had an effect. Plain etcd3 does not say: each failed write may. */
export function recordFailure({ kind, recorder }: Work, error: unknown, isWrite: boolean): boolean {
  const isUnknown = error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN')
  const unknown = isWrite && (kind === 'etcd3' || isUnknown)
  const message = error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error)
  recorder.add({ type: 'failure', message: message.replace(/\d+/g, 'N').slice(0, 160), unknown })
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

/** Resolves after that time, or when the signal aborts, if that is earlier. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return pauseFor(milliseconds, signal, true)
}

/** Resolves when one of the signals aborts. */
export function aborted(...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      resolve()
    }
    for (const signal of signals) {
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    }
  })
}
