/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
import type { ClusterReport } from '../doctor/index.js'

export interface Documents {
  doctor: ClusterReport
  version: { version: string }
}
