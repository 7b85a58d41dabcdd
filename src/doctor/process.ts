/** Asks the running processes: what a port serves and accepts without a credential, then, if it is verified, what its etcd answers. */
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import { connect, type ConnectionOptions, createSecureContext } from 'node:tls'
import { createSecureClient, observeServer } from '../client/deferred.js'
import { areValid, type ClockReading } from '../client/diagnosis/evidence.js'
import type { ServerObservation } from '../client/diagnosis/observe-server.js'
import { refusalIn } from '../client/diagnosis/explain.js'
import { readingOf } from '../client/diagnosis/probe.js'
import type { Endpoint } from '../client/endpoints.js'
import type { SecureEtcd3 } from '../client/deferred.js'
import { advisoriesOf } from '../config/tables/advisories.js'
import type { Credentials } from '../credentials/credentials.js'
import { asError, isEtcdMtlsError, reasonOf } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { Certificate } from '../x509/certificate.js'
import { areOfDates } from './forecast.js'
import { type Choice, choosePairs, MAX_CHAIN, type Pair } from './pairs.js'

/** How servers are asked. */
export interface Asking {
  readonly auth: { readonly username: string; readonly password: string } | undefined
  /** Milliseconds. */
  readonly dialTimeout: number
  readonly expiryWarning: string | undefined
  readonly at: Date
  /** Whether `at` is what the clock of this machine says. */
  readonly isNow: boolean
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
  readonly clusterId: string
  readonly raftTerm: string
  readonly version: string
  readonly role: 'leader' | 'follower' | 'learner' | null
  /** Milliseconds. */
  readonly latency: number
  readonly startedAt: Date | null
  /** Null if it was not asked, or did not answer. */
  readonly isAuthEnabled: boolean | null
  /** Whether it requires a password, and accepted the given one. */
  readonly isLoggedIn: boolean
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
  /** What it was asked with; null if no pair suits it. */
  readonly pair: Pair | null
  readonly answers: Answers | null
  /** The clock of its machine; null if it was not read. */
  readonly clock: ClockReading | null
  readonly findings: readonly Finding[]
  /** Why it did not answer, if no finding says it; for display. */
  readonly problem: string | null
}

/** The server name of a probe without a certificate. etcd logs it, and chooses nothing by it. */
const PROBE_NAME = 'etcd-mtls-doctor.invalid'

/**
 * Observes one port. It never rejects because of the server. A name is sent to an address that has none of its own. Other servers may
 * choose their certificate by it, so a probe with an unexpected result is repeated without it.
 */
export async function observePort(
  endpoint: Endpoint,
  asking: Asking,
  isExpected = (seen: SeenPort): boolean => isOfHost(seen, endpoint, asking.at),
): Promise<SeenPort> {
  const { host, serverName } = endpoint
  if (serverName !== null || host.kind !== 'ip') return observe(endpoint, serverName?.value, asking)
  const seen = await observe(endpoint, PROBE_NAME, asking)
  const { refusal } = seen.observation
  const isRefused = refusal !== null && ['alert', 'closed', 'failed'].includes(refusal.kind)
  const isRepeated = seen.observation.chain.length > 0 ? !isExpected(seen) : isRefused
  return isRepeated ? observe(endpoint, undefined, asking) : seen
}

async function observe(
  { url }: Endpoint,
  name: string | undefined,
  { dialTimeout, signal }: Asking,
): Promise<SeenPort> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)])
  const observation = await observeServer(url, { name, signal: limit })
  return { url, observation, chain: readChain(observation.chain, url) }
}

/** Whether the certificate is one for this address; its CA is not known here. */
function isOfHost({ chain: [leaf] }: SeenPort, { host }: Endpoint, at: Date): boolean {
  return (
    leaf !== undefined && areValid([leaf], at.getTime()) && leaf.covers([host.value]).some(({ name }) => name !== null)
  )
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

const NOTHING = { answers: null, clock: null, findings: [], problem: null }

/**
 * Asks a client port. A client certificate is sent only after the server has been verified by a first connection without one; or if that
 * connection showed no certificate, so that the client fails in the same way and explains it.
 */
export async function askPort(endpoint: Endpoint, pairs: readonly Pair[], asking: Asking): Promise<AskedPort> {
  const choose = (each: SeenPort): Choice => choosePairs(endpoint, each, pairs, asking)
  const isVerified = (each: SeenPort): boolean => choose(each).pairs.length > 0
  const seen = await observePort(endpoint, asking, pairs.length === 0 ? undefined : isVerified)
  const choice = choose(seen)
  let asked: AskedPort = { seen, pair: null, ...NOTHING, findings: choice.findings }
  const [only] = pairs
  if (only?.credentials.key.isHeld === false && isRequested(seen))
    asked = { ...asked, problem: 'it requests a client certificate, and none was given' }
  else if (pairs.length > 0 && seen.chain.length > 0 && choice.pairs.length + choice.findings.length === 0)
    asked = { ...asked, problem: 'of the pairs that were found here, none verifies it and is of a CA that it accepts' }
  for (const pair of choice.pairs) {
    const result = { seen, pair, ...(await askEtcd(endpoint, { ...asking, credentials: pair.credentials })) }
    // A server may refuse the certificate of a member, which is none of its clients.
    const isForeign = pair.of === 'member' && refusalIn(result.findings) !== 'none'
    asked = isForeign ? { ...result, findings: [], problem: `it refuses the certificate of ${pair.from}` } : result
    if (result.answers !== null || refusalIn(result.findings) === 'none') break
  }
  const pair = asked.pair ?? choice.blaming
  if (pair === null || asked.answers !== null || !areOfDates(asked.findings)) return asked
  return { ...asked, clock: await readClock(endpoint, seen, { ...asking, credentials: pair.credentials }) }
}

function isRequested({ observation: { clientCertificate } }: SeenPort): boolean {
  return clientCertificate === 'required' || clientCertificate === 'requested'
}

type WithCredentials = Asking & { readonly credentials: Credentials }

async function askEtcd(endpoint: Endpoint, asking: WithCredentials): Promise<Omit<AskedPort, 'seen' | 'pair'>> {
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
    const { clock, ...read } = await readAnswers(client, endpoint, asking)
    const all = [...client.tls.report.findings, ...client.tls.endpoints.flatMap((each) => each.findings)]
    const isLoggedIn = auth !== undefined && !all.some(({ code }) => code === 'login/not-enabled')
    // Without a certificate, nobody expects that it is requested.
    const isExpected = ({ code }: Finding): boolean =>
      code === 'handshake/client-certificate-not-asked' && !credentials.key.isHeld
    return { answers: { ...read, isLoggedIn }, clock, findings: all.filter((each) => !isExpected(each)), problem: null }
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

async function readAnswers(
  client: SecureEtcd3,
  endpoint: Endpoint,
  asking: WithCredentials,
): Promise<Omit<Answers, 'isLoggedIn'> & Pick<AskedPort, 'clock'>> {
  const deadline = (): { deadline: number } => ({ deadline: Date.now() + asking.dialTimeout })
  const begin = performance.now()
  const status = await client.maintenance.status(deadline())
  const latency = performance.now() - begin
  const [listed, , metrics, isAuthEnabled] = await Promise.all([
    // Another member may still return the list.
    client.cluster.memberList({}, deadline()).catch(() => null),
    client.tls.probe(),
    askHttps(endpoint, '/metrics', asking, { agent: false }, readMetrics),
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
    clusterId: hexId(status.header.cluster_id),
    raftTerm: status.raftTerm,
    version: status.version,
    role: client.tls.endpoints[0]?.role ?? null,
    latency,
    startedAt: metrics?.startedAt ?? null,
    clock: metrics?.clock ?? null,
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

/** Null if it does not answer, as some proxies. Without an answer, findings say less. */
async function askHttps<T>(
  { url, serverName }: Endpoint,
  path: string,
  { credentials, dialTimeout, signal }: WithCredentials,
  more: RequestOptions,
  read: (answer: IncomingMessage, url: string) => T | Promise<T>,
): Promise<T | null> {
  if (!url.startsWith('https:')) return null
  const { chain, key, trustAnchors } = credentials
  const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)])
  let call: ClientRequest | null = null
  try {
    const secureContext = createSecureContext({
      ca: trustAnchors.map((each) => each.toPem()),
      ...(key.isHeld ? { cert: chain.map((each) => each.toPem()).join(''), key: key.exportForOpenssl() } : {}),
      allowPartialTrustChain: true,
    })
    const name = serverName === null ? {} : { servername: serverName.value }
    // The default depends on the environment of Node.
    const options = { secureContext, rejectUnauthorized: true, signal: limit, ...name, ...more }
    call = request(`${url}${path}`, options).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    return await read(answer, url)
  } catch {
    return null
  } finally {
    call?.on('error', () => undefined).destroy()
  }
}

/** The start time that etcd exports on its client port, and its clock. */
async function readMetrics(
  answer: IncomingMessage,
  url: string,
): Promise<Pick<Answers & AskedPort, 'startedAt' | 'clock'>> {
  const clock = readDate(answer, url)
  let [text, size] = ['', 0]
  for await (const piece of answer.setEncoding('latin1') as AsyncIterable<string>) {
    text = `${text.slice(-LONGEST_LINE)}${piece}`
    const [, seconds] = /^process_start_time_seconds ([\d.e+]{1,40})\n/m.exec(text) ?? []
    const date = new Date(Number(seconds) * 1000)
    if (seconds !== undefined) return { clock, startedAt: Number.isNaN(date.getTime()) ? null : date }
    if ((size += piece.length) > MAX_METRICS) break
  }
  return { clock, startedAt: null }
}

/** A difference that no clock has. */
const MAX_DIFFERENCE = 100 * 365 * 86_400_000

function readDate({ headers: { date } }: IncomingMessage, url: string): ClockReading | null {
  const reading = readingOf(url, date)
  return reading !== null && Math.abs(reading.peer - reading.own) < MAX_DIFFERENCE ? reading : null
}

/**
 * The clock of a server if only dates are wrong, which may be the fault of this machine's clock. OpenSSL checks dates, so its verification
 * is off. The request is only sent to the server whose certificate was validated but for its dates.
 */
function readClock(
  endpoint: Endpoint,
  { chain: [leaf] }: SeenPort,
  asking: WithCredentials,
): Promise<ClockReading | null> {
  const { kind, value } = endpoint.serverName ?? endpoint.host
  const createConnection: RequestOptions['createConnection'] = (options, done) => {
    const socket = connect({ ...(options as ConnectionOptions), ALPNProtocols: ['http/1.1'] })
    options.signal?.addEventListener('abort', () => socket.destroy(), { once: true })
    socket.on('error', (error: Error) => {
      done(error, socket)
    })
    socket.once('secureConnect', () => {
      if (leaf !== undefined && socket.getPeerX509Certificate()?.raw.equals(leaf.raw) === true) done(null, socket)
      else socket.destroy(new Error('Another server answers.'))
    })
    return undefined
  }
  const more = { rejectUnauthorized: false, createConnection, ...(kind === 'dns' ? { servername: value } : {}) }
  return askHttps(endpoint, '/version', asking, more, readDate)
}
