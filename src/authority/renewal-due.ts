/** Computes when credentials are due for renewal. */
import type { CertificateRef } from '../report/finding.js'
import { checkOptions, valueInvalid } from '../report/option-error.js'
import { Certificate, certificateRef } from '../x509/certificate.js'

/** As in step and Kubernetes: the last third leaves time to fix a failing renewal. */
const DEFAULT_FRACTION = 2 / 3
/** OpenSSL refuses longer chains (SSL_MAX_CERT_LIST_DEFAULT). */
const MAX_CHAIN = 100

/**
 * Whether credentials are due for renewal, and when. Of the chain, the certificate that expires first counts; trust anchors
 * do not, because they are not renewed with a leaf.
 *
 * The lifetime is that of the certificate, which begins five minutes before it is issued by this package.
 *
 * @example
 * ```ts
 * const { due, at } = renewalDue(credentials)
 * ```
 * @param options `at`: the time of the check. Default: now. `fraction`: the share of the lifetime after which renewal is
 *   due, above 0 and below 1. Default: 2/3.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function renewalDue(
  credentials: { readonly chain: readonly [Certificate, ...Certificate[]] },
  options: { at?: Date | undefined; fraction?: number | undefined } = {},
): {
  /** Whether renewal is due at the time of the check. */
  due: boolean
  /** When renewal is due. */
  at: Date
  /** Whether the credentials have expired. */
  expired: boolean
  /** The last moment of their lifetime, that second included (RFC 5280 section 4.1.2.5). */
  notAfter: Date
  /** The certificate that expires first: the own one, or an intermediate. */
  certificate: CertificateRef
} {
  checkOptions('options', options, ['at', 'fraction'])
  const at = options.at === undefined ? new Date() : readMoment(options.at, 'at')
  return dueAt(endingFirst(readChain(credentials)), at, readFraction(options.fraction, 'fraction'))
}

export function dueAt({ certificate, index }: Ending, at: Date, fraction: number): ReturnType<typeof renewalDue> {
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

interface Ending {
  readonly certificate: Certificate
  readonly index: number
}

/** Ignores a root at the end, which is not renewed with the leaf. */
export function endingFirst([leaf, ...others]: readonly [Certificate, ...Certificate[]]): Ending {
  let first: Ending = { certificate: leaf, index: 0 }
  for (const [at, certificate] of others.slice(0, MAX_CHAIN).entries()) {
    if (!certificate.isSelfIssued && certificate.notAfter < first.certificate.notAfter)
      first = { certificate, index: at + 1 }
  }
  return first
}

/** The first instant after the lifetime, in milliseconds since 1970; the second of notAfter is included. */
export function endOf({ notAfter }: Pick<Certificate, 'notAfter'>): number {
  return notAfter.getTime() + 1000
}

export function readFraction(value: unknown, option: string): number {
  if (value === undefined) return DEFAULT_FRACTION
  if (typeof value === 'number' && value > 0 && value < 1) return value
  throw valueInvalid(option, value, 'a number above 0 and below 1, such as 0.5')
}

export function readMoment(value: unknown, option: string): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value
  throw valueInvalid(option, value, 'a valid Date')
}

export function readChain(credentials: unknown): readonly [Certificate, ...Certificate[]] {
  const { chain } = Object(credentials) as Readonly<Record<string, unknown>>
  if (isChain(chain)) return chain
  throw valueInvalid('credentials', credentials, 'credentials, such as authority.issue or a source returns')
}

function isChain(chain: unknown): chain is readonly [Certificate, ...Certificate[]] {
  return Array.isArray(chain) && chain.length > 0 && chain.every((each) => each instanceof Certificate)
}

/** `fromAuthority` calls this method of an authority, so that it does not import the issuing code. */
export const SOURCE = Symbol('source')
