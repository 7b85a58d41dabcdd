/** A member of etcd as a static pod, which a kubelet runs without an API server. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { MemberConfig } from '../model.js'
import { etcdOptions } from '../options.js'
import { checkConfig, valueOf } from '../render/check-config.js'
import { extraDirectories } from '../render/deployment.js'
import { renderEtcdArgs } from '../render/render.js'
import { readUrl } from '../url.js'
import { DEFAULT_VERSION, readVersion } from '../version.js'
import type { JsonObject, KubernetesManifest } from './manifest.js'
import { checkLabelName, checkObjectName, metadataOf, type MetadataOptions } from './names.js'
import { checkProbe, execProbes, httpProbes, metricsListener, type EtcdProbe } from './probes.js'
import { checkImage, checkPath, escapeExpansion, isInside } from './values.js'

/** What {@link staticPod} takes beside the member. */
export interface StaticPodOptions extends MetadataOptions {
  /** The image of etcd, with its tag or digest. */
  image: string
  /** The folder of the host with all files that the configuration names. It is mounted under the same path, to be read. */
  pki: string
  /** Name of the pod, which the kubelet completes by the node's. Default: `'etcd'`. */
  name?: string | undefined
  /** Default: `'kube-system'`. */
  namespace?: string | undefined
  /** Default: `'metrics'`, which needs an http metrics URL. */
  probe?: EtcdProbe | undefined
}

/** As kubeadm labels its own (cmd/kubeadm/app/util/staticpod, ComponentPod). */
const LABELS = { component: 'etcd', tier: 'control-plane' }

/**
 * The manifest for `/etc/kubernetes/manifests`: in the host's network, data and certificates on the host, probes by HTTP at
 * the metrics URL.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` for a configuration that cannot be written, as `renderEtcdConfig` does.
 */
export function staticPod(config: MemberConfig, options: StaticPodOptions): KubernetesManifest<'Pod'> {
  checkConfig(config)
  checkOptions('options', options, ['image', 'pki', 'name', 'namespace', 'probe', 'labels', 'annotations'])
  const name = checkObjectName('options.name', options.name ?? 'etcd')
  const namespace = checkLabelName('options.namespace', options.namespace ?? 'kube-system')
  const image = checkImage('options.image', options.image)
  const pki = checkPath('options.pki', options.pki)
  const dataDir = checkPath('config.dataDir', config.dataDir)
  if (dataDir === pki || isInside(dataDir, pki) || isInside(pki, dataDir)) {
    throw optionInvalid('config.dataDir', 'must be apart from options.pki')
  }
  for (const { option, path } of filesOf(config)) {
    if (!isInside(checkPath(option, path), pki)) throw optionInvalid(option, `must lie in ${pki}, which is mounted`)
  }
  // Such as the one of --wal-dir: lost with the container, were it not on the host.
  const others = extraDirectories(config)
    .map(({ option, path }) => checkPath(`config.extra.${option.replace(/^--/, '')}`, path))
    .filter((path) => path !== dataDir && !isInside(path, dataDir))
    .map((path, i) => ({ name: `etcd-data-${String(i + 1)}`, path }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataOf(name, namespace, options, LABELS),
    spec: {
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'etcd',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['etcd', ...renderEtcdArgs(config)].map(escapeExpansion),
          ...probesOf(config, options),
          resources: { requests: { cpu: '100m', memory: '100Mi' } },
          volumeMounts: [
            { name: 'etcd-data', mountPath: dataDir },
            ...others.map((each) => ({ name: each.name, mountPath: each.path })),
            { name: 'etcd-certs', mountPath: pki, readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: 'etcd-data', hostPath: { path: dataDir, type: 'DirectoryOrCreate' } },
        ...others.map((each) => ({ name: each.name, hostPath: { path: each.path, type: 'DirectoryOrCreate' } })),
        // Not made where it is missing: etcd would find an empty folder in place of its certificates.
        { name: 'etcd-certs', hostPath: { path: pki, type: 'Directory' } },
      ],
    },
  }
}

/** The files that etcd reads, by the names of the model. */
function filesOf(config: MemberConfig): { option: string; path: string }[] {
  return etcdOptions.flatMap((row) => {
    const path = row.kind === 'path' && row.block !== 'server' ? valueOf(config, row) : undefined
    return typeof path === 'string' ? [{ option: `config.${row.block}.${String(row.field)}`, path }] : []
  })
}

function probesOf(config: MemberConfig, options: StaticPodOptions): JsonObject {
  const probe = checkProbe('options.probe', options.probe ?? 'metrics')
  if (probe !== 'metrics') {
    const pki = checkPath('options.pki', options.pki)
    for (const path of [probe.ca, probe.cert, probe.key]) {
      if (!isInside(path, pki)) throw optionInvalid('options.probe', `must name files in ${pki}, which is mounted`)
    }
    const { endpoint, host, port } = ownEndpoint(config)
    return execProbes(probe, endpoint, port, host)
  }
  const listener = metricsListener(config.metricsUrls ?? [])
  if (listener === null) {
    throw optionInvalid(
      'config.metricsUrls',
      "must hold an http URL for the probes, as 'http://127.0.0.1:2381', or options.probe the files of a client",
    )
  }
  // Without a host, the kubelet asks at the pod's own address, which is the node's here.
  const host = isEverywhere(listener.host) ? '127.0.0.1' : listener.host
  return httpProbes(readVersion(config.version ?? DEFAULT_VERSION, 'config.version'), listener.port, host)
}

/** Where a client inside of the pod reaches its member. */
function ownEndpoint(config: MemberConfig): { endpoint: string; host: string; port: number } {
  const loopback = config.client.listenUrls.find((url) => /^https:\/\/(?:127\.|localhost:|\[::1\])/.test(url))
  const endpoint = loopback ?? config.client.advertiseUrls[0] ?? ''
  const reading = readUrl(endpoint, 'advertise')
  if ('refused' in reading)
    throw optionInvalid('config.client.advertiseUrls', `must hold a URL that ${reading.refused}`)
  return { endpoint, host: reading.url.host.value, port: reading.url.port }
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
