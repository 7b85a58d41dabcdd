/** One link of a path: whether a certificate's signature was made by the key of the certificate above it, and what looking costs. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { bytesEqual } from '../x509/der.js'
import { MAX_RSA_BITS } from './checks/check-key.js'

/** Limits of path building. */
export interface BudgetOptions {
  /**
   * The largest number of signatures to verify. Default: 100, as in Go and webpki. A signature that was verified before
   * is free. One that takes much longer than ECDSA P-256 counts as several (P-384: 4, P-521: 8, RSA beyond 4096 bits:
   * 4, and one more for each 64 KiB that are signed).
   */
  signatures?: number | undefined
  /** The largest number of search steps. Default: 3,000. A complete path counts as several. */
  steps?: number | undefined
}

/** Counts down the limits of one validation, so that certificates made to exhaust the validator only exhaust the budget. */
export class Budget {
  readonly limits: { readonly signatures: number; readonly steps: number }
  #signatures: number
  #steps: number

  /** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
  constructor(options: BudgetOptions = {}) {
    checkOptions('budget', options, ['signatures', 'steps'])
    const { signatures = 100, steps = 3000 } = options
    this.limits = { signatures: positive(signatures, 'signatures'), steps: positive(steps, 'steps') }
    this.#signatures = signatures
    this.#steps = steps
  }

  /** Takes one signature that counts as `cost`; false if not enough is left. */
  takeSignature(cost = 1): boolean {
    this.#signatures -= cost
    return this.#signatures >= 0
  }

  /** Takes steps; false if not enough are left. */
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

function positive(value: unknown, option: keyof BudgetOptions): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw optionInvalid(`budget.${option}`, 'must be a positive integer')
}

const CURVE_COST: Readonly<Record<string, number>> = { 'P-256': 1, 'P-384': 4, 'P-521': 8 }

/** How many signatures of ECDSA P-256 it takes as long as to verify one by this key over so many bytes. Measured. */
export function signatureCost({ algorithm, curve, modulusBits, exponent }: PublicKeyInfo, bytes: number): number {
  const more = Math.floor(bytes / (64 * 1024))
  if (algorithm === 'ECDSA') return more + (CURVE_COST[curve ?? ''] ?? 3)
  if (algorithm !== 'RSA') return more + 1
  // The work grows with the bits of the exponent; 65537, which all use, has 17.
  const long = exponent !== null && exponent > 65_537 ? 3 : 1
  return more + ((modulusBits ?? 0) > 4096 ? 4 * long : long)
}

/**
 * `signed`: the issuer's key made the signature. `other-key`: it did not. `unverifiable`: nobody can tell, because the
 * algorithm or the issuer's key is of no supported kind (which is an error of its own).
 */
export type Link = 'signed' | 'other-key' | 'unverifiable'

/** Checks a link; null if the budget is used up. What was verified before costs nothing. */
export function linkOf(child: Certificate, issuer: Certificate, budget: Budget): Link | null {
  if (!child.hasResultFor(issuer)) {
    if ('unknown' in child.signatureAlgorithm || !isVerifiable(issuer.publicKeyInfo)) return 'unverifiable'
    if (!budget.takeSignature(signatureCost(issuer.publicKeyInfo, child.raw.length))) return null
  }
  if (child.isSignedBy(issuer)) return 'signed'
  // A key that verified something is kept: it is not read again for this question.
  return issuer.hasReadableKey ? 'other-key' : 'unverifiable'
}

/** With a larger modulus than Go takes, or a longer exponent, one signature can take as long as a hundred. */
function isVerifiable({ algorithm, modulusBits, exponent }: PublicKeyInfo): boolean {
  if (!['RSA', 'ECDSA', 'Ed25519'].includes(algorithm)) return false
  return modulusBits === null || (modulusBits <= MAX_RSA_BITS && exponent !== null)
}

/**
 * Whether the child's authority key identifier names another certificate than the issuer's as its authority: by the
 * serial number, or by the name of the issuer's own issuer. OpenSSL, and so Node, looks at both (X509_check_akid).
 */
export function namesOtherAuthority(child: Certificate, issuer: Certificate): boolean {
  const authority = child.keyIdentifiers.authorityKeyIdentifier
  if (authority === null) return false
  if (authority.serial !== null && !bytesEqual(authority.serial, issuer.serial)) return true
  const named = authority.issuer?.find(({ kind }) => kind === 'dirName')?.directoryName
  return named !== undefined && !named.equals(issuer.issuer)
}

/** A key identifier that a certificate asks for, and the one of its issuer; unknown if one of them lacks. */
export type KeyIdentifierLink =
  | { readonly relation: 'same' | 'different'; readonly wanted: Uint8Array; readonly found: Uint8Array }
  | { readonly relation: 'unknown' }

/** How the child's authority key identifier relates to the issuer's subject key identifier. */
export function keyIdentifiers(child: Certificate, issuer: Certificate): KeyIdentifierLink {
  const wanted = child.keyIdentifiers.authorityKeyIdentifier?.keyIdentifier ?? null
  const found = issuer.keyIdentifiers.subjectKeyIdentifier
  if (wanted === null || found === null) return { relation: 'unknown' }
  return { relation: bytesEqual(wanted, found) ? 'same' : 'different', wanted, found }
}
