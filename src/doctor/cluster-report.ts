/** The public types of the examination of a cluster. */
import type { ConfigInput } from '../config/index.js'
import type { Credentials, CredentialSource } from '../credentials/index.js'
import type { CertificateRef, Finding, Unchecked } from '../report/index.js'
import type { QuorumForecast } from '../validate/internal.js'

/** What {@link examineCluster} examines, and how. */
export interface ExamineOptions {
  /**
   * The client URLs to begin with, as in the option `endpoints` of the client. The others come from the member list of the cluster.
   *
   * @default those of the credentials (`fromEnv`), else those of the configurations that are found
   */
  endpoints?:
    | string
    | readonly (string | { url: string; serverName?: string | undefined })[]
    | { srv: string; name?: string | undefined }
    | undefined
  /** What to connect with. @default what the configurations that are found name */
  credentials?: CredentialSource | Credentials | undefined
  /**
   * The file of the CA certificates that verify servers, in place of `credentials`, for an etcd that requests no client certificate.
   *
   * @default none
   */
  ca?: string | URL | undefined
  /** Logs in with a password, as in the option `auth` of the client. @default none */
  auth?: { username: string; password: string } | undefined
  /**
   * The configurations of members.
   *
   * @default those of the etcd that runs on this machine; else kubeadm's manifests; else the unit `etcd.service`
   */
  configs?: readonly ConfigInput[] | undefined
  /** The directory where the disk of etcd's machine is mounted. @default none */
  root?: string | undefined
  /** The directory of kubeadm. @default '/etc/kubernetes' */
  kubeadm?: string | undefined
  /**
   * How long before the end of a certificate somebody must act. What ends within this duration is at least a warning: a certificate that a
   * member serves, that of a client, and the dates of the forecast.
   *
   * @default '7d'
   */
  lead?: string | undefined
  /** How long dialling one port may take. @default '5s' */
  dialTimeout?: string | undefined
  /** How long the whole examination may take. What was not examined until then is in `unchecked`. @default '60s' */
  timeout?: string | undefined
  /** Warn of certificates that end within this duration. @default as the option `expiryWarning` of `validateChain` */
  expiryWarning?: string | undefined
  /** The time to check certificates at. @default now */
  at?: Date | undefined
  /** Cancels the examination. @default none */
  signal?: AbortSignal | undefined
}

/** A member of the cluster, as it was seen. */
export interface ClusterMember {
  /** Escaped for display. Null if the member has not started, or if no member list could be read. */
  readonly name: string | null
  /** Hexadecimal, as etcdctl prints it; null if no member list could be read. */
  readonly id: string | null
  /** The client URLs that it advertises; without a member list, the endpoint. */
  readonly clientUrls: readonly string[]
  readonly peerUrls: readonly string[]
  /** Null if it did not answer. */
  readonly version: string | null
  /** Null if it did not answer, or has no leader. */
  readonly role: 'leader' | 'follower' | 'learner' | null
  /** Null if that is not known. */
  readonly startedAt: Date | null
  /** The time of one request, in milliseconds; null if it did not answer. */
  readonly latency: number | null
  /** The certificates that it serves to clients and to members; null if none was seen. */
  readonly served: CertificateRef | null
  readonly peerServed: CertificateRef | null
  /** The names of the CAs whose certificates its client port and its peer port accept; null if that is not known. */
  readonly acceptedAuthorities: readonly string[] | null
  readonly peerAcceptedAuthorities: readonly string[] | null
  /** Where its configuration was found; null if it is not on this machine. */
  readonly config: string | null
  /** Whether its client port was asked: not without credentials that suit its server. */
  readonly isDialled: boolean
  /** Whether it answered requests. */
  readonly isReached: boolean
}

/** The result of {@link examineCluster}. `formatReport` prints its findings. */
export interface ClusterReport {
  /** Whether there is no error. */
  readonly ok: boolean
  /** Whether everything was checked: nothing is in `unchecked`. */
  readonly complete: boolean
  /** False if its processes here belong to ordinary users only, who may run what only looks like an etcd. */
  readonly isTrustedUser: boolean
  /** Hexadecimal, as in the log of etcd; null if no member answers and no data directory was read. */
  readonly clusterId: string | null
  readonly checkedAt: Date
  /** Null: a cluster has more than one path. */
  readonly path: null
  readonly members: readonly ClusterMember[]
  /** The worst finding first. */
  readonly findings: Finding[]
  readonly forecast: ClusterForecast
  /** What was not checked. A report without errors says nothing about it. */
  readonly unchecked: readonly Unchecked[]
  /** Where the evidence comes from, in order, for display. */
  readonly sources: readonly string[]
}

/** The result of {@link examineMachine}. */
export interface MachineReport {
  /** Of this document. */
  readonly version: 1
  /** Whether there is no error, neither here nor in a cluster. */
  readonly ok: boolean
  /** Whether everything was checked, here and in each cluster. */
  readonly complete: boolean
  readonly checkedAt: Date
  /** In the order of their IDs. */
  readonly clusters: readonly ClusterReport[]
  /** What is about more than one cluster, or about no cluster. The worst finding first. */
  readonly findings: Finding[]
  readonly unchecked: readonly Unchecked[]
}

/** Until when members and clients can connect, if no certificate is renewed. */
export interface ClusterForecast extends QuorumForecast {
  readonly clients: ClientForecast
}

/** Until when clients can connect to the members. */
export interface ClientForecast {
  /**
   * The last moment at which clients accept the server certificates of a majority of the voters. Null: the certificates of a majority are
   * not known, or clients refuse them now.
   */
  readonly until: Date | null
  /** The certificate that ends then; null without a date. */
  readonly certificate: CertificateRef | null
  /** The members whose server certificates end until then. */
  readonly members: readonly string[]
}
