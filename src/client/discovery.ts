/**
 * Endpoints from DNS, as etcdctl takes them with `--discovery-srv` and `--insecure-discovery=false`: records without TLS are dropped,
 * and every server has to cover the domain that was asked for, because DNS chooses the targets. Or from the cluster's member list.
 */
import type { SrvRecord } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { codeOf } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { Host } from '../x509/names.js'
import { noConnection } from './diagnosis/failure.js'
import { type Endpoint, MAX_FOUND, parseEndpoints, readServerName } from './endpoints.js'
import { failedReport, finding } from './finding.js'
import { abortable } from './timing.js'

export interface ResolvedDiscovery {
  readonly domain: Host
  readonly record: string
  readonly insecureRecord: string
}

const NAMES = { domain: 'discovery.domain', name: 'discovery.name' }

/**
 * @param names What errors call the two values.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readDiscovery(discovery: unknown, names = NAMES): ResolvedDiscovery {
  checkOptions('discovery', discovery, ['domain', 'name'])
  const name: unknown = Reflect.get(Object(discovery), 'name')
  const domain = readServerName(Reflect.get(Object(discovery), 'domain'), names.domain)
  if (domain.kind !== 'dns') throw optionInvalid(names.domain, 'must be a DNS name')
  if (name !== undefined && (typeof name !== 'string' || !/^[a-z0-9-]{1,40}$/i.test(name))) {
    throw optionInvalid(names.name, 'must be letters, digits and hyphens')
  }
  const suffix = `${name === undefined ? '' : `-${name}`}._tcp.${domain.value}`
  return { domain, record: `_etcd-client-ssl${suffix}`, insecureRecord: `_etcd-client${suffix}` }
}

/** Asks DNS for SRV records. */
export type LookupSrv = (record: string, signal: AbortSignal) => Promise<SrvRecord[]>

interface DiscoveryRequest {
  discovery: ResolvedDiscovery
  /** Milliseconds. */
  timeout: number
  signal: AbortSignal | null
  lookup: LookupSrv
}

interface Discovered {
  endpoints: [Endpoint, ...Endpoint[]]
  /** Warnings about the records. */
  findings: Finding[]
}

/** The name servers of this machine. */
export const lookupSrv: LookupSrv = async (record, signal) => {
  const resolver = new Resolver()
  const cancel = (): void => {
    resolver.cancel()
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await resolver.resolveSrv(record)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/**
 * Looks the endpoints up, those of low priority numbers first.
 *
 * @throws {EtcdMtlsError} `ERR_UNREACHABLE` if DNS has none; with `signal` aborted, the signal's reason.
 */
export async function discover({ discovery, timeout, signal, lookup }: DiscoveryRequest): Promise<Discovered> {
  const { domain, record, insecureRecord } = discovery
  const question = { domain: domain.value, record }
  const noRecords = (
    details: { errorCode: string | null; insecure: string[] },
    others: readonly Finding[] = [],
  ): Error =>
    noConnection(failedReport([finding('discovery/no-records', { ...question, ...details, timeout }), ...others]))
  const end = new AbortController()
  const timer = setTimeout(() => {
    end.abort(TIMED_OUT)
  }, timeout)
  try {
    const answers = Promise.allSettled([lookup(record, end.signal), lookup(insecureRecord, end.signal)])
    // Also if a look-up cannot be cancelled.
    const [secure, insecure] = await abortable(signal, abortable(end.signal, answers))
    const dropped = insecure.status === 'fulfilled' ? insecure.value.filter(isTarget).map(hostPort) : []
    if (secure.status === 'rejected' && !isEmptyAnswer(secure.reason)) {
      throw noRecords({ errorCode: codeOf(secure.reason) ?? 'unknown', insecure: [] })
    }
    const records = secure.status === 'fulfilled' ? secure.value.filter(isTarget) : []
    const { endpoints, findings } = toEndpoints(records, question)
    const [first, ...rest] = endpoints
    if (first === undefined) {
      throw noRecords({ errorCode: null, insecure: dropped }, findings)
    }
    if (dropped.length > 0) {
      findings.push(finding('discovery/record-ignored', { ...question, targets: dropped, reason: 'insecure' }))
    }
    return { endpoints: [first, ...rest], findings }
  } catch (error) {
    throw error === TIMED_OUT ? noRecords({ errorCode: 'TIMEOUT', insecure: [] }) : error
  } finally {
    clearTimeout(timer)
    end.abort()
  }
}

const TIMED_OUT = new Error('The look-up took too long')

function toEndpoints(
  records: readonly SrvRecord[],
  question: { domain: string; record: string },
): { endpoints: Endpoint[]; findings: Finding[] } {
  const findings: Finding[] = []
  const ignored = (record: SrvRecord, reason: 'invalid' | 'too-many'): Finding =>
    finding('discovery/record-ignored', { ...question, targets: [hostPort(record)], reason })
  const byUrl = new Map<string, Endpoint>()
  for (const each of [...records].sort((a, b) => a.priority - b.priority)) {
    if (byUrl.size + findings.length >= MAX_FOUND) {
      findings.push(ignored(each, 'too-many'))
      break
    }
    try {
      // Without a trailing dot, unlike etcdctl: Go finds such a name in /etc/hosts, getaddrinfo does not.
      const [endpoint] = parseEndpoints(`https://${hostPort(each)}`)
      if (!byUrl.has(endpoint.url)) byUrl.set(endpoint.url, endpoint)
    } catch {
      findings.push(ignored(each, 'invalid'))
    }
  }
  return { endpoints: [...byUrl.values()], findings }
}

/** RFC 2782: the target "." means that the service is not available. */
function isTarget({ name }: SrvRecord): boolean {
  return name !== '' && name !== '.'
}

function hostPort({ name, port }: SrvRecord): string {
  return `${name}:${String(port)}`
}

/** The name exists without such records, or does not exist. */
function isEmptyAnswer(error: unknown): boolean {
  return ['ENOTFOUND', 'ENODATA'].includes(codeOf(error) ?? '')
}

/** One member as etcd lists it (etcd api/etcdserverpb/rpc.proto, EndpointConnection). */
interface ListedMember {
  readonly clientURLs: readonly string[]
  readonly isLearner: boolean
}

/** The client URLs of the voting members that are TLS, at most {@link MAX_FOUND}. */
export function endpointsOf(members: readonly ListedMember[]): readonly Endpoint[] {
  const urls = members.flatMap(({ clientURLs, isLearner }) =>
    isLearner ? [] : clientURLs.filter((each) => /^(?:https|unixs):/i.test(each)),
  )
  return urls.length === 0 ? [] : parseEndpoints(urls.slice(0, MAX_FOUND))
}
