/** The flags of kube-apiserver for an etcd. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { checkEndpoints, checkPath } from './values.js'

/** The files by which a client proves itself to etcd, as the one who reads them sees them. */
export interface ClientFiles {
  /** CAs of etcd's server certificates. */
  ca: string
  /** The client certificate, followed by its intermediates. */
  cert: string
  key: string
}

/** What {@link kubeApiserverFlags} takes. */
export interface KubeApiserverOptions extends ClientFiles {
  /** https URLs of all members. The certificates must name these hosts: kube-apiserver has no option for another name. */
  endpoints: readonly string[]
  /** Other clusters for some resources, by `resource` or `group/resource`, as `{ events: ['https://…'] }`. */
  overrides?: Readonly<Record<string, readonly string[]>> | undefined
  /** Under which keys everything is kept. Default: kube-apiserver's own, `/registry`. */
  prefix?: string | undefined
}

/**
 * The `--etcd-*` flags of kube-apiserver, one a list entry, as in `command` of its static pod.
 *
 * kube-apiserver reads the client's certificate and key at each handshake; the CAs at its start only.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function kubeApiserverFlags(options: KubeApiserverOptions): string[] {
  checkOptions('options', options, ['endpoints', 'ca', 'cert', 'key', 'overrides', 'prefix'])
  const { overrides = {}, prefix } = options
  const endpoints = checkEndpoints('options.endpoints', options.endpoints)
  const files = checkClientFiles('options', options)
  if (typeof overrides !== 'object') throw optionInvalid('options.overrides', 'must be an object')
  const others = Object.entries(overrides).map(([resource, urls]) => {
    const option = `options.overrides.${resource}`
    if (!/^(?:[a-z0-9][a-z0-9.-]*\/)?[a-z0-9]+$/.test(resource)) {
      throw optionInvalid(option, "must be named as 'events' or 'apps/deployments'")
    }
    const [name = resource, group = ''] = resource.split('/').toReversed()
    return `${group}/${name}#${checkEndpoints(option, urls).join(';')}`
  })
  return [
    `--etcd-servers=${endpoints.join(',')}`,
    `--etcd-cafile=${files.ca}`,
    `--etcd-certfile=${files.cert}`,
    `--etcd-keyfile=${files.key}`,
    ...(others.length === 0 ? [] : [`--etcd-servers-overrides=${others.join(',')}`]),
    ...(prefix === undefined ? [] : [`--etcd-prefix=${checkPrefix('options.prefix', prefix)}`]),
  ]
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkClientFiles(
  option: string,
  { ca, cert, key }: Readonly<Record<keyof ClientFiles, unknown>>,
): ClientFiles {
  return {
    ca: checkPath(`${option}.ca`, ca),
    cert: checkPath(`${option}.cert`, cert),
    key: checkPath(`${option}.key`, key),
  }
}

/** kube-apiserver refuses none, and puts a slash before it where it has none. */
export function checkPrefix(option: string, prefix: unknown): string {
  if (typeof prefix === 'string' && prefix.length <= 1024 && /^(?:\/[\w.-]+)+$/.test(prefix)) return prefix
  throw optionInvalid(option, "must be a path of letters, digits, '.', '-' and '_', as '/registry'")
}
