/** The contract of errors, as types. Nothing here runs: the compiler is the test. */
import { expectTypeOf } from 'vitest'
import { EtcdMtlsError, isEtcdMtlsError, type AnyEtcdMtlsError, type ErrorCode, type FailedReport } from 'etcd-mtls'

export function unknownErrorsNarrow(caught: unknown): void {
  if (!isEtcdMtlsError(caught)) return
  expectTypeOf(caught).toEqualTypeOf<AnyEtcdMtlsError>()
  expectTypeOf(caught.code).toEqualTypeOf<ErrorCode>()
  switch (caught.code) {
    case 'ERR_VALIDATION_FAILED':
      expectTypeOf(caught.details.report).toEqualTypeOf<FailedReport>()
      break
    case 'ERR_OPTION_INVALID':
      expectTypeOf(caught.details).toEqualTypeOf<{ option: string; reason: string }>()
      // @ts-expect-error -- a wrong call has no report
      caught.details.report
      break
    default:
      expectTypeOf(caught.code).toExtend<ErrorCode>()
  }
}

export function oneCodeNarrows(caught: unknown): void {
  if (isEtcdMtlsError(caught, 'ERR_HANDSHAKE_FAILED')) {
    expectTypeOf(caught).toEqualTypeOf<EtcdMtlsError<'ERR_HANDSHAKE_FAILED'>>()
    expectTypeOf(caught.details.report.findings).toEqualTypeOf<FailedReport['findings']>()
  }
  // @ts-expect-error -- a code that does not exist
  isEtcdMtlsError(caught, 'ERR_NO_SUCH_CODE')
}

export function errorsAreErrors(error: EtcdMtlsError): void {
  expectTypeOf(error).toExtend<Error>()
  // @ts-expect-error -- details belong to their code
  new EtcdMtlsError('ERR_CLOSED', 'closed', { option: 'a', reason: 'b' })
}
