/** Asks the running processes: what a port serves and accepts without a credential, then, if it is verified, what its etcd answers. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { createSecureContext } from 'node:tls'
import { createAuthority } from '../authority/deferred.js'
import { createSecureClient, observeServer } from '../client/deferred.js'
import type { ServerObservation } from '../client/diagnosis/observe-server.js'
import { explainServer } from '../client/diagnosis/explain.js'
import type { Endpoint } from '../client/endpoints.js'
import type { SecureEtcd3 } from '../client/deferred.js'
import type { MaterialReading } from '../credentials/assemble.js'
import type { Credentials } from '../credentials/credentials.js'
import { fileInput, fileOfOption } from '../credentials/load-inputs.js'
import { openInput, readCertificates } from '../credentials/parse-input.js'
import { asError, isEtcdMtlsError, reasonOf } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { validateConnected } from '../validate/validate.js'
import { Certificate } from '../x509/certificate.js'
import { PrivateKey } from '../x509/keys/keys.js'

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

/** Credentials for servers that request no certificate. The key of theirs was dropped, so that they cannot be presented. */
export async function readAnchors(ca: string | URL): Promise<MaterialReading> {
  const input = openInput(await fileInput(fileOfOption('ca', ca)))
  const { certificates, findings } = readCertificates(input)
  if (findings.some(({ severity }) => severity === 'error')) return { credentials: null, findings }
  const authority = await createAuthority({ name: 'no client certificate' })
  const { chain, trustAnchors: clientAnchors } = await authority.issue({ role: 'client', name: 'none' })
  const { origin } = input.place
  const key = PrivateKey.ofPair(new Uint8Array(), chain[0].spki, origin)
  const trustAnchors = certificates.map(({ certificate }) => certificate)
  return { credentials: { trustAnchors, clientAnchors, chain, key, crls: [], origin }, findings }
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
  const { chain: sent, clientCertificate } = seen.observation
  const isRequested = clientCertificate === 'required' || clientCertificate === 'requested'
  if (isRequested && !credentials.key.isHeld)
    return { seen, ...NOTHING, problem: 'it requests a client certificate, and none was given' }
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
    const read = await readAnswers(client, endpoint, asking)
    const all = [...client.tls.report.findings, ...client.tls.endpoints.flatMap((each) => each.findings)]
    const isLoggedIn = auth !== undefined && !all.some(({ code }) => code === 'login/not-enabled')
    // Without a certificate, nobody expects that it is requested.
    const isExpected = ({ code }: Finding): boolean =>
      code === 'handshake/client-certificate-not-asked' && !credentials.key.isHeld
    return { answers: { ...read, isLoggedIn }, findings: all.filter((each) => !isExpected(each)), problem: null }
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
): Promise<Omit<Answers, 'isLoggedIn'>> {
  const deadline = (): { deadline: number } => ({ deadline: Date.now() + asking.dialTimeout })
  const begin = performance.now()
  const status = await client.maintenance.status(deadline())
  const latency = performance.now() - begin
  const [listed, , startedAt] = await Promise.all([
    // Another member may still return the list.
    client.cluster.memberList({}, deadline()).catch(() => null),
    client.tls.probe(),
    readStartTime(endpoint, asking),
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
    members,
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
  const { chain, key, trustAnchors } = credentials
  if (!url.startsWith('https:')) return null
  const secureContext = createSecureContext({
    ca: trustAnchors.map((each) => each.toPem()),
    ...(key.isHeld ? { cert: chain.map((each) => each.toPem()).join(''), key: key.exportForOpenssl() } : {}),
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
