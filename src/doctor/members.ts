/** Finds the members of a cluster, and asks each of them. */
import { type Endpoint, parseEndpoints } from '../client/endpoints.js'
import { mapLimited } from '../client/timing.js'
import { acceptedUrl } from '../config/lint/member.js'
import { pathOfCaller } from '../config/read/text.js'
import { useHostFile } from '../files/in-root.js'
import { replacedMounts } from '../files/procfs.js'
import { systemCode } from '../files/write-failed.js'
import { isEtcdMtlsError } from '../report/errors.js'
import type { Unchecked } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { uncheckedIn } from '../report/finding.js'
import { type ClusterParts, listIn } from './clusters.js'
import type { Pair } from './pairs.js'
import { configOf, originOf, type PlannedMember } from './plan.js'
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
  /** The ID of another cluster, for which its client port answers; null if it does not. */
  readonly answersFor: string | null
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

/** Most endpoints of one call, and of one machine, that are asked. */
export const MAX_ENDPOINTS = 64
/** Endpoints and members that are asked at the same time. */
const CONCURRENT = 8
/** Most URLs of a member that are tried, for clients and for peers each. */
const MAX_TRIED = 3

/** Asks each port once. */
export class Ports {
  readonly #asking: Asking
  readonly #pairs: readonly Pair[]
  readonly #planned: readonly PlannedMember[]
  readonly #asked = new Map<string, Promise<AskedPort>>()
  readonly #observed = new Map<string, Promise<SeenPort>>()

  constructor(asking: Asking, pairs: readonly Pair[], planned: readonly PlannedMember[]) {
    this.#asking = asking
    this.#pairs = pairs
    this.#planned = planned
  }

  /** With the pair of the process whose URL it is first. */
  ask(endpoint: Endpoint): Promise<AskedPort> {
    const isOwn = ({ config }: Pair): boolean =>
      this.#planned.some(({ evidence, urls }) => evidence === config && urls.includes(endpoint.url))
    const pairs = [...this.#pairs.filter(isOwn), ...this.#pairs.filter((each) => !isOwn(each))]
    return madeOnce(this.#asked, endpoint.url, () => askPort(endpoint, pairs, this.#asking))
  }

  /** The first URL that answers, else the first that accepts connections. */
  askFirst(endpoints: readonly Endpoint[]): Promise<AskedPort | null> {
    return firstGood(
      endpoints,
      (each) => this.ask(each),
      ({ answers }) => answers !== null,
    )
  }

  /** {@link askFirst} of each member. */
  async askEach(members: readonly (readonly Endpoint[])[]): Promise<AskedPort[]> {
    const asked = await mapLimited(CONCURRENT, members.slice(0, MAX_ENDPOINTS), (each) => this.askFirst(each))
    return [...new Set(asked.flatMap((each) => each ?? []))]
  }

  /** The same, with nothing asked yet. */
  again(): Ports {
    return new Ports(this.#asking, this.#pairs, this.#planned)
  }

  /** What was asked at a URL. */
  async askedAt(): Promise<(url: string) => AskedPort | null> {
    const asked = await Promise.all(this.#asked.values())
    return (url) => asked.find(({ seen }) => originOf(seen.url) === originOf(url)) ?? null
  }

  async observe(endpoint: Endpoint): Promise<{ readonly seen: SeenPort }> {
    return { seen: await madeOnce(this.#observed, endpoint.url, () => observePort(endpoint, this.#asking)) }
  }
}

function madeOnce<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? make()
  known.set(key, made)
  return made
}

export async function examineMembers(
  { clusterId, planned, asked }: ClusterParts,
  ports: Ports,
): Promise<ExaminedCluster> {
  const unchecked: Unchecked[] = []
  const list = listIn(asked)
  const isListed = list.length > 0
  if (list.length > MAX_LISTED) unchecked.push(uncheckedIn(null, 'limit', tooMany('members')))
  if (!isListed && asked.some(({ answers }) => answers !== null))
    unchecked.push(
      uncheckedIn(
        null,
        'server',
        'No member returned the list of members, so that only the given endpoints were examined.',
      ),
    )
  const unlisted = planned.length > 0 ? planned.map(asPlanned) : asked.map(asEndpoint)
  const own = new Map(unlisted.map((each, i) => [each, planned[i] ?? null]))
  const listed = (isListed ? list : unlisted).slice(0, MAX_LISTED).sort((a, b) => (a.name < b.name ? -1 : 1))
  const configs = isListed ? configOf(listed, planned) : own
  // Loopback addresses of a cluster in another network namespace are those of other servers here.
  const isAway = planned.length > 0 && planned.every(({ evidence }) => evidence.network !== null)
  const reachable = (urls: readonly string[]): string[] =>
    urls.filter((url) => !isAway || acceptedUrl(url)?.isLocal !== true)
  const used = new Set<AskedPort>()
  const isForeign = ({ answers }: AskedPort): boolean => answers !== null && answers.clusterId !== clusterId
  const members = await mapLimited(CONCURRENT, listed, async (member) => {
    const config = configs.get(member) ?? null
    const own = asked.filter((each) => isOf(each, member, config))
    for (const each of own) used.add(each)
    const answered = own.find((each) => each.answers !== null && !isForeign(each))
    const client = answered ?? (await ports.askFirst(dialable(reachable(member.clientURLs)))) ?? own[0] ?? null
    const peer = await firstGood(
      dialable(reachable(member.peerURLs)),
      (each) => ports.observe(each),
      ({ seen }) => seen.chain.length > 0,
    )
    if (client === null || !isForeign(client))
      return examinedMember(member, { client, peer: peer?.seen ?? null, answersFor: null }, config)
    const foreign = { ...client, answers: null, findings: [] }
    const answersFor = client.answers?.clusterId ?? null
    return examinedMember(member, { client: foreign, peer: peer?.seen ?? null, answersFor }, config)
  })
  const left = asked.filter((each) => !used.has(each))
  const others = await mapLimited(CONCURRENT, left, (client) =>
    examinedMember(asEndpoint(client), { client, peer: null, answersFor: null }, null),
  )
  return { members, others, isListed, unchecked }
}

async function examinedMember(
  listed: ListedMember,
  { client, peer, answersFor }: Pick<ExaminedMember, 'client' | 'peer' | 'answersFor'>,
  planned: PlannedMember | null,
): Promise<ExaminedMember> {
  const [, folder] = /^(.*\/\d+)\/root$/.exec(planned?.evidence.root ?? '') ?? []
  const names = [listed.name, planned?.config.name ?? '', listed.clientURLs[0] ?? '']
  return {
    label: printable(names.find((name) => name !== '') ?? listed.id).slice(0, MAX_LABEL),
    listed,
    client,
    peer,
    planned,
    answersFor,
    startedAt: planned?.evidence.startedAt ?? client?.answers?.startedAt ?? null,
    configChangedAt: planned === null ? null : await configChangedAt(planned),
    replacedMounts: folder === undefined ? new Set() : await replacedMounts(folder),
  }
}

/** Longest name of a member in messages. */
const MAX_LABEL = 100

/** Without a member list, members are those that the configurations plan; else each endpoint is one. */
function asPlanned({ config: { name }, urls: clientURLs, peerUrls: peerURLs }: PlannedMember): ListedMember {
  const urls = { clientURLs, peerURLs }
  return { name: name ?? '', id: '', ...urls, isLearner: false }
}

function asEndpoint({ seen }: AskedPort): ListedMember {
  return { name: '', id: '', clientURLs: [seen.url], peerURLs: [], isLearner: false }
}

function isOf({ seen, answers }: AskedPort, { id, clientURLs }: ListedMember, config: PlannedMember | null): boolean {
  const isAtUrl = clientURLs.includes(seen.url) || config?.urls.includes(seen.url) === true
  return answers === null || id === '' ? isAtUrl : answers.memberId === id
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

/** The first result that is good, else the first for a port that accepts connections. */
async function firstGood<T extends { readonly seen: SeenPort }>(
  endpoints: readonly Endpoint[],
  work: (endpoint: Endpoint) => Promise<T>,
  isGood: (result: T) => boolean,
): Promise<T | null> {
  let best: T | null = null
  for (const each of endpoints.slice(0, MAX_TRIED)) {
    const result = await work(each)
    if (isGood(result)) return result
    if (best === null || !isReached(best.seen)) best = result
  }
  return best
}

/** Whether it answers requests, for its own cluster. */
export function isAnswering({ client }: ExaminedMember): boolean {
  return client !== null && client.answers !== null
}

/** Whether anything answered. */
export function isReached({ observation: { refusal } }: SeenPort): boolean {
  return !['unreachable', 'silent', 'aborted'].includes(refusal?.kind ?? '')
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
