/** How the kubelet asks an etcd with TLS whether it lives. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { readUrl } from '../url.js'
import { availableIn, type ParsedVersion, type Since } from '../version.js'
import { checkClientFiles, type ClientFiles } from './kube-apiserver.js'
import type { JsonObject } from './manifest.js'
import { escapeExpansion } from './values.js'

/**
 * `'metrics'`: over HTTP at the metrics URL, since the kubelet has no client certificate to show. Files: by `etcdctl` inside
 * of the container, with a client certificate that is there.
 */
export type EtcdProbe = 'metrics' | ClientFiles

/** `/livez` and `/readyz`: CHANGELOG-3.4.md, CHANGELOG-3.5.md; server/etcdserver/api/etcdhttp/health.go. */
const LIVEZ: Since = ['3.4.29', '3.5.11', '3.6.0']

interface ProbePaths {
  readonly startup: string
  readonly liveness: string
  readonly readiness: string
}

const NEW_PATHS: ProbePaths = { startup: '/readyz', liveness: '/livez', readiness: '/readyz' }
/** A member that is out of space, or has lost the others, is not mended by a restart. As kubeadm did before 1.32. */
const OLD_PATHS: ProbePaths = {
  startup: '/health?serializable=false',
  liveness: '/health?exclude=NOSPACE&serializable=true',
  readiness: '/health?serializable=false',
}

/** Seconds. The times are those of kubeadm (cmd/kubeadm/app/util/staticpod): a start may take four minutes. */
const TIMES = {
  startupProbe: { periodSeconds: 10, timeoutSeconds: 15, failureThreshold: 24 },
  livenessProbe: { periodSeconds: 10, timeoutSeconds: 15, failureThreshold: 8 },
  readinessProbe: { periodSeconds: 5, timeoutSeconds: 15, failureThreshold: 3 },
}

/** Probes over HTTP. `host` is for pods of the host's network that listen on one address alone. */
export function httpProbes(version: ParsedVersion, port: number, host?: string): JsonObject {
  const paths = availableIn(version, LIVEZ) === 'all' ? NEW_PATHS : OLD_PATHS
  const get = (path: string): JsonObject => ({
    httpGet: { ...(host === undefined ? {} : { host }), path, port, scheme: 'HTTP' },
  })
  // In 3.4, /health asks the other members whatever the query is, so liveness is left to the port.
  const isAskedByPort = paths === OLD_PATHS && version.minor === 4
  const liveness = isAskedByPort
    ? { tcpSocket: { ...(host === undefined ? {} : { host }), port } }
    : get(paths.liveness)
  return {
    startupProbe: { ...get(paths.startup), ...TIMES.startupProbe },
    livenessProbe: { ...liveness, ...TIMES.livenessProbe },
    readinessProbe: { ...get(paths.readiness), ...TIMES.readinessProbe },
  }
}

/**
 * Probes by etcdctl, which asks for a quorum. A member without one must not be restarted for that, so liveness is left to
 * the port: a connection that ends before TLS begins.
 */
export function execProbes(files: ClientFiles, endpoint: string, port: number, host?: string): JsonObject {
  const { ca, cert, key } = files
  const command = [
    'etcdctl',
    `--endpoints=${endpoint}`,
    `--cacert=${ca}`,
    `--cert=${cert}`,
    `--key=${key}`,
    'endpoint',
    'health',
  ]
  const exec = { exec: { command: command.map(escapeExpansion) } }
  return {
    startupProbe: { ...exec, ...TIMES.startupProbe },
    livenessProbe: { tcpSocket: { ...(host === undefined ? {} : { host }), port }, ...TIMES.livenessProbe },
    readinessProbe: { ...exec, ...TIMES.readinessProbe },
  }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkProbe(option: string, probe: unknown): EtcdProbe {
  if (probe === 'metrics') return probe
  if (typeof probe !== 'object' || probe === null)
    throw optionInvalid(option, "must be 'metrics' or the files of a client")
  const files = { ca: undefined, cert: undefined, key: undefined, ...probe }
  checkOptions(option, files, ['ca', 'cert', 'key'])
  return checkClientFiles(option, files)
}

/** Where the first http metrics URL listens; null where there is none. */
export function metricsListener(urls: readonly string[]): { host: string; port: number } | null {
  for (const url of urls) {
    const reading = readUrl(url, 'listen')
    if ('url' in reading && reading.url.scheme === 'http')
      return { host: reading.url.host.value, port: reading.url.port }
  }
  return null
}
