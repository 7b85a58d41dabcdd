/** Validates credentials, first by our rules and then by OpenSSL, before the client dials with them. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Credentials } from '../../credentials/credentials.js'
import { asError, codeOf } from '../../report/errors.js'
import { type PassedReport, type Report, validationFailed } from '../../report/report.js'
import { validateCredentials } from '../../validate/validate.js'
import { Certificate } from '../../x509/certificate.js'
import { bytesEqual } from '../../x509/der.js'
import type { PrivateKey } from '../../x509/keys/keys.js'
import { failedReport, finding } from './finding.js'
import type { ResolvedTls } from './options.js'

/** What all clients with the same key, chain, trust anchors and TLS parameters share. */
interface TlsContext {
  readonly secureContext: SecureContext
  readonly servers: ServerCertificates
}

export interface ValidatedCredentials extends TlsContext {
  readonly credentials: Credentials
  /** The result when they were validated, with warnings at most. {@link revalidate} validates again. */
  readonly report: PassedReport
  readonly tls: ResolvedTls
}

/** Maximum number of certificates of servers that are kept: those of 16 members with an intermediate each. */
const MAX_SERVER_CERTIFICATES = 32

/** Certificates of verified servers. They keep the results of their signatures, so that the next connection is faster. */
class ServerCertificates {
  #kept: readonly Certificate[] = []

  get all(): readonly Certificate[] {
    return this.#kept
  }

  /** @throws {DerError} */
  read(der: Uint8Array, origin: string): Certificate {
    const kept = this.#kept.find((each) => each.origin === origin && bytesEqual(each.raw, der))
    return kept ?? Certificate.parse(der, origin)
  }

  keep(certificates: readonly Certificate[]): void {
    this.#kept = [...new Set([...certificates, ...this.#kept])].slice(0, MAX_SERVER_CERTIFICATES)
  }
}

/**
 * Validates credentials and makes a TLS context of them.
 *
 * @throws {EtcdMtlsError} `ERR_VALIDATION_FAILED` with the report.
 */
export function prepare(credentials: Credentials, tls: ResolvedTls): ValidatedCredentials {
  return withContext(credentials, validate(credentials), tls)
}

/**
 * {@link prepare} for the successors of other credentials, in turns of the event loop of its own: each half blocks requests for
 * about a millisecond, as the reading before and the handshake after it do.
 */
export async function succeed(
  { servers, tls }: ValidatedCredentials,
  credentials: Credentials,
): Promise<ValidatedCredentials> {
  await nextTurn()
  const report = validate(credentials)
  await nextTurn()
  const validated = withContext(credentials, report, tls)
  validated.servers.keep(servers.all)
  await nextTurn()
  return validated
}

export function revalidate({
  credentials,
  report: { path },
}: ValidatedCredentials): Report & { path: PassedReport['path'] } {
  const report = validateCredentials(credentials, { usage: 'client' })
  return report.ok ? report : { ...report, path: report.path ?? path }
}

const MAX_TIMES = 10

/** When refused credentials become valid on their own, in milliseconds since 1970; null if they do not. */
export function validFrom(credentials: Credentials): number | null {
  const { chain, trustAnchors, clientAnchors = [], crls } = credentials
  const certificates = [...chain, ...trustAnchors, ...clientAnchors]
  const begins = [...certificates.map((each) => each.notBefore), ...crls.map((each) => each.thisUpdate)]
  const coming = [...new Set(begins.map(Number))].filter((each) => each > Date.now()).sort((a, b) => a - b)
  const isValidAt = (time: number): boolean =>
    validateCredentials(credentials, { usage: 'client', at: new Date(time) }).ok
  return coming.slice(0, MAX_TIMES).find(isValidAt) ?? null
}

/**
 * The same credentials with one trust anchor. If several CAs match, OpenSSL tries only the first, so it may miss a
 * valid path. Null if there is no other anchor to remove.
 */
export function withSingleAnchor(validated: ValidatedCredentials, fingerprint256: string): ValidatedCredentials | null {
  const { credentials, report, tls } = validated
  const anchors = credentials.trustAnchors.filter((each) => each.fingerprint256 === fingerprint256)
  if (anchors.length === 0 || anchors.length === credentials.trustAnchors.length) return null
  return withContext(credentials, report, tls, anchors)
}

function validate(credentials: Credentials): PassedReport {
  const report = validateCredentials(credentials, { usage: 'client' })
  if (!report.ok) throw validationFailed(report)
  return report
}

function withContext(
  credentials: Credentials,
  report: PassedReport,
  tls: ResolvedTls,
  anchors = credentials.trustAnchors,
): ValidatedCredentials {
  const { minVersion, maxVersion, ciphers } = tls
  const { key, chain } = credentials
  try {
    return { credentials, report, tls, ...key.derive(makeContext, anchors, chain, minVersion, maxVersion, ciphers) }
  } catch (error) {
    const { origin } = credentials
    const details = { origin, errorCode: codeOf(error) ?? 'unknown', detail: asError(error).message }
    const findings = [finding('handshake/context-refused', details), ...report.findings]
    throw validationFailed(failedReport(findings, report.path))
  }
}

/** @throws the error of OpenSSL. */
function makeContext(
  key: PrivateKey,
  anchors: readonly Certificate[],
  chain: readonly Certificate[],
  minVersion: ResolvedTls['minVersion'],
  maxVersion: ResolvedTls['maxVersion'],
  ciphers: ResolvedTls['ciphers'],
): TlsContext {
  const secureContext = createSecureContext({
    // With explicit CAs, Node trusts neither the system roots nor NODE_EXTRA_CA_CERTS.
    ca: anchors.map((each) => each.toPem()),
    // The whole chain: OpenSSL would complete a shorter one from `ca`, but Go, and so etcdctl, would not.
    ...(key.isHeld ? { cert: chain.map((each) => each.toPem()).join(''), key: key.exportForOpenssl() } : {}),
    // A trust anchor may be an intermediate: like Go's, our path validation ends at any trusted certificate.
    allowPartialTrustChain: true,
    minVersion,
    maxVersion,
    ...(ciphers === null ? {} : { ciphers }),
  })
  return { secureContext, servers: new ServerCertificates() }
}
