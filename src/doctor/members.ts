/** Finds the members of a cluster, and asks each of them. */
import { readFile } from 'node:fs/promises'
import { type Endpoint, parseEndpoints } from '../client/endpoints.js'
import { pathOfCaller } from '../config/read/text.js'
import { useHostFile } from '../files/in-root.js'
import { systemCode } from '../files/write-failed.js'
import { isEtcdMtlsError } from '../report/errors.js'
import type { Unchecked } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { uncheckedIn } from '../report/finding.js'
import { configOf, type PlannedMember } from './plan.js'
import {
  type AskedPort,
  type Asking,
  askPort,
  type ListedMember,
  MAX_LISTED,
  observePort,
  type SeenPort,
} from './process.js'

/** A member with all evidence about it. */
export interface ExaminedMember {
  /** For messages: its name, else its URL. */
  readonly label: string
  /** As the cluster lists it, else as its configuration plans it. */
  readonly listed: ListedMember
  /** Null if no URL for clients could be asked. */
  readonly client: AskedPort | null
  readonly peer: SeenPort | null
  readonly planned: PlannedMember | null
  readonly startedAt: Date | null
  /** When its configuration was last changed; null if that is not known. */
  readonly configChangedAt: Date | null
  /** Files that are mounted into its container one by one, and whose originals were replaced since. */
  readonly replacedMounts: ReadonlySet<string>
}

export interface ExaminedCluster {
  readonly members: readonly ExaminedMember[]
  /** Endpoints that belong to no listed member, as members of their own. */
  readonly others: readonly ExaminedMember[]
  /** Whether a member returned the list of members. */
  readonly isListed: boolean
  readonly unchecked: readonly Unchecked[]
}

/** Members and endpoints that are asked at the same time. */
const CONCURRENT = 8
/** Most URLs of a member that are tried, for clients and for peers each. */
const MAX_TRIED = 3

export async function examineMembers(
  { endpoints, areGiven }: { readonly endpoints: readonly Endpoint[]; readonly areGiven: boolean },
  planned: readonly PlannedMember[],
  asking: Asking,
): Promise<ExaminedCluster> {
  const unchecked: Unchecked[] = []
  const asked = await mapLimited(endpoints.slice(0, MAX_LISTED), (each) => askPort(each, asking))
  if (endpoints.length > MAX_LISTED) unchecked.push(uncheckedIn(null, 'limit', tooMany('endpoints')))
  const lists = asked.flatMap(({ answers }) =>
    answers === null || answers.members.length === 0 ? [] : [answers.members],
  )
  const list = lists.at(0)
  if (list !== undefined && list.length > MAX_LISTED) unchecked.push(uncheckedIn(null, 'limit', tooMany('members')))
  if (list === undefined && asked.some(({ answers }) => answers !== null))
    unchecked.push(
      uncheckedIn(
        null,
        'server',
        'No member returned the list of members, so that only the given endpoints were examined.',
      ),
    )
  // Without a list, an etcd of this machine is not a member of the cluster that the caller names, unless it has one of the URLs.
  const isNamed = ({ evidence: { kind }, config: { client } }: PlannedMember): boolean =>
    !areGiven || kind === 'given' || asked.some(({ seen }) => client.advertiseUrls.includes(seen.url))
  const named = planned.filter(isNamed)
  const unlisted = named.length > 0 ? named.map(asPlanned) : asked.map(asEndpoint)
  const listed = (list ?? unlisted).slice(0, MAX_LISTED).sort((a, b) => (a.name < b.name ? -1 : 1))
  const configs = configOf(listed, planned)
  const used = new Set<AskedPort>()
  const members = await mapLimited(listed, async (member) => {
    const own = asked.find((each) => isOf(each, member))
    if (own !== undefined) used.add(own)
    const client = own ?? (await tryEach(member.clientURLs, (each) => askPort(each, asking)))
    const peer = await tryEach(member.peerURLs, async (each) => ({ seen: await observePort(each, asking) }))
    return examinedMember(member, { client, peer: peer?.seen ?? null }, configs.get(member) ?? null)
  })
  const left = asked.filter((each) => !used.has(each))
  const others = await mapLimited(left, (client) => examinedMember(asEndpoint(client), { client, peer: null }, null))
  return { members, others, isListed: list !== undefined, unchecked }
}

async function examinedMember(
  listed: ListedMember,
  { client, peer }: Pick<ExaminedMember, 'client' | 'peer'>,
  planned: PlannedMember | null,
): Promise<ExaminedMember> {
  return {
    label: printable(listed.name === '' ? (listed.clientURLs[0] ?? listed.id) : listed.name).slice(0, MAX_LABEL),
    listed,
    client,
    peer,
    planned,
    startedAt: planned?.evidence.startedAt ?? client?.answers?.startedAt ?? null,
    configChangedAt: planned === null ? null : await configChangedAt(planned),
    replacedMounts: planned === null ? new Set() : await replacedMounts(planned.evidence.root),
  }
}

/** Longest name of a member in messages. */
const MAX_LABEL = 100

/** Without a member list, members are those that the configurations plan; else each endpoint is one. */
function asPlanned({ config: { name, client, peer } }: PlannedMember): ListedMember {
  const urls = { clientURLs: client.advertiseUrls, peerURLs: peer.advertiseUrls }
  return { name: name ?? '', id: '', ...urls, isLearner: false }
}

function asEndpoint({ seen }: AskedPort): ListedMember {
  return { name: '', id: '', clientURLs: [seen.url], peerURLs: [], isLearner: false }
}

function isOf({ seen, answers }: AskedPort, { id, clientURLs }: ListedMember): boolean {
  return answers === null || id === '' ? clientURLs.includes(seen.url) : answers.memberId === id
}

function tooMany(what: string): string {
  return `Only the first ${String(MAX_LISTED)} ${what} were examined.`
}

/** The URLs that can be dialled with TLS. A member list and a configuration may have anything. */
export function dialable(urls: readonly string[]): Endpoint[] {
  return urls
    .filter((url) => /^(?:https|unixs):/i.test(url))
    .flatMap((url): Endpoint[] => {
      try {
        return parseEndpoints([url])
      } catch (error) {
        if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
        return [] // The member is then reported as not checked.
      }
    })
}

/** The result of the first URL that accepts a connection, else of the last. */
async function tryEach<T extends { readonly seen: SeenPort }>(
  urls: readonly string[],
  work: (endpoint: Endpoint) => Promise<T>,
): Promise<T | null> {
  let result: T | null = null
  for (const each of dialable(urls).slice(0, MAX_TRIED)) {
    result = await work(each)
    if (isReached(result.seen)) break
  }
  return result
}

/** Whether anything answered. */
export function isReached({ observation: { refusal } }: SeenPort): boolean {
  return !['unreachable', 'silent', 'aborted'].includes(refusal?.kind ?? '')
}

async function mapLimited<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const run = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await work(item)
  }
  await Promise.all(Array.from({ length: CONCURRENT }, run))
  return results
}

async function configChangedAt({ evidence: { input, root } }: PlannedMember): Promise<Date | null> {
  if (input.file === undefined) return null
  try {
    return await useHostFile(pathOfCaller(String(input.file), root), ({ stats }) => Promise.resolve(stats.ctime))
  } catch (error) {
    if (systemCode(error) === null) throw error
    return null // The lint reports a configuration that cannot be read.
  }
}

/** proc_pid_mountinfo(5): a file whose name was removed is shown with this ending. */
const REMOVED = '//deleted'
/** A machine with many containers has thousands of mounts; one container has tens. */
const MAX_MOUNTS = 1024 * 1024

async function replacedMounts(root: string | null): Promise<Set<string>> {
  const [, process] = /^(.*\/\d+)\/root$/.exec(root ?? '') ?? []
  if (process === undefined) return new Set()
  try {
    const lines = (await readFile(`${process}/mountinfo`, 'utf8')).slice(0, MAX_MOUNTS).split('\n')
    const fields = lines.map((line) => line.split(' '))
    return new Set(fields.flatMap(([, , , source = '', target = '']) => (source.endsWith(REMOVED) ? [target] : [])))
  } catch (error) {
    if (systemCode(error) === null) throw error
    return new Set() // The process has ended, or may not be seen: the cause of a difference is then not known.
  }
}
