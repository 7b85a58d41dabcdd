/**
 * The door to @grpc/grpc-js, types included. The channel below its clients is ours (`channelFactoryOverride`), because its own keeps a
 * socket open for minutes after `close()`, has no limit for the time of a TLS handshake or of the HTTP/2 settings, sends an IP address
 * as SNI (RFC 6066 section 3), tunnels through proxies of the environment, and exposes neither the TLS error nor the peer's chain.
 */
import { type ChannelInterface, connectivityState, type Deadline, Metadata, status } from '@grpc/grpc-js'
import type { EtcdMtlsError } from '../../report/errors.js'
import { armDeadline } from '../timing.js'

export { connectivityState, Metadata, status }
export type { CallOptions, ChannelInterface, ChannelOptions, Deadline, StatusObject } from '@grpc/grpc-js'

export type Call = ReturnType<ChannelInterface['createCall']>
/** A call that can say more about its end than its status does. */
export type ExplainedCall = Call & { readonly explanation?: EtcdMtlsError | null }

/** What grpc-js asks of every call, and what is the same for all of ours. */
export abstract class CallBase {
  /** Why the call failed, if more is known than its status says. */
  abstract readonly explanation: EtcdMtlsError | null
  readonly #target: string

  constructor(target: string) {
    this.#target = target
  }

  getPeer(): string {
    return this.#target
  }

  getCallNumber(): number {
    return 0
  }

  setCredentials(): void {
    throw new TypeError('Call credentials are not supported. Use a client certificate or the option "auth".')
  }

  getAuthContext(): null {
    return null
  }
}

export type CallListener = Parameters<Call['start']>[1]
export type MessageContext = Parameters<Call['sendMessageWithContext']>[0]
type ChannelRef = ReturnType<ChannelInterface['getChannelzRef']>

export interface ChannelBacking {
  /** For people: the endpoints. */
  readonly target: string
  readonly state: connectivityState
  /** Whether calls run that have no end of their own, such as watches and the keep-alive of leases. */
  readonly hasOpenStreams: boolean
  createCall(path: string, deadline: Deadline, authority: string | null): ExplainedCall
  /** Calls back at each change of `state`; the return value ends that. */
  onStateChange(listener: () => void): () => void
  dial(): void
}

/**
 * A channel for one grpc-js client. Closing it closes nothing below: etcd3 discards its clients after every recoverable error, and the
 * connections belong to the whole `SecureEtcd3`.
 *
 * @param onCall Called with each call as it is made. Default: nothing is called.
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
      let timer: NodeJS.Timeout | undefined
      const done = (error?: Error): void => {
        watches.delete(done)
        clearTimeout(timer)
        stopListening()
        process.nextTick(callback, error)
      }
      const check = (): void => {
        // grpc-js' waitForReady would continue to wait on a client that is closed.
        if (backing.state === connectivityState.SHUTDOWN) done(new Error('The client was closed'))
        else if (backing.state !== current) done()
      }
      const stopListening = backing.onStateChange(check)
      watches.add(done)
      check()
      if (watches.has(done)) {
        timer = armDeadline(Number(deadline), () => {
          done(new Error('Deadline passed without connectivity state change'))
        })
      }
    },
    // This channel is not registered with channelz; grpc-js returns such a reference, too, if channelz is off.
    getChannelzRef: () => ({ kind: 'channel' as ChannelRef['kind'], id: 0, name: backing.target }),
    createCall(path, deadline, host) {
      assertOpen()
      const call = backing.createCall(path, deadline, host ?? null)
      onCall(call)
      return call
    },
  }
}
