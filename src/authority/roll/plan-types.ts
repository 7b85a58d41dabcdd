/** What a plan for the roll of a CA says. Plain data: it can be kept as JSON and checked against days later. */
import type { Layout } from '../files/layouts.js'

/** For whom the CA stands: `client` between etcd and its clients, `peer` among members, `all` where one CA does both. */
export type CaTraffic = 'all' | 'client' | 'peer'

/** A CA of a plan. */
export interface PlannedCa {
  /** RFC 4514, escaped for display. */
  readonly subject: string
  readonly fingerprint256: string
  readonly notAfter: string
  readonly pem: string
}

/** What a step is. The order in a plan is the order in which they are safe. */
export type CaRollStepId =
  /** Every file of trust anchors holds the old CA and the new one. */
  | 'trust-both'
  /** Every member has read both. */
  | 'restart-trusting-both'
  /** Every certificate is of the new CA. */
  | 'reissue'
  /** No file of trust anchors holds the old CA. */
  | 'trust-new'
  /** No member trusts the old CA. */
  | 'restart-trusting-new'
  /** No certificate is sent with the cross-certificate. Only in a plan with one. */
  | 'retire-cross-certificate'

/** Something to do. */
export interface CaRollAction {
  readonly text: string
  /** The call of this package or the command that does it; null where that depends on how etcd is run. */
  readonly call: string | null
  /** Files that change, from the directory of the plan. */
  readonly files: readonly string[]
}

export interface CaRollStep {
  readonly id: CaRollStepId
  readonly title: string
  /** Why the step is there. */
  readonly why: string
  /** What must be true before it is begun. */
  readonly before: readonly string[]
  readonly do: readonly CaRollAction[]
  /** How to see that it is done. */
  readonly check: readonly string[]
}

/** The files of a roll, from the directory of the plan. */
export interface CaRollFiles {
  /** Files of trust anchors: `--trusted-ca-file`, `--peer-trusted-ca-file`, `--cacert`. */
  readonly trust: readonly string[]
  /** Certificates, each with its key beside it. */
  readonly certificates: readonly string[]
}

export interface CaRollPlan {
  readonly from: PlannedCa
  readonly to: PlannedCa
  readonly traffic: CaTraffic
  readonly layout: Layout
  readonly members: readonly string[]
  readonly clients: readonly string[]
  /** The new CA's name and key, certified by the old CA, in PEM; null for a roll by a bundle. */
  readonly crossCertificate: string | null
  readonly files: CaRollFiles
  /** What is worth knowing before it begins. */
  readonly notes: readonly string[]
  readonly steps: readonly CaRollStep[]
}
