/**
 * Examines clusters of etcd: compares what members serve with their files and their configurations, and computes until when they can
 * connect.
 *
 * @module
 */
export * from '../report/index.js'
export type { ConfigInput } from '../config/read/input.js'
export type { Credentials, CredentialSource } from '../credentials/credentials.js'
export type { Certificate } from '../x509/certificate.js'
export type { Crl } from '../x509/crl/crl.js'
export type * from './cluster-report.js'
export { examineCluster, examineClusters, examineMachine } from './deferred.js'
export { forecast } from '../validate/forecast.js'
export type { DialRefusal, ForecastMember, PairForecast, QuorumForecast } from '../validate/forecast.js'
