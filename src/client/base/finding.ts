/** The findings of the client, and failed reports made from them. */
import { access } from '../../report/catalogue/access.js'
import { client } from '../../report/catalogue/client.js'
import { clusterState } from '../../report/catalogue/cluster-state.js'
import { endpoint } from '../../report/catalogue/endpoint.js'
import { handshake } from '../../report/catalogue/handshake.js'
import { type Finding, findingMaker } from '../../report/finding.js'
import { type FailedReport, makeReport } from '../../report/report.js'

/** A certificate that no endpoint presented is the client's. */
export const finding = findingMaker(
  { ...access, ...client, ...clusterState, ...endpoint, ...handshake },
  { side: 'client' },
)

/** The report of a failure. At least one of the findings must be an error. */
export function failedReport(
  findings: readonly Finding[],
  path: FailedReport['path'] = null,
  endpoints?: FailedReport['endpoints'],
): FailedReport {
  const report = makeReport({ checkedAt: new Date(), path, findings, endpoints })
  if (report.ok) throw new Error('A failure without an error among its findings')
  return report
}
