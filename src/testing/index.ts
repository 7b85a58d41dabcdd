/**
 * A throw-away etcd for tests: real, with TLS and client certificates, in a container or as a local process.
 *
 * @module
 */
export { startEtcdCluster, TestEtcdCluster } from './cluster.js'
export type { Via } from './environment.js'
export type { EtcdFiles } from './files.js'
export type { EtcdPlace } from './flags.js'
export type { ExecResult } from './machine.js'
export type { EtcdClusterOptions, EtcdOptions, MemberOptions, RunOptions } from './options.js'
export { startEtcd } from './start-etcd.js'
export { TestEtcd } from './test-etcd.js'
