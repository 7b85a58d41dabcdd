/** The configuration of kubeadm for an etcd that it does not run itself. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { checkClientFiles, checkPrefix, type ClientFiles } from './kube-apiserver.js'
import type { Json, JsonObject } from './metadata.js'
import { checkEndpoints } from './values.js'

/** Versions of kubeadm's configuration: `v1beta3` from Kubernetes 1.22 on, `v1beta4` from 1.31 on. */
export const KUBEADM_VERSIONS: readonly KubeadmVersion[] = ['v1beta3', 'v1beta4']
export type KubeadmVersion = 'v1beta3' | 'v1beta4'

/** What {@link kubeadmExternalEtcd} takes. */
export interface KubeadmExternalEtcdOptions extends ClientFiles {
  /** https URLs of all members. */
  endpoints: readonly string[]
  /** Default: `'v1beta4'`. */
  apiVersion?: KubeadmVersion | undefined
  /** Under which keys kube-apiserver keeps everything. Default: its own, `/registry`. */
  prefix?: string | undefined
}

/** A `ClusterConfiguration`: no object of the API, so it has no metadata. */
export interface KubeadmClusterConfiguration {
  apiVersion: `kubeadm.k8s.io/${KubeadmVersion}`
  kind: 'ClusterConfiguration'
  etcd: { external: { endpoints: string[]; caFile: string; certFile: string; keyFile: string } }
  apiServer?: JsonObject
}

/** Arguments are a mapping in v1beta3, and a list since v1beta4, where one can be given twice. */
const EXTRA_ARGS: Readonly<Record<KubeadmVersion, (name: string, value: string) => Json>> = {
  v1beta3: (name, value) => ({ [name]: value }),
  v1beta4: (name, value) => [{ name, value }],
}

/**
 * The `ClusterConfiguration` for `kubeadm init --config`, with an etcd that stands outside. The files must be on every
 * control-plane node, under these names; kubeadm mounts their folders into kube-apiserver's pod.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function kubeadmExternalEtcd(options: KubeadmExternalEtcdOptions): KubeadmClusterConfiguration {
  checkOptions('options', options, ['endpoints', 'ca', 'cert', 'key', 'apiVersion', 'prefix'])
  const { apiVersion = 'v1beta4', prefix } = options
  if (!KUBEADM_VERSIONS.includes(apiVersion)) {
    throw optionInvalid('options.apiVersion', `must be ${KUBEADM_VERSIONS.join(' or ')}`)
  }
  const { ca, cert, key } = checkClientFiles('options', options)
  const endpoints = checkEndpoints('options.endpoints', options.endpoints)
  const extraArgs =
    prefix === undefined ? undefined : EXTRA_ARGS[apiVersion]('etcd-prefix', checkPrefix('options.prefix', prefix))
  return {
    apiVersion: `kubeadm.k8s.io/${apiVersion}`,
    kind: 'ClusterConfiguration',
    etcd: { external: { endpoints, caFile: ca, certFile: cert, keyFile: key } },
    ...(extraArgs === undefined ? {} : { apiServer: { extraArgs } }),
  }
}
