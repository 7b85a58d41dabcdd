/** The options that are passed to etcd3. */
import type { IOptions } from 'etcd3'
import { checkOptions } from '../../report/option-error.js'

/** Options that are passed to etcd3. Hosts, credentials and passwords are options of `createSecureClient` itself. */
export interface Etcd3Options {
  /** Call options for every call: an object, or a function of the call. @default none */
  defaultCallOptions?: IOptions['defaultCallOptions'] | undefined
  /** etcd3's policies. To etcd3, the whole client is one host, so `host` is for the whole client. @default none */
  faultHandling?: IOptions['faultHandling'] | undefined
  /** Options of gRPC. Other options are for a channel that this client does not use. @default none */
  grpcOptions?:
    | {
        /** The largest answer, in bytes; -1 for any. @default 4 MiB, as in gRPC */
        'grpc.max_receive_message_length'?: number
        /** grpc-js interceptors, as for any of its clients. @default none */
        interceptors?: unknown[] | undefined
        /** grpc-js interceptor providers, as for any of its clients. @default none */
        interceptor_providers?: unknown[] | undefined
      }
    | undefined
}

const KNOWN_GRPC = ['interceptors', 'interceptor_providers', 'grpc.max_receive_message_length']

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for options that would have no effect or bypass TLS. */
export function checkEtcd3Options(options: Etcd3Options): Etcd3Options {
  const { faultHandling, grpcOptions } = options
  checkOptions('etcd3', options, ['defaultCallOptions', 'faultHandling', 'grpcOptions'])
  if (faultHandling !== undefined) {
    checkOptions('etcd3.faultHandling', faultHandling, ['host', 'global', 'watchBackoff'])
  }
  if (grpcOptions !== undefined) checkOptions('etcd3.grpcOptions', grpcOptions, KNOWN_GRPC)
  return options
}
