/** The ways that a unary call can take. A caller sees no difference, so tests of what it sees run over each of them. */
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'
import type { SecureClientOptions } from '../../src/client/index.js'

export interface CallForm {
  readonly name: string
  readonly isDirect: boolean
  /** Adds what makes calls take this way. */
  options<T extends Partial<SecureClientOptions>>(options: T): T
}

/** An interceptor, so that calls take the long path through grpc-js. */
const passOn: Interceptor = (options, next) => new InterceptingCall(next(options))

export const CALL_FORMS: readonly CallForm[] = [
  { name: 'a direct call', isDirect: true, options: (options) => options },
  {
    name: 'a call through grpc-js',
    isDirect: false,
    options: ({ etcd3 = {}, ...options }) => {
      const interceptors = [passOn, ...(etcd3.grpcOptions?.interceptors ?? [])]
      return { ...options, etcd3: { ...etcd3, grpcOptions: { ...etcd3.grpcOptions, interceptors } } } as never
    },
  },
]
