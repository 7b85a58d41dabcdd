/** The error of a call or promise, for tests that look at its findings. */
import { isEtcdMtlsError, type ErrorCode, type EtcdMtlsError } from '../../src/report/errors.js'
import type { Finding, FindingCode } from '../../src/report/finding.js'

/** Waits for the promise to reject with this code and returns the error. */
export async function refused<C extends ErrorCode>(promise: Promise<unknown>, code: C): Promise<EtcdMtlsError<C>> {
  try {
    await promise
  } catch (error) {
    if (isEtcdMtlsError(error, code)) return error
    throw error
  }
  throw new Error(`It should have been refused with ${code}`)
}

/** The codes of the errors among findings. */
export function errorCodes(findings: readonly Finding[]): FindingCode[] {
  return findings.filter((each) => each.severity === 'error').map((each) => each.code)
}

/** The finding of this code; throws if there is none. */
export function findingOf(findings: readonly Finding[], code: FindingCode): Finding {
  const found = findings.find((each) => each.code === code)
  if (found === undefined) throw new Error(`No ${code} among ${findings.map((each) => each.code).join(', ')}`)
  return found
}

/** The error that a call throws. */
export function thrown<C extends ErrorCode>(call: () => unknown, code: C): EtcdMtlsError<C> {
  try {
    call()
  } catch (error) {
    if (isEtcdMtlsError(error, code)) return error
    throw error
  }
  throw new Error(`It should have thrown ${code}`)
}
