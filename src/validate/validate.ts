/** The functions of the room. `validateCredentials` and `validateChain` validate; `inspectCredentials` reads broken material as well. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import type { Finding } from '../report/finding.js'
import { makeReport, type Report } from '../report/report.js'
import { resolveContext, type ValidateOptions } from './context.js'
import { validateCredentials } from './validate-credentials.js'

export { type ChainInput, validateChain, type ValidateChainOptions, validateConnected } from './validate-chain.js'
export { validateCredentials }

/**
 * Loads credentials and validates them. Material that cannot be read does not reject: the report has its findings, next to
 * all others.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; other errors of a source that is not
 *   ours come through as they are.
 */
export async function inspectCredentials(source: CredentialSource, options: ValidateOptions): Promise<Report> {
  const context = resolveContext(options)
  // Readers of files and keys are half of the code, and a program that only validates needs none of them.
  const { readSource } = await import('../credentials/source.js')
  const { credentials, findings } = await readSource(source)
  return reportOn(credentials, findings, { ...options, at: context.at })
}

function reportOn(
  credentials: Credentials | null,
  findings: readonly Finding[],
  options: ValidateOptions & { at: Date },
): Report {
  if (credentials === null) {
    return makeReport({ checkedAt: options.at, path: null, findings, ignore: options.ignore })
  }
  const report = validateCredentials(credentials, options)
  const path = report.path
  return makeReport({
    checkedAt: report.checkedAt,
    path,
    findings: [...findings, ...report.findings],
    ignore: options.ignore,
  })
}
