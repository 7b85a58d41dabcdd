/**
 * Endpoints from DNS, as etcdctl takes them with `--discovery-srv` and `--insecure-discovery=false`: records without TLS are
 * dropped, and every server has to cover the domain that was asked for, since whoever answers for DNS chooses the targets.
 */
import { isError } from '../report/errors.js'
import type { SrvRecord } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import type { Finding } from '../report/finding.js'
import { makeReport } from '../report/report.js'
import { abortable } from './abortable.js'
import type { ResolvedDiscovery } from './discovery-options.js'
import { type Endpoint, MAX_FOUND, parseEndpoints } from './endpoints.js'
import { noConnection } from './failure.js'
import { finding } from './finding.js'

/** Asks DNS for SRV records. */
export type LookupSrv = (record: string, signal: AbortSignal) => Promise<SrvRecord[]>

export interface DiscoveryRequest {
  discovery: ResolvedDiscovery
  /** Milliseconds. */
  timeout: number
  signal: AbortSignal | null
  lookup: LookupSrv
}

export interface Discovered {
  endpoints: [Endpoint, ...Endpoint[]]
  /** What is worth knowing beside. */
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
 * @throws {EtcdMtlsError} `ERR_UNREACHABLE` where DNS gives none; with `signal` aborted, the signal's reason.
 */
export async function discover({ discovery, timeout, signal, lookup }: DiscoveryRequest): Promise<Discovered> {
  const { domain, record, insecureRecord } = discovery
  const question = { domain: domain.value, record }
  const end = new AbortController()
  const timer = setTimeout(() => {
    end.abort(TIMED_OUT)
  }, timeout)
  try {
    const answers = Promise.allSettled([lookup(record, end.signal), lookup(insecureRecord, end.signal)])
    const [secure, insecure] = await abortable(signal, orTimeOut(answers, end.signal))
    const dropped = insecure.status === 'fulfilled' ? insecure.value.filter(isTarget).map(hostPort) : []
    if (secure.status === 'rejected' && !isEmptyAnswer(secure.reason)) {
      throw nothing(finding('discovery/lookup-failed', { ...question, errorCode: codeOf(secure.reason) }))
    }
    const records = secure.status === 'fulfilled' ? secure.value.filter(isTarget) : []
    const { endpoints, findings } = toEndpoints(records, question)
    const [first, ...rest] = endpoints
    if (first === undefined) {
      throw nothing(
        dropped.length > 0
          ? finding('discovery/insecure-only', { ...question, insecure: dropped })
          : finding('discovery/no-records', question),
        ...findings,
      )
    }
    if (dropped.length > 0) findings.push(finding('discovery/insecure-dropped', { ...question, insecure: dropped }))
    return { endpoints: [first, ...rest], findings }
  } catch (error) {
    if (error === TIMED_OUT) throw nothing(finding('discovery/lookup-timeout', { ...question, timeout }))
    throw error
  } finally {
    clearTimeout(timer)
    end.abort()
  }
}

const TIMED_OUT = new Error('The look-up took too long')

/** Ends with the time even where a look-up cannot be cancelled. */
function orTimeOut<T>(answers: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener(
      'abort',
      () => {
        reject(TIMED_OUT)
      },
      { once: true },
    )
    answers.then((answer) => {
      // Cancelled look-ups end before the signal is heard of here.
      if (!signal.aborted) resolve(answer)
    }, reject)
  })
}

function toEndpoints(
  records: readonly SrvRecord[],
  question: { domain: string; record: string },
): { endpoints: Endpoint[]; findings: Finding[] } {
  const findings: Finding[] = []
  const byUrl = new Map<string, Endpoint>()
  for (const each of [...records].sort((a, b) => a.priority - b.priority)) {
    if (byUrl.size + findings.length >= MAX_FOUND) {
      const reason = `is not used, because it comes after the first ${String(MAX_FOUND)}`
      findings.push(finding('discovery/record-unusable', { ...question, target: hostPort(each), reason }))
      break
    }
    try {
      // Without a trailing dot, unlike etcdctl: Go finds such a name in /etc/hosts, getaddrinfo does not.
      const [endpoint] = parseEndpoints(`https://${hostPort(each)}`)
      if (!byUrl.has(endpoint.url)) byUrl.set(endpoint.url, endpoint)
    } catch {
      const reason = 'is no host name with a port'
      findings.push(finding('discovery/record-unusable', { ...question, target: hostPort(each), reason }))
    }
  }
  return { endpoints: [...byUrl.values()], findings }
}

/** RFC 2782: the target "." says that the service is decidedly not available. */
function isTarget({ name }: SrvRecord): boolean {
  return name !== '' && name !== '.'
}

function hostPort({ name, port }: SrvRecord): string {
  return `${name}:${String(port)}`
}

/** The name exists without such records, or does not exist. */
function isEmptyAnswer(error: unknown): boolean {
  return ['ENOTFOUND', 'ENODATA'].includes(codeOf(error))
}

function codeOf(error: unknown): string {
  return isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

function nothing(...findings: Finding[]): Error {
  const report = makeReport({ checkedAt: new Date(), path: null, findings })
  // Sound: the first finding is an error.
  if (report.ok) throw new Error('Nothing was found, without an error')
  return noConnection(report)
}
