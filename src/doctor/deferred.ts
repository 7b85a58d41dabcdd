/** Loads the examination at the first call, so that an import of the package stays cheap. */
import { loadDeferred } from '../report/internal.js'
import type { ClusterReport, ExamineOptions, MachineReport } from './cluster-report.js'

const load = () => loadDeferred(() => import('./examine.js'))

/**
 * Examines a cluster of etcd: what its members serve and accept, what their configurations and files say, and until when they can connect.
 * It compares the three, so that it finds what shows only at the next restart, such as a CA file that etcd has not read.
 * With endpoints of several clusters, it reports the largest, and an error.
 *
 * It never writes to etcd or to a file. A member that demands certificates logs a warning for each port that is observed.
 *
 * @example
 * ```ts
 * const report = await examineCluster({ credentials: fromEnv() })
 * console.log(formatReport(report), report.forecast.until)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; or if no endpoints are given, and no etcd or several clusters
 *   are found on this machine.
 *
 * With `signal` aborted, it rejects with the signal's reason. Credentials that cannot be read are a finding, as is a server that refuses
 * this client or is refused.
 */
export async function examineCluster(options: ExamineOptions = {}): Promise<ClusterReport> {
  return (await load()).examineCluster(options)
}

/**
 * Examines each cluster of this machine, or of the endpoints, as {@link examineCluster} does.
 *
 * @example
 * ```ts
 * const { clusters, findings } = await examineMachine()
 * for (const each of clusters) console.log(each.clusterId, formatReport(each))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; or if nothing is given, and nothing is found on this
 *   machine.
 */
export async function examineMachine(options: ExamineOptions = {}): Promise<MachineReport> {
  return (await load()).examineMachine(options)
}

/**
 * The clusters of {@link examineMachine}, without what is about the machine.
 *
 * @example
 * ```ts
 * for (const { clusterId, ok } of await examineClusters()) console.log(clusterId, ok)
 * ```
 * @throws {EtcdMtlsError} as {@link examineMachine}.
 */
export async function examineClusters(options: ExamineOptions = {}): Promise<readonly ClusterReport[]> {
  return (await examineMachine(options)).clusters
}
