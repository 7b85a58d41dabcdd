/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
import type { LineDirection, LineProgram } from '../report/log-lines/line.js'
import type { Severity } from '../report/row.js'

export interface Documents {
  explain: ExplainDocument
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
