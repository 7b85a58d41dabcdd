/** Addresses, identity, and what both TLS blocks share. */
import type { ServerRow, SideRow } from './option-row.js'

const CONFIG_35 = 'server/embed/config.go v3.5.16 Config, configJSON; server/etcdmain/config.go v3.5.16'
const TLS_VERSIONS = 'server/etcdmain/config.go v3.4.25, v3.5.8; server/embed/config.go v3.6.14 Validate'

/** Every line that this package knows has it. */
const ALWAYS = ['3.4.0'] as const
const PORTED_BACK = ['3.4.25', '3.5.8', '3.6.0'] as const

export const addressRows: readonly SideRow[] = [
  {
    block: 'client',
    field: 'listenUrls',
    kind: 'urls',
    flag: { name: 'listen-client-urls', since: ALWAYS },
    yaml: { name: ['listen-client-urls'], since: ALWAYS },
    default: 'http://localhost:2379',
    does: 'says where clients are listened to',
    source: CONFIG_35,
  },
  {
    block: 'client',
    field: 'httpUrls',
    kind: 'urls',
    flag: { name: 'listen-client-http-urls', since: PORTED_BACK },
    yaml: { name: ['listen-client-http-urls'], since: PORTED_BACK },
    default: null,
    does: 'takes HTTP away from --listen-client-urls, which then speak gRPC alone',
    source: 'server/embed/config.go v3.4.25, v3.5.8, v3.6.14 configJSON',
  },
  {
    block: 'client',
    field: 'advertiseUrls',
    kind: 'urls',
    flag: { name: 'advertise-client-urls', since: ALWAYS },
    yaml: { name: ['advertise-client-urls'], since: ALWAYS },
    default: 'http://localhost:2379',
    does: 'tells clients where to reach this member',
    source: CONFIG_35,
  },
  {
    block: 'peer',
    field: 'listenUrls',
    kind: 'urls',
    flag: { name: 'listen-peer-urls', since: ALWAYS },
    yaml: { name: ['listen-peer-urls'], since: ALWAYS },
    default: 'http://localhost:2380',
    does: 'says where other members are listened to',
    source: CONFIG_35,
  },
  {
    block: 'peer',
    field: 'advertiseUrls',
    kind: 'urls',
    flag: { name: 'initial-advertise-peer-urls', since: ALWAYS },
    yaml: { name: ['initial-advertise-peer-urls'], since: ALWAYS },
    default: 'http://localhost:2380',
    does: 'tells other members where to reach this one',
    source: CONFIG_35,
  },
]

export const identityRows: readonly ServerRow[] = [
  {
    block: 'server',
    field: 'name',
    kind: 'text',
    flag: { name: 'name', since: ALWAYS },
    yaml: { name: ['name'], since: ALWAYS },
    default: 'default',
    does: 'is the member’s name, as in --initial-cluster',
    source: CONFIG_35,
  },
  {
    block: 'server',
    field: 'dataDir',
    kind: 'path',
    flag: { name: 'data-dir', since: ALWAYS },
    yaml: { name: ['data-dir'], since: ALWAYS },
    default: '${name}.etcd',
    does: 'names the directory of the data, and of certificates made by auto-tls',
    source: CONFIG_35,
  },
]

export const serverRows: readonly ServerRow[] = [
  {
    block: 'server',
    field: 'initialCluster',
    kind: 'cluster',
    flag: { name: 'initial-cluster', since: ALWAYS },
    yaml: { name: ['initial-cluster'], since: ALWAYS },
    default: 'default=http://localhost:2380',
    does: 'lists the members and their peer URLs',
    source: CONFIG_35,
  },
  {
    block: 'server',
    field: 'initialClusterState',
    kind: 'state',
    flag: { name: 'initial-cluster-state', since: ALWAYS },
    yaml: { name: ['initial-cluster-state'], since: ALWAYS },
    default: 'new',
    does: 'says whether the cluster begins or is joined',
    source: CONFIG_35,
  },
  {
    block: 'server',
    field: 'initialClusterToken',
    kind: 'text',
    flag: { name: 'initial-cluster-token', since: ALWAYS },
    yaml: { name: ['initial-cluster-token'], since: ALWAYS },
    default: 'etcd-cluster',
    does: 'keeps this cluster apart from others',
    source: CONFIG_35,
  },
  {
    block: 'server',
    field: 'metricsUrls',
    kind: 'urls',
    flag: { name: 'listen-metrics-urls', since: ALWAYS },
    yaml: { name: ['listen-metrics-urls'], since: ALWAYS },
    default: null,
    does: 'says where metrics and health are served beside the client URLs, with their TLS block where they are https',
    source: `${CONFIG_35}; server/embed/etcd.go v3.5.16 serveMetrics`,
  },
  {
    block: 'server',
    field: 'cipherSuites',
    kind: 'suites',
    flag: { name: 'cipher-suites', since: ALWAYS },
    yaml: { name: ['cipher-suites'], since: ALWAYS },
    default: null,
    does: 'lists the cipher suites of TLS 1.2, for clients and members',
    source: `${CONFIG_35}; client/pkg/tlsutil/cipher_suites.go v3.5.16`,
  },
  {
    block: 'server',
    field: 'tlsMinVersion',
    kind: 'tls-version',
    flag: { name: 'tls-min-version', since: PORTED_BACK },
    yaml: { name: ['tls-min-version'], since: PORTED_BACK },
    default: 'TLS1.2',
    does: 'is the oldest version of TLS, for clients and members',
    source: TLS_VERSIONS,
  },
  {
    block: 'server',
    field: 'tlsMaxVersion',
    kind: 'tls-version',
    flag: { name: 'tls-max-version', since: PORTED_BACK },
    yaml: { name: ['tls-max-version'], since: PORTED_BACK },
    default: null,
    does: 'is the newest version of TLS, for clients and members',
    source: TLS_VERSIONS,
  },
  {
    block: 'server',
    field: 'selfSignedCertValidity',
    kind: 'years',
    flag: { name: 'self-signed-cert-validity', since: ['3.5.0'] },
    yaml: { name: ['self-signed-cert-validity'], since: ['3.5.1', '3.6.0'] },
    default: '1',
    does: 'is how many years a certificate of auto-tls is valid',
    source: 'server/etcdmain/config.go v3.5.0; server/embed/config.go v3.5.0, v3.5.1 Config',
  },
  {
    block: 'server',
    field: 'enableGrpcGateway',
    kind: 'boolean',
    flag: { name: 'enable-grpc-gateway', since: ALWAYS },
    yaml: { name: ['enable-grpc-gateway'], since: ALWAYS },
    default: 'true',
    does: 'serves the gRPC API over HTTP',
    source: CONFIG_35,
  },
]

/** Read and judged, never written. */
export const otherRows: readonly ServerRow[] = [
  {
    block: 'server',
    field: null,
    kind: 'path',
    flag: { name: 'config-file', since: ALWAYS },
    yaml: null,
    default: null,
    does: 'names a configuration file, with which etcd ignores all other flags and variables',
    source: 'server/etcdmain/config.go v3.5.16 parse',
  },
  {
    block: 'server',
    field: null,
    kind: 'text',
    flag: { name: 'discovery-srv', since: ALWAYS },
    yaml: { name: ['discovery-srv'], since: ALWAYS },
    default: null,
    does: 'finds the members by DNS, whose domain is then the name that a member’s certificate must hold',
    source: `${CONFIG_35}; server/embed/config.go v3.5.16 PeerURLsMapAndToken`,
  },
  {
    block: 'server',
    field: null,
    kind: 'text',
    flag: { name: 'discovery-srv-name', since: ALWAYS },
    yaml: { name: ['discovery-srv-name'], since: ALWAYS },
    default: null,
    does: 'is the end of the service’s name that --discovery-srv asks for',
    source: CONFIG_35,
  },
  ...discovery('discovery-cert', 'cert', 'path', null, 'names the certificate shown to the discovery service'),
  ...discovery('discovery-key', 'key', 'path', null, 'names the private key of --discovery-cert'),
  ...discovery('discovery-cacert', 'cacert', 'path', null, 'names the CAs of the discovery service'),
  ...discovery(
    'discovery-insecure-transport',
    'insecure-transport',
    'boolean',
    'true',
    'talks to the discovery service without TLS',
  ),
  ...discovery(
    'discovery-insecure-skip-tls-verify',
    'insecure-skip-tls-verify',
    'boolean',
    'false',
    'leaves out the verification of the discovery service',
  ),
]

function discovery(
  flag: string,
  key: string,
  kind: ServerRow['kind'],
  standard: string | null,
  does: string,
): ServerRow[] {
  return [
    {
      block: 'server',
      field: null,
      kind,
      flag: { name: flag, since: ['3.6.0'] },
      yaml: { name: ['discovery-config', 'client', 'secure', key], since: ['3.6.0'] },
      default: standard,
      does,
      source: 'server/embed/config.go v3.6.14 AddFlags; client/v3/config.go v3.6.14 SecureConfig',
    },
  ]
}
