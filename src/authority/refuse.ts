import { EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'

/** The error of an authority that may not or cannot issue. `reason` is a whole sentence without its full stop. */
export function issueRefused(
  reason: string,
  more: { findings?: readonly Finding[]; cause?: unknown } = {},
): EtcdMtlsError<'ERR_ISSUE_REFUSED'> {
  const findings = [...(more.findings ?? [])]
  return new EtcdMtlsError(
    'ERR_ISSUE_REFUSED',
    reason,
    { reason, findings },
    'cause' in more ? { cause: more.cause } : {},
  )
}

/** The first of several strings. */
export function listed(all: readonly string[]): string {
  const more = all.length > 8 ? ` and ${String(all.length - 8)} more` : ''
  return `${all.slice(0, 8).join(', ')}${more}`
}

/** Findings in one string: code and message of each. */
export function describeFindings(findings: readonly Finding[]): string {
  return findings.map(({ code, message }) => `[${code}] ${message}`).join(' ')
}

/**
 * The result of some work within a time limit. A later result is ignored.
 *
 * The timer keeps the process alive, which could end in the middle of issuing otherwise.
 *
 * @param who For people, at the start of a sentence: `The signer`.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if it takes longer.
 */
export async function withTimeout<T>(milliseconds: number, who: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(issueRefused(`${who} gave no answer within ${String(milliseconds / 1000)} s`))
    }, milliseconds)
  })
  try {
    return await Promise.race([work, bound])
  } finally {
    clearTimeout(timer)
  }
}
