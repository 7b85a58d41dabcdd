/** Who answers at the URLs of members. */
import type { Certificate } from '../x509/internal.js'
import { dialable } from '../client/internal.js'
import type { AskedPort, ExaminedCluster, ExaminedMember, SeenPort } from './evidence.js'
import type { Ports } from './members.js'
import { originOf } from './read-evidence.js'

/** Whether a URL is one that the member has for clients. Another one is of a proxy or of a load balancer. */
export function isOwnUrl(url: string, { listed, planned }: ExaminedMember): boolean {
  return [...listed.clientURLs, ...(planned?.urls ?? [])].some((each) => originOf(each) === originOf(url))
}

/** Asks members at their own URLs if another member answered in their place. What another one shows says nothing about them. */
export async function checkAddresses(cluster: ExaminedCluster, ports: Ports): Promise<ExaminedCluster> {
  const { members } = cluster
  const asked = await Promise.all(members.map((each) => askItself(each, members, ports)))
  return { ...cluster, members: asked.map((each) => checkName(each, asked)) }
}

async function askItself(
  member: ExaminedMember,
  all: readonly ExaminedMember[],
  ports: Ports,
): Promise<ExaminedMember> {
  const { client, listed } = member
  const id = client?.answers?.memberId ?? listed.id
  const isOther = listed.id !== '' && id !== listed.id
  if (client === null || !(isOther || showsOther(client, member, all))) return member
  const direct = await askDirectly(member, ports)
  if (direct !== null) return { ...member, client: direct }
  if (!isOther) return { ...member, client: hidden(client) }
  const other = all.find((each) => each.listed.id === id)?.label ?? `the member ${id}`
  return { ...member, client: { ...hidden(client), answers: null, findings: [], problem: `${other} answers there` } }
}

/** Through `etcd gateway`, or another load balancer, each connection may lead to another member. */
function showsOther({ url, chain }: AskedPort, member: ExaminedMember, all: readonly ExaminedMember[]): boolean {
  const [served] = chain
  if (served === undefined || isOwnUrl(url, member)) return false
  return all
    .filter((each) => each !== member)
    .flatMap(({ client, planned }) => [client?.chain[0], planned?.config.client.cert?.certificates[0]])
    .some((each) => each?.equals(served) === true)
}

async function askDirectly({ listed, planned }: ExaminedMember, ports: Ports): Promise<AskedPort | null> {
  for (const endpoint of dialable([...new Set([...listed.clientURLs, ...(planned?.urls ?? [])])])) {
    const asked = await ports.ask(endpoint)
    if (asked.answers?.memberId === listed.id) return asked
  }
  return null
}

/** A wrong name, as in /etc/hosts, leads to another member, whose certificate does not cover it. */
function checkName(member: ExaminedMember, all: readonly ExaminedMember[]): ExaminedMember {
  const { client, peer } = member
  const others = all.filter((each) => each !== member)
  const isOthers = others.some((each) => showsSame(peer, each.peer))
  const checked = peer !== null && isOthers ? { ...member, peer: hidden(peer) } : member
  const other = others.find((each) => (each.client?.answers ?? null) !== null && showsSame(client, each.client))
  if (client?.answers !== null || other === undefined) return checked
  const problem = `it shows the certificate of ${other.label}: the name leads there, or the files were copied`
  return { ...checked, client: { ...hidden(client), findings: [], problem } }
}

/** An address is the one of its machine, so a certificate of another member there is in its files. */
function showsSame(seen: SeenPort | null | undefined, other: SeenPort | null | undefined): boolean {
  const [served, its]: (Certificate | undefined)[] = [seen?.chain[0], other?.chain[0]]
  if (served === undefined || its?.equals(served) !== true) return false
  const [host] = dialable([seen?.url ?? '']).map((each) => each.host)
  return host?.kind === 'dns' && served.covers([host.value]).every(({ name }) => name === null)
}

function hidden<T extends SeenPort>(seen: T): T {
  return { ...seen, chain: [], clientCertificate: null, acceptedAuthorities: null }
}
