/** Examines a cluster. See `src/doctor/deferred.ts`, which loads this file at the first call. */
import { abortable, holdingProcess } from '../client/timing.js'
import { type Endpoint, readEndpoints } from '../client/endpoints.js'
import { locate, lookupSrv } from '../client/discovery.js'
import { resolveSource } from '../client/options.js'
import { uncheckedOf } from '../config/read/read-option.js'
import { checkSignal } from '../credentials/checks.js'
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { readSource } from '../credentials/source.js'
import { MAX_DELAY, parseDuration } from '../report/duration.js'
import type { CertificateRef, Finding, Unchecked } from '../report/finding.js'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { printable, printableDeep } from '../report/printable.js'
import { makeReport } from '../report/report.js'
import { durationText } from '../validate/checks/check-validity.js'
import { resolveContext } from '../validate/context.js'
import { foldRepeats } from '../validate/fold-repeats.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { ClusterMember, ClusterReport, ExamineOptions, QuorumForecast } from './cluster-report.js'
import { compareAuthorities, comparePeers, compareRestart, compareServed, finding, forecastMember } from './compare.js'
import { forecast } from './forecast.js'
import { about, dialable, type ExaminedMember, examineMembers, isReached } from './members.js'
import { lintPlan, plannedMembers, uncheckedMembers } from './plan.js'
import type { Asking, AskedPort, SeenPort } from './process.js'
import { findLocalEvidence, type LocalEvidence } from './sources.js'

const OPTIONS = [
  ...(['endpoints', 'credentials', 'auth', 'configs', 'root', 'kubeadm'] as const),
  ...(['lead', 'dialTimeout', 'timeout', 'expiryWarning', 'at', 'signal'] as const),
]

const NOTHING_FOUND =
  'is missing, and no etcd was found on this machine: pass "endpoints" and "credentials"; or "configs", the configurations of members; or run it on a machine of the cluster, as root'

export async function examineCluster(options: ExamineOptions): Promise<ClusterReport> {
  checkOptions('options', options, OPTIONS)
  checkSignal(options.signal)
  options.signal?.throwIfAborted()
  return holdingProcess(abortable(options.signal ?? null, examine(options)))
}

async function examine(options: ExamineOptions): Promise<ClusterReport> {
  const { auth, expiryWarning, signal } = options
  const { at } = resolveContext({ usage: 'any', at: options.at, expiryWarning })
  const lead = parseDuration(options.lead ?? '7d', 'lead')
  const [dialTimeout, timeout] = (['dialTimeout', 'timeout'] as const).map((name) => {
    const milliseconds = parseDuration(options[name] ?? { dialTimeout: '5s', timeout: '60s' }[name], name)
    if (milliseconds < 1 || milliseconds > MAX_DELAY) throw optionInvalid(name, 'must be from 1 ms to 24 days')
    return milliseconds
  }) as [number, number]
  const over = new AbortController()
  const abort = (): void => {
    over.abort(signal?.reason)
  }
  signal?.addEventListener('abort', abort, { once: true })
  const timer = setTimeout(abort, timeout)
  try {
    const evidence = await gather(options)
    const connection = await connectionOf(options, evidence, dialTimeout)
    const asking = { credentials: connection.credentials, auth, dialTimeout, expiryWarning, at, signal: over.signal }
    return await reportOf({ ...connection, evidence, asking, lead })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** What is on this machine, unless that is excluded by an empty list of configurations. */
async function gather({ configs, root, kubeadm }: ExamineOptions): Promise<LocalEvidence | null> {
  return configs?.length === 0 ? null : findLocalEvidence({ configs, root, kubeadm })
}

async function connectionOf(
  options: ExamineOptions,
  evidence: LocalEvidence | null,
  dialTimeout: number,
): Promise<Connection> {
  const given = options.credentials === undefined ? null : resolveSource(options.credentials)
  const defaults = given?.clientDefaults?.() ?? {}
  defaults.check?.()
  const source = given ?? evidence?.credentials?.source
  const wanted = options.endpoints ?? defaults.endpoints
  let endpoints: readonly Endpoint[] = []
  if (wanted !== undefined) {
    const located = { ...readEndpoints(wanted), signal: options.signal ?? null, dialTimeout }
    endpoints = (await locate(located, lookupSrv)).endpoints
  } else endpoints = dialable(evidence?.endpoints ?? [])
  if (endpoints.length === 0 && (evidence === null || evidence.configs.length === 0))
    throw optionInvalid('endpoints', NOTHING_FOUND)
  return { ...(await readCredentials(source)), endpoints, areGiven: wanted !== undefined }
}

interface Connection {
  readonly credentials: Credentials | null
  readonly endpoints: readonly Endpoint[]
  /** Whether the caller gave the endpoints. Otherwise they are those that were found on this machine. */
  readonly areGiven: boolean
  /** Why the credentials cannot be read. */
  readonly findings: readonly Finding[]
}

async function readCredentials(
  source: CredentialSource | undefined,
): Promise<Pick<Connection, 'credentials' | 'findings'>> {
  return source === undefined ? { credentials: null, findings: [] } : readSource(source)
}

interface Examination extends Connection {
  readonly evidence: LocalEvidence | null
  readonly asking: Asking
  readonly lead: number
}

async function reportOf({
  evidence,
  endpoints,
  areGiven,
  findings: unreadable,
  asking,
  lead,
}: Examination): Promise<ClusterReport> {
  const { credentials, at, expiryWarning } = asking
  const planned = plannedMembers(evidence?.configs ?? [])
  const examined = await examineMembers(endpoints, planned, asking)
  const { members, isListed, unchecked } = examined
  // Etcds of several clusters may run on this machine. Those that are found there are examined only if the first cluster lists them.
  const others = isListed && !areGiven ? [] : examined.others
  const inCluster = isListed || areGiven ? members.flatMap((each) => each.planned ?? []) : planned
  const left = planned.filter((each) => !inCluster.includes(each))
  const lint = await lintPlan(inCluster, { at, expiryWarning })
  const known = knownAuthorities(members, credentials)
  const expected = forecast(
    members.map((each) => forecastMember(each, 'now', known)),
    { at },
  )
  const apiserver = await readCredentials(evidence?.apiserver?.credentials)
  const clients = [
    ...(credentials === null ? [] : [{ name: credentials.origin, chain: credentials.chain }]),
    ...(apiserver.credentials === null ? [] : [{ name: 'kube-apiserver', chain: apiserver.credentials.chain }]),
  ]
  const served = compareServed(members)
  const isWhole = isListed || members.every((each) => each.planned !== null)
  const quorum = isWhole ? quorumFinding(expected, { at, lead, expiryWarning }) : []
  const own = [
    ...served,
    ...compareAuthorities(members, served, credentials),
    ...compareRestart(members, { known, clients, at }),
    ...comparePeers(expected.pairs),
    ...quorum,
  ]
  const ports = [...members.flatMap(({ client }) => client ?? []), ...others]
  const isAnswered = ports.some(({ answers }) => answers !== null)
  const answers = ports.filter(({ seen }) => !isAnswered || isReached(seen)).flatMap(({ findings }) => findings)
  const findings = foldRepeats(
    foldLint(
      [...own, ...answers, ...unreadable, ...apiserver.findings, ...(evidence?.findings ?? [])],
      lint?.findings ?? [],
    ),
  )
  const all: Unchecked[] = [
    ...unchecked,
    ...(evidence?.unchecked ?? []),
    ...(lint?.unchecked ?? []),
    ...left.map(({ evidence: { source } }) => ofOtherCluster(source)),
    ...notAsked(members, others, asking),
    ...(isListed ? uncheckedMembers(...listOf(members)) : []),
  ]
  const report = makeReport({ checkedAt: at, path: null, findings })
  return {
    ok: report.ok,
    complete: all.length === 0,
    checkedAt: at,
    path: null,
    members: [...members.map(memberOf), ...others.map(otherOf)],
    findings: report.findings,
    forecast: expected,
    unchecked: all,
    sources: [
      ...new Set(inCluster.map(({ evidence: { source } }) => printable(source))),
      ...(credentials === null ? [] : [credentials.origin]),
    ],
  }
}

function listOf(members: readonly ExaminedMember[]): Parameters<typeof uncheckedMembers> {
  const list = members.map(({ listed }) => listed)
  return [
    list,
    new Map(members.flatMap(({ listed, planned }) => (planned === null ? [] : [[listed, planned] as const]))),
  ]
}

/** All CAs that were seen, to find those whose names a process accepts. */
function knownAuthorities(members: readonly ExaminedMember[], credentials: Credentials | null): Certificate[] {
  const all = [
    ...(credentials === null ? [] : [...credentials.trustAnchors, ...(credentials.clientAnchors ?? [])]),
    ...members.flatMap(({ planned, client, peer }) => [
      ...[planned?.config.client.ca, planned?.config.peer.ca].flatMap((file) => file?.certificates ?? []),
      ...[client?.seen, peer].flatMap((seen) => seen?.chain.slice(1) ?? []),
    ]),
  ]
  return [...new Map(all.map((each) => [each.fingerprint256, each])).values()]
}

const DAY = 86_400_000

function quorumFinding(
  { until, certificate, hasQuorum }: QuorumForecast,
  { at, lead, expiryWarning }: { at: Date; lead: number; expiryWarning: string | undefined },
): Finding[] {
  if (!hasQuorum)
    return [finding('cluster/quorum-expires', { is: 'near', until: at, actBy: at, left: 'now', subject: '' })]
  if (until === null || certificate === null) return []
  const left = until.getTime() - at.getTime()
  const lifetime = until.getTime() - certificate.notBefore.getTime()
  const warning =
    expiryWarning === undefined ? Math.min(lifetime / 3, 30 * DAY) : parseDuration(expiryWarning, 'expiryWarning')
  const is = left < Math.min(lifetime / 10, 7 * DAY) ? 'near' : left < warning ? 'soon' : 'later'
  const details = {
    is,
    until,
    actBy: new Date(until.getTime() - lead),
    left: durationText(left),
    subject: certificate.subject,
  }
  return [
    finding('cluster/quorum-expires', details as Parameters<typeof finding<'cluster/quorum-expires'>>[1], certificate),
  ]
}

/** What the lint reports about a pair of members, of whose dials the process is better evidence. */
const OF_PAIRS: readonly string[] = [
  ...['config/member-not-trusted', 'config/member-not-allowed', 'config/member-revoked', 'config/members-differ'],
]

/** One cause is one finding: the evidence of the process has precedence over that of the files. */
function foldLint(own: readonly Finding[], linted: readonly Finding[]): Finding[] {
  const isAboutPairs = ({ code, details }: Finding): boolean =>
    code === 'cluster/peer-refused' || ('kind' in details && details.kind === 'members')
  const cause = own.find(isAboutPairs)
  const ofPairs = cause === undefined ? [] : linted.filter(({ code }) => OF_PAIRS.includes(code))
  const folded = own.map((each) =>
    each === cause ? { ...each, consequences: [...each.consequences, ...ofPairs] } : each,
  )
  return withoutRepeated([...folded, ...linted.filter((each) => !ofPairs.includes(each))])
}

/** The first of findings about the same thing, such as a certificate that several members have; none that another finding has as a consequence. */
function withoutRepeated(findings: readonly Finding[]): Finding[] {
  const seen = new Set(findings.flatMap(({ consequences }) => consequences.map(keyOf)))
  return findings.filter((each) => {
    const key = keyOf(each)
    const isFirst = !seen.has(key)
    seen.add(key)
    return isFirst
  })
}

function keyOf({ code, severity, certificate, details, message }: Finding): string {
  const host = 'host' in details ? details.host : ''
  if (certificate !== null && !code.startsWith('cluster/'))
    return [code, severity, certificate.fingerprint256, certificate.role, host].join()
  return [code, 'file' in details && !code.startsWith('cluster/') ? details.file : message].join()
}

function ofOtherCluster(source: string): Unchecked {
  const place = { option: null, file: source, line: null, column: null }
  const message = `${source} starts a member that this cluster does not list, so it was not examined.`
  return uncheckedOf('server', place, message, 'all')
}

/** What no member answered, so that it was not checked. */
function notAsked(members: readonly ExaminedMember[], others: readonly AskedPort[], asking: Asking): Unchecked[] {
  if (asking.signal.aborted)
    return [about('limit', 'The time of the examination is over before all members were examined.')]
  const none =
    asking.credentials === null
      ? [about('credentials', 'No etcd was asked, because there are no credentials. Pass "credentials".')]
      : []
  const ports = [
    ...members.flatMap(({ client, label }) => [{ label, port: client }]),
    ...others.map((port) => ({ label: port.seen.url, port })),
  ]
  return [
    ...none,
    ...ports.flatMap(({ label, port }) => {
      if (port === null) return [about('server', `${label} advertises no https URL for clients.`)]
      const { answers, problem, seen, findings } = port
      if (
        answers !== null ||
        (findings.length > 0 && isReached(seen)) ||
        (asking.credentials === null && isReached(seen))
      )
        return []
      const reason = problem ?? seen.observation.refusal?.detail ?? ''
      return [about('server', `${label} did not answer at ${seen.url}${reason === '' ? '' : ` (${reason})`}.`)]
    }),
    ...members.flatMap(({ label, peer }) =>
      peer !== null && peer.chain.length === 0
        ? [about('server', `${label} showed no certificate on its peer port, ${peer.url}.`)]
        : [],
    ),
  ]
}

function memberOf({ listed, client, peer, planned, startedAt }: ExaminedMember): ClusterMember {
  const { answers = null } = client ?? {}
  return {
    name: listed.name === '' ? null : printable(listed.name),
    id: listed.id === '' ? null : listed.id,
    clientUrls: printableDeep([...listed.clientURLs]),
    peerUrls: printableDeep([...listed.peerURLs]),
    version: answers === null ? null : printable(answers.version),
    role: answers?.role ?? (listed.isLearner ? 'learner' : null),
    startedAt,
    latency: answers?.latency ?? null,
    served: servedBy(client?.seen ?? null),
    peerServed: servedBy(peer),
    acceptedAuthorities: acceptedBy(client?.seen ?? null),
    peerAcceptedAuthorities: acceptedBy(peer),
    config: planned === null ? null : printable(planned.evidence.source),
    isReached: answers !== null,
  }
}

function otherOf(port: AskedPort): ClusterMember {
  const listed = { name: '', id: '', clientURLs: [port.seen.url], peerURLs: [], isLearner: false }
  const rest = { label: port.seen.url, peer: null, planned: null, startedAt: port.answers?.startedAt ?? null }
  return memberOf({ ...rest, listed, client: port, configChangedAt: null, replacedMounts: new Set() })
}

function servedBy(seen: SeenPort | null): CertificateRef | null {
  const [leaf] = seen?.chain ?? []
  return leaf === undefined ? null : printableDeep(certificateRef(leaf, 'leaf', 0))
}

/** Most CAs of a port that are shown. */
const MAX_AUTHORITIES = 100

function acceptedBy(seen: SeenPort | null): string[] | null {
  return (
    seen?.observation.acceptedAuthorities?.slice(0, MAX_AUTHORITIES).map((each) => printable(each.toString())) ?? null
  )
}
