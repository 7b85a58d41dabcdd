/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
import type { ClusterReport } from '../doctor/index.js'
import type { Finding, SuppressedFinding, SuppressedUnchecked, Unchecked } from '../report/finding.js'
import type { LineDirection, LineProgram } from '../report/log-lines/line.js'
import type { Severity } from '../report/row.js'

export interface Documents {
  doctor: ClusterReport
  lint: LintDocument
  explain: ExplainDocument
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

/** Either the page of a code, or what is known about lines. */
export interface ExplainDocument {
  page: ExplainedCode | null
  /** How many lines were read, without empty ones. */
  total: number
  /** How many of them are known. */
  recognized: number
  /** The kinds of known lines, the most frequent first. */
  lines: ExplainedLine[]
}

/** An entry of findings.json. */
export interface ExplainedCode {
  code: string
  severities: Severity[]
  title: string
  explanation: string
  fix?: string
  source: string
  url: string
  cis?: string[]
}

/** The lines of one kind. Times are as in the log. */
export interface ExplainedLine {
  /** In log-lines.json. */
  id: string
  program: LineProgram
  direction: LineDirection
  meaning: string
  count: number
  first: string | null
  last: string | null
  /** The first line, escaped and cut. */
  line: string
  /** The most frequent first, at most 1000. */
  addresses: { address: string; count: number; first: string | null; last: string | null }[]
  /** How many lines have another address. */
  otherAddresses: number
  /** The likeliest first. */
  causes: { code: string; title: string; fix: string | null; url: string }[]
  /** The command that decides between the causes. */
  decide: string
}
