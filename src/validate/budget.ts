/** What one validation may cost at most, so that certificates made to exhaust the validator only exhaust the budget. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'

/** Limits of path building. */
export interface BudgetOptions {
  /**
   * Signatures verified at most. Default: 100, as in Go and webpki. A signature known from before costs nothing; one
   * that takes much longer than one of ECDSA P-256 counts as several (P-384: 4, P-521: 8, RSA beyond 4096 bits: 4, and
   * one more for each 64 KiB that are signed).
   */
  signatures?: number | undefined
  /** Candidates looked at at most. Default: 3,000. A path that was checked as a whole counts as several. */
  steps?: number | undefined
}

const DEFAULTS = { signatures: 100, steps: 3000 }

/** Counts down the limits of one validation. */
export class Budget {
  readonly limits: { readonly signatures: number; readonly steps: number }
  #signatures: number
  #steps: number

  /** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
  constructor(options: BudgetOptions = {}) {
    checkOptions('budget', options, ['signatures', 'steps'])
    this.limits = {
      signatures: positive(options.signatures ?? DEFAULTS.signatures, 'budget.signatures'),
      steps: positive(options.steps ?? DEFAULTS.steps, 'budget.steps'),
    }
    this.#signatures = this.limits.signatures
    this.#steps = this.limits.steps
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

  /** Takes all that is left. */
  end(): void {
    this.#steps = -1
  }

  get isExhausted(): boolean {
    return this.#signatures < 0 || this.#steps < 0
  }
}

/** How many signatures of ECDSA P-256 it takes as long as to verify one by this key over so many bytes. Measured. */
export function signatureCost(key: PublicKeyInfo, octets: number): number {
  return keyCost(key) + Math.floor(octets / (64 * 1024))
}

function keyCost({ algorithm, curve, modulusBits, exponent }: PublicKeyInfo): number {
  if (algorithm === 'ECDSA') return curve === 'P-256' ? 1 : curve === 'P-384' ? 4 : curve === 'P-521' ? 8 : 3
  if (algorithm !== 'RSA') return 1
  // The work grows with the bits of the exponent; 65537, which all use, has 17.
  const long = exponent !== null && exponent > 65_537 ? 3 : 1
  return (modulusBits ?? 0) > 4096 ? 4 * long : long
}

function positive(value: unknown, option: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw optionInvalid(option, 'must be a positive integer')
}
