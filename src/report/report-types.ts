import type { CertificateRef, Finding, FindingPlace } from './finding.js'

/** Nothing in the way: warnings and infos at most. */
export interface PassedReport {
  ok: true
  /** The time that validity was checked at. */
  checkedAt: Date
  /** The path from the leaf to its trust anchor. */
  path: CertificateRef[]
  findings: Finding[]
}

/** At least one error; the worst finding stands first. */
export interface FailedReport {
  ok: false
  /** The time that validity was checked at. */
  checkedAt: Date
  /** The path that came furthest, or null if none could be built at all. */
  path: CertificateRef[] | null
  findings: [Finding, ...Finding[]]
}

/** What a check found: everything, not only the first fault. */
export type Report = PassedReport | FailedReport

/** A finding that somebody accepted, with a reason. It does not count for `ok`. */
export interface SuppressedFinding {
  finding: Finding
  reason: string
  /** The comment that suppresses it; null if an option of the call does. */
  by: FindingPlace | null
}

/**
 * What every report of this package has, also those on certificate requests, on directories and on the roll of a CA:
 * enough for `formatReport`.
 */
export interface AnyReport {
  readonly ok: boolean
  /** A date, or its ISO 8601 string. */
  readonly checkedAt?: Date | string | undefined
  readonly path?: readonly CertificateRef[] | null | undefined
  readonly findings: readonly Finding[]
  readonly suppressed?: readonly SuppressedFinding[] | undefined
}
