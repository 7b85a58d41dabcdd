/**
 * The options of etcd that concern TLS, addresses and identity, one row each: their fields in the model, flags, keys, types and
 * releases, from etcdmain/config.go and embed/config.go of every release from v3.4.0 to v3.7.1. All other options are in
 * passthrough-options.ts. Everything that writes, reads or lints a configuration uses these two tables.
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

/** What has spellings: a row of this table, or of the passthrough options. */
export interface Spelled {
  /** As on the command line, without dashes; null if there is no flag. The variable is derived from it. */
  readonly flag: Spelling<string> | null
  /** The keys in a configuration file, from its top; null if a file cannot set it. */
  readonly yaml: Spelling<readonly string[]> | null
}

export type SideField = keyof TlsSide
export type ServerField = keyof MemberConfig

export interface EtcdOptionRow extends Spelled {
  readonly block: OptionBlock
  /** Its name in {@link TlsSide} or {@link MemberConfig}. Null: only read, not written. */
  readonly field: SideField | ServerField | null
  readonly kind: OptionKind
  /** The releases that take more than one value; older ones take one. Default: all, if the kind is a list. */
  readonly listSince?: Since | undefined
  /** The first release that deprecates it. */
  readonly deprecatedSince?: Since[number] | undefined
  /** What etcd uses if it is not set, as etcd writes it; null for nothing. */
  readonly default: string | null
}

export const ALWAYS = ['3.4.0'] as const
export const SINCE_35 = ['3.5.0'] as const
export const SINCE_36 = ['3.6.0'] as const
/** server/etcdmain/config.go v3.4.25, v3.5.8; server/embed/config.go v3.4.25, v3.5.8, v3.6.14 */
const PORTED_BACK = ['3.4.25', '3.5.8', '3.6.0'] as const
/** Each `type securityConfig struct` from v3.5.13 to v3.5.15 differs: no key, a string, a list. */
const NAMES = { yamlSince: ['3.5.14', '3.6.0'], listSince: ['3.5.15', '3.6.0'] } as const

/** The releases of an option. */
interface Releases {
  /** Default: all. */
  readonly since?: Since
  readonly until?: string | undefined
  /** Those of the key. Default: those of the flag. */
  readonly yamlSince?: Since
  readonly yamlUntil?: string | undefined
}

export function spelled(
  flag: string | null,
  path: readonly string[] | null,
  { since = ALWAYS, until, yamlSince = since, yamlUntil = until }: Releases,
): Spelled {
  const spelling = <N>(name: N, since: Since, until: string | undefined): Spelling<N> =>
    until === undefined ? { name, since } : { name, since, until }
  return {
    flag: flag === null ? null : spelling(flag, since, until),
    yaml: path === null ? null : spelling(path, yamlSince, yamlUntil),
  }
}

interface More extends Releases, Pick<EtcdOptionRow, 'listSince' | 'deprecatedSince'> {
  /** Default: the flag. */
  readonly yaml?: readonly string[] | null
  readonly default?: string
}

function option(
  block: OptionBlock,
  field: EtcdOptionRow['field'],
  kind: OptionKind,
  flag: string | null,
  more: More = {},
): EtcdOptionRow {
  const { yaml = [flag ?? ''], listSince, deprecatedSince } = more
  return { block, field, kind, ...spelled(flag, yaml, more), listSince, deprecatedSince, default: more.default ?? null }
}

/** The options of a TLS block. Their keys are below its name. */
function tlsOptions(block: 'client' | 'peer'): EtcdOptionRow[] {
  const prefix = block === 'peer' ? 'peer-' : ''
  const tls = (
    field: SideField | null,
    kind: OptionKind,
    key: string,
    more: More = {},
    flag: string | null = prefix + key,
  ) => option(block, field, kind, flag, { yaml: [`${block}-transport-security`, key], ...more })
  const off = { default: 'false' }
  const skip = 'skip-client-san-verification'
  return [
    tls('certFile', 'path', 'cert-file'),
    tls('keyFile', 'path', 'key-file'),
    // What the gateway presents when it dials its own client port.
    tls('clientCertFile', 'path', 'client-cert-file', { since: SINCE_35 }),
    tls('clientKeyFile', 'path', 'client-key-file', { since: SINCE_35 }),
    tls('trustedCaFile', 'path', 'trusted-ca-file'),
    tls('clientCertAuth', 'boolean', 'client-cert-auth', off),
    // securityConfig has no key for CRLFile (v3.6.14).
    tls('crlFile', 'path', 'crl-file', { yaml: null }, `${block}-crl-file`),
    // No release has a flag for the common names of clients.
    tls('allowedCn', 'names', 'allowed-cn', NAMES, block === 'peer' ? 'peer-cert-allowed-cn' : null),
    tls('allowedHostname', 'names', 'allowed-hostname', NAMES, `${block}-cert-allowed-hostname`),
    ...(block === 'client'
      ? // Only read: for clients, the key affects only https metrics URLs.
        [tls(null, 'boolean', skip, { ...off, yamlSince: SINCE_36 }, null)]
      : [
          tls('skipClientSanVerification', 'boolean', skip, { ...off, since: SINCE_36 }),
          // server/etcdmain/config.go v3.5.16; server/embed/config.go v3.6.14 AddFlags; in no source of v3.7.0
          option('peer', 'skipClientSanVerification', 'boolean', `experimental-peer-${skip}`, {
            ...off,
            until: '3.7.0',
            yamlSince: SINCE_36,
            deprecatedSince: '3.6.0',
          }),
        ]),
    tls('autoTls', 'boolean', 'auto-tls', off),
  ]
}

/** server/embed/config.go v3.6.14 AddFlags; client/v3/config.go v3.6.14 SecureConfig */
function discovery(kind: OptionKind, key: string, more: More = {}): EtcdOptionRow {
  const yaml = ['discovery-config', 'client', 'secure', key]
  return option('server', null, kind, `discovery-${key}`, { since: SINCE_36, yaml, ...more })
}

/** In the order in which they are written. */
export const etcdOptions: readonly EtcdOptionRow[] = [
  option('server', 'name', 'text', 'name', { default: 'default' }),
  option('server', 'dataDir', 'path', 'data-dir', { default: '${name}.etcd' }),
  option('client', 'listenUrls', 'urls', 'listen-client-urls', { default: 'http://localhost:2379' }),
  // Without it, --listen-client-urls serve HTTP as well as gRPC.
  option('client', 'httpUrls', 'urls', 'listen-client-http-urls', { since: PORTED_BACK }),
  option('client', 'advertiseUrls', 'urls', 'advertise-client-urls', { default: 'http://localhost:2379' }),
  option('peer', 'listenUrls', 'urls', 'listen-peer-urls', { default: 'http://localhost:2380' }),
  option('peer', 'advertiseUrls', 'urls', 'initial-advertise-peer-urls', { default: 'http://localhost:2380' }),
  option('server', 'initialCluster', 'cluster', 'initial-cluster', { default: 'default=http://localhost:2380' }),
  option('server', 'initialClusterState', 'state', 'initial-cluster-state', { default: 'new' }),
  option('server', 'initialClusterToken', 'text', 'initial-cluster-token', { default: 'etcd-cluster' }),
  // https metrics URLs use the TLS block of clients (server/embed/etcd.go v3.5.16 serveMetrics).
  option('server', 'metricsUrls', 'urls', 'listen-metrics-urls'),
  option('server', 'cipherSuites', 'suites', 'cipher-suites'),
  option('server', 'tlsMinVersion', 'tls-version', 'tls-min-version', { since: PORTED_BACK, default: 'TLS1.2' }),
  option('server', 'tlsMaxVersion', 'tls-version', 'tls-max-version', { since: PORTED_BACK }),
  // server/embed/config.go v3.5.0, v3.5.1 Config
  option('server', 'selfSignedCertValidity', 'years', 'self-signed-cert-validity', {
    since: SINCE_35,
    yamlSince: ['3.5.1', '3.6.0'],
    default: '1',
  }),
  option('server', 'enableGrpcGateway', 'boolean', 'enable-grpc-gateway', { default: 'true' }),
  ...tlsOptions('client'),
  ...tlsOptions('peer'),
  // Only read, never written.
  option('server', null, 'path', 'config-file', { yaml: null }),
  option('server', null, 'text', 'discovery-srv'),
  option('server', null, 'text', 'discovery-srv-name'),
  discovery('path', 'cert'),
  discovery('path', 'key'),
  discovery('path', 'cacert'),
  discovery('boolean', 'insecure-transport', { default: 'true' }),
  discovery('boolean', 'insecure-skip-tls-verify', { default: 'false' }),
]

/** The variable that etcd reads for a flag (pkg/flags/flag.go, FlagToEnv). */
export function variableOf(flag: string): string {
  return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** The name that people know a row by: its flag, or its path in a configuration file. */
export function nameOf({ flag, yaml }: Spelled): string {
  return flag === null ? (yaml?.name ?? []).join('.') : `--${flag.name}`
}

/** How etcd receives its options: a file for `--config-file`, flags, or environment variables. */
export type ConfigForm = 'yaml' | 'flags' | 'env'

export const CONFIG_FORMS: readonly ConfigForm[] = ['yaml', 'flags', 'env']

/** How many releases of a version have a row in a form. */
export function formAvailability(row: Spelled, form: ConfigForm, version: ParsedVersion): Availability {
  const spelling = form === 'yaml' ? row.yaml : row.flag
  return spelling === null ? 'none' : availableIn(version, spelling.since, spelling.until)
}

/** Finds rows by a key. The map is made at the first call, so that an import does not pay for it. */
export function lookup<R>(rows: readonly R[], keyOf: (row: R) => string | undefined): (key: string) => R | undefined {
  let byKey: ReadonlyMap<string | undefined, R> | null = null
  return (key) => (byKey ??= new Map(rows.map((row) => [keyOf(row), row]))).get(key)
}

/** No key of a file can hold NUL, and some hold dots. */
export function keyOfPath({ yaml }: Spelled): string | undefined {
  return yaml?.name.join('\0')
}

/** The row of a flag, without its dashes. */
export const rowOfFlag = lookup(etcdOptions, ({ flag }) => flag?.name)
/** The row of an environment variable. */
export const rowOfVariable = lookup(etcdOptions, ({ flag }) => (flag === null ? undefined : variableOf(flag.name)))
const rowOfKey = lookup(etcdOptions, keyOfPath)

/** The row of a place in a configuration file. */
export function rowOfPath(path: readonly string[]): EtcdOptionRow | undefined {
  return rowOfKey(path.join('\0'))
}

/** What Go reads as a boolean (strconv.ParseBool); null for anything else. */
export function parseGoBoolean(text: string): boolean | null {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : null
}
