/** Examines the clusters of a machine, or those of endpoints. See `src/doctor/deferred.ts`, which loads this file at the first call. */
import { abortable, holdingProcess } from '../client/timing.js'
import type { Endpoint } from '../client/endpoints.js'
import { locate, lookupSrv } from '../client/discovery.js'
import { resolveEndpoints, resolveSource } from '../client/options.js'
import { checkSignal } from '../credentials/checks.js'
import { cluster } from '../report/catalogue/cluster.js'
import { MAX_DELAY, parseDuration } from '../report/duration.js'
import { type Finding, findingMaker, type Unchecked, uncheckedIn } from '../report/finding.js'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { makeReport } from '../report/report.js'
import { listed } from '../report/words.js'
import { resolveContext } from '../validate/context.js'
import { foldRepeats } from '../validate/fold-repeats.js'
import { withAccesses } from './apiserver.js'
import type { ClusterReport, ExamineOptions, MachineReport } from './cluster-report.js'
import { type ClusterParts, groupClusters } from './clusters.js'
import { examineOne } from './examine-one.js'
import { dialable, MAX_ENDPOINTS, Ports } from './members.js'
import { readPairs, type ReadPairs } from './pairs.js'
import { type PlannedMember, plannedMembers } from './plan.js'
import type { AskedPort, Asking } from './process.js'
import { findLocalEvidence, type LocalEvidence } from './sources.js'

const finding = findingMaker(cluster)

const OPTIONS = [
  ...(['endpoints', 'credentials', 'ca', 'auth', 'configs', 'root', 'kubeadm'] as const),
  ...(['lead', 'dialTimeout', 'timeout', 'expiryWarning', 'at', 'signal'] as const),
]

const NOTHING_FOUND =
  'is missing, and no etcd was found on this machine: pass "endpoints" and "credentials"; or "configs", the configurations of members; or run it on a machine of the cluster, as root'

/** Examines what is found, or named, and makes one report. */
export async function examineMachine(options: ExamineOptions): Promise<MachineReport> {
  return (await examineAll(options)).report
}

export async function examineCluster(options: ExamineOptions): Promise<ClusterReport> {
  const { report, areGiven } = await examineAll(options)
  const [first, second] = report.clusters.toSorted((a, b) => b.members.length - a.members.length)
  if (first === undefined || (second !== undefined && !areGiven))
    throw optionInvalid(
      'endpoints',
      `is missing, and this machine has several clusters: ${describe(report.clusters)}. ${SEVERAL}`,
    )
  const { findings, ok } = makeReport({
    checkedAt: first.checkedAt,
    path: null,
    findings: [...report.findings, ...first.findings],
  })
  const unchecked = [...report.unchecked, ...first.unchecked]
  return { ...first, ok, complete: unchecked.length === 0, findings, unchecked }
}

const SEVERAL = 'Pass the endpoints of one of them, or call examineMachine()'

function describe(clusters: readonly ClusterReport[]): string {
  return listed(
    clusters.map(({ clusterId, members, sources: [source = ''] }) => {
      const names = members.map(({ name, clientUrls: [url = source] }) => name ?? url)
      return `${clusterId === null ? 'one of unknown ID' : `ID ${clusterId}`} (${names.join(', ')})`
    }),
  )
}

async function examineAll(options: ExamineOptions): Promise<{ report: MachineReport; areGiven: boolean }> {
  checkOptions('options', options, OPTIONS)
  checkSignal(options.signal)
  options.signal?.throwIfAborted()
  return holdingProcess(abortable(options.signal ?? null, examine(options)))
}

async function examine(options: ExamineOptions): Promise<{ report: MachineReport; areGiven: boolean }> {
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
    const evidence =
      configs?.length === 0 ? null : await findLocalEvidence({ configs, root, kubeadm, signal: over.signal })
    const connection = await connectionOf(options, evidence, dialTimeout)
    const asking = { auth, dialTimeout, expiryWarning, at, isNow: options.at === undefined, signal: over.signal }
    const report = await reportOf({ ...connection, evidence, asking, lead })
    return { report, areGiven: connection.endpoints !== null }
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
  dialTimeout: number,
): Promise<Connection> {
  const given = options.credentials === undefined ? null : resolveSource(options.credentials)
  const defaults = given?.clientDefaults?.() ?? {}
  defaults.check?.()
  const wanted = options.endpoints ?? defaults.endpoints
  let endpoints: readonly Endpoint[] | null = null
  if (wanted !== undefined) {
    const located = { ...resolveEndpoints(options.endpoints, defaults), signal: options.signal ?? null, dialTimeout }
    endpoints = (await locate(located, lookupSrv)).endpoints
  }
  if (endpoints === null && (evidence === null || (evidence.configs.length === 0 && evidence.apiserver === null)))
    throw optionInvalid('endpoints', NOTHING_FOUND, unreadError(evidence))
  return { endpoints, read: await readPairs(given, evidence?.credentials ?? [], options.ca) }
}

/** What was found and cannot be read, as the cause of an error. */
function unreadError(evidence: LocalEvidence | null): Error | undefined {
  return evidence === null ? undefined : new Error(evidence.unchecked.map(({ message }) => message).join('\n'))
}

interface Connection {
  /** Null if the caller gave none. */
  readonly endpoints: readonly Endpoint[] | null
  readonly read: ReadPairs
}

interface MachineExamination extends Connection {
  readonly evidence: LocalEvidence | null
  readonly asking: Asking
  readonly lead: number
}

async function reportOf({ endpoints, evidence, asking, lead, read }: MachineExamination): Promise<MachineReport> {
  const { at } = asking
  const apiserver = evidence?.apiserver ?? null
  const planned = await plannedMembers(evidence?.configs ?? [], asking.signal)
  const ports = new Ports(asking, read.pairs, planned)
  const own = await ports.askEach(
    endpoints === null ? planned.map((each) => dialable(each.urls)) : endpoints.map((each) => [each]),
  )
  const urls = endpoints === null ? (apiserver?.clusters.flat() ?? []) : []
  const asked = await ports.askEach(urls.map((url) => dialable([url])))
  const isUsed = (each: AskedPort): boolean => each.answers !== null && !own.includes(each)
  // With endpoints of the caller, the other clusters of this machine are not examined.
  const known = groupClusters(planned, [...own, ...asked.filter(isUsed)]).filter(
    (each) => endpoints === null || each.asked.length > 0,
  )
  const groups = await withAccesses(known, apiserver, { pairs: read.pairs, asked })
  // kops has this name, and renews certificates itself.
  const isKops = apiserver?.source.endsWith('.manifest') === true
  const isKubeadm = (apiserver !== null && !isKops) || evidence?.configs.some(({ kind }) => kind === 'kubeadm') === true
  const { areProcessesVisible = false } = evidence ?? {}
  const given = {
    ports,
    asking,
    lead,
    planned,
    pairs: read.pairs,
    isKubeadm,
    areProcessesVisible,
    areGiven: endpoints !== null,
  }
  const askedAt = await ports.askedAt()
  const clusters = await Promise.all(groups.map((each) => examineOne(each, { ...given, askedAt })))
  const findings = [
    ...(endpoints === null ? [] : severalClusters(groups, clusters)),
    ...unreadable(read, planned),
    ...(evidence?.findings ?? []),
  ]
  const report = makeReport({ checkedAt: at, path: null, findings: foldRepeats(findings) })
  const unchecked = [...(evidence?.unchecked ?? []), ...leftConfigs(planned, groups)]
  if (endpoints !== null && endpoints.length > MAX_ENDPOINTS) unchecked.push(uncheckedIn(null, 'limit', TOO_MANY))
  return {
    version: 1,
    ok: report.ok && clusters.every(({ ok }) => ok),
    complete: unchecked.length === 0 && clusters.every(({ complete }) => complete),
    checkedAt: at,
    clusters,
    findings: report.findings,
    unchecked,
  }
}

const TOO_MANY = `Only the first ${String(MAX_ENDPOINTS)} endpoints were examined.`

/** What is wrong with the files of pairs. Those of kubeadm's probes may be left over from an earlier cluster. */
function unreadable({ findings }: ReadPairs, planned: readonly PlannedMember[]): Finding[] {
  const isUsed = planned.some(({ config }) => config.client.ca?.path.endsWith('/pki/etcd/ca.crt') === true)
  return findings.flatMap((each) => (each.of === 'member' || (each.of === 'probes' && !isUsed) ? [] : each.findings))
}

/** The endpoints of one call must be of one cluster. */
function severalClusters(groups: readonly ClusterParts[], clusters: readonly ClusterReport[]): Finding[] {
  const answered = clusters.filter(({ clusterId }) => clusterId !== null)
  if (answered.length < 2) return []
  const details = groups.flatMap(({ clusterId, asked }, i) => {
    const members = clusters[i]?.members.map(({ name, clientUrls: [url = ''] }) => name ?? url) ?? []
    return clusterId === null ? [] : [{ id: clusterId, endpoints: asked.map(({ seen }) => seen.url), members }]
  })
  return [finding('cluster/several-clusters', { clusters: details })]
}

/** Configurations that the caller gave, and that start members of no cluster of the endpoints. */
function leftConfigs(planned: readonly PlannedMember[], groups: readonly ClusterParts[]): Unchecked[] {
  const left = planned.filter(
    (each) => each.evidence.kind === 'given' && !groups.some((group) => group.planned.includes(each)),
  )
  return left.map(({ evidence: { source } }) => {
    const message = `${source} starts a member that the cluster of the endpoints does not list, so it was not examined.`
    return uncheckedIn(source, 'server', message)
  })
}
