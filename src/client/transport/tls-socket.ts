/**
 * Opens all TLS connections, with our rules for the chain of the server. They run in `checkServerIdentity`: after
 * OpenSSL accepted the chain and before anything is sent. They may refuse what OpenSSL accepts, for example a name that
 * is only in the common name.
 */
import { X509Certificate } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { Duplex } from 'node:stream'
import { checkServerIdentity, connect, type ConnectionOptions, type PeerCertificate, type TLSSocket } from 'node:tls'
import { asError } from '../../report/errors.js'
import { makeReport, type Report, summarize } from '../../report/report.js'
import { validateConnected } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Host } from '../../x509/names.js'
import { finding } from '../base/finding.js'
import type { ValidatedCredentials } from '../base/validated-credentials.js'

export interface ServerValidation {
  /** The chain as the server sent it (completed by Node from the trust anchors), the leaf first. */
  chain: Certificate[]
  report: Report
}

/** The longest chain that is read, as in OpenSSL. */
const MAX_CHAIN = 100

interface TlsRequest {
  /** A TCP socket, or a stream in its place. */
  readonly raw: Duplex
  readonly name: Host
}

/** The server to verify. `endpoint` is the URL, for the report. */
interface ExpectedServer {
  readonly name: Host
  readonly validated: ValidatedCredentials
  readonly endpoint: string
}

export function openTls({ raw, name }: TlsRequest, options: ConnectionOptions): TLSSocket {
  return connect({
    socket: raw,
    host: name.value,
    // RFC 6066 section 3: an IP address is not a server name. Without one, Node sends no SNI and still checks `host`.
    ...(name.kind === 'dns' ? { servername: name.value } : {}),
    ALPNProtocols: ['h2'],
    ...options,
  })
}

/**
 * Opens a TLS connection that sends nothing before the server is verified by Node and by our rules.
 *
 * @param seen Called with the result of our rules, even if the chain is valid.
 */
export function openVerifiedTls(
  request: TlsRequest & ExpectedServer,
  options: ConnectionOptions,
  seen: (validation: ServerValidation) => void,
): TLSSocket {
  const socket: TLSSocket = openTls(request, {
    secureContext: request.validated.secureContext,
    rejectUnauthorized: true,
    checkServerIdentity: serverIdentityCheck(request, () => socket, seen),
    ...options,
  })
  return socket
}

/** It never throws, because Node calls it outside of any `try`: an exception would end the process. */
export function serverIdentityCheck(
  expected: ExpectedServer,
  socketOf: () => TLSSocket,
  seen: (validation: ServerValidation) => void,
): (hostname: string, certificate: PeerCertificate) => Error | undefined {
  return (_hostname, certificate) => {
    try {
      const validation = validateVerified(socketOf, certificate, expected)
      seen(validation)
      if (!validation.report.ok) return new Error(summarize(validation.report.findings))
      return checkName(expected.name, certificate)
    } catch (error) {
      return asError(error)
    }
  }
}

/** Node's own check applies as well. It does not match URI names, which endpoints cannot have. */
function checkName({ value }: Host, certificate: PeerCertificate): Error | undefined {
  // `checkServerIdentity` of Node 22.23.0 to 22.23.3 refuses every IPv6 address. For others it is faster.
  if (!isIPv6(value)) return checkServerIdentity(value, certificate)
  const isCovered = new X509Certificate(certificate.raw).checkIP(value) !== undefined
  return isCovered ? undefined : new Error(`The certificate of the server does not cover ${value}`)
}

/**
 * Validates the chain of a connection that Node refused, from the list as the server sent it. Before Node 24.22 and
 * 26.12, `getPeerCertificate()` ends the process with SIGSEGV if an EC key of the chain has no NIST name.
 */
export function validateRefused(socket: TLSSocket, expected: ExpectedServer): ServerValidation {
  try {
    return validateServer(peerChain(socket.getPeerX509Certificate()), expected)
  } catch (error) {
    return unreadable([], expected.endpoint, asError(error).message)
  }
}

/**
 * Validates the chain of a connection that Node verified. Node links each certificate to its issuer and loses those that
 * were sent in another order. The list as it was sent can be read only once, so it is read only if an issuer is missing.
 */
function validateVerified(
  socketOf: () => TLSSocket,
  certificate: PeerCertificate,
  expected: ExpectedServer,
): ServerValidation {
  const linked = peerChain(certificate)
  const validation = validateServer(linked, expected)
  if (!validation.report.findings.some(({ code }) => code === 'chain/issuer-not-found')) return validation
  const sent = peerChain(socketOf().getPeerX509Certificate())
  return sent.length > linked.length ? validateServer(sent, expected) : validation
}

/** Validates a chain as that of an etcd server with this name. Never throws, whatever the server sent. */
export function validateServer(chain: readonly Uint8Array[], expected: ExpectedServer): ServerValidation {
  const certificates: Certificate[] = []
  try {
    const { servers } = expected.validated
    for (const der of chain) certificates.push(servers.read(der, expected.endpoint))
    const validation = revalidateServer(certificates, expected)
    if (validation.report.ok) servers.keep(certificates)
    return validation
  } catch (error) {
    return unreadable(certificates, expected.endpoint, asError(error).message)
  }
}

/** {@link validateServer} for a parsed chain, at the current time. */
export function revalidateServer(
  chain: Certificate[],
  { name, validated, endpoint }: ExpectedServer,
): ServerValidation {
  const [leaf, ...others] = chain
  if (leaf === undefined) return unreadable(chain, endpoint, 'the server sent none')
  const { trustAnchors, crls } = validated.credentials
  // Node adds trust anchors to the chain, which the server may not have sent.
  const intermediates = others.filter((each) => !trustAnchors.some((anchor) => anchor.equals(each)))
  const report = validateConnected(
    { leaf, intermediates, trustAnchors, crls },
    { usage: 'server', hosts: [name.value], revocation: validated.tls.revocation },
  )
  return { chain, report }
}

function unreadable(read: Certificate[], endpoint: string, fault: string): ServerValidation {
  const reason = `certificate ${String(read.length + 1)} of its chain cannot be read: ${fault}`
  const found = finding('handshake/server-certificate-refused', { endpoint, reason, chain: [] })
  return { chain: read, report: makeReport({ checkedAt: new Date(), path: null, findings: [found] }) }
}

/**
 * Follows the links of the chain: in the order of sending for `getPeerX509Certificate()`, of issuers for the object that
 * Node makes of a verified chain, in which a self-signed certificate links to itself.
 */
export function peerChain(certificate: object | undefined): Uint8Array[] {
  const chain: Uint8Array[] = []
  const seen = new Set<object>()
  let current = certificate
  while (current !== undefined && !seen.has(current) && chain.length < MAX_CHAIN) {
    seen.add(current)
    // Node returns an empty object if the peer sent no certificate.
    const raw: unknown = Reflect.get(current, 'raw')
    if (raw instanceof Uint8Array) chain.push(raw)
    const next: unknown = Reflect.get(current, 'issuerCertificate')
    current = typeof next === 'object' && next !== null ? next : undefined
  }
  return chain
}

/** Asks for etcd's version, which is public, over HTTP/1.1. Resolves to the first bytes of the answer, or null if no answer arrives in time. */
export function requestVersionOverHttp1(socket: TLSSocket, host: string, timeout: number): Promise<string | null> {
  return new Promise((resolve) => {
    const done = (answer: Buffer | null = null): void => {
      clearTimeout(timer)
      resolve(answer?.toString('latin1') ?? null)
    }
    const timer = setTimeout(done, timeout)
    socket.once('data', done)
    socket.once('close', () => {
      done()
    })
    socket.write(`GET /version HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  })
}

/** The group of the key exchange; null if Node does not report it, as for a hybrid group. */
export function keyExchangeOf(tls: TLSSocket): string | null {
  const info: { name?: string | undefined } | null = tls.getEphemeralKeyInfo()
  return info?.name ?? null
}
