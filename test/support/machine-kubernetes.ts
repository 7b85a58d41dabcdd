/** What kubeadm leaves on a machine: its PKI, and its manifests. */
import type { Machine } from './machine.js'
import { type Cluster, type ClusterCas, type MemberPlan, oneCa } from './machine-cluster.js'
import { dns, ip, type Minted, mintLeaf, type MintLeafOptions } from './mint.js'

const FOLDER = '/etc/kubernetes'
const ETCD = `${FOLDER}/pki/etcd`

/** A member with the files of kubeadm. */
export function kubeadmMember(more: Partial<MemberPlan> = {}): MemberPlan {
  const flags = { 'peer-trusted-ca-file': `${ETCD}/ca.crt`, ...more.flags }
  return { name: 'node-1', folder: ETCD, ...more, flags }
}

function writePair(machine: Machine, path: string, issuer: Minted, options: Partial<MintLeafOptions>): void {
  const leaf = mintLeaf({ subject: 'client', usages: ['clientAuth'], issuer, ...options })
  machine.write(`${path}.crt`, leaf.pem, 0o644)
  machine.write(`${path}.key`, leaf.keyPem)
}

/** The pairs of clients: for probes of etcd, and for kube-apiserver. */
export function writeClients(machine: Machine, ca: Minted, options: Partial<MintLeafOptions> = {}): void {
  writePair(machine, `${ETCD}/healthcheck-client`, ca, { subject: 'kube-etcd-healthcheck-client', ...options })
  writePair(machine, `${FOLDER}/pki/apiserver-etcd-client`, ca, { subject: 'kube-apiserver-etcd-client', ...options })
}

/** The PKI of a kubeadm that was here, whose etcd does not run any more. */
export function leaveKubeadmPki(machine: Machine, options: Partial<MintLeafOptions> = {}): void {
  const { server: ca } = oneCa('etcd-ca')
  machine.write(`${ETCD}/ca.crt`, ca.pem, 0o644)
  machine.write(`${ETCD}/ca.key`, ca.keyPem)
  const names = [dns('node-1'), dns('localhost'), ip('127.0.0.1'), ip('::1')]
  const usages = ['serverAuth', 'clientAuth']
  for (const name of ['server', 'peer'])
    writePair(machine, `${ETCD}/${name}`, ca, { subject: 'node-1', names, usages, ...options })
  writeClients(machine, ca, options)
}

/** The static pod of etcd, as kubeadm writes it for the first member. */
export function writeEtcdManifest(machine: Machine, flags: Readonly<Record<string, string>>): void {
  const dataDir = flags['data-dir'] ?? '/var/lib/etcd'
  const volumes = [
    { name: 'etcd-data', path: dataDir },
    { name: 'etcd-certs', path: ETCD },
  ]
  writeManifest(machine, 'etcd', ['etcd', ...argsOf(flags)], volumes)
}

/** The flags that kubeadm writes. */
export function kubeadmFlags(name: string, [client, peer] = [2379, 2380]): Record<string, string> {
  const [clientUrl, peerUrl] = [client, peer].map((port) => `https://127.0.0.1:${String(port)}`)
  const ca = `${ETCD}/ca.crt`
  return {
    ...{ name, 'data-dir': '/var/lib/etcd', 'initial-cluster': `${name}=${String(peerUrl)}` },
    ...{ 'listen-client-urls': String(clientUrl), 'advertise-client-urls': String(clientUrl) },
    ...{ 'listen-peer-urls': String(peerUrl), 'initial-advertise-peer-urls': String(peerUrl) },
    ...{ 'cert-file': `${ETCD}/server.crt`, 'key-file': `${ETCD}/server.key`, 'trusted-ca-file': ca },
    ...{ 'peer-cert-file': `${ETCD}/peer.crt`, 'peer-key-file': `${ETCD}/peer.key`, 'peer-trusted-ca-file': ca },
    ...{ 'client-cert-auth': 'true', 'peer-client-cert-auth': 'true' },
  }
}

/** The static pod of kube-apiserver. */
export function writeApiserver(machine: Machine, servers: string, overrides?: string): void {
  const flags = {
    'etcd-servers': servers,
    'etcd-cafile': `${ETCD}/ca.crt`,
    'etcd-certfile': `${FOLDER}/pki/apiserver-etcd-client.crt`,
    'etcd-keyfile': `${FOLDER}/pki/apiserver-etcd-client.key`,
    ...(overrides === undefined ? {} : { 'etcd-servers-overrides': overrides }),
  }
  const volumes = [{ name: 'k8s-certs', path: `${FOLDER}/pki` }]
  writeManifest(machine, 'kube-apiserver', ['kube-apiserver', ...argsOf(flags)], volumes)
}

/** The static pod of kops, whose kube-apiserver has two clusters. */
export function writeKopsApiserver(machine: Machine, ca: Minted): void {
  const folder = '/etc/kubernetes/pki/kube-apiserver'
  writePair(machine, `${folder}/etcd-client`, ca, { subject: 'kube-apiserver' })
  const flags = {
    ...{
      'etcd-cafile': machine.write(`${folder}/etcd-ca.crt`, ca.pem, 0o644),
      'etcd-certfile': `${folder}/etcd-client.crt`,
    },
    ...{ 'etcd-keyfile': `${folder}/etcd-client.key`, 'etcd-servers': 'https://127.0.0.1:4001' },
    'etcd-servers-overrides': '/events#https://127.0.0.1:4002',
  }
  const volumes = [{ name: 'kubernetesca', path: folder }]
  writeManifest(machine, 'kube-apiserver', ['kube-apiserver', ...argsOf(flags)], volumes, 'manifest')
}

function argsOf(flags: Readonly<Record<string, string>>): string[] {
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
}

function writeManifest(
  machine: Machine,
  name: string,
  command: readonly string[],
  volumes: readonly { name: string; path: string }[],
  extension = 'yaml',
): void {
  const image = name === 'etcd' ? 'registry.k8s.io/etcd:3.5.16-0' : 'registry.k8s.io/kube-apiserver:v1.31.0'
  const container = {
    ...{ name, image, command },
    volumeMounts: volumes.map((each) => ({ name: each.name, mountPath: each.path })),
  }
  const manifest = {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'kube-system' } },
    spec: {
      containers: [container],
      hostNetwork: true,
      volumes: volumes.map((each) => ({ name: each.name, hostPath: { path: each.path, type: 'DirectoryOrCreate' } })),
    },
  }
  machine.write(`${FOLDER}/manifests/${name}.${extension}`, JSON.stringify(manifest))
}

/** The server of k3s, which runs etcd in its own process, with the files that it writes for it. */
export function k3sMember(ports: readonly [number, number] = [2379, 2380]): MemberPlan {
  const tls = '/var/lib/rancher/k3s/server/tls/etcd'
  const dataDir = '/var/lib/rancher/k3s/server/db/etcd'
  return {
    ...{ name: 'node-1-5f3a9c1d', ports, folder: tls, form: 'yaml' },
    config: `${dataDir}/config`,
    program: { path: '/mnt/k3s', name: '/usr/local/bin/k3s server' },
    flags: { 'data-dir': dataDir, 'experimental-initial-corrupt-check': 'true', logger: 'zap' },
  }
}

/** Copies etcd to where the plan of {@link k3sMember} has it. */
export async function installK3s(machine: Machine): Promise<void> {
  await machine.must(['sh', '-c', 'cp "$(command -v etcd)" /mnt/k3s'])
}

/** The pairs of k3s for its own client. */
export function writeK3sClient(machine: Machine, { client }: ClusterCas): void {
  writePair(machine, '/var/lib/rancher/k3s/server/tls/etcd/client', client, { subject: 'etcd-client' })
}

/** Makes a cluster of kubeadm whole: its clients and its manifest. */
export function completeKubeadm(machine: Machine, { cas, members: [member] }: Cluster): void {
  writeClients(machine, cas.client)
  const { name = 'node-1', plan } = member ?? {}
  const flags = { ...kubeadmFlags(name, [...(plan?.ports ?? [2379, 2380])]), 'data-dir': member?.dataDir ?? '' }
  writeEtcdManifest(machine, flags)
}
