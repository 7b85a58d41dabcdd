/** What is known of ports, members and clusters. */
import type { ClockReading } from '../client/internal-diagnosis.js'
import type { ServerObservation } from '../client/index.js'
import type { EtcdConfigMember } from '../config/index.js'
import type { Credentials } from '../credentials/index.js'
import type { Finding, Unchecked } from '../report/index.js'
import type { ForecastMember, QuorumForecast } from '../validate/internal.js'
import type { Certificate } from '../x509/internal.js'
import type { ConfigEvidence, FoundCredentials } from './sources.js'

export interface DateRules {
  readonly at: Date
  /** Milliseconds. */
  readonly lead: number
  readonly expiryWarning: string | undefined
}

export interface Asking extends DateRules {
  readonly auth: { readonly username: string; readonly password: string } | undefined
  /** Milliseconds. */
  readonly dialTimeout: number
  /** Whether `at` is what the clock of this machine says. */
  readonly isNow: boolean
  readonly signal: AbortSignal
}

export interface Pair extends Pick<FoundCredentials, 'from' | 'config'> {
  readonly credentials: Credentials
  readonly of: FoundCredentials['of'] | 'caller'
}

/** A port of a member, as one handshake without a certificate shows it. */
export interface SeenPort extends Omit<ServerObservation, 'chain'> {
  readonly url: string
  /** The leaf first; empty without one that can be read. */
  readonly chain: readonly Certificate[]
  /** The chain in DER, also what cannot be read. */
  readonly sent: ServerObservation['chain']
}

/** A member as the cluster lists it. */
export interface ListedMember {
  /** Empty if it has not started. */
  readonly name: string
  readonly id: string
  readonly clientURLs: readonly string[]
  readonly peerURLs: readonly string[]
  readonly isLearner: boolean
}

/** What the etcd behind a client port answered. */
export interface Answers {
  readonly memberId: string
  readonly clusterId: string
  readonly raftTerm: string
  readonly version: string
  readonly role: 'leader' | 'follower' | 'learner' | null
  /** Milliseconds. */
  readonly latency: number
  readonly startedAt: Date | null
  /** Null if it was not asked, or did not answer. */
  readonly isAuthEnabled: boolean | null
  /** Whether it requires a password, and accepted the given one. */
  readonly isLoggedIn: boolean
  readonly members: readonly ListedMember[]
}

/** A client port, and what its etcd answered: null if it was not asked, refused this client, or was refused. */
export interface AskedPort extends SeenPort {
  /** What it was asked with; null if no pair suits it. */
  readonly pair: Pair | null
  readonly answers: Answers | null
  /** The clock of its machine; null if it was not read. */
  readonly clock: ClockReading | null
  readonly findings: readonly Finding[]
  /** Why it did not answer, if no finding says it; for display. */
  readonly problem: string | null
}

/** Hexadecimal, as etcdctl prints them. */
export interface WalIdentity {
  readonly memberId: string
  readonly clusterId: string
}

/** A member as its configuration has it. */
export interface PlannedMember {
  readonly evidence: ConfigEvidence
  readonly config: EtcdConfigMember
  /** Whose data its directory holds; null if it has none yet, or that is not known. */
  readonly wal: WalIdentity | null
  /** The client URLs at which this machine reaches it. */
  readonly urls: readonly string[]
  readonly peerUrls: readonly string[]
}

export interface ExaminedMember {
  /** For messages: its name, else its URL. */
  readonly label: string
  /** As the cluster lists it, else as its configuration plans it. */
  readonly listed: ListedMember
  /** Null if no URL for clients could be asked. */
  readonly client: AskedPort | null
  readonly peer: SeenPort | null
  readonly planned: PlannedMember | null
  /** The ID of another cluster, for which its client port answers; null if it does not. */
  readonly answersFor: string | null
  readonly startedAt: Date | null
  /** When its configuration was last changed; null if that is not known. */
  readonly configChangedAt: Date | null
  /** Files that are mounted into its container one by one, and whose originals were replaced since. */
  readonly replacedMounts: ReadonlySet<string>
}

export interface ClusterParts {
  readonly clusterId: string | null
  readonly planned: readonly PlannedMember[]
  readonly asked: readonly AskedPort[]
}

export interface ExaminedCluster extends ClusterParts {
  readonly members: readonly ExaminedMember[]
  /** Endpoints that belong to no listed member, as members of their own. */
  readonly others: readonly ExaminedMember[]
  readonly isListed: boolean
  readonly unchecked: readonly Unchecked[]
}

export interface NamedChain {
  readonly name: string
  readonly chain: readonly Certificate[]
}

export interface Comparison extends ExaminedCluster, DateRules {
  readonly isWhole: boolean
  /** The members as the forecast has them now, and whether they are connected. */
  readonly now: readonly ForecastMember[]
  readonly expected: QuorumForecast
  readonly clients: readonly NamedChain[]
  /** What answers at a URL that was asked. */
  readonly askedAt: (url: string) => AskedPort | null
}

export type Note = Finding | Unchecked

export type Port = 'client' | 'peer'
