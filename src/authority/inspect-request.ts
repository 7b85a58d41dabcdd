/** Shows what a certificate request asks for, and everything that is wrong with it. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { worstFirst } from '../report/severity.js'
import type { CertificateRequest } from '../x509/certificate-request.js'
import { checkRequest } from './check-request.js'
import { readRequestInput, type RequestInput } from './request-input.js'
import { type RequestedContents, requestedContents, sortNames } from './requested.js'

export type { RequestInput } from './request-input.js'
export type { RequestedContents } from './requested.js'

/** A request that may be signed, as far as it goes by itself. */
export interface PassedRequest {
  ok: true
  request: CertificateRequest
  requested: RequestedContents
  /** Warnings and infos. */
  findings: Finding[]
}

/** A request that must not be signed. */
export interface FailedRequest {
  ok: false
  /** null where there is none that could be read, or more than one. */
  request: CertificateRequest | null
  requested: RequestedContents | null
  /** Worst first. */
  findings: [Finding, ...Finding[]]
}

/** What `inspectRequest` tells. */
export type RequestReport = PassedRequest | FailedRequest

/** What `inspectRequest` can be told beside the request. */
export interface InspectRequestOptions {
  /** The file that the request came from, for the findings. Default: they speak of the option `csr`. */
  file?: string | undefined
}

/**
 * Reads a certificate request and tells what it asks for and everything that is wrong with it: whether its own key signed
 * it (proof of possession), whether that key may be used with etcd, which names and extensions it asks for. Nothing is
 * signed, and bad input never throws.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` where `csr` is neither a string, a Buffer nor a CertificateRequest.
 */
export function inspectRequest(csr: RequestInput, options: InspectRequestOptions = {}): RequestReport {
  checkOptions('options', options, ['file'])
  const { file } = options
  if (file !== undefined && typeof file !== 'string') throw optionInvalid('options.file', 'must be a string')
  return inspectAt(csr, file === undefined ? { origin: 'option "csr"', file: null } : { origin: file, file })
}

function inspectAt(csr: RequestInput, place: Place): RequestReport {
  const { request, findings } = readRequestInput(csr, place)
  if (request === null) return reportOf(null, null, findings)
  const names = sortNames(request.subjectAltNames)
  const requested = requestedContents(request, names)
  return reportOf(request, requested, [...findings, ...checkRequest(request, place, names, requested)])
}

function reportOf(
  request: CertificateRequest | null,
  requested: RequestedContents | null,
  found: readonly Finding[],
): RequestReport {
  const findings = worstFirst(found)
  const [first, ...rest] = findings
  if (first?.severity === 'error') return { ok: false, request, requested, findings: [first, ...rest] }
  // Where there is no request, a finding of severity error says why.
  if (request === null || requested === null) throw new TypeError('no certificate request, and no finding about it')
  return { ok: true, request, requested, findings }
}
