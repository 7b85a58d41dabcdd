/** Finds the members of a cluster, and asks each of them. */
import { dialable, type Endpoint, mapLimited } from '../client/internal.js'
import { acceptedUrl, statsOf } from '../config/internal.js'
import { pathOfCaller } from '../config/internal-read.js'
import { replacedMounts } from '../files/internal.js'
import type { Unchecked } from '../report/index.js'
import { printable, uncheckedIn } from '../report/internal.js'
import type {
  AskedPort,
  Asking,
  ClusterParts,
  ExaminedCluster,
  ExaminedMember,
  ListedMember,
  Pair,
  PlannedMember,
  SeenPort,
} from './evidence.js'
import { configOf } from './plan.js'
import { askPort, MAX_LISTED, observePort } from './process.js'
import { isReached, listIn, originOf, overlap } from './read-evidence.js'

/** Most endpoints of one call, and of one machine, that are asked. */
export const MAX_ENDPOINTS = 64
/** Endpoints and members that are asked at the same time. */
const CONCURRENT = 8
/** Most URLs of a member that are tried, for clients and for peers each. */
const MAX_TRIED = 3

interface Askable {
  readonly asking: Asking
  readonly pairs: readonly Pair[]
  readonly planned: readonly PlannedMember[]
}

/** Asks each port once. */
export class Ports {
  readonly #given: Askable
  readonly #asked = new Map<string, Promise<AskedPort>>()
  readonly #observed = new Map<string, Promise<SeenPort>>()

  constructor(given: Askable) {
    this.#given = given
  }

  /** With the pair of the process whose URL it is first. */
  ask(endpoint: Endpoint): Promise<AskedPort> {
    const { asking, pairs, planned } = this.#given
    const isOwn = ({ config }: Pair): boolean =>
      planned.some(({ evidence, urls }) => evidence === config && urls.includes(endpoint.url))
    const sorted = pairs.toSorted((a, b) => Number(isOwn(b)) - Number(isOwn(a)))
    return madeOnce(this.#asked, endpoint.url, () => askPort(endpoint, sorted, asking))
  }

  /** The first URL that answers, else the first that accepts connections. */
  askFirst(endpoints: readonly Endpoint[]): Promise<AskedPort | null> {
    const isGood = ({ answers }: AskedPort): boolean => answers !== null
    return firstGood(endpoints, (each) => this.ask(each), isGood)
  }

  async askEach(members: readonly (readonly Endpoint[])[]): Promise<AskedPort[]> {
    const asked = await mapLimited(CONCURRENT, members.slice(0, MAX_ENDPOINTS), (each) => this.askFirst(each))
    return [...new Set(asked.flatMap((each) => each ?? []))]
  }

  observeFirst(endpoints: readonly Endpoint[]): Promise<SeenPort | null> {
    return firstGood(
      endpoints,
      (each) => this.observe(each),
      ({ chain }) => chain.length > 0,
    )
  }

  observe(endpoint: Endpoint): Promise<SeenPort> {
    return madeOnce(this.#observed, endpoint.url, () => observePort(endpoint, this.#given.asking))
  }

  again(): Ports {
    return new Ports(this.#given)
  }

  async askedAt(): Promise<(url: string) => AskedPort | null> {
    const asked = await Promise.all(this.#asked.values())
    return (url) => asked.find((each) => originOf(each.url) === originOf(url)) ?? null
  }
}

function madeOnce<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? make()
  known.set(key, made)
  return made
}

/** The first result that is good, else the first for a port that accepts connections. */
async function firstGood<T extends SeenPort>(
  endpoints: readonly Endpoint[],
  work: (endpoint: Endpoint) => Promise<T>,
  isGood: (result: T) => boolean,
): Promise<T | null> {
  let best: T | null = null
  for (const each of endpoints.slice(0, MAX_TRIED)) {
    const result = await work(each)
    if (isGood(result)) return result
    if (best === null || !isReached(best)) best = result
  }
  return best
}

const TOO_MANY = `Only the first ${String(MAX_LISTED)} members were examined.`
const NO_LIST = 'No member returned the list of members, so that only the given endpoints were examined.'

export async function examineMembers(parts: ClusterParts, ports: Ports): Promise<ExaminedCluster> {
  const { clusterId, planned, asked } = parts
  const list = listIn(asked)
  const isListed = list.length > 0
  const copied = (each: PlannedMember): Promise<[PlannedMember, ListedMember][]> => ownerOf(each, parts, ports)
  // Without a member list, members are those that the configurations plan; else each endpoint is one.
  const unlisted = planned.length > 0 ? planned.map(asPlanned) : asked.map(asEndpoint)
  const listed = (isListed ? list : unlisted).slice(0, MAX_LISTED).sort((a, b) => (a.name < b.name ? -1 : 1))
  const configs = isListed
    ? configOf(listed, planned, new Map((await mapLimited(CONCURRENT, planned, copied)).flat()))
    : new Map(unlisted.map((each, i) => [each, planned[i] ?? null] as const))
  // Loopback addresses of a cluster in another network namespace are those of other servers here.
  const isAway = planned.length > 0 && planned.every(({ evidence }) => evidence.network !== null)
  const reachable = (urls: readonly string[]): Endpoint[] =>
    dialable(urls.filter((url) => !isAway || acceptedUrl(url)?.isLocal !== true))
  const used = new Set<AskedPort>()
  const members = await mapLimited(CONCURRENT, listed, async (member) => {
    const config = configs.get(member) ?? null
    // A process with a copy of its data answers with its ID as well.
    const isOfOther = ({ url }: AskedPort): boolean =>
      planned.some((each) => each !== config && each.urls.includes(url))
    const own = asked
      .filter((each) => isOf(each, member, config))
      .sort((a, b) => Number(isOfOther(a)) - Number(isOfOther(b)))
    for (const each of own) used.add(each)
    const answered = own.find(({ answers }) => answers?.clusterId === clusterId)
    const client = answered ?? (await ports.askFirst(reachable(member.clientURLs))) ?? own[0] ?? null
    const peer = await ports.observeFirst(reachable(member.peerURLs))
    return examinedMember(member, { client, peer, planned: config }, clusterId)
  })
  const left = asked.filter((each) => !used.has(each))
  const others = await mapLimited(CONCURRENT, left, (client) =>
    examinedMember(asEndpoint(client), { client, peer: null, planned: null }, clusterId),
  )
  const unchecked: Unchecked[] = []
  if (list.length > MAX_LISTED) unchecked.push(uncheckedIn(null, 'limit', TOO_MANY))
  if (!isListed && asked.some(({ answers }) => answers !== null)) unchecked.push(uncheckedIn(null, 'server', NO_LIST))
  return { ...parts, members, others, isListed, unchecked }
}

/**
 * The member whose data a configuration has a copy of: the data has its ID, and the addresses are those of another member, which does not
 * answer. At its own peer URL something else answers than what this configuration starts.
 */
async function ownerOf(
  one: PlannedMember,
  { asked }: ClusterParts,
  ports: Ports,
): Promise<[PlannedMember, ListedMember][]> {
  const list = listIn(asked)
  const { peer } = one.config
  const owner = list.find(({ id }) => id === one.wal?.memberId)
  const used = list.find(({ peerURLs }) => overlap(peerURLs, one.peerUrls))
  if (owner === undefined || used === undefined || overlap(owner.peerURLs, one.peerUrls)) return []
  if (asked.some(({ answers }) => answers?.memberId === used.id)) return []
  const { url = '', chain = [] } = (await ports.observeFirst(dialable(owner.peerURLs))) ?? {}
  const [[served], inFile] = [chain, peer.cert?.certificates[0]]
  if (served === undefined) return []
  const isItself = inFile?.equals(served) === true && peer.listenUrls.some((each) => isAt(each, url))
  return isItself ? [] : [[one, owner]]
}

/** Whether what listens at a URL may answer at another one. */
function isAt(listens: string, url: string): boolean {
  const [own, other] = [acceptedUrl(listens, 'listen'), acceptedUrl(url)]
  return own?.port === other?.port && (own?.isUnspecified === true || own?.host === other?.host)
}

const MAX_LABEL = 100

async function examinedMember(
  listed: ListedMember,
  { client, peer, planned }: Pick<ExaminedMember, 'client' | 'peer' | 'planned'>,
  clusterId: string | null,
): Promise<ExaminedMember> {
  const [, folder] = /^(.*\/\d+)\/root$/.exec(planned?.evidence.root ?? '') ?? []
  const names = [listed.name, planned?.config.name ?? '', listed.clientURLs[0] ?? '']
  const answered = client?.answers?.clusterId ?? clusterId
  const isForeign = client !== null && answered !== clusterId
  return {
    label: printable(names.find((name) => name !== '') ?? listed.id).slice(0, MAX_LABEL),
    listed,
    client: isForeign ? { ...client, answers: null, findings: [] } : client,
    peer,
    planned,
    answersFor: isForeign ? answered : null,
    startedAt: planned?.evidence.startedAt ?? (isForeign ? null : (client?.answers?.startedAt ?? null)),
    configChangedAt: planned === null ? null : await configChangedAt(planned),
    replacedMounts: folder === undefined ? new Set() : await replacedMounts(folder),
  }
}

function asPlanned({ config: { name }, urls: clientURLs, peerUrls: peerURLs }: PlannedMember): ListedMember {
  return { name: name ?? '', id: '', clientURLs, peerURLs, isLearner: false }
}

function asEndpoint({ url }: AskedPort): ListedMember {
  return { name: '', id: '', clientURLs: [url], peerURLs: [], isLearner: false }
}

function isOf({ url, answers }: AskedPort, { id, clientURLs }: ListedMember, config: PlannedMember | null): boolean {
  const isAtUrl = clientURLs.includes(url) || config?.urls.includes(url) === true
  return answers === null || id === '' ? isAtUrl : answers.memberId === id
}

async function configChangedAt({ evidence: { input, root } }: PlannedMember): Promise<Date | null> {
  return input.file === undefined ? null : (await statsOf(pathOfCaller(String(input.file), root))).changedAt
}
