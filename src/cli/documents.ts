/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
import type { Finding, SuppressedFinding, SuppressedUnchecked, Unchecked } from '../report/finding.js'

export interface Documents {
  lint: LintDocument
}

/** The report about the configurations of one file, or of the files of one cluster. */
export interface LintedMember {
  files: string[]
  /** The name of the member; null if it is not known, or for the comparison of a cluster. */
  member: string | null
  ok: boolean
  complete: boolean
  findings: Finding[]
  unchecked: Unchecked[]
  suppressed: (SuppressedFinding | SuppressedUnchecked)[]
}

export interface LintDocument {
  ok: boolean
  complete: boolean
  checkedAt: Date
  /** How many files start an etcd. */
  files: number
  /** How many files were found that do not. */
  others: number
  members: LintedMember[]
  /** About .etcd-mtls.yaml. */
  findings: Finding[]
}
