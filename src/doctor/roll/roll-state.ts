/** The public types of the replacement of a CA. */
import type { Authority } from '../../authority/index.js'
import type { Credentials } from '../../credentials/index.js'
import type { ExamineOptions } from '../cluster-report.js'

type Asked = Pick<ExamineOptions, 'endpoints' | 'configs' | 'root' | 'kubeadm' | 'dialTimeout' | 'timeout' | 'signal'>

/** What `rollState` compares. */
export interface RollOptions extends Asked {
  /**
   * The CA that is replaced: with its key, or a client certificate of it. With the key, each port is asked with a certificate for the names
   * of its member (`--client-cert-allowed-hostname`), which is valid for ten minutes and stays in memory.
   */
  from: Authority | Credentials
  /** The CA that replaces it, likewise. */
  to: Authority | Credentials
  /**
   * The directory with the files of all members and clients, as `writeCluster` writes it: what the members have after the next copy.
   *
   * @default none: only the files that members of this machine read are known
   */
  directory?: string | undefined
}

/** The CAs that a port or a file trusts: the old one, the new one, both, or neither. `any`: the port demands no certificate. */
export type Trust = 'old' | 'new' | 'both' | 'other' | 'any'

/** A port of a member. */
export interface RollPort {
  readonly port: 'client' | 'peer'
  readonly url: string
  /** What it accepts now; null if that is not known. */
  readonly accepts: Trust | null
  /** The CA by which its certificate verifies: `both` with a cross-certificate. */
  readonly serves: Exclude<Trust, 'any'>
  /** What it accepts after the next restart; null if that is not known. */
  readonly file: Trust | null
}

/** A member, as far as the replacement of its CA goes. */
export interface RollMember {
  /** Escaped for display. */
  readonly name: string
  readonly isLeader: boolean
  /** Whether the files that it reads were seen. */
  readonly isVisible: boolean
  readonly ports: readonly RollPort[]
}

/** The next step. `trust-both` and `trust-new` write CA files, `reissue` certificates; restarts of the members follow. */
export interface RollStep {
  readonly kind: 'trust-both' | 'restart' | 'reissue' | 'trust-new' | 'done'
  readonly members: readonly string[]
}

/** The result of `rollState`. */
export interface RollState {
  readonly checkedAt: Date
  readonly members: readonly RollMember[]
  /** The one step that is safe now; null if none is. */
  readonly step: RollStep | null
  /** Why no step is safe. */
  readonly refusals: readonly string[]
  /** The members whose files were not seen: run it on their machines too. */
  readonly unseen: readonly string[]
}
