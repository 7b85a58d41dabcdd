/**
 * A throw-away etcd for tests: real, with TLS and client certificates, in a container or as a local process.
 *
 * @module
 */
export type { EtcdFiles, EtcdPlace, ExecResult } from './machine.js'
export type { EtcdClusterOptions, EtcdOptions, MemberOptions, Runtime } from './options.js'
export { startEtcd, startEtcdCluster, TestEtcdCluster } from './start.js'
export { TestEtcd } from './test-etcd.js'
