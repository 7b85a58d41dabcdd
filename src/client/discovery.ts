/**
 * Finds endpoints in DNS, as etcdctl does with `--discovery-srv` and `--insecure-discovery=false`, or in the member
 * list; and whether hosts are on another machine.
 */
import type { SrvRecord } from 'node:dns'
import { lookup, Resolver } from 'node:dns/promises'
import { hostname, networkInterfaces } from 'node:os'
import { codeOf } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { connectionError } from './diagnosis/failure.js'
import { advertisedEndpoint, type Endpoint, MAX_FOUND, parseEndpoints } from './base/endpoints.js'
import { failedReport, finding } from './base/finding.js'
import type { ResolvedOptions } from './base/options.js'
import { nullAfter } from './base/timing.js'
import { parseIp } from '../x509/ip.js'
import { abortable } from './base/timing.js'

export type LookupSrv = (record: string, signal: AbortSignal) => Promise<SrvRecord[]>

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

/** The endpoints in the order of their SRV priority, and warnings about records. */
interface Located {
  readonly endpoints: readonly Endpoint[]
  readonly findings: readonly Finding[]
}

/**
 * Returns the configured endpoints, or looks them up in DNS.
 *
 * @throws {EtcdMtlsError} `ERR_UNREACHABLE` if DNS has none; with `signal` aborted, the signal's reason.
 */
export async function locate(
  {
    srv,
    endpoints,
    dialTimeout: timeout,
    signal,
  }: Pick<ResolvedOptions, 'srv' | 'endpoints' | 'dialTimeout' | 'signal'>,
  lookup: LookupSrv,
): Promise<Located> {
  if (srv === null) return { endpoints, findings: [] }
  const { domain, record, insecureRecord } = srv
  const question = { domain: domain.value, record }
  const noRecords = (errorCode: string | null, insecure: string[] = [], others: readonly Finding[] = []): Error =>
    connectionError(
      failedReport([finding('discovery/no-records', { ...question, errorCode, insecure, timeout }), ...others]),
    )
  const late = AbortSignal.timeout(timeout)
  const end = signal === null ? late : AbortSignal.any([signal, late])
  try {
    // Rejects at the time-out even if a look-up cannot be cancelled.
    const answers = Promise.allSettled([lookup(record, end), lookup(insecureRecord, end)])
    const [secure, insecure] = await abortable(end, answers)
    if (secure.status === 'rejected' && !NO_SUCH_RECORD.has(codeOf(secure.reason))) {
      throw noRecords(codeOf(secure.reason) ?? 'unknown')
    }
    const found = toEndpoints(targetsOf(secure), question)
    const targets = targetsOf(insecure).map(hostPort)
    if (found.endpoints.length === 0) throw noRecords(null, targets, found.findings)
    if (targets.length > 0)
      found.findings.push(finding('discovery/record-ignored', { ...question, targets, reason: 'insecure' }))
    return found
  } catch (error) {
    throw error === late.reason ? noRecords('TIMEOUT') : error
  }
}

/** DNS errors for a name that does not exist or has no SRV records. */
const NO_SUCH_RECORD: ReadonlySet<string | null> = new Set(['ENOTFOUND', 'ENODATA'])

/** RFC 2782: the target "." means that the service is not available. */
function targetsOf(answer: PromiseSettledResult<SrvRecord[]>): SrvRecord[] {
  return answer.status === 'fulfilled' ? answer.value.filter(({ name }) => name !== '' && name !== '.') : []
}

function toEndpoints(records: SrvRecord[], question: { domain: string; record: string }) {
  const findings: Finding[] = []
  const ignore = (record: SrvRecord, reason: 'invalid' | 'too-many'): void => {
    findings.push(finding('discovery/record-ignored', { ...question, targets: [hostPort(record)], reason }))
  }
  const byUrl = new Map<string, Endpoint>()
  for (const each of records.sort((a, b) => a.priority - b.priority)) {
    if (byUrl.size + findings.length >= MAX_FOUND) {
      ignore(each, 'too-many')
      break
    }
    try {
      // The trailing dot is removed: with it, getaddrinfo does not find the name in /etc/hosts, unlike Go.
      const [endpoint] = parseEndpoints(`https://${hostPort(each)}`)
      if (!byUrl.has(endpoint.url)) byUrl.set(endpoint.url, endpoint)
    } catch {
      ignore(each, 'invalid')
    }
  }
  return { endpoints: [...byUrl.values()], findings }
}

function hostPort({ name, port }: SrvRecord): string {
  return `${name}:${String(port)}`
}

interface ListedMember {
  readonly name: string
  readonly ID: string
  readonly clientURLs: readonly string[]
  readonly isLearner: boolean
}

/** The TLS client URLs of the voting members, at most {@link MAX_FOUND}. */
export function endpointsOf(members: readonly ListedMember[]): Endpoint[] {
  const byUrl = new Map<string, Endpoint>()
  for (const { name, ID, clientURLs, isLearner } of members) {
    for (const url of isLearner ? [] : clientURLs.filter((each) => /^(?:https|unixs):/i.test(each))) {
      if (byUrl.size >= MAX_FOUND) break
      const endpoint = advertisedEndpoint(url, name === '' ? ID : name)
      if (!byUrl.has(endpoint.url)) byUrl.set(endpoint.url, endpoint)
    }
  }
  return [...byUrl.values()]
}

/** Longest wait for the name server. A name without an address says nothing. */
const LOOKUP_TIMEOUT = 2000
/** More hosts are not looked up. */
const MAX_LOOKUPS = 16

/** One of the hosts, if its address is known and none of them is this machine; otherwise null. */
export async function hostElsewhere(hosts: readonly string[]): Promise<string | null> {
  const interfaces = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const own = new Set([labelOf(hostname()), ...interfaces.map(({ address }) => bytesOf(address))])
  const looked = [...new Set(hosts)].slice(0, MAX_LOOKUPS)
  const found = await Promise.all(looked.map(async (host) => ({ host, addresses: await addressesOf(host) })))
  const isOwn = found.some(({ host, addresses }) => [labelOf(host), ...addresses].some((each) => own.has(each)))
  return isOwn ? null : (found.find(({ addresses }) => addresses.length > 0)?.host ?? null)
}

/** None for a name without an address, which is not a fault: it may be one of a network of containers. */
async function addressesOf(host: string): Promise<string[]> {
  if (parseIp(host) !== null) return [bytesOf(host)]
  const looked = await nullAfter(LOOKUP_TIMEOUT, lookup(host, { all: true })).catch(() => null)
  return (looked ?? []).map(({ address }) => bytesOf(address))
}

function labelOf(name: string): string {
  return parseIp(name) === null ? name.replace(/\..*/s, '') : name
}

/** The same text for all spellings of an address. */
function bytesOf(address: string): string {
  return Buffer.from(parseIp(address.split('%', 1)[0] ?? '') ?? []).toString('hex')
}
