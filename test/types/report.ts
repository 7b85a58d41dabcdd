/**
 * The contract of reports, as types. Nothing here runs: the compiler is the test. Unions of one part for each code are compared
 * by two `toExtend`: for hundreds of parts, `toEqualTypeOf` takes seconds.
 */
import { expectTypeOf } from 'vitest'
import {
  assertValid,
  formatReport,
  type CertificateRef,
  type FailedReport,
  type Finding,
  type FindingCode,
  type FindingDetails,
  type PassedReport,
  type Report,
  type Severity,
} from 'etcd-mtls'

export function findingsNarrowOnTheirCode(each: Finding): void {
  expectTypeOf(each.severity).toEqualTypeOf<Severity>()
  expectTypeOf(each.certificate).toEqualTypeOf<CertificateRef | null>()
  expectTypeOf(each.code).not.toBeAny()
  expectTypeOf(each.code).toExtend<FindingCode>()
  expectTypeOf<FindingCode>().toExtend<typeof each.code>()
  if (each.code === 'file/missing') expectTypeOf(each.details).toEqualTypeOf<FindingDetails['file/missing']>()
  // @ts-expect-error -- before the code is known, its details are not
  each.details.file
  if (each.code === 'endpoint/unreachable') expectTypeOf(each.details.endpoint).toBeString()
  // @ts-expect-error -- a code that no row of the catalogue has
  if (each.code === 'endpoint/no-such-code') return
}

export function oneCodeHasOneKindOfDetails(each: Finding<'file/missing'>): void {
  expectTypeOf(each.code).toEqualTypeOf<'file/missing'>()
  expectTypeOf(each).toExtend<Finding>()
  expectTypeOf<Finding>().not.toExtend<Finding<'file/missing'>>()
}

export function reportsNarrowOnOk(report: Report): void {
  expectTypeOf(report.path).toEqualTypeOf<CertificateRef[] | null>()
  if (report.ok) {
    expectTypeOf(report).toEqualTypeOf<PassedReport>()
    expectTypeOf(report.path).toEqualTypeOf<CertificateRef[]>()
  } else {
    expectTypeOf(report).toEqualTypeOf<FailedReport>()
    const [first] = report.findings
    expectTypeOf(first).not.toBeAny()
    expectTypeOf(first).toExtend<Finding>()
    expectTypeOf<Finding>().toExtend<typeof first>()
  }
}

export function assertValidNarrows(report: Report): void {
  assertValid(report)
  expectTypeOf(report).toEqualTypeOf<PassedReport>()
}

export function everyReportPrints(report: Readonly<Report>): void {
  expectTypeOf(formatReport(report)).toBeString()
  // @ts-expect-error -- not a report
  formatReport({ ok: true })
}

export function reportsPrint(report: Report): void {
  expectTypeOf(formatReport(report, { color: true, width: 100 })).toBeString()
  formatReport(report, { width: undefined })
  // @ts-expect-error -- an option that does not exist
  formatReport(report, { colour: true })
}
