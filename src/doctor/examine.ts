/** Examines the clusters of a machine, or those of endpoints. */
import {
  abortable,
  dialable,
  type Endpoint,
  holdingProcess,
  resolveEndpoints,
  resolveSource,
} from '../client/internal.js'
import { locate, lookupSrv } from '../client/internal-diagnosis.js'
import { checkSignal } from '../credentials/internal.js'
import type { ClientDefaults, Credentials } from '../credentials/index.js'
import {
  checkOptions,
  findingMaker,
  listed,
  makeReport,
  MAX_DELAY,
  optionInvalid,
  parseDuration,
  uncheckedIn,
} from '../report/internal.js'
import { cluster } from '../report/internal-catalogue.js'
import type { Finding, Unchecked } from '../report/index.js'
import { foldRepeats, resolveContext } from '../validate/internal.js'
import { type UsedCluster, withAccesses } from './apiserver.js'
import type { ClusterReport, ExamineOptions, MachineReport } from './cluster-report.js'
import { groupClusters } from './clusters.js'
import type { Asking, ClusterParts, ExaminedMember, Pair, PlannedMember } from './evidence.js'
import { examineOne } from './examine-one.js'
import { examineMembers, MAX_ENDPOINTS, Ports } from './members.js'
import { readPairs, type ReadPairs } from './pairs.js'
import { plannedMembers } from './plan.js'
import { findLocalEvidence, type LocalEvidence } from './sources.js'

const finding = findingMaker(cluster)

const OPTIONS = [
  ...(['endpoints', 'credentials', 'ca', 'auth', 'configs', 'root', 'kubeadm'] as const),
  ...(['lead', 'dialTimeout', 'timeout', 'expiryWarning', 'at', 'signal'] as const),
]

const NOTHING_FOUND =
  'is missing, and no etcd was found on this machine: pass "endpoints" and "credentials"; or "configs", the configurations of members; or run it on a machine of the cluster, as root'

/**
 * Examines each cluster of this machine, or of the endpoints, as {@link examineCluster} does.
 *
 * @example
 * ```ts
 * const { clusters, findings } = await examineMachine()
 * for (const each of clusters) console.log(each.clusterId, formatReport(each))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; or if nothing is given, and nothing is found on this
 *   machine.
 */
export async function examineMachine(options: ExamineOptions = {}): Promise<MachineReport> {
  return (await examineAll(options)).report
}

/**
 * The clusters of {@link examineMachine}, without what is about the machine.
 *
 * @example
 * ```ts
 * for (const { clusterId, ok } of await examineClusters()) console.log(clusterId, ok)
 * ```
 * @throws {EtcdMtlsError} as {@link examineMachine}.
 */
export async function examineClusters(options: ExamineOptions = {}): Promise<readonly ClusterReport[]> {
  return (await examineMachine(options)).clusters
}

/**
 * Examines a cluster of etcd: what its members serve and accept, what their configurations and files say, and until when they can connect.
 * It compares the three, so that it finds what shows only at the next restart, such as a CA file that etcd has not read.
 * With endpoints of several clusters, it reports the largest, and an error.
 *
 * It never writes to etcd or to a file. A member that demands certificates logs a warning for each port that is observed.
 *
 * @example
 * ```ts
 * const report = await examineCluster({ credentials: fromEnv() })
 * console.log(formatReport(report), report.forecast.until)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; or if no endpoints are given, and no etcd or several clusters
 *   are found on this machine.
 *
 * With `signal` aborted, it rejects with the signal's reason. Credentials that cannot be read are a finding, as is a server that refuses
 * this client or is refused.
 */
export async function examineCluster(options: ExamineOptions = {}): Promise<ClusterReport> {
  const { report, areGiven } = await examineAll(options)
  const { clusters, findings: ofMachine } = report
  const [first, second] = clusters.toSorted((a, b) => b.members.length - a.members.length)
  if (first === undefined || (second !== undefined && !areGiven)) {
    const several = `is missing, and this machine has several clusters: ${listed(clusters.map(describe))}`
    throw optionInvalid('endpoints', `${several}. Pass the endpoints of one of them, or call examineMachine()`)
  }
  const { checkedAt } = first
  const { findings, ok } = makeReport({ checkedAt, path: null, findings: [...ofMachine, ...first.findings] })
  const unchecked = [...report.unchecked, ...first.unchecked]
  return { ...first, ok, complete: unchecked.length === 0, findings, unchecked }
}

function describe(report: ClusterReport): string {
  const names = namesOf(report, report.sources[0])
  return `${report.clusterId === null ? 'one of unknown ID' : `ID ${report.clusterId}`} (${names.join(', ')})`
}

function namesOf({ members }: ClusterReport, otherwise = ''): string[] {
  return members.map(({ name, clientUrls: [url = otherwise] }) => name ?? url)
}

interface Examined {
  readonly report: MachineReport
  readonly areGiven: boolean
}

async function examineAll(options: ExamineOptions): Promise<Examined> {
  checkOptions('options', options, OPTIONS)
  return withinSignal(options.signal, async () => {
    const machine = await readMachine(options)
    return { report: await reportOf(machine), areGiven: machine.endpoints !== null }
  })
}

function withinSignal<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  checkSignal(signal)
  signal?.throwIfAborted()
  return holdingProcess(abortable(signal ?? null, work()))
}

export interface MembersEvidence extends Pick<ReadPairs, 'pairs'> {
  readonly members: readonly ExaminedMember[]
  readonly asking: Asking
}

/**
 * The members of one cluster, for `rollState`: what {@link examineCluster} compares, asked with more pairs.
 *
 * @param use Gets the evidence. The signal and the limit of time of the options hold for it, too.
 */
export function withMembers<T>(
  options: Omit<ExamineOptions, 'credentials' | 'ca'>,
  more: () => Promise<readonly Credentials[]>,
  use: (evidence: MembersEvidence) => Promise<T>,
): Promise<T> {
  return withinSignal(options.signal, async () => {
    const probes = (await more()).map((each): Pair => ({
      from: each.origin,
      of: 'probes',
      config: null,
      credentials: each,
    }))
    const machine = await readMachine(options, probes)
    const { ports, groups } = await groupsOf(machine)
    const [first, second] = groups
    if (first === undefined || second !== undefined)
      throw optionInvalid('endpoints', 'must be those of one cluster: those that were found or given are of several')
    const { members, others } = await examineMembers(first, ports)
    const { asking, read } = machine
    return use({ members: [...members, ...others], pairs: read.pairs, asking })
  })
}

async function readMachine(options: ExamineOptions, more: readonly Pair[] = []): Promise<MachineEvidence> {
  const { auth, ca, configs, credentials, expiryWarning, kubeadm, root } = options
  const { at } = resolveContext({ usage: 'any', at: options.at, expiryWarning })
  if (auth !== undefined && credentials === undefined && ca === undefined)
    throw optionInvalid('auth', 'needs "credentials" or "ca": a password is sent only to servers that they verify')
  if (ca !== undefined && credentials !== undefined)
    throw optionInvalid('ca', 'must not be set next to "credentials", which have the CAs')
  const lead = parseDuration(options.lead ?? '7d', 'lead')
  const dialTimeout = readTimeout(options.dialTimeout ?? '5s', 'dialTimeout')
  const limit = AbortSignal.timeout(readTimeout(options.timeout ?? '60s', 'timeout'))
  const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal])
  // An empty list of configurations excludes those of this machine.
  const evidence = configs?.length === 0 ? null : await findLocalEvidence({ configs, root, kubeadm, signal })
  const given = credentials === undefined ? null : resolveSource(credentials)
  const endpoints = await endpointsOf(options, given?.clientDefaults?.() ?? {}, dialTimeout)
  if (endpoints === null && (evidence === null || (evidence.configs.length === 0 && evidence.apiserver === null))) {
    // What was found and cannot be read.
    const cause = evidence?.unchecked.map(({ message }) => message).join('\n')
    throw optionInvalid('endpoints', NOTHING_FOUND, cause === undefined ? undefined : new Error(cause))
  }
  const { pairs, findings } = await readPairs(given, evidence?.credentials ?? [], ca)
  const read = { pairs: [...more, ...pairs], findings }
  const asking = { auth, dialTimeout, lead, expiryWarning, at, isNow: options.at === undefined, signal }
  return { endpoints, evidence, read, asking }
}

function readTimeout(text: string, option: string): number {
  const milliseconds = parseDuration(text, option)
  if (milliseconds < 1 || milliseconds > MAX_DELAY) throw optionInvalid(option, 'must be from 1 ms to 24 days')
  return milliseconds
}

/** Null if the caller named none. */
async function endpointsOf(
  options: ExamineOptions,
  defaults: ClientDefaults,
  dialTimeout: number,
): Promise<readonly Endpoint[] | null> {
  defaults.check?.()
  if (options.endpoints === undefined && defaults.endpoints === undefined) return null
  const located = { ...resolveEndpoints(options.endpoints, defaults), signal: options.signal ?? null, dialTimeout }
  return (await locate(located, lookupSrv)).endpoints
}

interface MachineEvidence {
  /** Null if the caller named none. */
  readonly endpoints: readonly Endpoint[] | null
  readonly evidence: LocalEvidence | null
  readonly read: ReadPairs
  readonly asking: Asking
}

async function reportOf(machine: MachineEvidence): Promise<MachineReport> {
  const { endpoints, evidence, read, asking } = machine
  const { planned, ports, groups } = await groupsOf(machine)
  const given = { ...asking, ports, planned, pairs: read.pairs, isKubeadm: isOfKubeadm(evidence) }
  const { areProcessesVisible = false } = evidence ?? {}
  const shown = { areProcessesVisible, areGiven: endpoints !== null, askedAt: await ports.askedAt() }
  const clusters = await Promise.all(groups.map((each) => examineOne(each, { ...given, ...shown })))
  const several = endpoints === null ? [] : severalClusters(groups, clusters)
  const all = [...several, ...unreadable(read, planned), ...(evidence?.findings ?? [])]
  const { ok, findings } = makeReport({ checkedAt: asking.at, path: null, findings: foldRepeats(all) })
  const unchecked = [...(evidence?.unchecked ?? []), ...leftConfigs(planned, groups)]
  if ((endpoints?.length ?? 0) > MAX_ENDPOINTS) unchecked.push(uncheckedIn(null, 'limit', TOO_MANY))
  return {
    ...{ version: 1, checkedAt: asking.at, clusters, findings, unchecked },
    ok: ok && clusters.every((each) => each.ok),
    complete: unchecked.length === 0 && clusters.every(({ complete }) => complete),
  }
}

async function groupsOf(machine: MachineEvidence) {
  const { evidence, read, asking } = machine
  const planned = await plannedMembers(evidence?.configs ?? [], asking.signal)
  const ports = new Ports({ asking, pairs: read.pairs, planned })
  return { planned, ports, groups: await clustersOf(machine, planned, ports) }
}

/** Asks each member, and tells the clusters apart. With endpoints of the caller, the other clusters of this machine are not examined. */
async function clustersOf(
  { endpoints, evidence, read }: MachineEvidence,
  planned: readonly PlannedMember[],
  ports: Ports,
): Promise<UsedCluster[]> {
  const apiserver = evidence?.apiserver ?? null
  const own = await ports.askEach(endpoints?.map((each) => [each]) ?? planned.map(({ urls }) => dialable(urls)))
  const urls = endpoints === null ? (apiserver?.clusters.flat() ?? []) : []
  const asked = await ports.askEach(urls.map((url) => dialable([url])))
  const used = asked.filter((each) => each.answers !== null && !own.includes(each))
  const known = groupClusters(planned, [...own, ...used]).filter((each) => endpoints === null || each.asked.length > 0)
  return withAccesses(known, apiserver, { pairs: read.pairs, asked })
}

/** kops has the name of the manifest, and renews certificates itself. */
function isOfKubeadm(evidence: LocalEvidence | null): boolean {
  const { apiserver = null, configs = [] } = evidence ?? {}
  const isKops = apiserver?.source.endsWith('.manifest') === true
  return (apiserver !== null && !isKops) || configs.some(({ kind }) => kind === 'kubeadm')
}

const TOO_MANY = `Only the first ${String(MAX_ENDPOINTS)} endpoints were examined.`

/** What is wrong with the files of pairs. Those of kubeadm's probes may be left over from an earlier cluster. */
function unreadable({ findings }: ReadPairs, planned: readonly PlannedMember[]): Finding[] {
  const isUsed = planned.some(({ config }) => config.client.ca?.path.endsWith('/pki/etcd/ca.crt') === true)
  return findings.flatMap((each) => (each.of === 'member' || (each.of === 'probes' && !isUsed) ? [] : each.findings))
}

/** The endpoints of one call must be of one cluster. */
function severalClusters(groups: readonly ClusterParts[], clusters: readonly ClusterReport[]): Finding[] {
  const answered = clusters.flatMap((report, i) => {
    const endpoints = groups[i]?.asked.map(({ url }) => url) ?? []
    return report.clusterId === null ? [] : [{ id: report.clusterId, endpoints, members: namesOf(report) }]
  })
  return answered.length < 2 ? [] : [finding('cluster/several-clusters', { clusters: answered })]
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
