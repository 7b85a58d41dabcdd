/** One link of a path: whether the issuer's key signed the certificate, within a budget. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { bytesEqual } from '../x509/der.js'
import { MAX_RSA_BITS } from './checks/check-key.js'

/** The limits of one validation, against certificates that an attacker made expensive to validate. */
export class Budget {
  readonly limits: { readonly signatures: number; readonly steps: number }
  #signatures: number
  #steps: number

  /** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
  constructor(options: { signatures?: number | undefined; steps?: number | undefined } = {}) {
    checkOptions('budget', options, ['signatures', 'steps'])
    const { signatures = 100, steps = 3000 } = options
    this.limits = { signatures: positive(signatures, 'signatures'), steps: positive(steps, 'steps') }
    this.#signatures = signatures
    this.#steps = steps
  }

  /** False if less than `cost` is left. */
  takeSignature(cost = 1): boolean {
    this.#signatures -= cost
    return this.#signatures >= 0
  }

  takeSteps(count = 1): boolean {
    this.#steps -= count
    return this.#steps >= 0
  }

  end(): void {
    this.#steps = -1
  }

  get isExhausted(): boolean {
    return this.#signatures < 0 || this.#steps < 0
  }
}

function positive(value: unknown, option: keyof Budget['limits']): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw optionInvalid(`budget.${option}`, 'must be a positive integer')
}

const CURVE_COST: Readonly<Record<string, number>> = { 'P-256': 1, 'P-384': 4, 'P-521': 8 }

/** The measured time to verify a signature over that many bytes, in verifications of ECDSA P-256. */
export function signatureCost({ algorithm, curve, modulusBits, exponent }: PublicKeyInfo, bytes: number): number {
  const hashing = Math.floor(bytes / (64 * 1024))
  if (algorithm === 'ECDSA') return hashing + (CURVE_COST[curve ?? ''] ?? 3)
  if (algorithm !== 'RSA') return hashing + 1
  // The time grows with the bits of the exponent; the usual 65537 has 17.
  const factor = exponent !== null && exponent > 65_537 ? 3 : 1
  return hashing + ((modulusBits ?? 0) > 4096 ? 4 * factor : factor)
}

/**
 * `signed`: the issuer's key made the signature. `other-key`: it did not. `unverifiable`: the algorithm or the issuer's key is not
 * supported, which another finding reports.
 */
export type Link = 'signed' | 'other-key' | 'unverifiable'

/** Null if the budget is used up. A signature that was verified before costs nothing. */
export function linkOf(child: Certificate, issuer: Certificate, budget: Budget): Link | null {
  if (!child.hasResultFor(issuer)) {
    if ('unknown' in child.signatureAlgorithm || !isVerifiable(issuer.publicKeyInfo)) return 'unverifiable'
    if (!budget.takeSignature(signatureCost(issuer.publicKeyInfo, child.raw.length))) return null
  }
  if (child.isSignedBy(issuer)) return 'signed'
  // The parsed key is cached, so this does not parse it again.
  return issuer.hasReadableKey ? 'other-key' : 'unverifiable'
}

/** One signature by an RSA key with a larger modulus than Go accepts, or a longer exponent, can take as long as a hundred. */
function isVerifiable({ algorithm, modulusBits, exponent }: PublicKeyInfo): boolean {
  if (!['RSA', 'ECDSA', 'Ed25519'].includes(algorithm)) return false
  return modulusBits === null || (modulusBits <= MAX_RSA_BITS && exponent !== null)
}

/**
 * Whether the serial number or the issuer name in the child's authority key identifier differs from that of the issuer's certificate.
 * OpenSSL, and so Node, compares both (X509_check_akid).
 */
export function namesOtherAuthority(child: Certificate, issuer: Certificate): boolean {
  const authority = child.keyIdentifiers.authorityKeyIdentifier
  if (authority === null) return false
  if (authority.serial !== null && !bytesEqual(authority.serial, issuer.serial)) return true
  const named = authority.issuer?.find(({ kind }) => kind === 'dirName')?.directoryName
  return named !== undefined && !named.equals(issuer.issuer)
}

/** The child's authority key identifier against the issuer's subject key identifier; unknown if one is missing. */
export type KeyIdentifierLink =
  | { readonly relation: 'same' | 'different'; readonly wanted: Uint8Array; readonly found: Uint8Array }
  | { readonly relation: 'unknown' }

export function keyIdentifiers(child: Certificate, issuer: Certificate): KeyIdentifierLink {
  const wanted = child.keyIdentifiers.authorityKeyIdentifier?.keyIdentifier ?? null
  const found = issuer.keyIdentifiers.subjectKeyIdentifier
  if (wanted === null || found === null) return { relation: 'unknown' }
  return { relation: bytesEqual(wanted, found) ? 'same' : 'different', wanted, found }
}
