/** The implementations of HTTP/2, for the option `http2`. */
export const HTTP2_IMPLEMENTATIONS = ['node', 'frames'] as const
export type Http2Implementation = (typeof HTTP2_IMPLEMENTATIONS)[number]

/** A file of its own, because the tests run with each of them (ETCD_MTLS_TEST_HTTP2). */
export const DEFAULT_HTTP2: Http2Implementation = 'frames'
