/**
 * The options of etcd that concern TLS, addresses and identity, one row each. Everything that writes, reads or lints a
 * configuration uses this table. A new option of etcd is a new row here, or in passthrough-options.ts if it concerns none
 * of these.
 */
import type { MemberConfig, TlsSide } from '../model.js'
import { availableIn, type Availability, type ParsedVersion, type Since } from './version.js'

/**
 * The value of an option.
 *
 * - `path`: one file or directory. `text`: one string. `boolean`. `years`: a whole number of years, at least 1.
 * - `urls`: URLs to listen on or to advertise, separated by commas, in YAML too.
 * - `cluster`: `name=url` pairs, separated by commas, in YAML too. `state`: `new` or `existing`.
 * - `names`: strings, separated by commas; a YAML list, or one YAML string in versions that take only one (`listSince`).
 * - `suites`: names of TLS 1.2 cipher suites, separated by commas; a YAML list. `tls-version`: `TLS1.2` or `TLS1.3`.
 */
export type OptionKind =
  'path' | 'text' | 'boolean' | 'years' | 'urls' | 'cluster' | 'state' | 'names' | 'suites' | 'tls-version'

/** The connections that an option is about: those of clients, those between members, or the member as a whole. */
export type OptionBlock = 'client' | 'peer' | 'server'

/** An option's name in one form, and the releases that have it. */
export interface Spelling<N> {
  readonly name: N
  readonly since: Since
  /** The first release without it. */
  readonly until?: string
}

interface RowBase {
  readonly kind: OptionKind
  /** As on the command line, without dashes; null if there is no flag. The variable is derived from it. */
  readonly flag: Spelling<string> | null
  /** The keys in a configuration file, from its top; null if a file cannot set it. */
  readonly yaml: Spelling<readonly string[]> | null
  /** The releases that take more than one value; older ones take one. Default: all, if the kind is a list. */
  readonly listSince?: Since
  /** The first release that deprecates it. */
  readonly deprecatedSince?: string
  /** What etcd uses if it is not set, as etcd writes it; null for nothing. */
  readonly default: string | null
}

/** An option of one of the two TLS blocks; `field` is its name in {@link TlsSide}. Null: only read, not written. */
export interface SideRow extends RowBase {
  readonly block: 'client' | 'peer'
  readonly field: keyof TlsSide | null
}

/** An option of the member as a whole; `field` is its name in {@link MemberConfig}. Null: only read, not written. */
export interface ServerRow extends RowBase {
  readonly block: 'server'
  readonly field: keyof MemberConfig | null
}

export type EtcdOptionRow = SideRow | ServerRow

const ALWAYS = ['3.4.0'] as const
const SINCE_35 = ['3.5.0'] as const
const SINCE_36 = ['3.6.0'] as const
/** server/etcdmain/config.go v3.4.25, v3.5.8; server/embed/config.go v3.4.25, v3.5.8, v3.6.14 */
const PORTED_BACK = ['3.4.25', '3.5.8', '3.6.0'] as const
/** Each `type securityConfig struct` from v3.5.13 to v3.5.15 differs: no key, a string, a list. */
const NAMES_IN_YAML = ['3.5.14', '3.6.0'] as const
const LIST_OF_NAMES = ['3.5.15', '3.6.0'] as const

const CLIENT = 'client-transport-security'
const PEER = 'peer-transport-security'

interface More {
  /** The releases that have the flag, and the key if it has no releases of its own. Default: all. */
  readonly since?: Since
  readonly until?: string
  /** Default: the flag, or in a TLS block the flag without `peer-` below the name of the block. */
  readonly yaml?: readonly string[] | null
  readonly yamlSince?: Since
  readonly listSince?: Since
  readonly deprecatedSince?: string
  readonly default?: string
}

function base(kind: OptionKind, flag: string | null, path: readonly string[], more: More): RowBase {
  const { since = ALWAYS, until, yaml = path, yamlSince = since, listSince, deprecatedSince } = more
  const gone = until === undefined ? {} : { until }
  return {
    kind,
    flag: flag === null ? null : { name: flag, since, ...gone },
    yaml: yaml === null ? null : { name: yaml, since: yamlSince, ...gone },
    ...(listSince === undefined ? {} : { listSince }),
    ...(deprecatedSince === undefined ? {} : { deprecatedSince }),
    default: more.default ?? null,
  }
}

function server(field: ServerRow['field'], kind: OptionKind, flag: string, more: More = {}): ServerRow {
  return { block: 'server', field, ...base(kind, flag, [flag], more) }
}

function url(block: SideRow['block'], field: SideRow['field'], flag: string, more: More = {}): SideRow {
  return { block, field, ...base('urls', flag, [flag], more) }
}

/** An option of a TLS block. Its key is below the name of the block. */
function tls(
  block: SideRow['block'],
  field: SideRow['field'],
  kind: OptionKind,
  flag: string | null,
  more: More = {},
): SideRow {
  const key = (flag ?? '').replace(/^peer-/, '')
  return { block, field, ...base(kind, flag, [block === 'client' ? CLIENT : PEER, key], more) }
}

/** In the order in which they are written. From server/embed/config.go and server/etcdmain/config.go of all releases. */
export const etcdOptions: readonly EtcdOptionRow[] = [
  server('name', 'text', 'name', { default: 'default' }),
  server('dataDir', 'path', 'data-dir', { default: '${name}.etcd' }),

  url('client', 'listenUrls', 'listen-client-urls', { default: 'http://localhost:2379' }),
  // Without it, --listen-client-urls serve HTTP as well as gRPC.
  url('client', 'httpUrls', 'listen-client-http-urls', { since: PORTED_BACK }),
  url('client', 'advertiseUrls', 'advertise-client-urls', { default: 'http://localhost:2379' }),
  url('peer', 'listenUrls', 'listen-peer-urls', { default: 'http://localhost:2380' }),
  url('peer', 'advertiseUrls', 'initial-advertise-peer-urls', { default: 'http://localhost:2380' }),

  server('initialCluster', 'cluster', 'initial-cluster', { default: 'default=http://localhost:2380' }),
  server('initialClusterState', 'state', 'initial-cluster-state', { default: 'new' }),
  server('initialClusterToken', 'text', 'initial-cluster-token', { default: 'etcd-cluster' }),
  // https metrics URLs use the TLS block of clients (server/embed/etcd.go v3.5.16 serveMetrics).
  server('metricsUrls', 'urls', 'listen-metrics-urls'),
  server('cipherSuites', 'suites', 'cipher-suites'),
  server('tlsMinVersion', 'tls-version', 'tls-min-version', { since: PORTED_BACK, default: 'TLS1.2' }),
  server('tlsMaxVersion', 'tls-version', 'tls-max-version', { since: PORTED_BACK }),
  // server/embed/config.go v3.5.0, v3.5.1 Config
  server('selfSignedCertValidity', 'years', 'self-signed-cert-validity', {
    since: SINCE_35,
    yamlSince: ['3.5.1', '3.6.0'],
    default: '1',
  }),
  server('enableGrpcGateway', 'boolean', 'enable-grpc-gateway', { default: 'true' }),

  tls('client', 'certFile', 'path', 'cert-file'),
  tls('client', 'keyFile', 'path', 'key-file'),
  // What the gateway presents when it dials its own client port.
  tls('client', 'clientCertFile', 'path', 'client-cert-file', { since: SINCE_35 }),
  tls('client', 'clientKeyFile', 'path', 'client-key-file', { since: SINCE_35 }),
  tls('client', 'trustedCaFile', 'path', 'trusted-ca-file'),
  tls('client', 'clientCertAuth', 'boolean', 'client-cert-auth', { default: 'false' }),
  // securityConfig has no key for CRLFile (v3.6.14).
  tls('client', 'crlFile', 'path', 'client-crl-file', { yaml: null }),
  // No release has a flag for it.
  tls('client', 'allowedCn', 'names', null, {
    yaml: [CLIENT, 'allowed-cn'],
    yamlSince: NAMES_IN_YAML,
    listSince: LIST_OF_NAMES,
  }),
  tls('client', 'allowedHostname', 'names', 'client-cert-allowed-hostname', {
    yaml: [CLIENT, 'allowed-hostname'],
    yamlSince: NAMES_IN_YAML,
    listSince: LIST_OF_NAMES,
  }),
  // Only read: for clients, the key affects only https metrics URLs.
  tls('client', null, 'boolean', null, {
    yaml: [CLIENT, 'skip-client-san-verification'],
    yamlSince: SINCE_36,
    default: 'false',
  }),
  tls('client', 'autoTls', 'boolean', 'auto-tls', { default: 'false' }),

  tls('peer', 'certFile', 'path', 'peer-cert-file'),
  tls('peer', 'keyFile', 'path', 'peer-key-file'),
  tls('peer', 'clientCertFile', 'path', 'peer-client-cert-file', { since: SINCE_35 }),
  tls('peer', 'clientKeyFile', 'path', 'peer-client-key-file', { since: SINCE_35 }),
  tls('peer', 'trustedCaFile', 'path', 'peer-trusted-ca-file'),
  tls('peer', 'clientCertAuth', 'boolean', 'peer-client-cert-auth', { default: 'false' }),
  tls('peer', 'crlFile', 'path', 'peer-crl-file', { yaml: null }),
  tls('peer', 'allowedCn', 'names', 'peer-cert-allowed-cn', {
    yaml: [PEER, 'allowed-cn'],
    yamlSince: NAMES_IN_YAML,
    listSince: LIST_OF_NAMES,
  }),
  tls('peer', 'allowedHostname', 'names', 'peer-cert-allowed-hostname', {
    yaml: [PEER, 'allowed-hostname'],
    yamlSince: NAMES_IN_YAML,
    listSince: LIST_OF_NAMES,
  }),
  tls('peer', 'skipClientSanVerification', 'boolean', 'peer-skip-client-san-verification', {
    since: SINCE_36,
    default: 'false',
  }),
  // server/etcdmain/config.go v3.5.16; server/embed/config.go v3.6.14 AddFlags; in no source of v3.7.0
  tls('peer', 'skipClientSanVerification', 'boolean', 'experimental-peer-skip-client-san-verification', {
    until: '3.7.0',
    yaml: ['experimental-peer-skip-client-san-verification'],
    yamlSince: SINCE_36,
    deprecatedSince: '3.6.0',
    default: 'false',
  }),
  tls('peer', 'autoTls', 'boolean', 'peer-auto-tls', { default: 'false' }),

  // Only read, never written.
  server(null, 'path', 'config-file', { yaml: null }),
  server(null, 'text', 'discovery-srv'),
  server(null, 'text', 'discovery-srv-name'),
  discovery('path', 'cert'),
  discovery('path', 'key'),
  discovery('path', 'cacert'),
  discovery('boolean', 'insecure-transport', 'true'),
  discovery('boolean', 'insecure-skip-tls-verify', 'false'),
]

/** server/embed/config.go v3.6.14 AddFlags; client/v3/config.go v3.6.14 SecureConfig */
function discovery(kind: OptionKind, key: string, standard?: string): ServerRow {
  const yaml = ['discovery-config', 'client', 'secure', key]
  return server(null, kind, `discovery-${key}`, {
    since: SINCE_36,
    yaml,
    ...(standard === undefined ? {} : { default: standard }),
  })
}

/** The variable that etcd reads for a flag (pkg/flags/flag.go, FlagToEnv). */
export function variableOf(flag: string): string {
  return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** The name that people know a row by: its flag, or its path in a configuration file. */
export function nameOf(row: EtcdOptionRow): string {
  return row.flag === null ? (row.yaml?.name ?? []).join('.') : `--${row.flag.name}`
}

/** How etcd receives its options: a file for `--config-file`, flags, or environment variables. */
export type ConfigForm = 'yaml' | 'flags' | 'env'

export const CONFIG_FORMS: readonly ConfigForm[] = ['yaml', 'flags', 'env']

/** What has spellings: a row of this table, or of the passthrough options. */
export interface Spelled {
  readonly flag: Spelling<string> | null
  readonly yaml: Spelling<readonly string[]> | null
}

/** How many releases of a version have a row in a form. */
export function formAvailability(row: Spelled, form: ConfigForm, version: ParsedVersion): Availability {
  const spelling = form === 'yaml' ? row.yaml : row.flag
  return spelling === null ? 'none' : availableIn(version, spelling.since, spelling.until)
}

const byFlag = new Map(etcdOptions.flatMap((row) => (row.flag === null ? [] : [[row.flag.name, row] as const])))
const byVariable = new Map([...byFlag].map(([flag, row]) => [variableOf(flag), row] as const))
const byPath = new Map(
  etcdOptions.flatMap((row) => (row.yaml === null ? [] : [[pathKey(row.yaml.name), row] as const])),
)

/** The row of a flag, without its dashes. */
export function rowOfFlag(flag: string): EtcdOptionRow | undefined {
  return byFlag.get(flag)
}

/** The row of an environment variable. */
export function rowOfVariable(variable: string): EtcdOptionRow | undefined {
  return byVariable.get(variable)
}

/** The row of a place in a configuration file. */
export function rowOfPath(path: readonly string[]): EtcdOptionRow | undefined {
  return byPath.get(pathKey(path))
}

/** No key of a file can hold NUL, and some hold dots. */
export function pathKey(path: readonly string[]): string {
  return path.join('\0')
}

/** What Go reads as a boolean (strconv.ParseBool); null for anything else. */
export function parseGoBoolean(text: string): boolean | null {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : null
}
