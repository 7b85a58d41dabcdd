/** One member of an etcd cluster, as far as TLS, addresses and identity go. */
import type { EtcdVersion } from './tables/version.js'

/** Addresses and TLS options of one of the two sides of a member, which are independent of each other in etcd. */
export interface TlsSide {
  /**
   * Where this member listens, as `https://0.0.0.0:2379`: addresses, not host names, `localhost` excepted
   * (server/embed/config.go, checkBindURLs).
   */
  listenUrls: readonly string[]
  /** Where others reach this member, as `https://etcd-0.example.com:2379`; its certificate must name these hosts. */
  advertiseUrls: readonly string[]
  /**
   * Where to serve HTTP (`/health`, `/version`, the gateway) apart from gRPC; only for clients. With it,
   * {@link TlsSide.listenUrls} speak gRPC alone. Default: both on one port.
   */
  httpUrls?: readonly string[] | undefined
  /** Certificate chain in PEM. It is read again at each handshake. */
  certFile?: string | undefined
  /** Its private key in PEM, not encrypted. */
  keyFile?: string | undefined
  /** CAs of those who connect, in PEM; members also check each other's listeners by it. Read at the start only. */
  trustedCaFile?: string | undefined
  /**
   * Whether those who connect must show a certificate from {@link TlsSide.trustedCaFile}. Etcd takes the user's name
   * from it only then. Default: true, and never false between members, unless they speak plaintext.
   */
  clientCertAuth?: boolean | undefined
  /** What this etcd shows where it dials itself: other members, or its own gateway. Default: `certFile`. */
  clientCertFile?: string | undefined
  clientKeyFile?: string | undefined
  /** Serial numbers to refuse: PEM or DER up to 3.5, DER alone since 3.6. Not in a YAML file. */
  crlFile?: string | undefined
  /** Common names to let in, no others. For clients in a YAML file alone. Not together with `allowedHostname`. */
  allowedCn?: readonly string[] | undefined
  /** Hosts of which a certificate must name one in its subjectAltName. */
  allowedHostname?: readonly string[] | undefined
  /** Leaves out the comparison of a certificate's names with the address that a member calls from. Default: false. */
  skipClientSanVerification?: boolean | undefined
  /**
   * Lets etcd make a certificate of its own, which nobody can verify, in place of all files above. For tests. Default:
   * false.
   */
  autoTls?: boolean | undefined
  /** Allows `http://` in the URLs of this side: no TLS at all. Default: false. */
  plaintext?: boolean | undefined
}

/** How clients are served. */
export type ClientSide = Omit<TlsSide, 'skipClientSanVerification'>

/** How members speak to each other. */
export type PeerSide = Omit<TlsSide, 'httpUrls'>

/** One member, for `renderEtcdConfig` and its kin. */
export interface MemberConfig {
  /** The member's name, as in {@link MemberConfig.initialCluster}. */
  name: string
  /** Default: etcd's own, `<name>.etcd` in the working directory. */
  dataDir?: string | undefined
  client: ClientSide
  peer: PeerSide
  /** The peer URLs of all members, by their names, this one among them. */
  initialCluster: Readonly<Record<string, readonly string[]>>
  /** Default: etcd's own, `new`. */
  initialClusterState?: 'new' | 'existing' | undefined
  /** Keeps clusters apart. Default: etcd's own, `etcd-cluster`. */
  initialClusterToken?: string | undefined
  /** Where to serve `/metrics` and `/health` next to the client URLs; `http://` is allowed here, and is for everyone to read. */
  metricsUrls?: readonly string[] | undefined
  tlsMinVersion?: EtcdTlsVersion | undefined
  tlsMaxVersion?: EtcdTlsVersion | undefined
  /** Names as IANA and Go write them. They bind TLS 1.2 alone. Default: those of Go. */
  cipherSuites?: readonly string[] | undefined
  /** The HTTP gateway to the gRPC API. Default: etcd's own, true. */
  enableGrpcGateway?: boolean | undefined
  /** How long a certificate of `autoTls` is valid, in years. Default: etcd's own, 1. */
  selfSignedCertValidity?: number | undefined
  /**
   * Options of etcd that have no field here, by etcd's own names without dashes:
   * `{ 'quota-backend-bytes': 8 * 1024 ** 3, 'auto-compaction-retention': '1h', 'pre-vote': true }`. What has a field
   * cannot be set here, and neither can names that etcd does not know.
   */
  extra?: Readonly<Record<string, ExtraValue | undefined>> | undefined
  /** The etcd that this is for. Default: `'3.5'`, all releases of that line. */
  version?: EtcdVersion | undefined
}

/**
 * A value of an option that is passed through: a number, a boolean or a text as the option wants it; a duration as Go
 * writes it, `'500ms'`, in every form; a list of texts where etcd takes one with commas.
 */
export type ExtraValue = string | number | boolean | readonly string[]

export type EtcdTlsVersion = 'TLS1.2' | 'TLS1.3'
