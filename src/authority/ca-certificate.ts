/** Certificates of CAs: self-signed roots, intermediates, and cross-certificates. */
import type { Certificate } from '../x509/certificate.js'
import {
  keyIdentifier,
  writeAuthorityKeyIdentifier,
  writeCaConstraints,
  writeKeyUsage,
  writeSubjectKeyIdentifier,
} from '../x509/certificate-writer.js'
import { optionInvalid } from '../report/option-error.js'
import { issueRefused } from './refuse.js'
import type { AuthorityParts } from './issuer.js'

/** What a CA may do. */
export interface CaRights {
  /** How many CAs may stand below; undefined leaves it open. */
  readonly pathLength: number | undefined
  /** The nameConstraints extension; null for no limit. */
  readonly permit: Uint8Array | null
}

/**
 * The extensions of a CA certificate.
 *
 * @param issuerKeyIdentifier null for a root, which signs itself.
 * @param ownKeyIdentifier That of a CA whose key has one already; it need not be the hash of the key.
 */
export function caExtensions(
  spki: Uint8Array,
  { pathLength, permit }: CaRights,
  issuerKeyIdentifier: Uint8Array | null,
  ownKeyIdentifier: Uint8Array = keyIdentifier(spki),
): Uint8Array[] {
  return [
    writeCaConstraints(pathLength),
    writeKeyUsage(['keyCertSign', 'cRLSign']),
    writeSubjectKeyIdentifier(ownKeyIdentifier),
    ...(issuerKeyIdentifier === null ? [] : [writeAuthorityKeyIdentifier(issuerKeyIdentifier)]),
    ...(permit === null ? [] : [permit]),
  ]
}

const MOST_INTERMEDIATES = 100

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readMaxIntermediates(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MOST_INTERMEDIATES) {
    throw optionInvalid('maxIntermediates', `must be a whole number from 0 to ${String(MOST_INTERMEDIATES)}`)
  }
  return value
}

/**
 * How many CAs may stand below a CA that this one signs, given what was asked for.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where this one or one above may have none or not so many
 * (RFC 5280 section 4.2.1.9, pathLenConstraint).
 */
export function pathLengthBelow(above: AuthorityParts, asked: number | undefined): number {
  // Unless asked otherwise it issues to end entities: each CA that may make further ones is one more to guard.
  const wanted = asked ?? 0
  for (const [i, ca] of [above.certificate, ...above.chain].entries()) {
    const most = ca.extensions.basicConstraints?.pathLength ?? null
    const left = most === null ? Infinity : most - i
    if (left < wanted + 1) throw issueRefused(reasonAgainst(ca, most, wanted))
  }
  return wanted
}

function reasonAgainst(ca: Certificate, most: number | null, wanted: number): string {
  return (
    `The pathLenConstraint ${String(most)} of "${ca.subject.toString()}" leaves no room for a CA below this one` +
    (wanted > 0 ? ` that may have ${String(wanted)} more below itself` : '') +
    ' (RFC 5280 section 4.2.1.9, maxIntermediates)'
  )
}
