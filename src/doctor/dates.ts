/** When certificates end: those that members serve, and those that clients present. */
import { kubeadmNames } from './distributions.js'
import { findingMaker, parseDuration } from '../report/internal.js'
import { cluster } from '../report/internal-catalogue.js'
import type { Finding } from '../report/index.js'
import { durationText, isDateCode, type QuorumForecast, validateUntil } from '../validate/internal.js'
import { validateChain } from '../validate/index.js'
import type { Certificate } from '../x509/internal.js'
import type { ClientForecast, ClusterForecast } from './cluster-report.js'
import type { DateRules, ExaminedMember } from './evidence.js'
import { filesOf, PORTS, sideOf } from './read-evidence.js'

const finding = findingMaker(cluster)

const DAY = 86_400_000

/** How long before the end of a certificate with this lifetime it is a warning, in milliseconds. */
function warningTime(lifetime: number, { lead, expiryWarning }: DateRules): number {
  const usual =
    expiryWarning === undefined ? Math.min(lifetime / 3, 30 * DAY) : parseDuration(expiryWarning, 'expiryWarning')
  return Math.max(usual, lead)
}

/** The findings about the dates of the leaf. */
export function datesOf(
  chain: readonly Certificate[],
  usage: 'server' | 'client' | 'peer',
  rules: DateRules,
): Finding[] {
  const [leaf] = chain
  if (leaf === undefined) return []
  const time = warningTime(leaf.notAfter.getTime() - leaf.notBefore.getTime(), rules)
  const expiryWarning = `${String(Math.ceil(time))}ms`
  const input = { chain: [leaf], trustAnchors: [] }
  const { findings } = validateChain(input, { usage, at: rules.at, expiryWarning })
  return findings.filter(({ code }) => isDateCode(code))
}

/** The findings about the dates of the certificates that members serve on both ports. */
export function servedDates(members: readonly ExaminedMember[], rules: DateRules): Finding[] {
  const all = members.flatMap((member) => PORTS.map((port) => ({ member, port })))
  return all.flatMap(({ member, port }) => {
    const { chain = [] } = member[port] ?? {}
    const usage = port === 'client' ? 'server' : 'peer'
    const file = sideOf(member, port)?.cert ?? null
    const [inFile] = file?.certificates ?? []
    // The finding names the file that somebody must replace, if it is known.
    if (file !== null && inFile !== undefined && chain[0]?.equals(inFile) !== false)
      return datesOf([inFile], usage, rules).map((each) => ({ ...each, place: file.place }))
    return datesOf(chain, usage, rules)
  })
}

/** By the CAs with which each member was asked, if they are known. */
export function forecastClients(members: readonly ExaminedMember[], at: Date): ClientForecast {
  const voters = members.filter(({ listed }) => !listed.isLearner)
  const known = voters.flatMap((member) => {
    const { client, label } = member
    const served = client?.chain ?? []
    const chain = served.length > 0 ? served : (sideOf(member, 'client')?.cert?.certificates ?? [])
    const anchors = client?.pair?.credentials.trustAnchors ?? null
    const accepted = chain.length === 0 ? null : validateUntil({ chain, anchors, host: null }, at)
    return accepted === null || 'reason' in accepted ? [] : [{ ...accepted, label }]
  })
  known.sort((a, b) => b.until - a.until)
  const last = known[Math.floor(voters.length / 2)]
  if (last === undefined) return { until: null, certificate: null, members: [] }
  const ending = known.filter(({ until }) => until <= last.until)
  const names = ending.map(({ label }) => label).sort()
  return { until: new Date(last.until), certificate: last.certificate, members: names }
}

/** The details of the finding about the end of a forecast; null if there is no date. */
function endOf({ until, certificate }: Pick<QuorumForecast, 'until' | 'certificate'>, rules: DateRules) {
  if (until === null || certificate === null) return null
  const { at, lead } = rules
  const left = until.getTime() - at.getTime()
  const lifetime = until.getTime() - certificate.notBefore.getTime()
  const later = left < warningTime(lifetime, rules) ? 'soon' : 'later'
  const kind: 'near' | 'soon' | 'later' = left < Math.min(lifetime / 10, 7 * DAY) ? 'near' : later
  const actBy = new Date(until.getTime() - lead)
  const { subject } = certificate
  return { kind, certificate, dates: { until, actBy, isOverdue: actBy <= at, left: durationText(left), subject } }
}

/** The end for clients is a finding only if it is due: the forecast has the date. */
export function forecastFindings({ clients, ...quorum }: ClusterForecast, rules: DateRules): Finding[] {
  const [end, endOfClients] = [endOf(quorum, rules), endOf(clients, rules)]
  const findings: Finding[] = []
  if (!quorum.hasQuorum) findings.push(finding('cluster/quorum-expires', { kind: 'now' }))
  else if (end !== null)
    findings.push(finding('cluster/quorum-expires', { kind: end.kind, ...end.dates }, end.certificate))
  if (endOfClients !== null && endOfClients.kind !== 'later') {
    const { kind, dates, certificate } = endOfClients
    const details = { ...dates, members: [...clients.members] }
    findings.push(finding('cluster/quorum-expires', { kind: `clients ${kind}`, ...details }, certificate))
  }
  return findings
}

/** Replaces the remedies for certificates that end by the commands of kubeadm, if they are in its files. */
export function rewordForKubeadm(
  findings: readonly Finding[],
  members: readonly ExaminedMember[],
  isKubeadm: boolean,
): Finding[] {
  if (!isKubeadm) return [...findings]
  const namesOf = ({ code, certificate, details }: Finding): string[] => {
    const isExpired = code === 'cluster/apiserver-cannot-connect' && details.kind === 'expired'
    if (certificate === null || !(isExpired || isDateCode(code))) return []
    const { origin, fingerprint256 } = certificate
    const files = members
      .flatMap((each) => filesOf(each, 'cert'))
      .filter(({ certificates: [leaf] }) => leaf?.fingerprint256 === fingerprint256)
    const [own = ''] = origin.split(' (from ')
    return kubeadmNames([own, ...files.map(({ path }) => path)])
  }
  const names = new Set(findings.flatMap(namesOf))
  const [first = 'all', second] = names
  const restart =
    second === undefined && first === 'apiserver-etcd-client'
      ? 'kube-apiserver: move its manifest out of /etc/kubernetes/manifests, wait 20 seconds, and move it back'
      : 'etcd and kube-apiserver: move their manifests out of /etc/kubernetes/manifests, wait 20 seconds, and move them back'
  const renewed = second === undefined ? first : 'all'
  const remedy = `Run "kubeadm certs renew ${renewed}" on this machine. Then restart ${restart}.`
  return findings.map((each) => (namesOf(each).length === 0 ? each : { ...each, remedy }))
}
