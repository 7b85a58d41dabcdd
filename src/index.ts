/**
 * TLS for etcd: certificates issued, checked and used. Everything but the test helpers of `etcd-mtls/testing`.
 *
 * @module
 */
export * from './authority/index.js'
export * from './client/index.js'
export * from './config/index.js'
export { election, lock } from './coordination/index.js'
export type { Election, Held, Leader, LockOptions } from './coordination/index.js'
export * from './credentials/index.js'
export * from './report/index.js'
export * from './validate/index.js'
