/** The ways that a unary call can take. A caller sees no difference, so tests of what it sees run over each of them. */
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'
import type { SecureClientOptions } from '../../src/client/index.js'
import { HTTP2_IMPLEMENTATIONS } from '../../src/client/http2/implementations.js'

export interface CallForm {
  readonly name: string
  readonly isDirect: boolean
  /** Adds what makes calls take this way. */
  options<T extends Partial<SecureClientOptions>>(options: T): T
}

/** An interceptor, so that calls take the long path through grpc-js. */
const passOn: Interceptor = (options, next) => new InterceptingCall(next(options))

export const CALL_FORMS: readonly CallForm[] = HTTP2_IMPLEMENTATIONS.flatMap((http2) => [
  { name: `a direct call over ${http2}`, isDirect: true, options: (options) => ({ ...options, http2 }) },
  {
    name: `a call through grpc-js over ${http2}`,
    isDirect: false,
    options: ({ etcd3 = {}, ...options }) => {
      const interceptors = [passOn, ...(etcd3.grpcOptions?.interceptors ?? [])]
      return { ...options, http2, etcd3: { ...etcd3, grpcOptions: { ...etcd3.grpcOptions, interceptors } } } as never
    },
  },
])
