/** The door to etcd3, types included: an `Etcd3` whose every call goes through a channel of ours. */
import { asError, isError } from '../report/errors.js'
import {
  castGrpcError,
  ClientClosedError,
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  type ILeaseOptions,
  type IOptions,
  type Lease,
  type Namespace,
  type WatchBuilder,
} from 'etcd3'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOptions } from '../report/option-error.js'
import { type ChannelBacking, type ChannelOptions, createChannel, type ExplainedCall } from './transport/channel.js'
import { holdingProcess, backoffPause } from './timing.js'
import { LoginError } from './transport/login.js'
import { keepLease } from './streams/lease-keeper.js'
import { failOnce, keepWatches, setCause, type WatchSupport } from './streams/kept-watch.js'
import type { TlsSession } from './tls-session.js'

/** For the room that builds upon etcd3's calls: this is the door. */
export { EtcdLeaseInvalidError, isRecoverableError } from 'etcd3'

type FaultHandling = NonNullable<IOptions['faultHandling']>
type HostPolicy = ReturnType<NonNullable<FaultHandling['host']>>
type Policy = Omit<HostPolicy, '_altReturn'>
type WatchBackoff = NonNullable<FaultHandling['watchBackoff']>

/** Options that are passed to etcd3. Hosts, credentials and passwords are options of `createSecureClient` itself. */
export interface Etcd3Options {
  /** Call options for every call: an object, or a function of the call. */
  defaultCallOptions?: IOptions['defaultCallOptions'] | undefined
  /**
   * etcd3's policies. `host` guards the whole client, which is one host to etcd3, and defaults to none: the client itself does not use
   * an endpoint that fails.
   */
  faultHandling?: FaultHandling | undefined
  /** gRPC's own options, as far as they have a meaning here; the others concern a channel that this client does not use. */
  grpcOptions?:
    | (Pick<ChannelOptions, 'grpc.max_receive_message_length'> & {
        /** grpc-js interceptors, as for any of its clients. */
        interceptors?: unknown[] | undefined
        /** grpc-js interceptor providers, as for any of its clients. */
        interceptor_providers?: unknown[] | undefined
      })
    | undefined
}

const KNOWN_GRPC = ['interceptors', 'interceptor_providers', 'grpc.max_receive_message_length']

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for options that would have no effect, or go around TLS. */
export function checkEtcd3Options(options: Etcd3Options): Etcd3Options {
  checkOptions('etcd3', options, ['defaultCallOptions', 'faultHandling', 'grpcOptions'])
  if (options.faultHandling !== undefined) {
    checkOptions('etcd3.faultHandling', options.faultHandling, ['host', 'global', 'watchBackoff'])
  }
  if (options.grpcOptions !== undefined) checkOptions('etcd3.grpcOptions', options.grpcOptions, KNOWN_GRPC)
  return options
}

/** What a {@link SecureEtcd3} is made of. */
interface ClientParts {
  readonly channel: ChannelBacking
  readonly tls: TlsSession
  readonly etcd3: Etcd3Options
  readonly watches: WatchSupport
  /** Ends every call and connection; resolves when every socket is gone. */
  close(): Promise<void>
}

/**
 * Reserved (RFC 2606), so that it can never be reached: etcd3 requires a host, and dials none itself. All endpoints are behind this one,
 * because etcd3's rotation over several hosts hangs on a silent one.
 */
const VIRTUAL_HOST = 'etcd-mtls.invalid'

/** etcd3 tries a lease's keep-alive again this long after its stream ended, once (etcd3/lib/lease.js), in milliseconds. */
const LEASE_RETRY = 100

/**
 * An `Etcd3` over mutual TLS, made by `createSecureClient`. It is an ordinary `Etcd3` in every other respect.
 *
 * Dispose of it by `await using`, or by {@link SecureEtcd3.close}.
 */
export class SecureEtcd3 extends Etcd3 implements AsyncDisposable {
  /** The TLS side: the validation of the credentials, and the state of each endpoint. */
  readonly tls: TlsSession
  readonly #parts: ClientParts
  readonly #life: AbortController
  #ended: Promise<void> | null = null

  /** @internal */
  constructor(parts: ClientParts) {
    const life = new AbortController()
    super(etcd3Options(parts, life.signal))
    this.tls = parts.tls
    this.#parts = parts
    this.#life = life
    failOnce(this.watchClient)
  }

  /**
   * As etcd3's, but {@link WatchBuilder.create} rejects if the endpoints or etcd's roles refuse this client, and a watch that
   * fails does not end the process: without a listener for `error`, `client.tls.events()` reports it.
   */
  override watch(): WatchBuilder {
    return keepWatches(super.watch(), this.#parts.watches, castGrpcError)
  }

  /**
   * As etcd3's, but `lost` comes before the lease can have expired: counted from the sending of the last keep-alive that was
   * answered, a tenth of the TTL (at most a second) before it is over. Keep-alives are sent at each sixth of the TTL, and one that is not answered
   * within a twelfth is sent to another endpoint as well.
   */
  override lease(ttl: number, options?: ILeaseOptions): Lease {
    return leaseOf(this, (...args) => super.lease(...args), this.closing)(ttl, options)
  }

  /** As etcd3's; its watches and leases are as this client's. */
  override namespace(prefix: string | Buffer): Namespace {
    return withOurs(super.namespace(prefix), this.closing, this.#parts.watches)
  }

  /** @internal Aborts when the client is closed. */
  get closing(): AbortSignal {
    return this.#life.signal
  }

  /**
   * Closes the client. Requests that were sent have a second to end; watches and leases end at once. Later calls reject with etcd3's
   * `ClientClosedError`.
   */
  override close(): void {
    void this.#end()
  }

  /** {@link SecureEtcd3.close}, and waits until every socket is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await holdingProcess(this.#end())
  }

  #end(): Promise<void> {
    this.#ended ??= this.#shutDown()
    return this.#ended
  }

  async #shutDown(): Promise<void> {
    this.#life.abort(new ClientClosedError('client'))
    super.close()
    // etcd3's watches and leases would look for a new connection indefinitely. Under etcd3's own mock() they find none.
    this.mock({
      exec: (service: string) => Promise.reject(new ClientClosedError(service)),
      // A request that was interrupted is tried again here, and has to end; of watches and leases, these are the streams.
      withConnection: (service: string) =>
        service === 'Watch' || service === 'Lease'
          ? new Promise<never>(() => undefined)
          : Promise.reject(new ClientClosedError(service)),
      markFailed: () => undefined,
    })
    const hadStreams = this.#parts.channel.hasOpenStreams
    await this.#parts.close()
    if (hadStreams) await sleep(LEASE_RETRY)
  }
}

/**
 * Fetches a token for a user over the client's own connections.
 *
 * @returns Null if authentication is not enabled: like etcd's own client, ours then continues without.
 * @throws {LoginError}
 */
export async function authenticate(client: Etcd3, name: string, password: string): Promise<string | null> {
  try {
    const { token } = await client.auth.authenticate({ name, password })
    return token
  } catch (error) {
    const { message } = asError(error)
    // etcd api/v3rpc/rpctypes: ErrAuthNotEnabled; "password was given for no password user" has no class in etcd3.
    if (message.includes('authentication is not enabled')) return null
    const refused = error instanceof EtcdAuthenticationFailedError || message.includes('authentication failed')
    throw new LoginError(message, refused, error)
  }
}

function etcd3Options({ channel, etcd3 }: ClientParts, life: AbortSignal): IOptions {
  const { defaultCallOptions, faultHandling = {}, grpcOptions = {} } = etcd3
  const notes: CallNotes = { current: null }
  const onCall = (call: ExplainedCall): void => {
    if (notes.current !== null) notes.current.call = call
  }
  return {
    hosts: VIRTUAL_HOST,
    grpcOptions: { ...grpcOptions, channelFactoryOverride: () => createChannel(channel, onCall) },
    ...(defaultCallOptions === undefined ? {} : { defaultCallOptions }),
    faultHandling: {
      ...faultHandling,
      // etcd3's default repeats every call that failed, writes as well. Here the channel repeats what is safe to repeat.
      global: faultHandling.global ?? noPolicy(),
      host: (name) => withCauses(faultHandling.host?.(name) ?? noPolicy(), notes),
      watchBackoff:
        faultHandling.watchBackoff === undefined
          ? new WatchPause(1, life)
          : untilClosed(faultHandling.watchBackoff, life),
    },
  }
}

/**
 * etcd3's default, a circuit breaker, would close the whole client for five seconds after three failures of one member, and
 * turn every cause into "circuit is open".
 */
function noPolicy(): HostPolicy {
  // One for all calls: etcd3 uses no signal, and each of them costs as much as a fiftieth of a call.
  const never = new AbortController().signal
  const policy: Policy = {
    onSuccess: () => ({ dispose: () => undefined }),
    onFailure: () => ({ dispose: () => undefined }),
    execute: async (work, signal = never) => work({ signal }),
  }
  // What the type has in addition exists for types only (cockatiel, IPolicy).
  return policy as HostPolicy
}

/** The call that a policy's work has made, so that the error of the work can explain its end. */
interface CallNotes {
  /** Set while work runs to its first pause: etcd3 makes its call before that. */
  current: { call: ExplainedCall | null } | null
}

/**
 * The same policy around calls whose errors have a `cause`. etcd3 makes its errors of the message of a status alone, so the error that
 * explains the end of a call is added here.
 */
function withCauses(policy: Policy, notes: CallNotes): HostPolicy {
  const wrapped: Policy = {
    onSuccess: policy.onSuccess,
    onFailure: policy.onFailure,
    execute: (work, signal) =>
      policy.execute(async (context) => {
        const note: CallNotes['current'] = { call: null }
        notes.current = note
        let running: ReturnType<typeof work>
        try {
          running = work(context)
        } finally {
          notes.current = null
        }
        try {
          return await running
        } catch (error) {
          setCause(error, note.call?.explanation ?? null)
          throw error
        }
      }, signal),
  }
  // What the type has in addition exists for types only (cockatiel, IPolicy).
  return wrapped as HostPolicy
}

function withOurs(namespace: Namespace, closing: AbortSignal, watches: WatchSupport): Namespace {
  const [watch, nested] = [namespace.watch.bind(namespace), namespace.namespace.bind(namespace)]
  failOnce(namespace.watchClient)
  namespace.watch = () => keepWatches(watch(), watches, castGrpcError)
  namespace.lease = leaseOf(namespace, namespace.lease.bind(namespace), closing)
  namespace.namespace = (prefix) => withOurs(nested(prefix), closing, watches)
  return namespace
}

type MakeLease = (ttl: number, options?: ILeaseOptions) => Lease

/** The same way to make leases, which this client then keeps alive. */
function leaseOf({ leaseClient }: Namespace, make: MakeLease, closing: AbortSignal): MakeLease {
  return (ttl, options) => {
    const since = performance.now()
    if (options?.autoKeepAlive === false) return make(ttl, options)
    return keepLease(make(ttl, { ...options, autoKeepAlive: false }), {
      ttl: ttl * 1000,
      since,
      closing,
      openStream: () => leaseClient.leaseKeepAlive(),
      streamError: (error) => (isError(error) ? castGrpcError(error) : error),
      lostError: (id, cause) => {
        const error = new EtcdLeaseInvalidError(id)
        if (isError(cause)) Object.defineProperty(error, 'cause', { value: cause, configurable: true })
        return error
      },
    })
  }
}

/**
 * The client dials automatically; a watch only has to try again soon. A class, because etcd3 makes one for each response of a watch.
 */
class WatchPause implements WatchBackoff {
  readonly #failures: number
  readonly #life: AbortSignal

  constructor(failures: number, life: AbortSignal) {
    this.#failures = failures
    this.#life = life
  }

  get duration(): number {
    return this.#life.aborted ? 0 : backoffPause(this.#failures, { first: 50, longest: 5000 })
  }

  next(): WatchPause {
    return new WatchPause(this.#failures + 1, this.#life)
  }
}

/** The same back-off, without a pause once the client is closed: a pending pause would keep the process alive. */
function untilClosed(backoff: WatchBackoff, life: AbortSignal): WatchBackoff {
  return {
    get duration() {
      return life.aborted ? 0 : backoff.duration
    },
    next: (context) => untilClosed(backoff.next(context), life),
  }
}
