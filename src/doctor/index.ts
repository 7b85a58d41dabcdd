/**
 * Examines clusters of etcd: compares what members serve with their files and their configurations, and computes until when they can
 * connect.
 *
 * @module
 */
export * from '../report/index.js'
export type { Authority } from '../authority/index.js'
export type { ConfigInput } from '../config/index.js'
export type { Credentials, CredentialSource } from '../credentials/index.js'
export type { Certificate } from '../x509/internal.js'
export type { Crl } from '../x509/internal.js'
export type * from './cluster-report.js'
export { examineCluster, examineClusters, examineMachine, rollState } from './deferred.js'
export type * from './roll/roll-state.js'
export { forecast } from '../validate/internal.js'
export type { DialRefusal, ForecastMember, PairForecast, QuorumForecast } from '../validate/internal.js'
