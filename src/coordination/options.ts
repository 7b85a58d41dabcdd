/** What the callers of this room pass, checked before anything is sent. */
import type { SecureEtcd3 } from '../client/create-secure-client.js'
import { clientClosed } from '../client/tls-session.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { parseDuration } from '../report/duration.js'

/**
 * Shortest TTL, in seconds. etcd grants none below 1.5 election timeouts (2 s by default), and renews none while it elects a
 * leader, which takes about as long.
 */
const MIN_TTL = 3

/** One place to contend for, as the rest of the room needs it. */
export interface Place {
  /** For messages, as `lock "jobs"`. */
  readonly what: string
  /** Every contender's key is this and the id of its lease, as in clientv3's package concurrency and in etcdctl. */
  readonly prefix: string
  /** Milliseconds, whole seconds. */
  readonly ttl: number
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, naming the option. */
export function resolvePlace(
  kind: 'lock' | 'election',
  name: unknown,
  options: { ttl: string },
  known: readonly string[],
): Place {
  if (typeof name !== 'string' || name === '') throw valueInvalid('name', name, 'a string that is not empty')
  checkOptions('options', options, known)
  const ttl = parseDuration(options.ttl, 'ttl')
  if (ttl % 1000 !== 0 || ttl < MIN_TTL * 1000) {
    throw optionInvalid('ttl', `must be in whole seconds, at least '${String(MIN_TTL)}s'; received '${options.ttl}'`)
  }
  return { what: `${kind} "${name}"`, prefix: `${name}/`, ttl }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function resolveSignal(signal: unknown): AbortSignal | null {
  if (signal === undefined) return null
  if (!(signal instanceof AbortSignal)) throw valueInvalid('signal', signal, 'an AbortSignal')
  return signal
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything but a client of this package; `ERR_CLOSED` for a closed one. */
export function checkClient(client: SecureEtcd3): void {
  // Callers without a compiler may pass anything.
  if (!(Reflect.get(Object(client), 'closing') instanceof AbortSignal)) {
    throw valueInvalid('client', client, 'a client that createSecureClient returned')
  }
  if (client.closing.aborted) throw clientClosed()
}
