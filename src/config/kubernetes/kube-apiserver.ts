/** Writes the options of kube-apiserver and kubeadm for an external etcd. */
import { isAbsolute, normalize } from 'node:path/posix'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { readPlainUrl } from '../url.js'
import type { Json, JsonObject } from './metadata.js'

/** The files of a client, by the paths that kube-apiserver uses. */
export interface ClientFiles {
  /** CAs of etcd's server certificates. */
  ca: string
  /** The client certificate, followed by its intermediates. */
  cert: string
  key: string
}

/** Options of {@link kubeApiserverFlags}. */
export interface KubeApiserverOptions extends ClientFiles {
  /** https URLs of all members. The certificates must name these hosts: kube-apiserver has no option for another name. */
  endpoints: readonly string[]
  /**
   * Other clusters for some resources, by `resource` or `group/resource`: `{ events: ['https://…'] }`.
   *
   * @default none
   */
  overrides?: Readonly<Record<string, readonly string[]>> | undefined
  /** The prefix of all keys. @default kube-apiserver's own, /registry */
  prefix?: string | undefined
}

/**
 * The `--etcd-*` flags of kube-apiserver as an array, as in `command` of its static pod.
 *
 * kube-apiserver reads the client's certificate and key at each handshake; the CAs at its start only.
 *
 * @example
 * ```ts
 * const flags = kubeApiserverFlags({
 *   endpoints: ['https://10.0.0.1:2379'],
 *   ca: '/etc/kubernetes/pki/etcd/ca.crt',
 *   cert: '/etc/kubernetes/pki/apiserver-etcd-client.crt',
 *   key: '/etc/kubernetes/pki/apiserver-etcd-client.key',
 * })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function kubeApiserverFlags(options: KubeApiserverOptions): string[] {
  checkOptions('options', options, ['endpoints', 'ca', 'cert', 'key', 'overrides', 'prefix'])
  const { overrides = {} } = options
  const { endpoints, ca, cert, key, prefix } = checkAccess(options)
  if (typeof overrides !== 'object' || (overrides as unknown) === null || Array.isArray(overrides))
    throw valueInvalid('overrides', overrides, 'an object of lists of URLs, by resources')
  const others = Object.entries(overrides).map(([resource, urls]) => {
    const option = `overrides.${resource}`
    if (!/^(?:[a-z0-9][a-z0-9.-]*\/)?[a-z0-9]+$/.test(resource)) {
      throw optionInvalid(option, "must be named as 'events' or 'apps/deployments'")
    }
    const [name = resource, group = ''] = resource.split('/').toReversed()
    return `${group}/${name}#${checkEndpoints(option, urls).join(';')}`
  })
  return [
    `--etcd-servers=${endpoints.join(',')}`,
    `--etcd-cafile=${ca}`,
    `--etcd-certfile=${cert}`,
    `--etcd-keyfile=${key}`,
    ...(others.length === 0 ? [] : [`--etcd-servers-overrides=${others.join(',')}`]),
    ...(prefix === undefined ? [] : [`--etcd-prefix=${prefix}`]),
  ]
}

/** Versions of kubeadm's configuration: `v1beta3` from Kubernetes 1.22 on, `v1beta4` from 1.31 on. */
export const KUBEADM_VERSIONS: readonly KubeadmVersion[] = ['v1beta3', 'v1beta4']
type KubeadmVersion = 'v1beta3' | 'v1beta4'

/** Options of {@link kubeadmExternalEtcd}. */
export interface KubeadmExternalEtcdOptions extends ClientFiles {
  /** https URLs of all members. */
  endpoints: readonly string[]
  /** @default 'v1beta4' */
  apiVersion?: KubeadmVersion | undefined
  /** The prefix of all keys. @default kube-apiserver's own, /registry */
  prefix?: string | undefined
}

/** A `ClusterConfiguration`: no object of the API, so it has no metadata. */
export interface KubeadmClusterConfiguration {
  apiVersion: `kubeadm.k8s.io/${KubeadmVersion}`
  kind: 'ClusterConfiguration'
  etcd: { external: { endpoints: string[]; caFile: string; certFile: string; keyFile: string } }
  apiServer?: JsonObject
}

/**
 * The `ClusterConfiguration` for `kubeadm init --config`, with an external etcd. The files must be on every
 * control-plane node, under these paths. kubeadm mounts their directories into kube-apiserver's pod.
 *
 * @example
 * ```ts
 * const configuration = kubeadmExternalEtcd({
 *   endpoints: ['https://10.0.0.1:2379'],
 *   ca: '/etc/kubernetes/pki/etcd/ca.crt',
 *   cert: '/etc/kubernetes/pki/apiserver-etcd-client.crt',
 *   key: '/etc/kubernetes/pki/apiserver-etcd-client.key',
 * })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function kubeadmExternalEtcd(options: KubeadmExternalEtcdOptions): KubeadmClusterConfiguration {
  checkOptions('options', options, ['endpoints', 'ca', 'cert', 'key', 'apiVersion', 'prefix'])
  const { apiVersion = 'v1beta4' } = options
  if (!KUBEADM_VERSIONS.includes(apiVersion)) {
    throw textInvalid('apiVersion', apiVersion, KUBEADM_VERSIONS.join(' or '))
  }
  const { endpoints, ca, cert, key, prefix } = checkAccess(options)
  // `extraArgs` is a mapping in v1beta3 and a list in v1beta4.
  const argument = (value: string): Json =>
    apiVersion === 'v1beta3' ? { 'etcd-prefix': value } : [{ name: 'etcd-prefix', value }]
  return {
    apiVersion: `kubeadm.k8s.io/${apiVersion}`,
    kind: 'ClusterConfiguration',
    etcd: { external: { endpoints, caFile: ca, certFile: cert, keyFile: key } },
    ...(prefix === undefined ? {} : { apiServer: { extraArgs: argument(prefix) } }),
  }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
function checkAccess(options: KubeApiserverOptions | KubeadmExternalEtcdOptions) {
  const endpoints = checkEndpoints('endpoints', options.endpoints)
  const [ca, cert, key] = (['ca', 'cert', 'key'] as const).map((role) => checkPath(role, options[role]))
  const prefix: unknown = options.prefix
  // kube-apiserver does not validate the prefix, except that it adds a missing slash.
  const isPrefix = typeof prefix === 'string' && prefix.length <= 1024 && /^(?:\/[\w.-]+)+$/.test(prefix)
  if (prefix !== undefined && !isPrefix)
    throw textInvalid('prefix', prefix, "a path of letters, digits, '.', '-' and '_', as '/registry'")
  return { endpoints, ca: ca ?? '', cert: cert ?? '', key: key ?? '', prefix }
}

/** Returns a normalized Linux path. A colon would end it in a volume mount. */
function checkPath(option: string, path: unknown): string {
  // PATH_MAX of Linux, without the NUL.
  if (typeof path !== 'string' || !isAbsolute(path) || path.length > 4095 || /[\p{Cc}:]/u.test(path)) {
    throw valueInvalid(option, path, 'an absolute path without control characters and colons')
  }
  if (path.split('/').includes('..')) throw optionInvalid(option, 'must not hold ".."')
  return normalize(path).replace(/(?<=.)\/$/, '')
}

function checkEndpoints(option: string, endpoints: unknown): string[] {
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    throw valueInvalid(option, endpoints, 'an array of at least one URL')
  return endpoints.map((endpoint: unknown, index) => {
    const at = `${option}[${String(index)}]`
    if (typeof endpoint !== 'string') throw valueInvalid(at, endpoint, 'a string')
    const reading = readPlainUrl(endpoint, 'advertise')
    if ('refused' in reading) throw optionInvalid(at, `must be a URL of etcd, and ${reading.refused}`)
    if (!reading.url.isTls) throw optionInvalid(at, 'must begin with "https://": certificates need TLS')
    return endpoint
  })
}
