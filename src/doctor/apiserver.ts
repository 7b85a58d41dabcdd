/** Findings about the access of kube-apiserver to etcd. */
import { acceptedUrl } from '../config/lint/member.js'
import type { EtcdConfigFile } from '../config/read-etcd-config.js'
import type { Credentials } from '../credentials/credentials.js'
import { readSource } from '../credentials/source.js'
import { cluster } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { type ClusterParts, listIn } from './clusters.js'
import { isIssuing, sideOf } from './compare.js'
import { type DateRules, datesOf } from './dates.js'
import { isDateCode, validateUntil } from './forecast.js'
import { type ExaminedMember, isReached } from './members.js'
import type { Pair } from './pairs.js'
import { originOf } from './plan.js'
import type { AskedPort } from './process.js'
import type { FoundAccess } from './sources.js'

const finding = findingMaker(cluster)

export interface ApiserverAccess {
  readonly endpoints: readonly string[]
  readonly credentials: Credentials
  /** Whether it is the first one with these credentials, with which their dates are reported. */
  readonly isFirst: boolean
}

/** A cluster, and the accesses of kube-apiserver to it. */
export interface UsedCluster extends ClusterParts {
  readonly accesses: readonly ApiserverAccess[]
}

interface UsedEvidence {
  readonly pairs: readonly Pair[]
  /** What was asked at the URLs of kube-apiserver. */
  readonly asked: readonly AskedPort[]
}

/**
 * kube-apiserver is compared with the cluster that most of its URLs lead to; if they lead to none, with the only one whose servers its CA
 * verifies; else they are a cluster of their own.
 */
export async function withAccesses(
  groups: readonly ClusterParts[],
  apiserver: FoundAccess | null,
  { pairs, asked }: UsedEvidence,
): Promise<UsedCluster[]> {
  const used = groups.map((each) => ({ ...each, accesses: [] as ApiserverAccess[] }))
  if (apiserver === null) return used
  const pair = pairs.find(({ of }) => of === 'kube-apiserver')
  const credentials = pair?.credentials ?? (await readSource(apiserver.credentials)).credentials
  for (const [i, endpoints] of apiserver.clusters.entries()) {
    const [main = ''] = endpoints
    const countOf = (each: ClusterParts): number => endpoints.filter((url) => isUrlOf(each, url)).length
    // If two clusters have as many of the URLs, the first URL decides.
    const counts = used.map((each) => countOf(each) + (isUrlOf(each, main) ? 0.5 : 0))
    const most = Math.max(0, ...counts)
    const verified = used.filter((each) => (credentials?.trustAnchors ?? []).some((ca) => isIssuerIn(each, ca)))
    const group = most > 0 ? used[counts.indexOf(most)] : verified.length === 1 ? verified[0] : undefined
    const access = credentials === null ? [] : [{ endpoints, credentials, isFirst: i === 0 }]
    const silent = asked.filter(({ seen }) => endpoints.some((url) => originOf(url) === originOf(seen.url)))
    if (group !== undefined) group.accesses.push(...access)
    else if (silent.length > 0) used.push({ clusterId: null, planned: [], asked: silent, accesses: access })
  }
  return used
}

function isUrlOf({ asked, planned }: ClusterParts, url: string): boolean {
  const urls = [
    ...asked.map(({ seen }) => seen.url),
    ...listIn(asked).flatMap(({ clientURLs }) => clientURLs),
    ...planned.flatMap((each) => each.urls),
  ]
  const here = acceptedUrl(url)?.isLocal === true ? planned.filter(({ evidence }) => evidence.network === null) : []
  const listens = here.flatMap(({ config }) => config.client.listenUrls)
  return urls.some((each) => originOf(each) === originOf(url)) || listens.some((each) => isUnspecifiedOf(each, url))
}

function isIssuerIn({ asked, planned }: ClusterParts, ca: Certificate): boolean {
  const chains = [
    ...asked.map(({ seen }) => seen.chain),
    ...planned.map(({ config }) => config.client.cert?.certificates ?? []),
  ]
  return chains.some((chain) => isIssuing(ca, chain))
}

/** The members, and what answers at the URLs that were asked. */
export interface AskedCluster {
  readonly members: readonly ExaminedMember[]
  readonly askedAt: (url: string) => AskedPort | null
}

/** @param isWhole Whether all members are known. */
export function compareApiserver(
  { endpoints, credentials, isFirst }: ApiserverAccess,
  asked: AskedCluster,
  { isWhole, rules }: { isWhole: boolean; rules: DateRules },
): Finding[] {
  const { members } = asked
  return [
    ...(isFirst ? checkDates(credentials, rules) : []),
    ...first(members.flatMap((member) => checkCertificate(member, credentials))),
    ...first(members.flatMap((member) => checkRevocation(member, credentials))),
    ...first(members.flatMap((member) => checkServer(member, { endpoints, credentials }, members, rules.at))),
    ...(isWhole ? checkUrls(endpoints, asked) : []),
  ]
}

/** One cause is one finding: the members have the same CA. */
function first(findings: readonly Finding[]): Finding[] {
  return findings.slice(0, 1)
}

function fileOf({ origin }: Certificate): string {
  return origin.replace(/ \(from [^()]*\)$/, '')
}

function checkDates({ chain }: Credentials, rules: DateRules): Finding[] {
  const [leaf] = chain
  const details = { subject: leaf.subject.toString(), file: fileOf(leaf), notAfter: leaf.notAfter }
  return datesOf(chain, 'client', rules).map((each) =>
    each.code === 'validity/expired'
      ? finding('cluster/apiserver-cannot-connect', { kind: 'expired', ...details }, certificateRef(leaf, 'leaf', 0))
      : each,
  )
}

/** By the names of the CAs that the process accepts now. */
function checkCertificate({ client, label }: ExaminedMember, { chain }: Credentials): Finding[] {
  const accepted = client?.seen.observation.acceptedAuthorities ?? []
  if (accepted.length === 0 || chain.some(({ issuer }) => accepted.some((each) => each.equals(issuer)))) return []
  const [leaf] = chain
  const issuer = (chain.at(-1) ?? leaf).issuer.toString()
  const details = { subject: leaf.subject.toString(), file: fileOf(leaf), issuer, member: label }
  const accepts = accepted.slice(0, MAX_NAMES).map(String)
  const ref = certificateRef(leaf, 'leaf', 0)
  return [finding('cluster/apiserver-cannot-connect', { kind: 'certificate', ...details, accepts }, ref)]
}

const MAX_NAMES = 50

/** etcd reads its CRL at each handshake, and compares only serial numbers. */
function checkRevocation(member: ExaminedMember, { chain }: Credentials): Finding[] {
  const file = sideOf(member, 'client')?.crl ?? null
  const isListed = ({ serial }: Certificate): boolean =>
    file?.crls.some(({ damage, entries }) => damage === null && entries.find(serial) !== null) === true
  const revoked = chain.find(isListed)
  if (file === null || revoked === undefined) return []
  const details = { subject: revoked.subject.toString(), file: fileOf(revoked), serialNumber: revoked.serialNumber }
  const ref = certificateRef(revoked, 'leaf', 0)
  return [
    finding(
      'cluster/apiserver-cannot-connect',
      { kind: 'revoked', ...details, member: member.label, crl: file.path },
      ref,
    ),
  ]
}

/** kube-apiserver verifies etcd by the rules of Go. That a certificate has expired is a finding about the member. */
function checkServer(
  member: ExaminedMember,
  { endpoints, credentials }: Omit<ApiserverAccess, 'isFirst'>,
  members: readonly ExaminedMember[],
  at: Date,
): Finding[] {
  const chain = member.client?.seen.chain ?? []
  const url = endpoints.find((each) => isOf(each, member))
  const host = url === undefined ? null : new URL(url).hostname.replace(/^\[|\]$/g, '')
  const { trustAnchors } = credentials
  const [anchor] = trustAnchors
  if (chain.length === 0 || anchor === undefined) return []
  const accepted = validateUntil({ chain, anchors: trustAnchors, host }, at)
  if (!('reason' in accepted) || isDateCode(accepted.code)) return []
  const isAccepting = ({ certificates }: EtcdConfigFile): boolean =>
    'until' in validateUntil({ chain, anchors: certificates, host }, at)
  const files = members.flatMap((each) => [sideOf(each, 'client')?.ca ?? [], sideOf(each, 'peer')?.ca ?? []].flat())
  const details = { member: member.label, file: fileOf(anchor), reason: accepted.reason }
  const issuer = chain.at(-1)?.issuer.toString() ?? ''
  const inUse = files.find(isAccepting)?.path ?? null
  return [finding('cluster/apiserver-cannot-connect', { kind: 'server', ...details, issuer, inUse })]
}

function isOf(url: string, { listed, client, planned }: ExaminedMember): boolean {
  const side = planned?.config.client
  const own = [
    ...listed.clientURLs,
    client?.seen.url ?? '',
    ...(side?.listenUrls ?? []),
    ...(side?.advertiseUrls ?? []),
  ]
  return own.some((each) => originOf(each) === originOf(url) || isUnspecifiedOf(each, url))
}

/** Whether a URL to listen at is for all addresses, and has the port of the other. */
function isUnspecifiedOf(listens: string, url: string): boolean {
  if (!URL.canParse(listens) || !URL.canParse(url)) return false
  const [{ hostname, port }, other] = [new URL(listens), new URL(url)]
  return ['0.0.0.0', '[::]'].includes(hostname) && port === other.port
}

/** An address of a member that is not in its list answers with its ID, also behind a load balancer. */
function checkUrls(endpoints: readonly string[], { members, askedAt }: AskedCluster): Finding[] {
  const ids = members.map(({ listed: { id } }) => id)
  const wrong = endpoints.flatMap((url) => {
    if (members.some((member) => isOf(url, member))) return []
    const asked = askedAt(url)
    if (asked === null || (asked.answers !== null && ids.includes(asked.answers.memberId))) return []
    const { detail = '' } = asked.seen.observation.refusal ?? {}
    const why = detail === '' ? '' : ` (${detail})`
    const id = asked.answers?.clusterId
    const other = id === undefined ? 'another server answers there' : `a member of the cluster ${id} answers there`
    const state = isReached(asked.seen) ? other : `no etcd answers there${why}`
    return [{ url, state }]
  })
  const clientUrls = [...new Set(members.flatMap(({ listed }) => listed.clientURLs))]
  const works = endpoints.length - wrong.length
  return wrong.map((each) => finding('cluster/apiserver-cannot-connect', { kind: 'url', ...each, clientUrls, works }))
}
