/**
 * Unary methods for etcd3's service clients that pass a call to our channel without grpc-js's client and interceptors, which
 * cost more than the call itself. A call that needs those takes the long path.
 */
import { asError } from '../../report/errors.js'
import {
  type AnswerListener,
  type CallOptions,
  type DirectCall,
  type ExplainedCall,
  makeStatus,
  type Metadata,
  type MethodDefinition,
  type Outcome,
  type ServiceClient,
  type ServiceError,
  status,
} from '../transport/channel.js'
import type { EndpointPool } from '../endpoint-pool.js'
import { type Decode, Decoders } from '../transport/decoder.js'

type Callback = (error: ServiceError | null, response?: unknown) => void
type StreamMethod = (metadata: Metadata, options: CallOptions) => ReturnType<ServiceClient['makeBidiStreamRequest']>
type OnCall = (call: ExplainedCall) => void
type UnaryMethod = (request: unknown, metadata: Metadata, options: CallOptions, callback: Callback) => void

/** Options of a call that only grpc-js's client implements. */
const LONG_PATH = ['interceptors', 'interceptor_providers', 'host', 'credentials', 'parent', 'propagate_flags'] as const

/**
 * Replaces the unary methods of the service clients below etcd3's policies, so that policies, `mock()` and call options work as
 * before. etcd3 has one host here, which makes a client for each service and discards it after an error.
 *
 * @param etcd3Pool etcd3's `ConnectionPool`.
 * @param onCall Called with each direct call.
 */
export function makeCallsDirect(etcd3Pool: object, pool: EndpointPool, onCall: OnCall): void {
  const [host] = Reflect.get(etcd3Pool, 'hosts') as [{ getServiceClient(name: string): ServiceClient }]
  const make = host.getServiceClient.bind(host)
  const decoders = new Decoders()
  const direct = new WeakMap<ServiceClient, ServiceClient>()
  host.getServiceClient = (name) => {
    const client = make(name)
    const known = direct.get(client) ?? withDirectCalls(client, decoders, pool, onCall)
    direct.set(client, known)
    return known
  }
}

/** A service client with direct unary methods. All else is that of `client`. */
function withDirectCalls(client: ServiceClient, decoders: Decoders, pool: EndpointPool, onCall: OnCall): ServiceClient {
  const direct = Object.create(client) as ServiceClient
  for (const definition of methodsOf(client)) {
    const { originalName: name = '', requestStream, responseStream } = definition
    const method = client[name] as UnaryMethod | undefined
    if (method === undefined) continue
    if (requestStream && responseStream)
      direct[name] = streamMethod(client, method, decoders.of(definition), definition)
    if (requestStream || responseStream) continue
    const long = method.bind(client)
    const short = directMethod(definition, decoders.of(definition), pool, onCall)
    const choose: UnaryMethod = (request, metadata, options, callback) => {
      const isLong =
        needsLongPath(options) || isInstrumented(method) || isInstrumented(Reflect.get(client, 'makeUnaryRequest'))
      ;(isLong ? long : short)(request, metadata, options, callback)
    }
    direct[name] = choose
  }
  return direct
}

/** The methods of the service, which grpc-js keeps in the class of its client. */
function methodsOf(client: ServiceClient): MethodDefinition[] {
  const { service } = client.constructor as unknown as { service: Record<string, MethodDefinition> }
  return Object.values(service)
}

function needsLongPath(options: CallOptions): boolean {
  for (const name of LONG_PATH) if (options[name] !== undefined) return true
  return false
}

/** Whether OpenTelemetry, or another user of shimmer, has wrapped the function. */
function isInstrumented(method: object): boolean {
  return '__original' in method
}

const NO_ANSWER = Buffer.alloc(0)

/** A stream of grpc-js with our decoder. */
function streamMethod(
  client: ServiceClient,
  method: UnaryMethod,
  decode: Decode,
  { path, requestSerialize }: MethodDefinition,
): StreamMethod {
  const wrapped = method as unknown as StreamMethod
  return (metadata, options) =>
    isInstrumented(method)
      ? wrapped.call(client, metadata, options)
      : client.makeBidiStreamRequest(path, requestSerialize, decode, metadata, options)
}

function directMethod(
  { path, requestSerialize }: MethodDefinition,
  decode: Decode,
  pool: EndpointPool,
  onCall: OnCall,
): UnaryMethod {
  return (request, metadata, options, callback) => {
    let bytes: Buffer
    try {
      bytes = requestSerialize(request)
    } catch (error) {
      const outcome = makeStatus(status.INTERNAL, `Request message serialization failure: ${asError(error).message}`)
      process.nextTick(callback, serviceError(outcome))
      return
    }
    const call = pool.createUnaryCall(path, options.deadline ?? Infinity, null)
    onCall(call)
    call.start(metadata, new DirectAnswer(call, decode, callback))
    call.sendMessageWithContext({}, bytes)
    call.halfClose()
  }
}

/** Decodes the answer of one call. */
class DirectAnswer implements AnswerListener {
  readonly #call: DirectCall
  readonly #decode: Decode
  readonly #callback: Callback
  #answer: Buffer = NO_ANSWER

  constructor(call: DirectCall, decode: Decode, callback: Callback) {
    this.#call = call
    this.#decode = decode
    this.#callback = callback
  }

  onReceiveMessage(message: Buffer): void {
    this.#answer = message
  }

  onReceiveStatus(outcome: Outcome): void {
    if (outcome.code !== status.OK) {
      this.#fail(outcome)
      return
    }
    let response: unknown
    try {
      response = this.#decode(this.#answer)
    } catch (error) {
      const details = `Response message parsing error: ${asError(error).message}`
      this.#fail(this.#call.unreadable(makeStatus(status.INTERNAL, details)))
      return
    }
    this.#callback(null, response)
  }

  #fail(outcome: Outcome): void {
    this.#callback(serviceError(outcome))
  }
}

/** The error of grpc-js for a status (grpc-js, call.ts, callErrorFromStatus). Its caller adds the line that made the call. */
function serviceError(outcome: Outcome): ServiceError {
  const error = new Error(`${String(outcome.code)} ${status[outcome.code]}: ${outcome.details}`)
  return Object.assign(error, outcome)
}
