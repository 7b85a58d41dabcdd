/** The channel of grpc-js over the pool of endpoints. */
import type { EndpointPool } from '../endpoint-pool.js'
import { type ChannelInterface, type ChannelRef, connectivityState, type ExplainedCall } from '../transport/channel.js'

/**
 * A channel for one grpc-js client. Closing it does not close connections: etcd3 discards its clients after every
 * recoverable error, and the connections belong to the whole `SecureEtcd3`.
 *
 * @param onCall Called with each new call.
 */
export function createChannel(
  pool: EndpointPool,
  onCall: (call: ExplainedCall) => void = () => undefined,
): ChannelInterface {
  let closed = false
  return {
    close() {
      closed = true
    },
    getTarget: () => pool.target,
    getConnectivityState(tryToConnect) {
      if (closed) return connectivityState.SHUTDOWN
      if (tryToConnect) pool.dial()
      return pool.state
    },
    // Only etcd3 waits for a state, before it closes a client. Our channel may be closed at any time, so the wait ends
    // at once.
    watchConnectivityState(_current, _deadline, callback) {
      process.nextTick(callback, new Error('The changes of the state are not reported'))
    },
    // The channel is not registered with channelz; grpc-js returns such a reference if channelz is off.
    getChannelzRef: () => ({ kind: 'channel' as ChannelRef['kind'], id: 0, name: pool.target }),
    createCall(path, deadline, host) {
      if (closed) throw new Error('Channel has been shut down')
      const call = pool.createCall(path, deadline, host ?? null)
      onCall(call)
      return call
    },
  }
}
