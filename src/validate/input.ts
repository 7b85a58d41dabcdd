/** Reads what callers hand over as certificates or CRLs: PEM text, DER bytes, or objects read before. */
import { optionInvalid } from '../misuse.js'
import type { Finding } from '../report/finding.js'
import { Certificate } from '../x509/certificate.js'
import { Crl, type CrlForm, MAX_CRL_FILE_OCTETS } from '../x509/crl.js'
import { DerError } from '../x509/der.js'
import { MAX_PEM_OCTETS, scanPem } from '../x509/pem.js'
import { finding } from './finding.js'

/** PEM text (one or more blocks), PEM or DER bytes, or a certificate read before. */
export type CertificateInput = string | Uint8Array | Certificate
/** PEM text (one or more blocks), PEM or DER bytes, or a CRL read before. */
export type CrlInput = string | Uint8Array | Crl

interface Kind<T> {
  readonly maxOctets: number
  readonly labels: readonly string[]
  readonly isRead: (value: unknown) => value is T
  parse(der: Uint8Array, origin: string, form: CrlForm): T
  malformed(origin: string, error: DerError): Finding
}

const CERTIFICATES: Kind<Certificate> = {
  maxOctets: MAX_PEM_OCTETS,
  labels: ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'],
  isRead: (value) => value instanceof Certificate,
  parse: (der, origin) => Certificate.parse(der, origin),
  malformed: (origin, { reason, offset }) => finding('certificate/malformed', { origin, reason, offset }),
}

const CRLS: Kind<Crl> = {
  maxOctets: MAX_CRL_FILE_OCTETS,
  labels: ['X509 CRL'],
  isRead: (value) => value instanceof Crl,
  parse: (der, origin, form) => Crl.parse(der, origin, form),
  malformed: (origin, { reason }) => finding('revocation/crl-malformed', { origin, reason }),
}

/** What was read, and a finding for all that could not be. */
export interface Reading<T> {
  readonly values: T[]
  readonly findings: Finding[]
}

/**
 * Reads certificates.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value of another type; `option` names it.
 */
export function readCertificates(input: unknown, option: string): Reading<Certificate> {
  return readAll(input, option, CERTIFICATES)
}

/**
 * Reads CRLs.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value of another type; `option` names it.
 */
export function readCrls(input: unknown, option: string): Reading<Crl> {
  return readAll(input, option, CRLS)
}

function readAll<T>(input: unknown, option: string, kind: Kind<T>): Reading<T> {
  const reading: Reading<T> = { values: [], findings: [] }
  const list: readonly unknown[] = Array.isArray(input) ? input : [input]
  list.forEach((each, i) => {
    const origin = list.length > 1 ? `${option}[${String(i)}]` : option
    if (kind.isRead(each)) reading.values.push(each)
    else if (typeof each === 'string' || each instanceof Uint8Array) readOne(each, origin, kind, reading)
    else throw optionInvalid(origin, 'must be PEM text, DER bytes, or an object that was read before')
  })
  return reading
}

/** The first octet of every certificate and CRL in DER: SEQUENCE. PEM is text, which starts otherwise. */
const DER_START = 0x30

function readOne<T>(input: string | Uint8Array, origin: string, kind: Kind<T>, into: Reading<T>): void {
  if (typeof input !== 'string' && input[0] === DER_START) {
    parseInto(input, origin, 'der', kind, into)
    return
  }
  const { blocks, problems } = scanPem(input, { octets: kind.maxOctets })
  const wanted = blocks.filter(({ label }) => kind.labels.includes(label))
  for (const [i, block] of wanted.entries()) {
    const where = wanted.length > 1 ? `${origin}, block ${String(i + 1)}` : origin
    parseInto(block.bytes, where, 'pem', kind, into)
  }
  if (problems.length > 0 || wanted.length === 0) {
    const [problem] = problems
    const reason =
      problem === undefined ? `no PEM block ${kind.labels[0] ?? ''} in it` : `damaged PEM (${problem.kind})`
    into.findings.push(kind.malformed(origin, new DerError(reason, 0)))
  }
}

function parseInto<T>(der: Uint8Array, origin: string, form: CrlForm, kind: Kind<T>, into: Reading<T>): void {
  try {
    into.values.push(kind.parse(der, origin, form))
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    into.findings.push(kind.malformed(origin, error))
  }
}
