/** An `Etcd3` whose calls all use our own channel. */
import {
  castGrpcError,
  castGrpcErrorMessage,
  ClientClosedError,
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  GRPCDeadlineExceededError,
  GRPCUnavailableError,
  type ILeaseOptions,
  isRecoverableError,
  type IOptions,
  type Lease,
  type Namespace,
  type WatchBuilder,
  type Watcher,
} from 'etcd3'
import { setTimeout as sleep } from 'node:timers/promises'
import { asError, isError, isEtcdMtlsError } from '../../report/errors.js'
import { valueInvalid } from '../../report/option-error.js'
import type { Etcd3Options } from './options.js'
import { markCall } from '../base/retryable.js'
import { AbortListeners, holdingProcess } from '../base/timing.js'
import { CLIENT, type ClientInternals, type TlsSession } from '../base/tls-session.js'
import type { ExplainedCall } from '../transport/channel.js'
import type { EndpointPool } from '../endpoint-pool.js'
import type { Session } from '../session.js'
import { makeCallsDirect } from './direct-calls.js'
import { keptLeases, setCause, whileShort } from './kept-leases.js'
import { abortablePool, endError, servicesOf, viewOf } from './signal-view.js'
import { createChannel } from './pool-channel.js'
import { type EtcdUser, LoginError } from '../transport/login.js'
import { paceWatchStreams, type WatchStream, type WatchStreamOwner, WatchStreams } from '../watch-streams.js'

type FaultHandling = NonNullable<IOptions['faultHandling']>
type HostPolicy = ReturnType<NonNullable<FaultHandling['host']>>
type Policy = Omit<HostPolicy, '_altReturn'>
type Work<T> = (context: { signal: AbortSignal }) => PromiseLike<T> | T
type WatchBackoff = NonNullable<FaultHandling['watchBackoff']>

// etcd3 requires a host but does not dial it: the name is reserved (RFC 2606). One host stands for all endpoints,
// because etcd3's rotation over several hosts hangs on a silent one.
const VIRTUAL_HOST = 'etcd-mtls.invalid'

/**
 * Milliseconds after which etcd3 retries a lease's keep-alive, once, when its stream has ended (etcd3/lib/lease.js).
 */
const LEASE_RETRY = 100

const OWNER = Symbol('etcd-mtls.owner')

/** The class behind the public `SecureEtcd3`. */
export class SecureEtcd3 extends Etcd3 implements AsyncDisposable {
  readonly tls: TlsSession
  /** @internal Also for `instanceof`. */
  readonly [CLIENT]: ClientInternals
  /** @internal Not a private field, so that a view has its own. */
  readonly [OWNER]: StreamOwner
  readonly #session: Session
  readonly #closing: AbortController
  #ended: Promise<void> | null = null

  /** @internal */
  constructor(session: Session, etcd3: Etcd3Options) {
    const closing = new AbortController()
    const notes: CallNotes = { current: null }
    super(etcd3Options(session, etcd3, closing.signal, notes))
    if (!hasInterceptors(etcd3)) makeCallsDirect(this.pool, session.pool, noteCall(notes))
    this.tls = session
    this.#session = session
    this.#closing = closing
    const streams = { session, closing: closing.signal, onAbort: new AbortListeners().listen }
    const owner: StreamOwner = {
      ...streams,
      watches: new WatchStreams(() => super.namespace(''), streams),
      closedError: (service: string) => new ClientClosedError(service),
      lastCall: () => notes.current?.call ?? null,
      signal: null,
    }
    this[OWNER] = owner
    this[CLIENT] = {
      closing: owner.closing,
      onAbort: owner.onAbort,
      onClusterChange: (listener) => session.onClusterChange(listener),
      meter: session.pool.meter,
      shortage: () => session.shortage,
      isLeaseGone: (error) => error instanceof EtcdLeaseInvalidError,
      finalError: (error, until) => finalError(session.pool, isError(error) ? typed(error) : error, until),
      watchError: (reason) => session.causeOf(reason) ?? castGrpcErrorMessage(`${CANCELED}${reason}`),
    }
    paceWatchStreams(this.watchClient, owner)
  }

  /**
   * As in etcd3, with two differences. {@link WatchBuilder.create} rejects if the endpoints or etcd's roles refuse this
   * client, and with etcd3's `ClientClosedError` if the client is or gets closed. A watch that fails without a listener
   * for `error` does not end the process: `client.tls.events()` reports it.
   */
  override watch(): WatchBuilder {
    return guardWatches(super.watch(), this[OWNER])
  }

  /**
   * As in etcd3, but `lost` comes before the lease can expire: a tenth of the TTL (at most a second) early. Keep-alives
   * are sent at each sixth of the TTL. One without an answer after a twelfth is also sent to another endpoint.
   */
  override lease(ttl: number, options?: ILeaseOptions): Lease {
    return keptLeases(this, (...args) => super.lease(...args), this[OWNER])(ttl, options)
  }

  /** As in etcd3. Its watches and leases are those of this client. */
  override namespace(prefix: string | Buffer): Namespace {
    return wrapNamespace(super.namespace(prefix), this[OWNER])
  }

  /**
   * A view of this client whose calls, watches and leases end with the signal, and only they. An aborted call rejects with etcd3's
   * `GRPCCancelledError`. If it is a write that was sent, its `cause` is `ERR_OUTCOME_UNKNOWN`, whose `cause` is the signal's reason.
   * Otherwise nothing was applied, and its `cause` is the reason. Closing the view does not close the client.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
   */
  withSignal(signal: AbortSignal): this {
    if (!(signal instanceof AbortSignal)) throw valueInvalid('signal', signal, 'an AbortSignal')
    const { [OWNER]: base, [CLIENT]: internals } = this
    const closed = new AbortController()
    // Made for the first watch or lease: a long-lived signal keeps a reference to each signal that follows it.
    let closing: AbortSignal | null = null
    const owner: StreamOwner = {
      ...base,
      signal,
      get closing() {
        closing ??= AbortSignal.any([base.closing, signal, closed.signal])
        return closing
      },
      closedError: (service) => endError(owner.closing, service),
    }
    const { onAbort, lastCall } = base
    const pool = abortablePool(this.pool, { signal, onAbort, lastCall, isClosed: () => closed.signal.aborted })
    const close = (): void => {
      closed.abort(new ClientClosedError('client'))
    }
    return viewOf(this, {
      ...servicesOf(pool),
      pool,
      [OWNER]: owner,
      [CLIENT]: {
        ...internals,
        get closing() {
          return owner.closing
        },
      },
      withSignal: (other: AbortSignal) => this.withSignal(AbortSignal.any([signal, other])),
      mock: this.mock.bind(this),
      unmock: this.unmock.bind(this),
      close,
      [Symbol.asyncDispose]: () => {
        close()
        return Promise.resolve()
      },
    })
  }

  /**
   * Closes the client. Watches and leases end at once. Requests in progress have a second to finish. Later calls reject
   * with etcd3's `ClientClosedError`.
   */
  override close(): void {
    void this.#end()
  }

  /** {@link SecureEtcd3.close}, and waits until every socket is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await holdingProcess(this.#end())
  }

  #end(): Promise<void> {
    this.#ended ??= this.#shutDown()
    return this.#ended
  }

  async #shutDown(): Promise<void> {
    this.#closing.abort(new ClientClosedError('client'))
    super.close()
    // etcd3's watches and leases would retry indefinitely. With etcd3's own mock() they get no connection.
    this.mock({
      exec: (service: string) => Promise.reject(new ClientClosedError(service)),
      // etcd3 repeats an interrupted request here, so it must reject. Streams of watches and leases stay pending, or
      // etcd3 would retry them.
      withConnection: (service: string) =>
        service === 'Watch' || service === 'Lease'
          ? new Promise<never>(() => undefined)
          : Promise.reject(new ClientClosedError(service)),
      markFailed: () => undefined,
    })
    const hadStreams = this.#session.pool.hasOpenStreams
    await this.#session.close()
    if (hadStreams) await sleep(LEASE_RETRY)
  }
}

/**
 * Fetches a token for a user over the client's own connections.
 *
 * @param timeout Milliseconds.
 * @returns Null if authentication is not enabled: the client then continues without a token, as clientv3 does.
 * @throws {LoginError}
 */
export async function authenticate(client: Etcd3, user: EtcdUser, timeout: number): Promise<string | null> {
  try {
    const { token } = await client.auth.authenticate(user, { deadline: Date.now() + timeout })
    return token
  } catch (error) {
    const { message } = asError(error)
    // etcd api/v3rpc/rpctypes: ErrAuthNotEnabled; "password was given for no password user" has no class in etcd3.
    if (message.includes('authentication is not enabled')) return null
    const refused = error instanceof EtcdAuthenticationFailedError || message.includes('authentication failed')
    throw new LoginError(message, refused, { cause: error, user })
  }
}

function etcd3Options({ pool }: Session, etcd3: Etcd3Options, closing: AbortSignal, notes: CallNotes): IOptions {
  const { defaultCallOptions, faultHandling = {}, grpcOptions = {} } = etcd3
  const onCall = noteCall(notes)
  return {
    hosts: VIRTUAL_HOST,
    grpcOptions: { ...grpcOptions, channelFactoryOverride: () => createChannel(pool, onCall) },
    ...(defaultCallOptions === undefined ? {} : { defaultCallOptions }),
    faultHandling: {
      ...faultHandling,
      // etcd3's default repeats every failed call, writes included. Our channel repeats only calls that are safe to
      // repeat.
      global: faultHandling.global ?? noPolicy(),
      host: (name) => withCauses(faultHandling.host?.(name) ?? noPolicy(), notes),
      watchBackoff:
        faultHandling.watchBackoff === undefined ? NO_BACKOFF : untilClosed(faultHandling.watchBackoff, closing),
    },
  }
}

// etcd3's default, a circuit breaker, would close the whole client for five seconds after three failures of one member, and
// turn every cause into "circuit is open".
function noPolicy(): HostPolicy {
  // Shared by all calls, because etcd3 does not use it and creating one takes 2 % of the time of a call.
  const never = new AbortController().signal
  const listen = (): { dispose: () => undefined } => ({ dispose: () => undefined })
  const policy: Policy = {
    onSuccess: listen,
    onFailure: listen,
    // Not an async function: that would await the promise of `work` once more.
    execute: (work, signal = never) => {
      try {
        return Promise.resolve(work({ signal }))
      } catch (error) {
        return Promise.reject(asError(error))
      }
    },
  }
  // The other members of the type exist only for type checking (cockatiel, IPolicy).
  return policy as HostPolicy
}

interface CallNotes {
  /** Set while `work` runs synchronously: etcd3 makes its call before the first `await`. */
  current: { call: ExplainedCall | null } | null
}

function noteCall(notes: CallNotes): (call: ExplainedCall) => void {
  return (call) => {
    if (notes.current !== null) notes.current.call = call
  }
}

/**
 * Implements {@link ClientInternals.finalError}. The caller of a lock set no deadline, and a lock that failed is not held, so the error is
 * neither that of a deadline nor that of an unknown outcome.
 */
function finalError(pool: EndpointPool, error: unknown, until: number): unknown {
  if (!isError(error) || !isRecoverableError(error)) return error
  const { cause: own } = error
  const isUnknown = isEtcdMtlsError(own, 'ERR_OUTCOME_UNKNOWN')
  const known = isUnknown ? own.cause : own
  if (isEtcdMtlsError(known, 'ERR_CLUSTER_ALARM')) return error
  if (performance.now() < until && (until === Infinity || !pool.isRefused)) return null
  if (!isUnknown && !(error instanceof GRPCDeadlineExceededError)) return error
  const { details, cause } = pool.notReady('etcd did not answer in time.')
  const final = new GRPCUnavailableError(`14 UNAVAILABLE: ${details}`)
  setCause(final, cause ?? (isError(known) ? known : null))
  markCall(final)
  return final
}

function hasInterceptors({ grpcOptions }: Etcd3Options): boolean {
  return grpcOptions?.interceptors !== undefined || grpcOptions?.interceptor_providers !== undefined
}

/** Wraps a policy so that errors get their `cause`: etcd3 makes an error only from the message of a status. */
function withCauses(policy: Policy, notes: CallNotes): HostPolicy {
  const explained = async <T>(work: Work<T>, context: Parameters<Work<T>>[0]): Promise<T> => {
    const note: CallNotes['current'] = { call: null }
    notes.current = note
    let running: PromiseLike<T> | T
    try {
      running = work(context)
    } finally {
      notes.current = null
    }
    try {
      return await running
    } catch (error) {
      setCause(error, note.call?.explanation ?? null)
      if (isError(error)) markCall(error)
      addCaller(error)
      throw error
    }
  }
  const wrapped: Policy = {
    onSuccess: policy.onSuccess,
    onFailure: policy.onFailure,
    execute: (work, signal) => policy.execute((context) => explained(work, context), signal),
  }
  return wrapped as HostPolicy
}

/** Before the lines of a call in a stack, as in grpc-js. */
const FOR_CALL = '\nfor call at\n'
/** The lines of etcd3 and of policies between a call and its error, at most. */
const LINES_BETWEEN = 20

/**
 * Adds the lines that made a call to its error, which was created when the answer arrived. V8 knows them in an `async` function
 * that they await; recording them for each call would take a tenth of its time. They replace those of grpc-js, which end within
 * etcd3.
 */
function addCaller(error: unknown): void {
  if (!isError(error)) return
  const caller = { stack: '' }
  const { stackTraceLimit } = Error
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit + LINES_BETWEEN)
  Error.captureStackTrace(caller, addCaller)
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  const [own = error.message] = (error.stack ?? '').split(FOR_CALL)
  error.stack = `${own}${FOR_CALL}${caller.stack.replace(/^[^\n]*\n/, '')}`
}

function wrapNamespace(namespace: Namespace, owner: StreamOwner): Namespace {
  const [watch, nested] = [namespace.watch.bind(namespace), namespace.namespace.bind(namespace)]
  paceWatchStreams(namespace.watchClient, owner)
  namespace.watch = () => guardWatches(watch(), owner)
  namespace.lease = keptLeases(namespace, namespace.lease.bind(namespace), owner)
  namespace.namespace = (prefix) => wrapNamespace(nested(prefix), owner)
  return namespace
}

/** No pause in etcd3: `paceWatchStreams` makes the pauses. */
const NO_BACKOFF: WatchBackoff = { duration: 0, next: () => NO_BACKOFF }

/** Removes the pause once the client is closed: a pending pause would keep the process alive. */
function untilClosed(backoff: WatchBackoff, closing: AbortSignal): WatchBackoff {
  return {
    get duration() {
      return closing.aborted ? 0 : backoff.duration
    },
    next: (context) => untilClosed(backoff.next(context), closing),
  }
}

/** The prefix that etcd3 adds to the reason (etcd3/lib/watch.js, handleCancelResponse). */
const CANCELED = 'Watcher canceled: '

/** The client of a watch or a lease. */
interface StreamOwner extends WatchStreamOwner {
  readonly session: Session
  readonly watches: WatchStreams<WatchBuilder>
  readonly closedError: (service: string) => Error
  /** The call that was made in this turn; null: none. */
  readonly lastCall: () => ExplainedCall | null
  /** That of a view; null for the client itself. */
  readonly signal: AbortSignal | null
}

// An `error` without a listener does not end the process, and `create()` settles where etcd3 retries indefinitely.
function guardWatches(builder: WatchBuilder, owner: StreamOwner): WatchBuilder {
  const stream = owner.watches.assign(builder)
  const make = builder.watcher.bind(builder)
  let isFirst = true
  builder.watcher = () => {
    // The first watcher takes the place of the builder.
    if (!isFirst) stream.users += 1
    isFirst = false
    return guard(make(), stream, owner)
  }
  builder.create = () =>
    owner.closing.aborted ? Promise.reject(owner.closedError('Watch')) : whenConnected(builder.watcher(), owner)
  return builder
}

function guard(watcher: Watcher, stream: WatchStream, { session, signal, closing, onAbort }: StreamOwner): Watcher {
  const cancel = watcher.cancel.bind(watcher)
  let isOpen = true
  const leave = (): void => {
    if (isOpen) stream.users -= 1
    isOpen = false
    ignoreEnd()
  }
  const cancelSafely = (): void => {
    // It fails only if the stream has ended, which ended the watch too.
    watcher.cancel().catch(() => undefined)
  }
  const ignoreEnd = signal === null ? () => undefined : onAbort(closing, cancelSafely)
  if (signal?.aborted === true) cancelSafely()
  watcher.cancel = () => {
    leave()
    return cancel()
  }
  return watcher.on('error', (error) => {
    leave()
    if (error.message.startsWith(CANCELED)) setCause(error, session.causeOf(error.message.slice(CANCELED.length)))
    // etcd sends no answer for a watch that has ended, and etcd3 would wait for one.
    watcher.cancel = () => Promise.resolve()
    // This listener is the only one.
    if (watcher.listenerCount('error') === 1) session.emitWatchFailed(error)
  })
}

/** The error of etcd3 for that of a stream. */
function typed(error: Error): Error {
  const cast = castGrpcError(error)
  setCause(cast, error.cause)
  return cast
}

function whenConnected(watcher: Watcher, { closing, onAbort, session, closedError }: StreamOwner): Promise<Watcher> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearInterval(timer)
      removeClosed()
      watcher.off('connected', connected).off('error', failed).off('disconnected', disconnected)
    }
    const connected = (): void => {
      settle()
      resolve(watcher)
    }
    const failed = (error: Error): void => {
      settle()
      reject(error)
    }
    const disconnected = (error: Error): void => {
      // etcd3 and the channel retry after a broken connection. A refusal would repeat at each attempt, so it is
      // reported.
      if (!isEtcdMtlsError(error.cause) || error.cause.code === 'ERR_UNREACHABLE') return
      watcher.cancel().then(() => {
        failed(typed(error))
      }, failed)
    }
    const removeClosed = onAbort(closing, () => {
      failed(closedError('Watch'))
    })
    const timer = whileShort(session, (error) => {
      failed(error)
      // The caller has the limit as the error; the watch was not opened.
      watcher.cancel().catch(() => undefined)
    })
    watcher.on('connected', connected).on('error', failed).on('disconnected', disconnected)
  })
}
