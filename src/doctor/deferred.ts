/** Loads the examination at the first call, so that an import of the package stays cheap. */
import { loadDeferred } from '../report/load-deferred.js'
import type { ClusterReport, ExamineOptions } from './cluster-report.js'

/**
 * Examines a cluster of etcd: what its members serve and accept, what their configurations and files say, and until when they can connect.
 * It compares the three, so that it finds what shows only at the next restart, such as a CA file that etcd has not read.
 *
 * It never writes to etcd or to a file. A member that demands certificates logs a warning for each port that is observed.
 *
 * @example
 * ```ts
 * const report = await examineCluster({ credentials: fromEnv() })
 * console.log(formatReport(report), report.forecast.until)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; or if nothing is given, and nothing is found on this
 *   machine.
 *
 * With `signal` aborted, it rejects with the signal's reason. Credentials that cannot be read are a finding, as is a server that refuses
 * this client or is refused.
 */
export async function examineCluster(options: ExamineOptions = {}): Promise<ClusterReport> {
  const room = await loadDeferred(() => import('./examine.js'))
  return room.examineCluster(options)
}
