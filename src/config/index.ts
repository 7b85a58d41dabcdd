/**
 * Renders secure configurations for etcd, systemd, Compose, etcdctl and Kubernetes, and checks existing configurations.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClusterFiles } from '../authority/cluster/cluster-credentials.js'
export type { CredentialFiles } from '../credentials/write.js'
export { certManagerResources } from './kubernetes/cert-manager.js'
export type { CertManagerOptions } from './kubernetes/cert-manager.js'
export { fromKubeadmConfig, fromKubeApiserver, lintCluster, lintEtcdConfig, readEtcdConfig } from './deferred.js'
export { kubeadmExternalEtcd, kubeApiserverFlags } from './kubernetes/kube-apiserver.js'
export type {
  ClientFiles,
  KubeadmClusterConfiguration,
  KubeadmExternalEtcdOptions,
  KubeApiserverOptions,
} from './kubernetes/kube-apiserver.js'
export type { AccessOptions, EtcdAccess, KubeadmInput, KubeApiserverInput } from './kubernetes/read-access.js'
export { secretManifest } from './kubernetes/secret.js'
export type { SecretManifest, SecretOptions } from './kubernetes/secret.js'
export type { LintOptions, LintReport } from './lint/lint.js'
export type { Suppression, UncheckedSuppression } from './lint/suppress.js'
export type { MemberConfig, TlsSide } from './model.js'
export type { ConfigInput } from './read/input.js'
export type {
  EtcdConfigDirectory,
  EtcdConfigFile,
  EtcdConfigMember,
  EtcdConfigSide,
  ReadConfigOptions,
} from './read-etcd-config.js'
export { renderCluster } from './render/cluster.js'
export type { ClusterRenderPlan, RenderedMember } from './render/cluster.js'
export { renderEtcdctl } from './render/etcdctl.js'
export { renderEtcdConfig } from './render/render.js'
export type { RenderConfigOptions } from './render/render.js'
export { renderSystemdUnit } from './render/systemd.js'
export type { SystemdUnitOptions } from './render/systemd.js'
export type { EtcdVersion } from './tables/version.js'
