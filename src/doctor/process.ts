/** Asks the running processes: what a port serves and accepts without a credential, then, if it is verified, what its etcd answers. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { createSecureContext } from 'node:tls'
import { createSecureClient, observeServer } from '../client/deferred.js'
import type { ServerObservation } from '../client/diagnosis/observe-server.js'
import { explainServer } from '../client/diagnosis/explain.js'
import type { Endpoint } from '../client/endpoints.js'
import type { SecureEtcd3 } from '../client/deferred.js'
import { advisoriesOf } from '../config/tables/advisories.js'
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
  /** Its chain, the leaf first; empty without one that can be read. */
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
  /** Null if it was not asked, or did not answer. */
  readonly isAuthEnabled: boolean | null
  /** Empty if it did not return them. */
  readonly members: readonly ListedMember[]
}

/** A member as the cluster lists it. */
export interface ListedMember {
  /** Empty if it has not started. */
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
export async function observePort({ url, serverName }: Endpoint, { dialTimeout, signal }: Asking): Promise<SeenPort> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)])
  const observation = await observeServer(url, { name: serverName?.value, signal: limit })
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
  const seen = await observePort(endpoint, asking)
  if (credentials === null) return { seen, ...NOTHING }
  const { chain: sent } = seen.observation
  if (sent.length > 0) {
    const { trustAnchors, crls } = credentials
    const chain = seen.chain.length === Math.min(sent.length, MAX_CHAIN) ? [...seen.chain] : [...sent]
    const server = { endpoint, name: endpoint.serverName ?? endpoint.host }
    const rules = { usage: 'server', hosts: [server.name.value], at, expiryWarning } as const
    const report = validateConnected({ chain, trustAnchors, crls }, rules)
    if (!report.ok) return { seen, ...NOTHING, findings: explainServer(server, { chain: [...seen.chain], report }) }
  }
  return { seen, ...(await askEtcd(endpoint, { ...asking, credentials })) }
}

type WithCredentials = Asking & { readonly credentials: Credentials }

async function askEtcd(endpoint: Endpoint, asking: WithCredentials): Promise<Omit<AskedPort, 'seen'>> {
  const { credentials, auth, dialTimeout, signal } = asking
  let client: SecureEtcd3 | null = null
  try {
    client = await createSecureClient({
      endpoints: [{ url: endpoint.url, serverName: endpoint.serverName?.value }],
      credentials,
      auth,
      dialTimeout: `${String(dialTimeout)}ms`,
      requireLeader: false,
      rotation: 'off',
      signal,
    })
    const answers = await readAnswers(client, endpoint, asking)
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
export const MAX_LISTED = 16
/** Most URLs of one member that are read. */
const MAX_URLS = 8

async function readAnswers(client: SecureEtcd3, endpoint: Endpoint, asking: WithCredentials): Promise<Answers> {
  const deadline = (): { deadline: number } => ({ deadline: Date.now() + asking.dialTimeout })
  const begin = performance.now()
  const status = await client.maintenance.status(deadline())
  const latency = performance.now() - begin
  const [listed, , startedAt, isAuthEnabled] = await Promise.all([
    // Another member may still return the list.
    client.cluster.memberList({}, deadline()).catch(() => null),
    client.tls.probe(),
    readStartTime(endpoint, asking),
    // The answer passes through etcd's Raft log, so it is asked for only if it decides something.
    advisoriesOf(status.version).some(({ condition }) => condition === 'auth')
      ? readAuthStatus(client, deadline())
      : null,
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
    isAuthEnabled,
    members,
  }
}

/** Only root may ask. While authentication is disabled, etcd refuses nobody (server/auth/store.go v3.5.16 IsAdminPermitted). */
async function readAuthStatus(client: SecureEtcd3, options: { deadline: number }): Promise<boolean | null> {
  try {
    return (await client.auth.authStatus(options)).enabled
  } catch (error) {
    return /etcdserver: (?:permission denied|user name is empty)/.test(asError(error).message) ? true : null
  }
}

/** As etcdctl prints it. */
function hexId(decimal: string): string {
  return BigInt.asUintN(64, BigInt(/^-?\d{1,20}$/.test(decimal) ? decimal : 0)).toString(16)
}

/** /metrics of an etcd has about 200 kB. */
const MAX_METRICS = 4 * 1024 * 1024

/** Longer than the line that is looked for. */
const LONGEST_LINE = 200

/** The start time that etcd exports on its client port; null if it does not answer, as behind some proxies. */
async function readStartTime({ url, serverName }: Endpoint, asking: WithCredentials): Promise<Date | null> {
  const { credentials, dialTimeout, signal } = asking
  if (!url.startsWith('https:')) return null
  const secureContext = createSecureContext({
    ca: credentials.trustAnchors.map((each) => each.toPem()),
    cert: credentials.chain.map((each) => each.toPem()).join(''),
    key: credentials.key.exportForOpenssl(),
    allowPartialTrustChain: true,
  })
  const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)])
  const name = serverName === null ? {} : { servername: serverName.value }
  // The default depends on the environment of Node.
  const options = { secureContext, rejectUnauthorized: true, agent: false, signal: limit, ...name }
  const call = request(`${url}/metrics`, options).end()
  try {
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    let [text, size] = ['', 0]
    for await (const piece of answer.setEncoding('latin1') as AsyncIterable<string>) {
      text = `${text.slice(-LONGEST_LINE)}${piece}`
      const [, seconds] = /^process_start_time_seconds ([\d.e+]{1,40})\n/m.exec(text) ?? []
      const date = new Date(Number(seconds) * 1000)
      if (seconds !== undefined) return Number.isNaN(date.getTime()) ? null : date
      if ((size += piece.length) > MAX_METRICS) return null
    }
    return null
  } catch {
    return null // Without the start time, the finding about a CA file says less.
  } finally {
    call.on('error', () => undefined).destroy()
  }
}
