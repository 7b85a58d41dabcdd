/** Takes the place of src/client/http2/implementations.ts with ETCD_MTLS_TEST_HTTP2=node: the tests run over `node:http2`. */
import type { Http2Implementation } from '../../src/client/http2/implementations.js'

export const HTTP2_IMPLEMENTATIONS = ['node', 'frames'] as const
export const DEFAULT_HTTP2: Http2Implementation = 'node'
