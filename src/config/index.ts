/**
 * Writes the configuration of etcd, so that it means what it seems to mean, in the forms that etcd, systemd, Compose and
 * etcdctl read.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClusterFiles } from '../authority/files/cluster-shape.js'
export type { CredentialFiles } from '../credentials/write.js'
export type { ClientSide, MemberConfig, PeerSide, TlsSide, EtcdTlsVersion } from './model.js'
export type { ConfigForm } from './options.js'
export { clusterConfigs, renderCluster } from './render/cluster.js'
export type { ClusterRenderPlan, MemberAddresses } from './render/cluster.js'
export { renderCompose } from './render/compose.js'
export type { ComposeOptions } from './render/compose.js'
export { renderEtcdctl } from './render/etcdctl.js'
export type { EtcdctlForm } from './render/etcdctl.js'
export { renderEtcdArgs, renderEtcdConfig } from './render/render.js'
export type { RenderConfigOptions } from './render/render.js'
export { renderSystemdUnit } from './render/systemd.js'
export type { SystemdUnitOptions } from './render/systemd.js'
export type { EtcdLine, EtcdVersion } from './version.js'
