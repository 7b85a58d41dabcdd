/** Examines a cluster. See `src/doctor/deferred.ts`, which loads this file at the first call. */
import { abortable, holdingProcess } from '../client/timing.js'
import type { Endpoint } from '../client/endpoints.js'
import { locate, lookupSrv } from '../client/discovery.js'
import { resolveEndpoints, resolveSource } from '../client/options.js'
import { checkSignal } from '../credentials/checks.js'
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { readSource } from '../credentials/source.js'
import { MAX_DELAY, parseDuration } from '../report/duration.js'
import type { CertificateRef, Finding, Unchecked } from '../report/finding.js'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { printable, printableDeep } from '../report/printable.js'
import { makeReport } from '../report/report.js'
import { uncheckedIn } from '../report/finding.js'
import { resolveContext } from '../validate/context.js'
import { foldRepeats } from '../validate/fold-repeats.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { compareApiserver } from './apiserver.js'
import type { ClusterMember, ClusterReport, ExamineOptions } from './cluster-report.js'
import { compareAuthorities, compareRestart, compareServed, forecastMember } from './compare.js'
import { clientsFinding, datesOf, forecastClients, quorumFinding, rewordForKubeadm, servedDates } from './dates.js'
import { forecast } from './forecast.js'
import { dialable, type ExaminedMember, examineMembers, isReached } from './members.js'
import { compareOutage, isDown } from './outage.js'
import { lintPlan, ofOtherClusters, plannedMembers, uncheckedMembers } from './plan.js'
import { comparePeers } from './peers.js'
import { type Asking, readAnchors, type SeenPort } from './process.js'
import { findLocalEvidence, type FoundCredentials, type LocalEvidence } from './sources.js'
import { isOfFirstStart } from './wrong-data.js'

const OPTIONS = [
  ...(['endpoints', 'credentials', 'ca', 'auth', 'configs', 'root', 'kubeadm'] as const),
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
  const { auth, configs, expiryWarning, kubeadm, root, signal } = options
  const { at } = resolveContext({ usage: 'any', at: options.at, expiryWarning })
  if (auth !== undefined && options.credentials === undefined && options.ca === undefined)
    throw optionInvalid('auth', 'needs "credentials" or "ca": a password is sent only to servers that they verify')
  if (options.ca !== undefined && options.credentials !== undefined)
    throw optionInvalid('ca', 'must not be set next to "credentials", which have the CAs')
  const lead = parseDuration(options.lead ?? '7d', 'lead')
  const dialTimeout = readTimeout(options.dialTimeout ?? '5s', 'dialTimeout')
  const over = new AbortController()
  const abort = (): void => {
    over.abort(signal?.reason)
  }
  const timer = setTimeout(abort, readTimeout(options.timeout ?? '60s', 'timeout'))
  signal?.addEventListener('abort', abort, { once: true })
  try {
    // An empty list of configurations excludes those of this machine.
    const evidence = configs?.length === 0 ? null : await findLocalEvidence({ configs, root, kubeadm })
    const connection = await connectionOf(options, evidence, { dialTimeout, at })
    const asking = { credentials: connection.credentials, auth, dialTimeout, expiryWarning, at, signal: over.signal }
    return await reportOf({ ...connection, evidence, asking, lead })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function readTimeout(text: string, option: string): number {
  const milliseconds = parseDuration(text, option)
  if (milliseconds < 1 || milliseconds > MAX_DELAY) throw optionInvalid(option, 'must be from 1 ms to 24 days')
  return milliseconds
}

async function connectionOf(
  options: ExamineOptions,
  evidence: LocalEvidence | null,
  { dialTimeout, at }: { dialTimeout: number; at: Date },
): Promise<Connection> {
  const given = options.credentials === undefined ? null : resolveSource(options.credentials)
  const defaults = given?.clientDefaults?.() ?? {}
  defaults.check?.()
  const wanted = options.endpoints ?? defaults.endpoints
  let endpoints: readonly Endpoint[] = []
  if (wanted !== undefined) {
    const located = { ...resolveEndpoints(options.endpoints, defaults), signal: options.signal ?? null, dialTimeout }
    endpoints = (await locate(located, lookupSrv)).endpoints
  } else endpoints = dialable(evidence?.endpoints ?? [])
  if (endpoints.length === 0 && (evidence === null || evidence.configs.length === 0))
    throw optionInvalid('endpoints', NOTHING_FOUND, unreadError(evidence))
  if (options.ca !== undefined)
    return { ...(await readAnchors(options.ca)), clients: [], endpoints, areGiven: wanted !== undefined }
  const found = given === null ? (evidence?.credentials ?? []) : [{ source: given, of: 'caller' as const }]
  return { ...(await chooseCredentials(found, at)), endpoints, areGiven: wanted !== undefined }
}

/** The first pair that can be read and has not expired: etcd refuses an expired one. */
async function chooseCredentials(
  found: readonly { readonly source: CredentialSource; readonly of: FoundCredentials['of'] | 'caller' }[],
  at: Date,
): Promise<Pick<Connection, 'credentials' | 'clients' | 'findings'>> {
  const read: { of: string; credentials: Credentials | null; findings: readonly Finding[] }[] = []
  for (const { source, of } of found) {
    read.push({ ...(await readSource(source)), of })
    if (isValidAt(read.at(-1)?.credentials ?? null, at)) break
  }
  const readable = read.flatMap(({ credentials }) => credentials ?? [])
  const credentials = readable.find((each) => isValidAt(each, at)) ?? readable[0] ?? null
  // The lint checks those of members; those of kube-apiserver are checked with its access.
  const checked = read.filter(({ of }) => of === 'caller' || of === 'probes')
  const clients = checked.flatMap((each) => each.credentials ?? [])
  return { credentials, clients, findings: checked.flatMap(({ findings }) => findings) }
}

function isValidAt(credentials: Credentials | null, at: Date): boolean {
  const [leaf] = credentials?.chain ?? []
  return leaf !== undefined && leaf.notBefore <= at && at <= leaf.notAfter
}

/** What was found and cannot be read, as the cause of an error. */
function unreadError(evidence: LocalEvidence | null): Error | undefined {
  return evidence === null ? undefined : new Error(evidence.unchecked.map(({ message }) => message).join('\n'))
}

interface Connection {
  readonly credentials: Credentials | null
  readonly endpoints: readonly Endpoint[]
  /** Whether the caller gave the endpoints. Otherwise they are those that were found on this machine. */
  readonly areGiven: boolean
  /** Those that only a client presents. */
  readonly clients: readonly Credentials[]
  /** What is wrong with their files. */
  readonly findings: readonly Finding[]
}

function readCredentials(source: CredentialSource | undefined): ReturnType<typeof readSource> {
  return source === undefined ? Promise.resolve({ credentials: null, findings: [] }) : readSource(source)
}

interface Examination extends Connection {
  readonly evidence: LocalEvidence | null
  readonly asking: Asking
  readonly lead: number
}

async function reportOf(given: Examination): Promise<ClusterReport> {
  const { evidence, areGiven, findings: unreadable, asking, lead } = given
  const { credentials, at, expiryWarning } = asking
  const planned = plannedMembers(evidence?.configs ?? [])
  const { members, isListed, unchecked, ...examined } = await examineMembers(given, planned, asking)
  // Etcds of several clusters may run on this machine. Those that are found there are examined only if the first cluster lists them.
  const others = isListed && !areGiven ? [] : examined.others
  const inCluster = isListed || areGiven ? members.flatMap((each) => each.planned ?? []) : planned
  const left = planned.filter((each) => !inCluster.includes(each))
  const lint = await lintPlan(inCluster, { at, expiryWarning })
  const apiserver = await readCredentials(evidence?.apiserver?.credentials)
  const known = knownAuthorities(members, credentials)
  const now = members.map((each) => forecastMember(each, 'now', known))
  const expected = forecast(now, { at })
  const rules = { at, lead, expiryWarning }
  const expectedClients = forecastClients(members, { anchors: credentials?.trustAnchors ?? null, at })
  const clients = [
    ...(credentials === null ? [] : [{ name: credentials.origin, chain: credentials.chain }]),
    ...(apiserver.credentials === null ? [] : [{ name: 'kube-apiserver', chain: apiserver.credentials.chain }]),
  ]
  const served = compareServed(members)
  const isWhole = isListed || members.every((each) => each.planned !== null)
  const ports = [...members, ...others].flatMap(({ client }) => client ?? [])
  const isAnswered = ports.some(({ answers }) => answers !== null)
  const outage = compareOutage(members)
  const access = evidence?.apiserver
  const effects = outage.flatMap(({ consequences }) => consequences)
  const own = [
    ...served,
    ...compareAuthorities(members, served, credentials),
    ...compareRestart(members, { known, clients, at }),
    ...comparePeers({ members, now }, expected),
    ...outage,
    ...(access === null || access === undefined || apiserver.credentials === null
      ? []
      : compareApiserver(
          { endpoints: access.endpoints, credentials: apiserver.credentials },
          { members, others: examined.others },
          { isWhole, rules },
        )),
    ...(isWhole ? [...quorumFinding(expected, rules), ...clientsFinding(expectedClients, rules)] : []),
    // A member that does not answer is an error only if none answers.
    ...ports
      .filter(({ seen }) => !isAnswered || isReached(seen))
      .flatMap(({ findings }) => findings.filter((each) => isOfCluster(each) && !effects.includes(each)))
      .filter((each) => !isAnswered || !isOfLearner(each)),
    ...[...unreadable, ...apiserver.findings, ...(evidence?.findings ?? [])],
  ]
  const dates = [
    ...servedDates([...members, ...others], rules),
    ...given.clients.flatMap(({ chain }) => datesOf(chain, 'client', rules)),
  ]
  // An etcd that serves TLS has joined its cluster.
  const isRunning = ports.some(({ seen }) => seen.chain.length > 0)
  const isLoggedIn = ports.some(({ answers }) => answers?.isLoggedIn === true)
  const linted = (lint?.findings ?? []).filter((each) => {
    const isProtected = isLoggedIn && each.code === 'config/client-auth-off' && each.details.side === 'client'
    return !isProtected && !(isRunning && isOfFirstStart(each))
  })
  const all = foldLint(own, [...linted, ...dates], members)
  const findings = foldRepeats(rewordForKubeadm(all, members, evidence))
  const unconfigured = members.flatMap(({ listed, planned: own }) => (own === null ? [listed] : []))
  const missing: Unchecked[] = [
    ...[...unchecked, ...(evidence?.unchecked ?? []), ...(lint?.unchecked ?? [])],
    ...ofOtherClusters(left.map(({ evidence: { source } }) => source)),
    ...notAsked([...members, ...others], asking),
    ...(isListed ? uncheckedMembers(unconfigured) : []),
  ]
  const report = makeReport({ checkedAt: at, path: null, findings })
  return {
    ...{ ok: report.ok, complete: missing.length === 0, checkedAt: at, path: null },
    members: [...members, ...others].map(memberOf),
    findings: report.findings,
    forecast: { ...expected, clients: expectedClients },
    unchecked: missing,
    sources: [
      ...new Set(inCluster.map(({ evidence: { source } }) => printable(source))),
      ...(credentials === null ? [] : [credentials.origin]),
    ],
  }
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

/** A learner serves no calls, and is no fault. */
function isOfLearner({ code, details }: Finding): boolean {
  return code === 'endpoint/unavailable' && details.learner
}

/** Whether a finding of the client is about the cluster, and not about the environment of this process. */
function isOfCluster({ code }: Finding): boolean {
  return code !== 'environment/ignored'
}

/** What the lint reports about a pair of members, of whose dials the process is better evidence. */
const OF_PAIRS: readonly string[] = [
  ...['config/member-not-trusted', 'config/member-not-allowed', 'config/member-revoked', 'config/members-differ'],
]

/** What the lint reports about a certificate whose CA is not in the CA file. */
const OF_ISSUER: readonly string[] = [...['config/gateway-refused', 'chain/issuer-not-found', 'chain/root-not-trusted']]

/**
 * One cause is one finding: the evidence of the process has precedence over that of the files. That a CA file was not read again is not
 * reported next to what reading it breaks, because its remedy is the restart that this warns of.
 */
function foldLint(own: readonly Finding[], linted: readonly Finding[], members: readonly ExaminedMember[]): Finding[] {
  const isAboutPairs = ({ code, details }: Finding): boolean =>
    code === 'cluster/peer-refused' || (code === 'cluster/refused-after-restart' && details.kind === 'members')
  const ofPairs = own.find(isAboutPairs)
  const causeOf = (each: Finding): Finding | undefined => {
    if (OF_PAIRS.includes(each.code)) return ofPairs
    return own.find((cause) => {
      if (cause === each || cause.code !== 'cluster/refused-after-restart' || cause.details.kind === 'start')
        return false
      const { member, file, kind } = cause.details
      const isSameFile = 'file' in each.details && each.details.file === file
      if (each.code === 'cluster/ca-not-reloaded') return each.details.member === member && isSameFile
      if (each.code === 'cluster/refused-after-restart')
        return kind === 'members' && each.details.kind === 'clients' && each.details.member === member && isSameFile
      const { planned } = members.find(({ label }) => label === member) ?? {}
      return OF_ISSUER.includes(each.code) && each.place?.file === planned?.config.client.ca?.place.file
    })
  }
  const all = [...own, ...linted]
  const causes = new Map(all.map((each) => [each, causeOf(each)]))
  const folded = all
    .filter((each) => causes.get(each) === undefined)
    .map((each) => {
      const effects = all.filter((one) => causes.get(one) === each)
      return effects.length === 0 ? each : { ...each, consequences: [...each.consequences, ...effects] }
    })
  return withoutRepeated(folded)
}

/** The first of findings about the same thing, such as a certificate that several members have. A consequence of another finding is omitted. */
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
  if (code.startsWith('cluster/')) return message
  const parts = ['host', 'kind'].map((name) => String(Reflect.get(details, name) ?? ''))
  if (certificate !== null) return [code, severity, certificate.fingerprint256, certificate.role, ...parts].join()
  return [code, 'file' in details ? details.file : message].join()
}

/** What no member answered, so that it was not checked. */
function notAsked(members: readonly ExaminedMember[], { credentials, signal }: Asking): Unchecked[] {
  if (signal.aborted)
    return [uncheckedIn(null, 'limit', 'The time of the examination is over before all members were examined.')]
  const missing = 'No etcd was asked, because there are no credentials. Pass a CA, a client certificate and its key.'
  return [
    ...(credentials === null ? [uncheckedIn(null, 'credentials', missing)] : []),
    ...members.flatMap(({ label, client, listed: { isLearner } }) => {
      if (isLearner && client !== null && isReached(client.seen)) return []
      if (client === null) return [uncheckedIn(null, 'server', `${label} advertises no https URL for clients.`)]
      const { answers, problem, seen, findings } = client
      const isExplained = isReached(seen) && (findings.length > 0 || credentials === null)
      const reason = problem ?? seen.observation.refusal?.detail ?? ''
      const message = `${label} did not answer at ${seen.url}${reason === '' ? '' : ` (${reason})`}.`
      return answers !== null || isExplained ? [] : [uncheckedIn(null, 'server', message)]
    }),
    ...members.flatMap((member) => {
      const { label, peer } = member
      // One line says that it did not answer.
      if (peer === null || peer.chain.length > 0 || (isDown(member) && !isReached(peer))) return []
      return [uncheckedIn(null, 'server', `${label} showed no certificate on its peer port, ${peer.url}.`)]
    }),
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
