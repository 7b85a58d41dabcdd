/** Parts of a pod that are about its containers, and not about etcd: its volumes, and what the kubelet asks. */
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { isUnresolved, type Probe } from './read-option.js'
import type { YamlReading } from './yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml-value.js'

/** Mounts of volumes that the pod does not have, with which Kubernetes does not take the pod. */
export function undefinedVolumes(
  container: YamlValue,
  spec: YamlValue,
  claims: readonly string[],
  yaml: YamlReading,
): Finding[] {
  const known = new Set([...itemsOf(at(spec, 'volumes')).map((volume) => textAt(volume, 'name')), ...claims])
  const missing = itemsOf(at(container, 'volumeMounts')).flatMap((mount) => {
    const name = textAt(mount, 'name')
    return name === undefined || known.has(name) || isUnresolved(name) ? [] : [{ name, mount }]
  })
  const [first] = missing
  // Without any, it is an excerpt.
  if (first === undefined || known.size === 0 || [...known].some((name) => isUnresolved(name ?? ''))) return []
  const place = yaml.place(first.mount.offset, 'volumeMounts')
  return [
    finding('config/volume-missing', {
      ...place,
      kind: 'not defined',
      names: [...new Set(missing.map(({ name }) => name))],
      mounts: [],
      by: 'Kubernetes',
    }),
  ]
}

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const

/** The probes of the only container of a pod: a port may be that of another container. */
export function probesOf(container: YamlValue, spec: YamlValue, yaml: YamlReading): Probe[] {
  if (itemsOf(at(spec, 'containers')).length > 1) return []
  const ports = new Map(
    itemsOf(at(container, 'ports')).map((port) => [textAt(port, 'name'), textAt(port, 'containerPort')] as const),
  )
  return PROBES.flatMap((name): Probe[] => {
    const probe = at(container, name)
    const http = at(probe, 'httpGet')
    const target = http ?? at(probe, 'tcpSocket')
    const written = textAt(target, 'port') ?? ''
    const port = /^\d+$/.test(written) ? written : ports.get(written)
    if (target === null || port === undefined || !/^\d+$/.test(port)) return []
    const scheme = textAt(http, 'scheme')?.toUpperCase() === 'HTTPS' ? 'https' : 'http'
    const place = yaml.place((at(target, 'port') ?? target).offset, name)
    return [{ kind: http === null ? 'tcp' : scheme, port, host: textAt(target, 'host') ?? null, place }]
  })
}
