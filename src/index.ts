/**
 * TLS for etcd: certificates issued, checked and used. Everything but the test helpers of `etcd-mtls/testing`.
 *
 * @module
 */
export * from './report/index.js'
