/**
 * What every set of credentials passes before it is used, the first as the hundredth: our verdict, then OpenSSL's. Nothing is
 * dialled with credentials that fail here.
 */
import { isError } from '../errors.js'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Credentials } from '../credentials/credentials.js'
import { optionInvalid } from '../misuse.js'
import { makeReport, validationFailed, type PassedReport } from '../report/report.js'
import { validateCredentials } from '../validate/validate.js'
import { finding } from './finding.js'
import type { ResolvedTls } from './options.js'

/** Credentials that may be used, with all that a connection needs of them. */
export interface Accepted {
  readonly credentials: Credentials
  /** Our verdict; warnings at most. */
  readonly report: PassedReport
  readonly secureContext: SecureContext
  readonly tls: ResolvedTls
}

/**
 * Judges credentials and makes them ready.
 *
 * @throws {EtcdMtlsError} `ERR_VALIDATION_FAILED` with the report; `ERR_OPTION_INVALID` for cipher names that OpenSSL does not know.
 */
export function accept(credentials: Credentials, tls: ResolvedTls): Accepted {
  const report = judge(credentials)
  return { credentials, report, secureContext: secureContextOf(credentials, report, tls), tls }
}

/** {@link accept} for a process that has other things to do: each half of it takes about a millisecond, so they come apart. */
export async function acceptInTurns(credentials: Credentials, tls: ResolvedTls): Promise<Accepted> {
  const report = judge(credentials)
  await nextTurn()
  return { credentials, report, secureContext: secureContextOf(credentials, report, tls), tls }
}

function judge(credentials: Credentials): PassedReport {
  const report = validateCredentials(credentials, { usage: 'client' })
  if (!report.ok) throw validationFailed(`The credentials from ${credentials.origin} are refused`, report)
  return report
}

function secureContextOf(credentials: Credentials, report: PassedReport, tls: ResolvedTls): SecureContext {
  const { minVersion, maxVersion, ciphers } = tls
  if (ciphers !== null) refuseUnknownCiphers(ciphers)
  try {
    return createSecureContext({
      // Explicit CAs only: with these set, neither the system's roots nor NODE_EXTRA_CA_CERTS are trusted.
      ca: credentials.trustAnchors.map((each) => each.toPem()),
      // The whole chain, because OpenSSL would complete it from `ca` where Go, and so etcdctl with the same files, does not.
      cert: credentials.chain.map((each) => each.toPem()).join(''),
      key: credentials.key.exportPem(),
      // A trust anchor may be an intermediate: our path validation, like Go's, ends at any certificate that is trusted.
      allowPartialTrustChain: true,
      minVersion,
      maxVersion,
      ...(ciphers === null ? {} : { ciphers }),
    })
  } catch (error) {
    const found = finding('handshake/context-refused', {
      origin: credentials.origin,
      errorCode: isError(error) && 'code' in error ? String(error.code) : 'unknown',
      detail: isError(error) ? error.message : String(error),
    })
    const failed = makeReport({ checkedAt: report.checkedAt, path: report.path, findings: [found, ...report.findings] })
    if (failed.ok) throw error
    throw validationFailed(`The credentials from ${credentials.origin} are refused`, failed)
  }
}

function refuseUnknownCiphers(ciphers: string): void {
  try {
    createSecureContext({ ciphers })
  } catch {
    throw optionInvalid('tls.ciphers', `must name cipher suites that OpenSSL knows (they are "${ciphers}")`)
  }
}
