/**
 * Reports, findings and the error class. Each subpath of the package exports these too, so that its users need no second
 * import.
 *
 * @module
 */
export { EtcdMtlsError, isEtcdMtlsError } from './errors.js'
export type {
  AnswerInvalidDetails,
  AnswerTooLargeDetails,
  AnyEtcdMtlsError,
  ClosedDetails,
  ClusterChangedDetails,
  ConfigInvalidDetails,
  CredentialsUnreadableDetails,
  ErrorCode,
  ErrorDetails,
  EtcdNotStartedDetails,
  FailedReportDetails,
  IssueRefusedDetails,
  IssuerFailedDetails,
  LeaseLostDetails,
  LoadFailedDetails,
  OptionInvalidDetails,
  OutcomeUnknownDetails,
  PagesCompactedDetails,
  RequestTooLargeDetails,
  TooManyCallsDetails,
  WatchCompactedDetails,
  WriteFailedDetails,
} from './errors.js'
export type {
  CertificateRef,
  FailedReport,
  Finding,
  FindingCode,
  FindingDetails,
  FindingPlace,
  PassedReport,
  Refusal,
  Report,
  Severity,
  SuppressedFinding,
  SuppressedUnchecked,
  Unchecked,
  UncheckedKind,
} from './finding.js'
export { formatReport } from './format.js'
export type { FormatOptions } from './format.js'
export { assertValid } from './report.js'
