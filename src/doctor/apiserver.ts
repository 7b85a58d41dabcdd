/** Findings about the access of kube-apiserver to etcd. */
import type { FoundAccess } from './distributions.js'
import { acceptedUrl } from '../config/internal.js'
import type { EtcdConfigFile } from '../config/index.js'
import type { Credentials } from '../credentials/index.js'
import { readSource } from '../credentials/internal.js'
import { findingMaker } from '../report/internal.js'
import { cluster } from '../report/internal-catalogue.js'
import type { Finding } from '../report/index.js'
import { isDateCode, validateUntil } from '../validate/internal.js'
import { type Certificate, certificateRef, hostsOfUrls } from '../x509/internal.js'
import { MAX_NAMES } from './compare.js'
import { datesOf } from './dates.js'
import type { AskedPort, ClusterParts, Comparison, DateRules, ExaminedMember, Pair } from './evidence.js'
import { filesOf, isIssuing, isOfAccepted, isReached, listIn, originOf, sideOf } from './read-evidence.js'

const finding = findingMaker(cluster)

export interface ApiserverAccess {
  readonly endpoints: readonly string[]
  readonly credentials: Credentials
  /** Whether it is the first one with these credentials, with which their dates are reported. */
  readonly isFirst: boolean
}

export interface UsedCluster extends ClusterParts {
  readonly accesses: readonly ApiserverAccess[]
}

/**
 * kube-apiserver is compared with the cluster that most of its URLs lead to; if they lead to none, with the only one whose servers its CA
 * verifies; else they are a cluster of their own.
 *
 * @param asked What was asked at the URLs of kube-apiserver.
 */
export async function withAccesses(
  groups: readonly ClusterParts[],
  apiserver: FoundAccess | null,
  { pairs, asked }: { readonly pairs: readonly Pair[]; readonly asked: readonly AskedPort[] },
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
    const [verified, ...others] = used.filter((each) =>
      (credentials?.trustAnchors ?? []).some((ca) => chainsOf(each).some((chain) => isIssuing(ca, chain))),
    )
    const group = most > 0 ? used[counts.indexOf(most)] : others.length === 0 ? verified : undefined
    const access = credentials === null ? [] : [{ endpoints, credentials, isFirst: i === 0 }]
    const silent = asked.filter(({ url }) => isAt(endpoints, url))
    if (group !== undefined) group.accesses.push(...access)
    else if (silent.length > 0) used.push({ clusterId: null, planned: [], asked: silent, accesses: access })
  }
  return used
}

function isAt(urls: readonly string[], url: string): boolean {
  return urls.some((each) => originOf(each) === originOf(url))
}

function isUrlOf({ asked, planned }: ClusterParts, url: string): boolean {
  const listed = listIn(asked).flatMap(({ clientURLs }) => clientURLs)
  const own = [...asked.map((each) => each.url), ...listed, ...planned.flatMap(({ urls }) => urls)]
  const here = acceptedUrl(url)?.isLocal === true ? planned.filter(({ evidence }) => evidence.network === null) : []
  return (
    isAt(own, url) || here.some(({ config }) => config.client.listenUrls.some((each) => isUnspecifiedOf(each, url)))
  )
}

function chainsOf({ asked, planned }: ClusterParts): (readonly Certificate[])[] {
  const inFiles = planned.map(({ config }) => config.client.cert?.certificates ?? [])
  return [...asked.map(({ chain }) => chain), ...inFiles]
}

type AskedCluster = Pick<Comparison, 'members' | 'askedAt' | 'isWhole'>

export function compareApiserver(access: ApiserverAccess, asked: AskedCluster & DateRules): Finding[] {
  const { endpoints, credentials, isFirst } = access
  const { members, isWhole, at } = asked
  return [
    ...(isFirst ? checkDates(credentials, asked) : []),
    // One cause is one finding: the members have the same CA.
    ...members.flatMap((member) => checkCertificate(member, credentials)).slice(0, 1),
    ...members.flatMap((member) => checkRevocation(member, credentials)).slice(0, 1),
    ...members.flatMap((member) => checkServer(member, access, members, at)).slice(0, 1),
    ...(isWhole ? checkUrls(endpoints, asked) : []),
  ]
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
  const accepted = client?.acceptedAuthorities ?? []
  if (accepted.length === 0 || isOfAccepted(chain, accepted)) return []
  const [leaf] = chain
  const issuer = (chain.at(-1) ?? leaf).issuer.toString()
  const details = { subject: leaf.subject.toString(), file: fileOf(leaf), issuer, member: label }
  const accepts = accepted.slice(0, MAX_NAMES).map(String)
  const ref = certificateRef(leaf, 'leaf', 0)
  return [finding('cluster/apiserver-cannot-connect', { kind: 'certificate', ...details, accepts }, ref)]
}

/** etcd reads its CRL at each handshake, and compares only serial numbers. */
function checkRevocation(member: ExaminedMember, { chain }: Credentials): Finding[] {
  const file = sideOf(member, 'client')?.crl ?? null
  const isListed = ({ serial }: Certificate): boolean =>
    file?.crls.some(({ damage, entries }) => damage === null && entries.find(serial) !== null) === true
  const revoked = chain.find(isListed)
  if (file === null || revoked === undefined) return []
  const named = { subject: revoked.subject.toString(), file: fileOf(revoked), serialNumber: revoked.serialNumber }
  const details = { kind: 'revoked', ...named, member: member.label, crl: file.path } as const
  return [finding('cluster/apiserver-cannot-connect', details, certificateRef(revoked, 'leaf', 0))]
}

/** kube-apiserver verifies etcd by the rules of Go. That a certificate has expired is a finding about the member. */
function checkServer(
  member: ExaminedMember,
  { endpoints, credentials: { trustAnchors } }: ApiserverAccess,
  members: readonly ExaminedMember[],
  at: Date,
): Finding[] {
  const chain = member.client?.chain ?? []
  const url = endpoints.find((each) => isOf(each, member))
  const host = url === undefined ? null : (hostsOfUrls([url])[0]?.value ?? null)
  const [anchor] = trustAnchors
  if (chain.length === 0 || anchor === undefined) return []
  const accepted = validateUntil({ chain, anchors: trustAnchors, host }, at)
  if (!('reason' in accepted) || isDateCode(accepted.code)) return []
  const isAccepting = ({ certificates }: EtcdConfigFile): boolean =>
    'until' in validateUntil({ chain, anchors: certificates, host }, at)
  const details = { member: member.label, file: fileOf(anchor), reason: accepted.reason }
  const issuer = chain.at(-1)?.issuer.toString() ?? ''
  const inUse = members.flatMap((each) => filesOf(each, 'ca')).find(isAccepting)?.path ?? null
  return [finding('cluster/apiserver-cannot-connect', { kind: 'server', ...details, issuer, inUse })]
}

function isOf(url: string, { listed, client, planned }: ExaminedMember): boolean {
  const { listenUrls = [], advertiseUrls = [] } = planned?.config.client ?? {}
  const own = [...listed.clientURLs, client?.url ?? '', ...listenUrls, ...advertiseUrls]
  return isAt(own, url) || own.some((each) => isUnspecifiedOf(each, url))
}

/** Whether a URL to listen at is for all addresses, and has the port of the other. */
function isUnspecifiedOf(listens: string, url: string): boolean {
  const [own, other] = [acceptedUrl(listens, 'listen'), acceptedUrl(url)]
  return own?.isUnspecified === true && own.port === other?.port
}

/** An address of a member that is not in its list answers with its ID, also behind a load balancer. */
function checkUrls(endpoints: readonly string[], { members, askedAt }: AskedCluster): Finding[] {
  const ids = members.map(({ listed: { id } }) => id)
  const wrong = endpoints.flatMap((url) => {
    if (members.some((member) => isOf(url, member))) return []
    const asked = askedAt(url)
    if (asked === null || (asked.answers !== null && ids.includes(asked.answers.memberId))) return []
    const { detail = '' } = asked.refusal ?? {}
    const why = detail === '' ? '' : ` (${detail})`
    const id = asked.answers?.clusterId
    const other = id === undefined ? 'another server answers there' : `a member of the cluster ${id} answers there`
    const state = isReached(asked) ? other : `no etcd answers there${why}`
    return [{ url, state }]
  })
  const clientUrls = [...new Set(members.flatMap(({ listed }) => listed.clientURLs))]
  const works = endpoints.length - wrong.length
  return wrong.map((each) => finding('cluster/apiserver-cannot-connect', { kind: 'url', ...each, clientUrls, works }))
}
