/** What one validation may cost at most, so that certificates made to exhaust the validator only exhaust the budget. */
import { checkOptions, optionInvalid } from '../misuse.js'

/** Limits of path building. */
export interface BudgetOptions {
  /** Signatures verified at most. Default: 100, as in Go and webpki. A signature known from before costs nothing. */
  signatures?: number | undefined
  /** Candidates looked at at most. Default: 20,000. */
  steps?: number | undefined
}

const DEFAULTS = { signatures: 100, steps: 20_000 }

/** Counts down the limits of one validation. */
export class Budget {
  readonly limits: { readonly signatures: number; readonly steps: number }
  private signatures: number
  private steps: number

  /** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
  constructor(options: BudgetOptions = {}) {
    checkOptions('budget', options, ['signatures', 'steps'])
    this.limits = {
      signatures: positive(options.signatures ?? DEFAULTS.signatures, 'budget.signatures'),
      steps: positive(options.steps ?? DEFAULTS.steps, 'budget.steps'),
    }
    this.signatures = this.limits.signatures
    this.steps = this.limits.steps
  }

  /** Takes one signature; false where none is left. */
  takeSignature(): boolean {
    return this.signatures-- > 0
  }

  /** Takes one step; false where none is left. */
  takeStep(): boolean {
    return this.steps-- > 0
  }

  get isExhausted(): boolean {
    return this.signatures < 0 || this.steps < 0
  }
}

function positive(value: unknown, option: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw optionInvalid(option, 'must be a positive integer')
}
