/** Asks the running processes: what a port serves and accepts without a credential, then, if it is verified, what its etcd answers. */
import { request } from 'node:https'
import { createSecureContext } from 'node:tls'
import { createSecureClient, observeServer } from '../client/deferred.js'
import type { ServerObservation } from '../client/diagnosis/observe-server.js'
import { explainServer } from '../client/diagnosis/explain.js'
import type { Endpoint } from '../client/endpoints.js'
import type { SecureEtcd3 } from '../client/deferred.js'
import type { Credentials } from '../credentials/credentials.js'
import { asError, isEtcdMtlsError, reasonOf } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { validateConnected } from '../validate/validate.js'
import { Certificate } from '../x509/certificate.js'

/** How servers are asked. */
export interface Asking {
  readonly credentials: Credentials | null
  readonly auth: { readonly username: string; readonly password: string } | undefined
  /** Milliseconds. */
  readonly dialTimeout: number
  readonly expiryWarning: string | undefined
  readonly at: Date
  /** Aborts at the end of the examination. */
  readonly signal: AbortSignal
}

/** A port of a member, as one handshake without a certificate shows it. */
export interface SeenPort {
  readonly url: string
  readonly observation: ServerObservation
  /** Its chain, the leaf first; empty if it has none that can be read. */
  readonly chain: readonly Certificate[]
}

/** What the etcd behind a client port answered. */
export interface Answers {
  readonly memberId: string
  readonly version: string
  readonly role: 'leader' | 'follower' | 'learner' | null
  /** Milliseconds. */
  readonly latency: number
  readonly startedAt: Date | null
  readonly members: readonly ListedMember[] | null
}

export interface ListedMember {
  readonly name: string
  readonly id: string
  readonly clientURLs: readonly string[]
  readonly peerURLs: readonly string[]
  readonly isLearner: boolean
}

/** A client port, and what its etcd answered: null if it was not asked, refused this client, or was refused. */
export interface AskedPort {
  readonly seen: SeenPort
  readonly answers: Answers | null
  readonly findings: readonly Finding[]
  /** Why it did not answer, if no finding says it; for display. */
  readonly problem: string | null
}

/** Observes one port. It never rejects because of the server. */
export async function observePort(
  url: string,
  name: string | null,
  { dialTimeout, signal }: Asking,
): Promise<SeenPort> {
  const limit = AbortSignal.timeout(dialTimeout)
  const options = { ...(name === null ? {} : { name }), signal: AbortSignal.any([signal, limit]) }
  const observation = await observeServer(url, options)
  return { url, observation, chain: readChain(observation.chain, url) }
}

function readChain(chain: readonly Uint8Array[], url: string): Certificate[] {
  const read: Certificate[] = []
  for (const der of chain.slice(0, MAX_CHAIN)) {
    try {
      read.push(Certificate.parse(der, url))
    } catch {
      return read // The validation of the chain reports the certificate that cannot be read.
    }
  }
  return read
}

const NOTHING = { answers: null, findings: [], problem: null }

/** As in the client. */
const MAX_CHAIN = 100

/**
 * Asks a client port. The client certificate is sent only after the server has been verified by a first connection without one; or if that
 * connection showed no certificate, so that the client fails in the same way and explains it.
 */
export async function askPort(endpoint: Endpoint, asking: Asking): Promise<AskedPort> {
  const { credentials, at, expiryWarning } = asking
  const name = endpoint.serverName?.value ?? null
  const seen = await observePort(endpoint.url, name, asking)
  const { chain: sent } = seen.observation
  if (credentials === null) return { seen, ...NOTHING }
  if (sent.length > 0) {
    const input = {
      chain: seen.chain.length === Math.min(sent.length, MAX_CHAIN) ? [...seen.chain] : [...sent],
      trustAnchors: credentials.trustAnchors,
      crls: credentials.crls,
    }
    const server = { endpoint, name: endpoint.serverName ?? endpoint.host }
    const report = validateConnected(input, { usage: 'server', hosts: [server.name.value], at, expiryWarning })
    if (!report.ok) return { seen, ...NOTHING, findings: explainServer(server, { chain: [...seen.chain], report }) }
  }
  return { seen, ...(await askEtcd(endpoint, name, { ...asking, credentials })) }
}

type WithCredentials = Asking & { readonly credentials: Credentials }

async function askEtcd(
  { url }: Endpoint,
  name: string | null,
  asking: WithCredentials,
): Promise<Omit<AskedPort, 'seen'>> {
  const { credentials, auth, dialTimeout, signal } = asking
  let client: SecureEtcd3 | null = null
  try {
    client = await createSecureClient({
      endpoints: [name === null ? url : { url, serverName: name }],
      credentials,
      auth,
      dialTimeout: `${String(dialTimeout)}ms`,
      requireLeader: false,
      rotation: 'off',
      signal,
    })
    const answers = await readAnswers(client, url, name, asking)
    const findings = [...client.tls.report.findings, ...client.tls.endpoints.flatMap((each) => each.findings)]
    return { answers, findings, problem: null }
  } catch (error) {
    // A call that fails rejects with the error of etcd3, and its cause is ours.
    const own = isEtcdMtlsError(error) ? error : asError(error).cause
    if (signal.aborted) return NOTHING
    if (isEtcdMtlsError(own)) {
      if ('report' in own.details) return { ...NOTHING, findings: own.details.report.findings }
      if ('findings' in own.details) return { ...NOTHING, findings: own.details.findings }
    }
    // Also an answer that is not one of etcd.
    return { ...NOTHING, problem: printable(reasonOf(asError(error))) }
  } finally {
    await client?.[Symbol.asyncDispose]()
  }
}

/** Most members of a list that are examined; etcd recommends at most seven. */
export const MAX_LISTED = 32
/** Most URLs of one member that are read. */
const MAX_URLS = 8

async function readAnswers(
  client: SecureEtcd3,
  url: string,
  name: string | null,
  asking: WithCredentials,
): Promise<Answers> {
  const deadline = (): { deadline: number } => ({ deadline: Date.now() + asking.dialTimeout })
  const begin = performance.now()
  const status = await client.maintenance.status(deadline())
  const latency = performance.now() - begin
  const [listed, , startedAt] = await Promise.all([
    // Another member may still return the list.
    client.cluster.memberList({}, deadline()).catch(() => null),
    client.tls.probe(),
    readStartTime(url, name, asking),
  ])
  const members = (listed?.members ?? []).slice(0, MAX_LISTED + 1).map((each) => ({
    name: each.name,
    id: hexId(each.ID),
    clientURLs: each.clientURLs.slice(0, MAX_URLS),
    peerURLs: each.peerURLs.slice(0, MAX_URLS),
    isLearner: each.isLearner,
  }))
  return {
    memberId: hexId(status.header.member_id),
    version: status.version,
    role: client.tls.endpoints[0]?.role ?? null,
    latency,
    startedAt,
    members: listed === null ? null : members,
  }
}

/** As etcdctl prints it. */
function hexId(decimal: string): string {
  return BigInt.asUintN(64, BigInt(/^-?\d{1,20}$/.test(decimal) ? decimal : 0)).toString(16)
}

/** /metrics of an etcd has about 200 kB. */
const MAX_METRICS = 4 * 1024 * 1024

/** The start time that etcd exports on its client port; null if it does not answer, as behind some proxies. */
function readStartTime(url: string, name: string | null, asking: WithCredentials): Promise<Date | null> {
  const { credentials, dialTimeout, signal } = asking
  if (!url.startsWith('https:')) return Promise.resolve(null)
  return new Promise((resolve) => {
    const { trustAnchors, chain, key } = credentials
    const secureContext = createSecureContext({
      ca: trustAnchors.map((each) => each.toPem()),
      cert: chain.map((each) => each.toPem()).join(''),
      key: key.exportForOpenssl(),
      allowPartialTrustChain: true,
    })
    const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)])
    const options = { secureContext, agent: false, signal: limit, ...(name === null ? {} : { servername: name }) }
    const call = request(`${url}/metrics`, options, (answer) => {
      let [text, size] = ['', 0]
      answer.setEncoding('latin1').on('data', (piece: string) => {
        size += piece.length
        text = `${text.slice(-LONGEST_LINE)}${piece}`
        const [, seconds] = /^process_start_time_seconds ([\d.e+]{1,40})\n/m.exec(text) ?? []
        if (seconds !== undefined) end(new Date(Number(seconds) * 1000))
        else if (size > MAX_METRICS) end(null)
      })
      answer.on('error', () => {
        end(null)
      })
      answer.once('end', () => {
        end(null)
      })
    })
    const end = (date: Date | null): void => {
      call.destroy()
      resolve(date === null || Number.isNaN(date.getTime()) ? null : date)
    }
    // The start time is one of the three evidences about a CA file; without it the finding says less.
    call.on('error', () => {
      end(null)
    })
    call.end()
  })
}

/** Longest line of the metrics that is looked for, and more. */
const LONGEST_LINE = 200
