/** What `--json` prints, by command. report.schema.json is made from this, so it is plain data. */
import type { MachineReport, RollState } from '../doctor/index.js'
import type { LineDirection, LineProgram } from '../log-lines/index.js'
import type { Finding, Severity, SuppressedFinding, SuppressedUnchecked, Unchecked } from '../report/index.js'

export interface Documents {
  doctor: MachineReport
  lint: LintDocument
  explain: ExplainDocument
  inspect: CheckDocument & { targets: InspectedTarget[] }
  /** The earliest end first. */
  expiry: CheckDocument & { certificates: ExpiringCertificate[] }
  init: InitDocument
  issue: IssueDocument
  renew: RenewDocument
  roll: RollDocument
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

export interface CheckDocument {
  /** Whether there is no finding of severity error. */
  ok: boolean
  /** Whether everything was read and checked. */
  complete: boolean
  checkedAt: Date
  findings: Finding[]
  unchecked: Unchecked[]
}

export interface InspectedTarget {
  /** The file, the entry of a Secret, `standard input`, or the URL of a server. */
  name: string
  /** `certificate`, `bundle of 3 certificates`, `private key`, …, or other content by its name. */
  content: string
  /** Whether the chain is valid and leads to a CA of `--cacert`; null without that option. */
  verified: boolean | null
  /** The group of the key exchange with a server, such as `X25519`; null for a file, and if Node does not report it. */
  keyExchange: string | null
  items: InspectedItem[]
}

/** What is not there is null or empty. */
export interface InspectedItem {
  kind: 'certificate' | 'CA certificate' | 'certificate request' | 'CRL' | 'private key' | 'encrypted private key'
  /** Of a private key: the subject of its certificate, if one of the targets has that. */
  subject: string | null
  issuer: string | null
  /** Its place in the tree: 0 at the top, 1 for a certificate whose issuer is above it, … */
  depth: number
  notBefore: Date | null
  notAfter: Date | null
  /** The share of the lifetime that is over: 0 before it begins, more than 1 after its end. */
  lifetimeUsed: number | null
  /** `DNS:etcd-0`, `IP:10.0.0.1`, … */
  names: string[]
  usages: string[]
  publicKey: string | null
  serialNumber: string | null
  /** SHA-256 in hexadecimal: over the certificate, or over the public half of a private key (SubjectPublicKeyInfo). */
  sha256: string | null
  /** The number of revoked certificates that a CRL lists; null if they cannot be read. */
  revoked: number | null
}

export interface ExpiringCertificate {
  /** Where it is from, as in the document of `inspect`. */
  name: string
  subject: string
  issuer: string
  serialNumber: string
  notAfter: Date
  /** Less than 0 after the end. */
  secondsLeft: number
}

/** What became of a certificate: `kept` is one that already is as planned. */
export type IssueResult = 'issued' | 'reissued' | 'kept'

export interface InitDocument {
  directory: string
  ca: { file: string; subject: string; notAfter: Date; created: boolean }
  members: InitializedMember[]
  clients: InitializedClient[]
  /** What the directory has and the plan does not, such as `members/etcd-3`. Nothing of it was deleted. */
  others: string[]
}

export interface InitializedMember {
  name: string
  result: IssueResult
  hosts: string[]
  /** When the first of its certificates expires, and when it is due for renewal. */
  notAfter: Date
  due: Date
  /** Its configuration. */
  config: { file: string; changed: boolean }
  /** The command to run on another member first; null for a member of a new cluster. */
  join: string | null
  /** The command that starts it. */
  start: string
}

export interface InitializedClient {
  name: string
  result: IssueResult
  notAfter: Date
  due: Date
  files: { ca: string; cert: string; key: string }
  etcdctl: string
  /** A program that connects as this client. */
  program: string
}

export interface IssueDocument {
  name: string
  role: 'server' | 'peer' | 'client'
  files: { ca: string; cert: string; key: string }
  hosts: string[]
  notAfter: Date
  due: Date
}

export interface RenewDocument {
  directory: string
  dryRun: boolean
  renewed: { what: string; notAfter: Date; due: Date }[]
  /** `why` as in the result of renewDirectory: `due` in a dry run. */
  kept: { what: string; why: string; reason: string; due: Date | null; expired: boolean; findings: Finding[] }[]
  /** When the next renewal is due; null if nothing can be renewed. */
  due: Date | null
  /** The exit code of the command of --exec; null if it was not run, or was ended by a signal. */
  exec: number | null
}

export interface RollDocument extends RollState {
  /** The commands of the next step for `check`, of all steps for `plan`, in their order. */
  steps: RollLine[]
}

export interface RollLine {
  kind: string
  /** Where to run it; null where the directory is. */
  host: string | null
  command: string
}
