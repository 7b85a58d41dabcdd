/** Issues all certificates of a cluster from one plan. */
import { checkSignal } from '../../credentials/checks.js'
import type { Credentials } from '../../credentials/credentials.js'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { readHost } from '../../x509/names.js'
import type { KeyAlgorithm } from '../algorithms.js'
import { Authority } from '../authority.js'
import type { Cluster } from './cluster-credentials.js'
import { issueCredentials } from '../issue-certificate.js'
import { ledgerEntry } from '../issuing-ca.js'
import { readValidity } from '../lifetime.js'
import { checkFlag, readAlgorithm, readHosts } from '../options.js'
import {
  type IssueRequest,
  KUBEADM_CLIENTS,
  KUBEADM_HOSTS,
  type RequestOptions,
  readIssueOptions,
} from '../issue-options.js'

/** A plan for {@link issueCluster}. */
export interface ClusterPlan<M extends string = string, C extends string = string> {
  /** At most 100 members. Existing members can be left out. */
  members: readonly {
    /** Its `--name`; the common name of its certificates, and the name of its folder. */
    name: M
    /** Its names and addresses for clients and peers: every host of its advertised URLs, and of its listen URLs. */
    hosts: readonly string[]
    /** Its names and addresses for peers, if that is another network. @default hosts */
    peerHosts?: readonly string[] | undefined
  }[]
  /** Clients, by their common name, which is the etcd user; or with further options. @default none */
  clients?:
    | readonly (
        | C
        | ({ name: C; hosts?: readonly string[] | undefined } & Pick<
            RequestOptions,
            'subject' | 'validity' | 'extensions' | 'extendedKeyUsage'
          >)
      )[]
    | undefined
  /** Lifetime of every certificate. @default '365d', or the rest of the authority's lifetime */
  validity?: string | undefined
  /** Kind of every key. @default 'ecdsa-p256' */
  algorithm?: KeyAlgorithm | undefined
  /**
   * Adds the hosts and clients of kubeadm on each control-plane node: `localhost`, `127.0.0.1`, `::1` and the member's
   * name as hosts, and the clients of the liveness probe and of the API server.
   *
   * @default false; then writeCluster issues these clients for the layout kubeadm
   */
  kubeadm?: boolean | undefined
}

const MAX_MEMBERS = 100
const MAX_CLIENTS = 10_000
/** RSA keys use Node's thread pool, which has four threads. */
const CONCURRENCY = 4

/**
 * Issues all certificates of a cluster, or none: a `server` and a `peer` certificate for each member, and one for each
 * client. Each has its own key.
 *
 * @example
 * ```ts
 * const cluster = await issueCluster(authority, {
 *   members: [{ name: 'etcd-0', hosts: ['10.0.0.1'] }],
 *   clients: ['root', 'app'],
 * })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong plan, before a key is made.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` as `authority.issue`.
 * @throws The reason of `signal`.
 */
export async function issueCluster<const M extends string, const C extends string = never>(
  authorities: Authority | { client: Authority; peer: Authority },
  plan: ClusterPlan<M, C>,
  options: {
    /**
     * Called after each certificate. `what` is its purpose, such as `server of etcd-0`. `done` is the number of
     * certificates so far. If it throws, nothing is issued.
     */
    onProgress?: ((step: { readonly what: string; readonly done: number; readonly total: number }) => void) | undefined
    /** Cancels the call. Then nothing is issued. */
    signal?: AbortSignal | undefined
  } = {},
): Promise<Cluster<M, C>> {
  checkOptions('plan', plan, ['members', 'clients', 'validity', 'algorithm', 'kubeadm'])
  checkOptions('options', options, ['onProgress', 'signal'])
  const { onProgress, signal } = options
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw valueInvalid('onProgress', onProgress, 'a function')
  checkSignal(signal, 'signal')
  const { client, peer } = readAuthorities(authorities)
  const orders = readOrders(plan, client, peer)
  const made = new Map<string, Credentials>()
  for (let at = 0; at < orders.length; at += CONCURRENCY) {
    signal?.throwIfAborted()
    const batch = orders.slice(at, at + CONCURRENCY)
    const issued = await Promise.all(batch.map(async (order) => ({ order, credentials: await issueOrder(order) })))
    for (const { order, credentials } of issued) {
      made.set(order.what, credentials)
      onProgress?.({ what: order.what, done: made.size, total: orders.length })
    }
  }
  signal?.throwIfAborted()
  const get = (kind: Kind, name: string): Credentials => {
    const credentials = made.get(labelOf(kind, name))
    if (credentials === undefined) throw new TypeError(`nothing was issued for ${name}`)
    return credentials
  }
  // Nothing is returned before the ledger has it.
  for (const authority of new Set([client, peer])) {
    const own = orders.filter((order) => order.authority === authority)
    const entries = own.map(({ kind, name, request }) =>
      ledgerEntry(authority.issuer, get(kind, name).chain[0], request.role),
    )
    if (entries.length > 0) await authority.issuer.settings.ledger.append(entries)
  }
  const byName = <K extends string, V>(of: readonly { name: K }[], make: (name: K) => V): Record<K, V> =>
    Object.fromEntries(of.map(({ name }) => [name, make(name)])) as Record<K, V> // one for each K
  const kubeadmClients = (name: string) => ({
    healthcheckClient: get('healthcheckClient', name),
    apiserverClient: get('apiserverClient', name),
  })
  const clients = (plan.clients ?? []).map((each) => (typeof each === 'string' ? { name: each } : each))
  return {
    members: byName(plan.members, (name) => ({ server: get('server', name), peer: get('peer', name) })),
    clients: byName(clients, (name) => get('client', name)),
    ...(plan.kubeadm === true ? { kubeadm: byName(plan.members, kubeadmClients) } : {}),
    authorities: { client, peer },
  }
}

type Kind = 'server' | 'peer' | 'client' | 'healthcheckClient' | 'apiserverClient'

interface Order {
  readonly kind: Kind
  readonly name: string
  readonly what: string
  readonly authority: Authority
  readonly request: IssueRequest
}

const KIND_LABELS: Readonly<Record<Kind, string>> = {
  server: 'server of',
  peer: 'peer of',
  client: 'client',
  healthcheckClient: 'healthcheck client of',
  apiserverClient: "API server's client of",
}

function labelOf(kind: Kind, name: string): string {
  return `${KIND_LABELS[kind]} ${name}`
}

async function issueOrder({ authority, request }: Order): Promise<Credentials> {
  const { issuer } = authority
  const now = issuer.settings.now()
  return issueCredentials(issuer, readIssueOptions(request, now), now)
}

export function readAuthorities(given: Authority | { client: Authority; peer: Authority }): {
  client: Authority
  peer: Authority
} {
  if (given instanceof Authority) return { client: given, peer: given }
  checkOptions('authorities', given, ['client', 'peer'])
  for (const role of ['client', 'peer'] as const) {
    if (!(given[role] instanceof Authority)) throw valueInvalid(`authorities.${role}`, given[role], 'an Authority')
  }
  return given
}

function readOrders(plan: ClusterPlan, client: Authority, peer: Authority): Order[] {
  const { members, clients = [], validity, algorithm, kubeadm = false } = plan
  checkList('plan.members', members, MAX_MEMBERS)
  checkList('plan.clients', clients, MAX_CLIENTS)
  checkFlag('plan.kubeadm', kubeadm)
  if (members.length + clients.length === 0) throw optionInvalid('plan.members', 'must not be empty')
  const now = client.issuer.settings.now()
  if (validity !== undefined) readValidity(validity, 'plan.validity', now)
  const common = { validity, algorithm: readAlgorithm(algorithm, 'plan.algorithm') }
  const orders = new Map<string, Order>()
  const add = (where: string, kind: Kind, name: string, request: IssueRequest): void => {
    // Called for its errors, so that no key is created for a wrong plan.
    readIssueOptions(request, now, where)
    const what = labelOf(kind, name)
    if (orders.has(what)) throw optionInvalid(where.replace(/\[.*/, ''), `must name each once; ${name} is there twice`)
    orders.set(what, { kind, name, what, authority: kind === 'peer' ? peer : client, request })
  }
  for (const [index, member] of members.entries()) {
    const where = `plan.members[${String(index)}]`
    checkOptions(where, member, ['name', 'hosts', 'peerHosts'])
    const { name, hosts, peerHosts = hosts } = member
    readHosts(hosts, `${where}.hosts`)
    readHosts(peerHosts, `${where}.peerHosts`)
    // kubeadm adds the node's name as a host; names that are not valid hosts are skipped.
    const more = kubeadm ? [...('refused' in readHost(name) ? [] : [name]), ...KUBEADM_HOSTS] : []
    add(where, 'server', name, { role: 'server', name, hosts: [...hosts, ...more], ...common })
    add(where, 'peer', name, { role: 'peer', name, hosts: [...peerHosts, ...more], ...common })
    for (const kind of kubeadm ? (['healthcheckClient', 'apiserverClient'] as const) : []) {
      add(where, kind, name, { role: 'client', name: KUBEADM_CLIENTS[kind], ...common })
    }
  }
  for (const [index, each] of clients.entries()) {
    const options: Exclude<typeof each, string> = typeof each === 'string' ? { name: each } : each
    const where = `plan.clients[${String(index)}]`
    checkOptions(where, options, ['name', 'hosts', 'subject', 'validity', 'extensions', 'extendedKeyUsage'])
    const { validity: lifetime = validity } = options
    const own = { ...common, ...options, validity: lifetime }
    add(where, 'client', options.name, { ...own, role: 'client' })
  }
  return [...orders.values()]
}

function checkList(option: string, value: unknown, most: number): void {
  if (!Array.isArray(value)) throw valueInvalid(option, value, 'an array')
  if (value.length > most) throw optionInvalid(option, `must have at most ${String(most)} entries`)
}
