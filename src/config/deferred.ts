/** Loads the lint and the Kubernetes readers at their first call, so that an import of the package stays cheap. */
import { loadDeferred } from '../report/load-deferred.js'
import type { AccessOptions, EtcdAccess, KubeadmInput, KubeApiserverInput } from './kubernetes/read-access.js'
import type { LintOptions, LintReport } from './lint/lint.js'
import type { ConfigInput } from './read/input.js'
import type { EtcdConfigMember, ReadConfigOptions } from './read-etcd-config.js'

const lint = () => loadDeferred(() => import('./lint/lint.js'))
const reader = () => loadDeferred(() => import('./read-etcd-config.js'))
const access = () => loadDeferred(() => import('./kubernetes/read-access.js'))

/**
 * Checks a configuration of etcd. It reports options that etcd refuses or silently ignores, options that reduce
 * security, and named files that are not valid for their roles. Each finding has its place. A configuration that cannot
 * be read is also a finding. What was not checked is in `unchecked` of the report.
 *
 * It returns one report for each etcd that the input starts, in their order; of most inputs one. Etcds that list each other
 * as members are also compared, as {@link lintCluster} does: each difference is in the report of one of them.
 *
 * @example
 * ```ts
 * const [report] = await lintEtcdConfig({ file: '/etc/etcd/etcd.conf.yml' }, { version: '3.5.16' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintEtcdConfig(
  config: ConfigInput,
  options: LintOptions = {},
): Promise<[LintReport, ...LintReport[]]> {
  return (await lint()).lintEtcdConfig(config, options)
}

/**
 * Lints the configurations of all members of one cluster. It checks each as {@link lintEtcdConfig} does, and then compares
 * them with each other. A Compose file or a manifest may contain several members.
 *
 * @example
 * ```ts
 * const report = await lintCluster([{ file: 'etcd-0.yml' }, { file: 'etcd-1.yml' }, { file: 'etcd-2.yml' }])
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintCluster(configs: readonly ConfigInput[], options: LintOptions = {}): Promise<LintReport> {
  return (await lint()).lintCluster(configs, options)
}

/**
 * Reads what a configuration of etcd sets, for tools that compare them with something else: for each member its name, its URLs, and for each side the files with
 * their certificates, CRLs and modes. It never holds a private key or a password.
 *
 * @example
 * ```ts
 * const [member] = await readEtcdConfig({ file: '/etc/etcd/etcd.conf.yml' })
 * console.log(member.name, member.client.cert?.certificates[0]?.notAfter)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function readEtcdConfig(
  config: ConfigInput,
  options: ReadConfigOptions = {},
): Promise<[EtcdConfigMember, ...EtcdConfigMember[]]> {
  return (await reader()).readEtcdConfig(config, options)
}

/**
 * The etcd of a kube-apiserver, and the credentials that it uses there, as on a control-plane node.
 *
 * Paths in the container are translated to paths on the host. These credentials allow everything in that etcd.
 * `credentials.load()` reads the files.
 *
 * @example
 * ```ts
 * const client = await createSecureClient(
 *   await fromKubeApiserver({ file: '/etc/kubernetes/manifests/kube-apiserver.yaml' }),
 * )
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` if something is missing or cannot be read, or if etcd has no TLS.
 */
export async function fromKubeApiserver(input: KubeApiserverInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  return (await access()).fromKubeApiserver(input, options)
}

/**
 * The etcd of a kubeadm cluster, and the credentials that its kube-apiserver uses there. For an external etcd it reads
 * the configuration. If kubeadm runs etcd, it is the member on this node. `apiServer.extraArgs` takes precedence, as
 * for kube-apiserver.
 *
 * @example
 * ```ts
 * const { endpoints, credentials } = await fromKubeadmConfig({ file: '/etc/kubernetes/kubeadm.yaml' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` if something is missing or cannot be read, or if etcd has no TLS.
 */
export async function fromKubeadmConfig(input: KubeadmInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  return (await access()).fromKubeadmConfig(input, options)
}
