/** What the configurations plan: which member each is for, and what the lint reports about them. */
import { acceptedUrl } from '../config/lint/member.js'
import { lintOnDisks, type LintOptions, type LintReport } from '../config/lint/lint.js'
import type { EtcdConfigMember } from '../config/read-etcd-config.js'
import type { Finding, Unchecked } from '../report/finding.js'
import type { ListedMember } from './process.js'
import { type ConfigEvidence, endpointsOf, notHere, withinLimit } from './sources.js'
import { readWal, type WalIdentity } from './wal.js'

/** A member as its configuration has it. */
export interface PlannedMember {
  readonly evidence: ConfigEvidence
  readonly config: EtcdConfigMember
  /** Whose data its directory holds; null if it has none yet, or that is not known. */
  readonly wal: WalIdentity | null
  /** The client URLs at which this machine reaches it. */
  readonly urls: readonly string[]
  readonly peerUrls: readonly string[]
}

/** A configuration may start several members, as a Compose file does. */
export async function plannedMembers(
  configs: readonly ConfigEvidence[],
  signal: AbortSignal | null = null,
): Promise<PlannedMember[]> {
  const all = configs.flatMap((evidence) => evidence.members.map((config) => ({ evidence, config })))
  return Promise.all(
    all.map(async ({ evidence, config }) => {
      const isReachable = (url: string): boolean => evidence.network === null || acceptedUrl(url)?.isLocal !== true
      const directory = config.walDir?.hostPath ?? null
      const wal = directory === null ? null : await withinLimit(readWal(directory), signal)
      const peerUrls = config.peer.advertiseUrls.filter(isReachable)
      return { evidence, config, wal, urls: endpointsOf(config).filter(isReachable), peerUrls }
    }),
  )
}

/**
 * The configurations of the members that a cluster lists: by the member ID of their data, by their names, and by the URLs that they
 * advertise.
 */
export function configOf(
  list: readonly ListedMember[],
  planned: readonly PlannedMember[],
): ReadonlyMap<ListedMember, PlannedMember> {
  const left = new Set(planned)
  const found = new Map<ListedMember, PlannedMember>()
  // URLs are unique, and names are not: etcds of several clusters may run here, each with the name "default".
  for (const is of [isOfData, isSame, isAtUrlOf, isNamedAs]) {
    for (const member of list) {
      const one = found.has(member) ? undefined : [...left].find((each) => is(each, member))
      if (one === undefined) continue
      found.set(member, one)
      left.delete(one)
    }
  }
  return found
}

type Test = (planned: PlannedMember, member: ListedMember) => boolean

const isOfData: Test = ({ wal }, { id }) => wal !== null && wal.memberId === id

const isSame: Test = (planned, member) => planned.config.name === member.name && isAtUrlOf(planned, member)

const isAtUrlOf: Test = ({ urls, peerUrls }, { clientURLs, peerURLs }) =>
  overlap(urls, clientURLs) || overlap(peerUrls, peerURLs)

/** The default name says nothing. */
const isNamedAs: Test = ({ config: { name } }, member) => name === member.name && name !== 'default' && name !== ''

export function overlap(planned: readonly string[], listed: readonly string[]): boolean {
  return planned.some((url) => listed.includes(url))
}

/** A URL without its path, to compare it. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url
}

/**
 * Checks configurations and the files that they name, each on its own disk, and compares them with each other. Those for another
 * machine are checked without their files.
 */
export async function lintPlan(
  planned: readonly PlannedMember[],
  options: Pick<LintOptions, 'at' | 'expiryWarning' | 'version'>,
): Promise<LintReport | null> {
  const configs = [...new Set(planned.map(({ evidence }) => evidence))]
  if (configs.length === 0) return null
  const inputs = configs.map(({ input, source, root, directory, otherMachine }) => ({
    config: input,
    label: source,
    options: { readFiles: otherMachine === null, root: root ?? undefined, directory: directory ?? undefined },
  }))
  return lintOnDisks(inputs, options)
}

/** What is not checked of members whose configurations are not on this machine. */
export function uncheckedMembers(list: readonly ListedMember[]): Unchecked[] {
  return list
    .filter(({ name }) => name !== '')
    .map(({ name, clientURLs, peerURLs }) => {
      const [url] = [...clientURLs, ...peerURLs].flatMap((each) => acceptedUrl(each) ?? [])
      return notHere(`the configuration of "${name}"`, null, url?.host ?? name)
    })
}

/** What etcd reads only at its first start, so that it is no fault of a cluster that runs: its members may have been added one by one. */
const OF_FIRST_START: readonly string[] = ['config/member-not-listed', 'config/cluster-urls-differ']

export function isOfFirstStart({ code, details }: Finding): boolean {
  if (code === 'config/members-differ') return details.kind === 'cluster' || details.kind === 'state'
  return OF_FIRST_START.includes(code)
}

/** Whether this process may not read a file. That says nothing about the user of etcd. */
export function isUnreadable({ code, details }: Finding): boolean {
  return code === 'file/unreadable' && details.kind === 'permission denied'
}
