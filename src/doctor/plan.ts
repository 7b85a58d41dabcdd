/** What the configurations plan: which member each is for, and what the lint reports about them. */
import { acceptedUrl } from '../config/lint/member.js'
import { lintOnDisks, type LintOptions, type LintReport } from '../config/lint/lint.js'
import type { EtcdConfigMember } from '../config/read-etcd-config.js'
import type { Unchecked } from '../report/finding.js'
import { uncheckedIn } from '../report/finding.js'
import { listed } from '../report/words.js'
import type { ListedMember } from './process.js'
import { type ConfigEvidence, notHere } from './sources.js'

/** A member as its configuration has it. */
export interface PlannedMember {
  readonly evidence: ConfigEvidence
  readonly config: EtcdConfigMember
}

/** A configuration may start several members, as a Compose file does. */
export function plannedMembers(configs: readonly ConfigEvidence[]): PlannedMember[] {
  return configs.flatMap((evidence) => evidence.members.map((config) => ({ evidence, config })))
}

/**
 * The configurations of the members that a cluster lists: by their names, and by the URLs that they advertise. A configuration that is
 * not in the result is of another cluster.
 */
export function configOf(
  list: readonly ListedMember[],
  planned: readonly PlannedMember[],
): ReadonlyMap<ListedMember, PlannedMember> {
  const left = new Set(planned)
  const found = new Map<ListedMember, PlannedMember>()
  // URLs are unique, and names are not: etcds of several clusters may run here, each with the name "default".
  for (const is of [isSame, isAtUrlOf, isNamedAs]) {
    for (const member of list) {
      const one = found.has(member) ? undefined : [...left].find(({ config }) => is(config, member))
      if (one === undefined) continue
      found.set(member, one)
      left.delete(one)
    }
  }
  return found
}

type Test = (config: EtcdConfigMember, member: ListedMember) => boolean

const isSame: Test = (config, member) => config.name === member.name && isAtUrlOf(config, member)

const isAtUrlOf: Test = ({ client, peer }, { clientURLs, peerURLs }) =>
  overlap(client.advertiseUrls, clientURLs) || overlap(peer.advertiseUrls, peerURLs)

/** The default name says nothing. */
const isNamedAs: Test = ({ name }, member) => name === member.name && name !== 'default' && name !== ''

function overlap(planned: readonly string[], listed: readonly string[]): boolean {
  return planned.some((url) => listed.includes(url))
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

/** Configurations of other clusters, in one line: a machine of a test runs tens of them. */
export function ofOtherClusters(sources: readonly string[]): Unchecked[] {
  const [first, second] = sources
  if (first === undefined) return []
  const start = second === undefined ? 'starts a member' : 'start members'
  const were = second === undefined ? 'it was' : 'they were'
  const message = `${listed(sources)} ${start} that this cluster does not list, so ${were} not examined.`
  return [uncheckedIn(second === undefined ? first : null, 'server', message)]
}
