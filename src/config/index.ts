/**
 * Writes the configuration of etcd, so that it means what it seems to mean, in the forms that etcd, systemd, Compose and
 * etcdctl read; and checks configurations that others wrote.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClusterFiles } from '../authority/cluster/cluster-credentials.js'
export type { CredentialFiles } from '../credentials/write.js'
export type { AccessOptions, EtcdAccess } from './kubernetes/access.js'
export { certManagerResources } from './kubernetes/cert-manager.js'
export type {
  CertManagerClient,
  CertManagerMember,
  CertManagerOptions,
  IssuerReference,
} from './kubernetes/cert-manager.js'
export { fromKubeadmConfig, fromKubeApiserver, lintCluster, lintEtcdConfig, lintEtcdConfigs } from './deferred.js'
export { kubeApiserverFlags } from './kubernetes/kube-apiserver.js'
export type { ClientFiles, KubeApiserverOptions } from './kubernetes/kube-apiserver.js'
export { kubeadmExternalEtcd } from './kubernetes/kubeadm.js'
export type { KubeadmClusterConfiguration, KubeadmExternalEtcdOptions, KubeadmVersion } from './kubernetes/kubeadm.js'
export type { Json, JsonObject, KubernetesManifest, ManifestMetadata, MetadataOptions } from './kubernetes/metadata.js'
export type { KubeApiserverInput } from './kubernetes/read-apiserver.js'
export type { KubeadmInput } from './kubernetes/read-kubeadm.js'
export { secretManifest } from './kubernetes/secret.js'
export type { SecretManifest, SecretOptions } from './kubernetes/secret.js'
export type { LintOptions, LintReport } from './lint/lint.js'
export type { Suppression } from './lint/suppress.js'
export type { ClientSide, ExtraValue, MemberConfig, PeerSide, TlsSide, EtcdTlsVersion } from './model.js'
export type { ConfigForm } from './tables/options.js'
export type { ConfigInput } from './read/input.js'
export { renderCluster } from './render/cluster.js'
export type { ClusterRenderPlan, MemberAddresses, RenderedMember } from './render/cluster.js'
export { renderCompose } from './render/compose.js'
export type { ComposeOptions } from './render/compose.js'
export { renderEtcdctl } from './render/etcdctl.js'
export type { EtcdctlForm } from './render/etcdctl.js'
export { renderEtcdConfig } from './render/render.js'
export type { RenderConfigOptions, RenderForm } from './render/render.js'
export { renderSystemdUnit } from './render/systemd.js'
export type { SystemdUnitOptions } from './render/systemd.js'
export type { EtcdLine, EtcdVersion } from './tables/version.js'
