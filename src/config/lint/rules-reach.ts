/** How a member is reached: what it needs for that, and whether others are told what leads to it. */
import type { Finding } from '../../report/finding.js'
import { otherOptions } from '../options-other.js'
import { isUnresolved as isCompleted } from '../read/read-option.js'
import { finding } from './finding.js'
import type { LintMember, LintSide, Rule } from './member.js'
import { urlsOf } from './served-url.js'

/** An https URL for metrics is served by the certificate for clients (server/embed/etcd.go v3.5.16 serveMetrics). */
const metricsHaveCertificate: Rule = ({ settings, client, isWhole }) => {
  const setting = settings.server('metricsUrls')
  const url = urlsOf(setting, 'listen').find(({ isTls, port }) => isTls && port !== '')
  const isThere = client.get('certFile').isSet || client.get('keyFile').isSet || client.isAutoTls
  // Where clients need it, too, that is told.
  if (url === undefined || isThere || client.servesTls || !isWhole) return []
  return [finding('config/metrics-certificate-missing', { ...setting.place, url: url.text })]
}

/** Names by which members are found without a list of them. */
const BOOTSTRAP: ReadonlySet<string> = new Set(
  otherOptions.flatMap(({ isBootstrap, name, yaml }) => (isBootstrap ? [name, yaml?.name[0] ?? name] : [])),
)
const DEFAULT_NAME = 'default'

/** In a file, etcd derives the list of members from a name alone (server/embed/config.go UpdateDefaultClusterFromName). */
const clusterIsNamed: Rule = ({ settings, peer, others, isWhole }) => {
  const [cluster, name, advertise] = [
    settings.server('initialCluster'),
    settings.server('name'),
    peer.get('advertiseUrls'),
  ]
  if (!isWhole || cluster.isSet || name.text !== DEFAULT_NAME || advertise.option?.form !== 'yaml') return []
  const isFound = others.some((other) => BOOTSTRAP.has(other.name)) || settings.all().some(isDiscovery)
  if (isFound || !advertise.isSet || advertise.isUnresolved || advertise.text === advertise.row.default) return []
  return [
    finding('config/cluster-missing', {
      ...advertise.place,
      cluster: cluster.place.option,
      name: name.place.option,
      standard: cluster.text,
    }),
  ]
}

/** A row of the table that is read only, as those of discovery are. */
function isDiscovery({ row, text }: { row: { field: unknown; yaml: unknown }; text: string }): boolean {
  return row.field === null && row.yaml !== null && text !== ''
}

function reachable(side: LintSide): Finding[] {
  const listen = side.get('listenUrls')
  const advertise = side.get('advertiseUrls')
  if (!listen.isSet || !advertise.isSet || listen.isUnresolved || side.listen.length < listen.values.length) return []
  if (!side.listen.every(({ isLocal }) => isLocal)) return []
  // Where the schemes differ, that is told.
  const url = side.advertise.find(
    ({ isLocal, isUnspecified, isTls }) =>
      !isLocal && !isUnspecified && side.listen.some((each) => each.isTls === isTls),
  )
  if (url === undefined) return []
  const told = { url: url.text, listen: side.listen.map(({ text }) => text).join(', ') }
  return [finding('config/advertise-not-listened', { ...advertise.place, ...told })]
}

const advertisedIsListened: Rule = ({ client, peer }: LintMember) => [...reachable(client), ...reachable(peer)]

/** Whether the kubelet reaches what it asks: it comes to the address of the pod, and shows no certificate. */
const probesAreAnswered: Rule = ({ settings, client, peer, isWhole, probes }) => {
  const metrics = settings.server('metricsUrls')
  const settingsOfUrls = [client.get('listenUrls'), client.get('httpUrls'), metrics, peer.get('listenUrls')]
  if (!isWhole || settingsOfUrls.some(({ isUnresolved, values }) => isUnresolved || values.some(isCompleted))) return []
  const served = [...client.listen, ...urlsOf(metrics, 'listen')]
  return probes.flatMap(({ kind, port, host, place }): Finding[] => {
    const atPort = (kind === 'tcp' ? [...served, ...peer.listen] : served).filter((url) => url.port === port)
    const isLocal = host !== null && LOOPBACK.test(host)
    const reached = atPort.filter((url) => (isLocal ? url.isLocal || url.isUnspecified : !url.isLocal))
    const fits = reached.filter(({ isTls }) => kind === 'tcp' || isTls === (kind === 'https'))
    const [first] = atPort
    const why =
      first === undefined
        ? 'port'
        : reached.length === 0
          ? 'address'
          : fits.length === 0
            ? 'scheme'
            : kind === 'https' && client.asksForCertificates
              ? 'certificate'
              : null
    if (why === null) return []
    return [finding('config/probe-unanswered', { ...place, port, why, url: first?.text ?? null })]
  })
}
const LOOPBACK = /^(?:127\.|localhost$|::1$)/

export const reachRules: readonly Rule[] = [
  metricsHaveCertificate,
  clusterIsNamed,
  advertisedIsListened,
  probesAreAnswered,
]
