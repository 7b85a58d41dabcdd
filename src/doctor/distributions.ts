/** Where kubeadm, k3s, RKE2 and k0s keep the configurations of etcd and of its clients, and the pairs that they make for clients. */
import type { WatchableSource } from '../credentials/index.js'
import { sourceOfPaths } from '../credentials/internal.js'
import { below, type HostPath, hostPathText, isHostFile } from '../files/internal.js'
import { type Finding, isEtcdMtlsError } from '../report/index.js'
import { fromKubeApiserver } from '../config/index.js'
import { enabledUnit, overridesIn } from '../config/internal.js'
import { onDisk, readConfigFile } from '../config/internal-read.js'

/** The data directories of k3s and of RKE2. The etcd in them is configured by a file that they write. */
const K3S = ['/var/lib/rancher/k3s/server', '/var/lib/rancher/rke2/server']

/** The pairs that k3s, RKE2 and k0s make for clients of their etcd: the folder, the CA, and the name of the pair. */
const PAIRS = [
  ...K3S.map((folder) => [`${folder}/tls/etcd`, 'server-ca.crt', 'client'] as const),
  ['/var/lib/k0s/pki', 'etcd/ca.crt', 'apiserver-etcd-client'],
] as const

interface InstalledConfig {
  readonly kind: 'kubeadm' | 'k3s' | 'systemd'
  readonly file: string
}

/** The manifest of kubeadm; else the files that k3s and RKE2 write, if no process was found, and the unit. */
export async function installedConfigs(
  kubeadm: HostPath,
  root: string | null,
  { isOnlyKubeadm, hasProcess }: { readonly isOnlyKubeadm: boolean; readonly hasProcess: boolean },
): Promise<InstalledConfig[]> {
  const inFiles = (kind: InstalledConfig['kind'], files: readonly HostPath[]): InstalledConfig[] =>
    files.map((file) => ({ kind, file: hostPathText(file) }))
  const manifests = await existing([below(kubeadm, 'manifests/etcd.yaml')])
  if (manifests.length > 0 || isOnlyKubeadm) return inFiles('kubeadm', manifests)
  const k3s = hasProcess ? [] : await existing(K3S.map((folder) => onDisk(`${folder}/db/etcd/config`, root)))
  const unit = await enabledUnit('etcd.service', root)
  return [...inFiles('k3s', k3s), ...inFiles('systemd', unit === null ? [] : [unit])]
}

/** The pairs that kubeadm makes for probes, and those that k3s, RKE2 and k0s make for kube-apiserver. */
export async function clientPairs(
  kubeadm: HostPath,
  root: string | null,
): Promise<{ readonly source: WatchableSource; readonly from: string }[]> {
  const found: { source: WatchableSource; from: string }[] = []
  for (const [folder, authority, pair] of [
    [below(kubeadm, 'pki/etcd'), 'ca.crt', 'healthcheck-client'] as const,
    ...PAIRS.map(([path, ...names]) => [onDisk(path, root), ...names] as const),
  ]) {
    const [cert, key] = await existing([below(folder, `${pair}.crt`), below(folder, `${pair}.key`)])
    if (cert === undefined || key === undefined) continue
    found.push({ source: sourceOfPaths({ ca: below(folder, authority), cert, key }), from: hostPathText(cert) })
  }
  return found
}

/** The paths that are regular files. */
async function existing(paths: readonly HostPath[]): Promise<HostPath[]> {
  const are = await Promise.all(paths.map(isHostFile))
  return paths.filter((_, i) => are[i] === true)
}

/** What kubeadm calls the certificates of these files (cmd/kubeadm/app/phases/certs). */
export function kubeadmNames(paths: readonly string[]): string[] {
  const file = /\/pki\/(?:(etcd\/)(?=server|peer|healthcheck-client)|(?=apiserver-etcd-client))([a-z-]+)\.crt$/
  return paths.flatMap((path) => {
    const [, etcd = '', name] = file.exec(path) ?? []
    return name === undefined ? [] : [etcd.replace('/', '-') + name]
  })
}

/** The access of kube-apiserver to an etcd. */
export interface FoundAccess {
  readonly source: string
  readonly credentials: WatchableSource
  /** The URLs of `--etcd-servers`, then those of each etcd of `--etcd-servers-overrides`. */
  readonly clusters: readonly (readonly string[])[]
}

/** @param kubeadm The folder of kubeadm. */
export async function readApiserver(
  kubeadm: HostPath,
  root: string | null,
): Promise<{ readonly apiserver: FoundAccess | null; readonly findings: readonly Finding[] }> {
  const kops = below(kubeadm, 'manifests/kube-apiserver.manifest')
  const path = (await isHostFile(kops)) === true ? kops : below(kubeadm, 'manifests/kube-apiserver.yaml')
  const source = hostPathText(path)
  if ((await isHostFile(path)) !== true) return { apiserver: null, findings: [] }
  const content = await readConfigFile(path, source)
  if ('code' in content) return { apiserver: null, findings: [content] }
  const { text: manifest } = content
  try {
    const { endpoints, credentials } = await fromKubeApiserver({ manifest }, root === null ? {} : { root })
    const clusters = [endpoints, ...(await overridesIn(manifest))]
    return { apiserver: { source, credentials, clusters }, findings: [] }
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_CONFIG_INVALID')) throw error
    return { apiserver: null, findings: error.details.findings }
  }
}
