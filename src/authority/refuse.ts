import { EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { withRemedy } from '../report/report.js'

/** The error of an authority that may not or cannot issue. `reason` is a whole sentence without its full stop. */
export function issueRefused(
  reason: string,
  more: { findings?: readonly Finding[]; cause?: unknown } = {},
): EtcdMtlsError<'ERR_ISSUE_REFUSED'> {
  const findings = [...(more.findings ?? [])]
  return new EtcdMtlsError(
    'ERR_ISSUE_REFUSED',
    findings.length === 0 ? reason : withRemedy(reason, findings),
    { reason, findings },
    'cause' in more ? { cause: more.cause } : {},
  )
}

/** Joins the first eight strings, and counts the rest. */
export function joinFirst(all: readonly string[]): string {
  const more = all.length > 8 ? ` and ${String(all.length - 8)} more` : ''
  return `${all.slice(0, 8).join(', ')}${more}`
}

export function describeFindings(findings: readonly Finding[]): string {
  return findings.map(({ code, message }) => `[${code}] ${message}`).join(' ')
}

/**
 * Limits the time of some work. The timer keeps the process alive, which could otherwise exit before the certificate is issued.
 *
 * @param subject The start of the error's sentence, such as `The signer`.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` after that time.
 */
export async function withTimeout<T>(milliseconds: number, subject: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(issueRefused(`${subject} gave no answer within ${String(milliseconds / 1000)} s`))
    }, milliseconds)
  })
  try {
    return await Promise.race([work, bound])
  } finally {
    clearTimeout(timer)
  }
}
