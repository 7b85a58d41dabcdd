/**
 * The door to @grpc/grpc-js, types included.
 *
 * What stays grpc-js is all that etcd3 and its users touch: clients, call objects, interceptors, metadata, statuses. What
 * is ours is the channel below them, through `channelFactoryOverride`, the public seam for it. grpc-js' own channel cannot
 * do what this client promises: it dials by itself (so an address that swallows SYNs keeps a socket open for minutes after
 * `close()`), it has no limit for the time a TLS handshake or the HTTP/2 settings take, it sends an IP address as SNI
 * (forbidden by RFC 6066 section 3; Node warns with DEP0123), it tunnels through proxies of the environment, and it hands out
 * neither the TLS error nor the peer's chain.
 */
import type { EtcdMtlsError } from '../report/errors.js'
import { type ChannelInterface, connectivityState, type Deadline, Metadata, status } from '@grpc/grpc-js'

export { connectivityState, Metadata, status }
export type { CallOptions, ChannelInterface, ChannelOptions, Deadline, StatusObject } from '@grpc/grpc-js'

/** A call as grpc-js' clients drive it. */
export type Call = ReturnType<ChannelInterface['createCall']>
/** A call that can say more about its end than its status does. */
export type ExplainedCall = Call & { readonly explanation?: EtcdMtlsError | null }
/** Who is told about metadata, messages and the status of a call. */
export type CallListener = Parameters<Call['start']>[1]
/** What comes with a message to send: its callback. */
export type MessageContext = Parameters<Call['sendMessageWithContext']>[0]
type ChannelRef = ReturnType<ChannelInterface['getChannelzRef']>

/** What a channel stands on. */
export interface ChannelBacking {
  /** For people: the endpoints. */
  readonly target: string
  readonly state: connectivityState
  /** Whether calls run that have no end of their own, as watches and the keep-alive of leases. */
  readonly hasOpenStreams: boolean
  createCall(path: string, deadline: Deadline, authority: string | null): ExplainedCall
  /** Calls back at each change of `state`; the return value ends that. */
  onStateChange(listener: () => void): () => void
  /** Starts dialling whatever is not ready and not being dialled. */
  dial(): void
}

/**
 * A channel for one grpc-js client. Closing it closes nothing below: etcd3 throws its clients away after every recoverable
 * error, and the connections belong to the whole `SecureEtcd3`.
 *
 * @param onCall Told of each call as it is made. Default: nobody is.
 */
export function createChannel(
  backing: ChannelBacking,
  onCall: (call: ExplainedCall) => void = () => undefined,
): ChannelInterface {
  const watches = new Set<() => void>()
  let closed = false
  const assertOpen = (): void => {
    if (closed) throw new Error('Channel has been shut down')
  }
  return {
    close() {
      closed = true
      for (const end of [...watches]) end()
    },
    getTarget: () => backing.target,
    getConnectivityState(tryToConnect) {
      if (closed) return connectivityState.SHUTDOWN
      if (tryToConnect) backing.dial()
      return backing.state
    },
    watchConnectivityState(current, deadline, callback) {
      assertOpen()
      watchState(backing, current, deadline, callback, watches)
    },
    // Channelz knows nothing of this channel; grpc-js, too, gives a made-up reference where channelz is switched off.
    getChannelzRef: () => ({ kind: 'channel' as ChannelRef['kind'], id: 0, name: backing.target }),
    createCall(path, deadline, host) {
      assertOpen()
      const call = backing.createCall(path, deadline, host ?? null)
      onCall(call)
      return call
    },
  }
}

/** Longest delay that a Node timer takes. */
const MAX_DELAY = 2_147_483_647

function watchState(
  backing: ChannelBacking,
  current: connectivityState,
  deadline: Date | number,
  callback: (error?: Error) => void,
  watches: Set<() => void>,
): void {
  const left = deadline === Infinity ? Infinity : Number(deadline) - Date.now()
  let timer: NodeJS.Timeout | undefined
  const done = (error?: Error): void => {
    watches.delete(end)
    clearTimeout(timer)
    stopListening()
    process.nextTick(callback, error)
  }
  const end = (): void => {
    done()
  }
  const changed = (): boolean => {
    // grpc-js' waitForReady would go on waiting on a client that is closed.
    if (backing.state === connectivityState.SHUTDOWN) done(new Error('The client was closed'))
    else if (backing.state !== current) done()
    else return false
    return true
  }
  const stopListening = backing.onStateChange(changed)
  watches.add(end)
  if (!changed() && left <= MAX_DELAY) {
    timer = setTimeout(
      () => {
        done(new Error('Deadline passed without connectivity state change'))
      },
      Math.max(left, 0),
    )
  }
}
