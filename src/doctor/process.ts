/** Asks the running processes: what a port serves and accepts without a credential, then, if it is verified, what its etcd answers. */
import { createSecureClient, observeServer, type SecureEtcd3 } from '../client/index.js'
import { areValid, type ClockReading, readClockOf, readMetrics, refusalIn } from '../client/internal-diagnosis.js'
import type { Endpoint } from '../client/internal.js'
import { advisoriesOf } from '../config/internal.js'
import type { Credentials } from '../credentials/index.js'
import { asError, printable, reasonOf } from '../report/internal.js'
import { type Finding, isEtcdMtlsError } from '../report/index.js'
import { areOfDates } from '../validate/internal.js'
import { readableChain } from '../x509/internal.js'
import type { Answers, AskedPort, Asking, Pair, SeenPort } from './evidence.js'
import { type Choice, choosePairs, MAX_CHAIN } from './pairs.js'

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
  const isRefused = ['alert', 'closed', 'failed'].includes(seen.refusal?.kind ?? '')
  const isRepeated = seen.sent.length > 0 ? !isExpected(seen) : isRefused
  return isRepeated ? observe(endpoint, undefined, asking) : seen
}

async function observe(
  { url }: Endpoint,
  name: string | undefined,
  { dialTimeout, signal }: Asking,
): Promise<SeenPort> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)])
  const observation = await observeServer(url, { name, signal: limit })
  return {
    ...observation,
    url,
    chain: readableChain(observation.chain.slice(0, MAX_CHAIN), url),
    sent: observation.chain,
  }
}

/** Whether the certificate is one for this address; its CA is not known here. */
function isOfHost({ chain: [leaf] }: SeenPort, { host }: Endpoint, at: Date): boolean {
  return (
    leaf !== undefined && areValid([leaf], at.getTime()) && leaf.covers([host.value]).some(({ name }) => name !== null)
  )
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
  let asked: AskedPort = { ...seen, pair: null, ...NOTHING, findings: choice.findings, problem: choice.problem }
  if (pairs[0]?.credentials.key.isHeld === false && ['required', 'requested'].includes(seen.clientCertificate ?? ''))
    asked = { ...asked, problem: 'it requests a client certificate, and none was given' }
  else if (
    choice.problem === null &&
    pairs.length > 0 &&
    seen.chain.length > 0 &&
    choice.pairs.length + choice.findings.length === 0
  )
    asked = { ...asked, problem: 'of the pairs that were found here, none verifies it and is of a CA that it accepts' }
  for (const pair of choice.pairs) {
    const result = { ...seen, pair, ...(await askEtcd(endpoint, { ...asking, credentials: pair.credentials })) }
    // A server may refuse the certificate of a member, which is none of its clients.
    const isForeign = pair.of === 'member' && refusalIn(result.findings) !== 'none'
    asked = isForeign ? { ...result, findings: [], problem: `it refuses the certificate of ${pair.from}` } : result
    if (result.answers !== null || refusalIn(result.findings) === 'none') break
  }
  const pair = asked.pair ?? choice.blaming
  if (pair === null || asked.answers !== null || !areOfDates(asked.findings)) return asked
  const { credentials } = pair
  return { ...asked, clock: await readClockOf(endpoint, seen.chain[0], { ...asking, credentials }) }
}

type WithCredentials = Asking & { readonly credentials: Credentials }

async function askEtcd(
  endpoint: Endpoint,
  asking: WithCredentials,
): Promise<Pick<AskedPort, 'answers' | 'clock' | 'findings' | 'problem'>> {
  const { credentials, auth, dialTimeout, signal } = asking
  let client: SecureEtcd3 | null = null
  try {
    client = await createSecureClient({
      endpoints: [{ url: endpoint.url, serverName: endpoint.serverName?.value }],
      ...{ credentials, auth, dialTimeout: `${String(dialTimeout)}ms`, signal },
      ...{ requireLeader: false, rotation: 'off' },
    })
    const { clock, ...read } = await readAnswers(client, endpoint, asking)
    const all = [...client.tls.report.findings, ...client.tls.endpoints.flatMap((each) => each.findings)]
    const isLoggedIn = auth !== undefined && !all.some(({ code }) => code === 'login/not-enabled')
    // Without a certificate, nobody expects that it is requested.
    const isExpected = ({ code }: Finding): boolean =>
      code === 'handshake/client-certificate-not-asked' && !credentials.key.isHeld
    return {
      answers: { ...read, isLoggedIn },
      clock,
      findings: all.filter((each) => !isExpected(each)),
      problem: null,
    }
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
): Promise<Omit<Answers, 'isLoggedIn'> & { readonly clock: ClockReading | null }> {
  const deadline = (): { deadline: number } => ({ deadline: Date.now() + asking.dialTimeout })
  const begin = performance.now()
  const { header, version, raftTerm } = await client.maintenance.status(deadline())
  const latency = performance.now() - begin
  const [listed, , metrics, isAuthEnabled] = await Promise.all([
    // Another member may still return the list.
    client.cluster.memberList({}, deadline()).catch(() => null),
    client.tls.probe(),
    readMetrics(endpoint, asking),
    // The answer passes through etcd's Raft log, so it is asked for only if it decides something.
    advisoriesOf(version).some(({ condition }) => condition === 'auth') ? readAuthStatus(client, deadline()) : null,
  ])
  const members = (listed?.members ?? []).slice(0, MAX_LISTED + 1).map(({ name, ID, isLearner, ...urls }) => ({
    ...{ name, id: hexId(ID), isLearner },
    clientURLs: urls.clientURLs.slice(0, MAX_URLS),
    peerURLs: urls.peerURLs.slice(0, MAX_URLS),
  }))
  const ids = { memberId: hexId(header.member_id), clusterId: hexId(header.cluster_id) }
  const role = client.tls.endpoints[0]?.role ?? null
  return { ...ids, raftTerm, version, role, latency, ...metrics, isAuthEnabled, members }
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
