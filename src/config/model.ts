/** One member of an etcd cluster: its TLS, addresses and identity. */
import type { EtcdVersion } from './tables/version.js'

/** Addresses and TLS options of one of the two sides of a member, which are independent of each other in etcd. */
export interface TlsSide {
  /**
   * The URLs on which this member listens, such as `https://0.0.0.0:2379`: addresses or `localhost`, no other host
   * names (server/embed/config.go, checkBindURLs).
   */
  listenUrls: readonly string[]
  /**
   * The URLs that clients or members use for this member, such as `https://etcd-0.example.com:2379`. Its certificate must
   * cover these hosts.
   */
  advertiseUrls: readonly string[]
  /**
   * Separate URLs for HTTP (`/health`, `/version`, the gateway); only for clients. Then {@link TlsSide.listenUrls}
   * serve only gRPC.
   *
   * @default both on one port
   */
  httpUrls?: readonly string[] | undefined
  /** Certificate chain in PEM. It is read again at each handshake. @default none */
  certFile?: string | undefined
  /** Its private key in PEM, not encrypted. @default none */
  keyFile?: string | undefined
  /**
   * The CAs of the clients or members that connect, in PEM. Members also verify each other's servers with it. etcd
   * reads it only at its start.
   *
   * @default none
   */
  trustedCaFile?: string | undefined
  /**
   * Whether a client or member must present a certificate of {@link TlsSide.trustedCaFile}. Only then etcd takes the
   * user from it. Between members it cannot be false, unless they use plaintext.
   *
   * @default true
   */
  clientCertAuth?: boolean | undefined
  /** The certificate that etcd presents when it dials other members, or itself for its gateway. @default certFile */
  clientCertFile?: string | undefined
  /** The private key of {@link TlsSide.clientCertFile}. @default keyFile */
  clientKeyFile?: string | undefined
  /** A CRL: PEM or DER up to 3.5, only DER since 3.6. Not in a YAML file. @default none */
  crlFile?: string | undefined
  /**
   * The only accepted common names. For clients, only in a YAML file. It cannot be combined with `allowedHostname`.
   *
   * @default all
   */
  allowedCn?: readonly string[] | undefined
  /** Hosts; a certificate must have one of them in its subjectAltName. @default all */
  allowedHostname?: readonly string[] | undefined
  /** Does not compare the names in a member's certificate with its address. @default false */
  skipClientSanVerification?: boolean | undefined
  /**
   * etcd creates its own certificate, which no client can verify, instead of the files above. For tests.
   *
   * @default false
   */
  autoTls?: boolean | undefined
  /** Allows `http://` in the URLs of this side, without TLS. @default false */
  plaintext?: boolean | undefined
}

/** The port for clients. */
export type ClientSide = Omit<TlsSide, 'skipClientSanVerification'>

/** The port for other members. */
export type PeerSide = Omit<TlsSide, 'httpUrls'>

/** One member, for `renderEtcdConfig` and `renderSystemdUnit`. */
export interface MemberConfig {
  /** The member's name, as in {@link MemberConfig.initialCluster}. */
  name: string
  /** @default etcd's own, <name>.etcd in the working directory */
  dataDir?: string | undefined
  client: ClientSide
  peer: PeerSide
  /** The peer URLs of all members by their names, including this one. */
  initialCluster: Readonly<Record<string, readonly string[]>>
  /** @default etcd's own, new */
  initialClusterState?: 'new' | 'existing' | undefined
  /** Distinguishes clusters. @default etcd's own, etcd-cluster */
  initialClusterToken?: string | undefined
  /** Further URLs for `/metrics` and `/health`. `http://` is allowed only on a loopback address. @default none */
  metricsUrls?: readonly string[] | undefined
  /** The oldest version of TLS that etcd accepts. @default etcd's own, TLS1.2 */
  tlsMinVersion?: EtcdTlsVersion | undefined
  /** The newest version of TLS that etcd accepts. @default etcd's own, the newest that Go has */
  tlsMaxVersion?: EtcdTlsVersion | undefined
  /** By the names of IANA and Go. They apply only to TLS 1.2. @default those of Go */
  cipherSuites?: readonly string[] | undefined
  /** The HTTP gateway to the gRPC API. @default etcd's own, true */
  enableGrpcGateway?: boolean | undefined
  /** How long a certificate of `autoTls` is valid, in years. @default etcd's own, 1 */
  selfSignedCertValidity?: number | undefined
  /**
   * Options of etcd that have no field here, by etcd's own names without dashes, such as
   * `{ 'quota-backend-bytes': 8 * 1024 ** 3, 'auto-compaction-retention': '1h', 'pre-vote': true }`. Options with a field, and
   * unknown names, are refused.
   *
   * @default none
   */
  extra?: Readonly<Record<string, ExtraValue | undefined>> | undefined
  /** The version of etcd. @default '3.5', all releases of that line */
  version?: EtcdVersion | undefined
}

/**
 * A value of an option in `extra`: a number, a boolean or a string; a duration of Go such as `'500ms'`; or an array of
 * strings if etcd takes several.
 */
export type ExtraValue = string | number | boolean | readonly string[]

export type EtcdTlsVersion = 'TLS1.2' | 'TLS1.3'
