/**
 * Our rules for the server's chain, run inside `checkServerIdentity`: after OpenSSL accepted the chain, before anything is
 * sent over the connection. They may refuse what OpenSSL accepts, as a name that stands only in the common name.
 */
import { isError } from '../report/errors.js'
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from 'node:tls'
import { makeReport, summarize, type Report } from '../report/report.js'
import { validateConnected } from '../validate/validate.js'
import { Certificate } from '../x509/certificate.js'
import type { Host } from '../x509/names.js'
import type { Accepted } from './accept.js'
import { finding } from './finding.js'

/** What our rules say about a server's chain. */
export interface ServerVerdict {
  /** The chain as the server sent it (completed by Node from the trust anchors), the leaf first. */
  chain: Certificate[]
  report: Report
}

/** Longest chain looked at; OpenSSL itself stops at 100. */
const MAX_CHAIN = 100

/**
 * Makes the function for `tls.connect`. It never throws, because Node calls it outside of any `try`: an exception would
 * end the process.
 *
 * @param socketOf The socket, once there is a certificate.
 * @param seen Told the verdict, also a good one.
 */
export function serverIdentityCheck(
  name: Host,
  accepted: Accepted,
  endpoint: string,
  socketOf: () => TLSSocket,
  seen: (verdict: ServerVerdict) => void,
): (hostname: string, certificate: PeerCertificate) => Error | undefined {
  return (_hostname, certificate) => {
    try {
      const verdict = judgePeer(socketOf, certificate, name, accepted, endpoint)
      seen(verdict)
      if (!verdict.report.ok) return new Error(summarize(verdict.report.findings))
      // Node's own check stays on beside ours. It knows no URI names as hosts; neither do endpoints.
      return checkServerIdentity(name.value, certificate)
    } catch (error) {
      return isError(error) ? error : new Error(String(error))
    }
  }
}

/**
 * Judges the chain of a connection. Node links each certificate to its issuer and loses those that were sent in another
 * order. The list as it was sent can be read only once, so it is read only if an issuer is missing.
 */
export function judgePeer(
  socketOf: () => TLSSocket,
  certificate: PeerCertificate,
  name: Host,
  accepted: Accepted,
  endpoint: string,
): ServerVerdict {
  const linked = peerChain(certificate)
  const verdict = judgeServer(linked, name, accepted, endpoint)
  if (!verdict.report.findings.some(({ code }) => code === 'chain/issuer-not-found')) return verdict
  const sent = sentChain(socketOf())
  return sent.length > linked.length ? judgeServer(sent, name, accepted, endpoint) : verdict
}

/** The certificates in the order in which the server sent them; empty if they were read before. */
function sentChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = []
  let current = socket.getPeerX509Certificate()
  while (current !== undefined && chain.length < MAX_CHAIN) {
    chain.push(current.raw)
    current = current.issuerCertificate
  }
  return chain
}

/** Judges a chain as that of an etcd server with this name. Never throws, whatever the server sent. */
export function judgeServer(
  chain: readonly Uint8Array[],
  name: Host,
  accepted: Accepted,
  endpoint: string,
): ServerVerdict {
  const certificates: Certificate[] = []
  try {
    for (const der of chain) certificates.push(Certificate.parse(der, endpoint))
    return judgeAgain(certificates, name, accepted, endpoint)
  } catch (error) {
    return unreadable(certificates, endpoint, isError(error) ? error.message : String(error))
  }
}

/** {@link judgeServer} for a chain that was read: the verdict as of now. */
export function judgeAgain(chain: Certificate[], name: Host, accepted: Accepted, endpoint: string): ServerVerdict {
  const [leaf, ...others] = chain
  if (leaf === undefined) return unreadable(chain, endpoint, 'it sent none')
  const { trustAnchors, crls } = accepted.credentials
  // Node completes the chain from the trust anchors, which says nothing of what was sent.
  const intermediates = others.filter((each) => !trustAnchors.some((anchor) => anchor.equals(each)))
  const report = validateConnected(
    { leaf, intermediates, trustAnchors, crls },
    { usage: 'server', hosts: [name.value], revocation: accepted.tls.revocation },
  )
  return { chain, report }
}

/** @param read The certificates before the one that cannot be read. */
function unreadable(read: Certificate[], endpoint: string, reason: string): ServerVerdict {
  const found = finding('handshake/server-certificate-unreadable', { endpoint, index: read.length, reason })
  return { chain: read, report: makeReport({ checkedAt: new Date(), path: null, findings: [found] }) }
}

/** The chain in `getPeerCertificate(true)`: each certificate links its issuer, a self-signed one itself. */
export function peerChain(certificate: PeerCertificate): Uint8Array[] {
  const chain: Uint8Array[] = []
  let current: object | undefined = certificate
  const seen = new Set<object>()
  while (current !== undefined && !seen.has(current) && chain.length < MAX_CHAIN) {
    seen.add(current)
    // Node gives an empty object where the peer sent no certificate.
    if ('raw' in current && current.raw instanceof Uint8Array) chain.push(current.raw)
    current =
      'issuerCertificate' in current && isObject(current.issuerCertificate) ? current.issuerCertificate : undefined
  }
  return chain
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
