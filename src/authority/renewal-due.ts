/** When credentials are to be renewed: at a fraction of the lifetime of the certificate that ends first. */
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import type { CertificateRef } from '../report/finding.js'
import { Certificate, certificateRef } from '../x509/certificate.js'

/** Of which lifetime is asked. */
export interface RenewalDueOptions {
  /** The moment at which it is asked. Default: now. */
  at?: Date | undefined
  /** The share of the lifetime after which renewal is due, above 0 and below 1. Default: 2/3. */
  fraction?: number | undefined
}

/** Whether credentials are to be renewed. */
export interface RenewalDue {
  /** Whether the moment to renew is past. */
  due: boolean
  /** That moment. */
  at: Date
  /** Whether the credentials can no longer be used. */
  expired: boolean
  /** The last moment at which they can, that second included (RFC 5280 section 4.1.2.5). */
  notAfter: Date
  /** The certificate that ends first, and so decides: the own one, or an intermediate that is sent along. */
  certificate: CertificateRef
}

/** Two thirds, as step and Kubernetes have it: the last third is for finding out why renewing fails. */
const DEFAULT_FRACTION = 2 / 3
/** TLS peers read no chain of more (OpenSSL, SSL_MAX_CERT_LIST_DEFAULT). */
const MOST_LOOKED_AT = 100

/**
 * Whether credentials are to be renewed by now, and when. Of the certificates that are sent, the one that ends first
 * counts; trust anchors do not, since they are not renewed with a leaf.
 *
 * The lifetime is that of the certificate. One of an authority of this package begins five minutes before it was made,
 * which is to be thought of where it lasts for minutes only.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function renewalDue(
  credentials: { readonly chain: readonly [Certificate, ...Certificate[]] },
  options: RenewalDueOptions = {},
): RenewalDue {
  checkOptions('options', options, ['at', 'fraction'])
  const at = options.at === undefined ? new Date() : readMoment(options.at, 'at')
  return dueAt(endingFirst(readChain(credentials)), at, readFraction(options.fraction, 'fraction'))
}

/** The verdict on a lifetime. */
export function dueAt({ certificate, index }: Ending, at: Date, fraction: number): RenewalDue {
  const begin = certificate.notBefore.getTime()
  const end = endOf(certificate)
  const moment = new Date(begin + Math.max(0, end - begin) * fraction)
  return {
    due: at >= moment,
    at: moment,
    expired: at.getTime() >= end,
    notAfter: new Date(certificate.notAfter),
    certificate: certificateRef(certificate, index === 0 ? 'leaf' : 'intermediate', index),
  }
}

/** Whether the moment is past at which one certificate is due. */
export function isDue(certificate: Certificate, at: Date, fraction: number): boolean {
  return dueAt({ certificate, index: 0 }, at, fraction).due
}

/** A certificate of a chain, and where it stands there. */
interface Ending {
  readonly certificate: Certificate
  readonly index: number
}

/** The certificate of a chain that ends first. A root that is sent along needlessly is passed over. */
export function endingFirst(chain: readonly [Certificate, ...Certificate[]]): Ending {
  let first: Ending = { certificate: chain[0], index: 0 }
  for (const [index, certificate] of chain.slice(0, MOST_LOOKED_AT).entries()) {
    if (index > 0 && certificate.isSelfIssued) continue
    if (certificate.notAfter < first.certificate.notAfter) first = { certificate, index }
  }
  return first
}

/** The first moment, in milliseconds since 1970, at which a certificate is over: the second of notAfter still counts. */
export function endOf({ notAfter }: Pick<Certificate, 'notAfter'>): number {
  return notAfter.getTime() + 1000
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readFraction(value: unknown, option: string): number {
  if (value === undefined) return DEFAULT_FRACTION
  if (typeof value !== 'number' || !(value > 0 && value < 1)) {
    throw optionInvalid(option, 'must be a number above 0 and below 1, such as 0.5')
  }
  return value
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readMoment(value: unknown, option: string): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) {
    throw optionInvalid(option, 'must be a Date that is a time')
  }
  return value
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readChain(credentials: unknown): readonly [Certificate, ...Certificate[]] {
  const chain: unknown =
    typeof credentials === 'object' && credentials !== null && 'chain' in credentials ? credentials.chain : null
  if (!isChain(chain))
    throw valueInvalid('credentials', credentials, 'credentials, such as authority.issue or a source returns')
  return chain
}

function isChain(chain: unknown): chain is readonly [Certificate, ...Certificate[]] {
  return Array.isArray(chain) && chain.length > 0 && chain.every((each) => each instanceof Certificate)
}
