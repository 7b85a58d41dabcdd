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
 * @throws {EtcdMtlsError}
 * - `ERR_OPTION_INVALID` (as a rejection): a wrong call; or nothing is given, and nothing is found on this machine.
 * - `ERR_CREDENTIALS_UNREADABLE`: the given credentials could not be read.
 *
 * With `signal` aborted, it rejects with the signal's reason. A server that cannot be reached, or is refused, is a finding.
 */
export async function examineCluster(options: ExamineOptions = {}): Promise<ClusterReport> {
  const room = await loadDeferred(() => import('./examine.js'))
  return room.examineCluster(options)
}
