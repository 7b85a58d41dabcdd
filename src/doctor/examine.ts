/** Examines a cluster. See `src/doctor/deferred.ts`, which loads this file at the first call. */
import { optionInvalid } from '../report/option-error.js'
import type { ClusterReport, ExamineOptions } from './cluster-report.js'

export function examineCluster(_options: ExamineOptions): Promise<ClusterReport> {
  return Promise.reject(optionInvalid('endpoints', 'is missing'))
}
