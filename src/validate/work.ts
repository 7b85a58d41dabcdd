/**
 * The work of one validation that grows with the contents of its certificates. Reading names takes as long for each byte, whatever
 * their kind, so the budget is bytes, and comparisons count as bytes that take as long.
 */
import type { Certificate } from '../x509/certificate.js'
import type { FindingCollector, PathCertificate } from './context.js'

/** One certificate of the largest size fits. */
export const MAX_WORK = 256 * 1024

/** The remaining work, which all certificates and all paths of one validation share. */
export class WorkBudget {
  #remaining: number

  constructor(remaining: number = MAX_WORK) {
    this.#remaining = remaining
  }

  get remaining(): number {
    return this.#remaining
  }

  /** False if less is left. */
  take(bytes: number): boolean {
    this.#remaining -= bytes
    return this.#remaining >= 0
  }
}

/**
 * Takes the work of reading the extensions of all certificates. False, with a finding about the largest, if that is more than the
 * budget; nothing has been read then.
 */
export function takeExtensions(
  places: readonly PathCertificate[],
  budget: WorkBudget,
  findings: FindingCollector,
): boolean {
  const sizes = places.map((place) => ({ place, bytes: extensionBytes(place.certificate) }))
  const bytes = sizes.reduce((sum, each) => sum + each.bytes, 0)
  if (budget.take(bytes)) return true
  const [largest] = sizes.toSorted((a, b) => b.bytes - a.bytes)
  if (largest === undefined) return true
  const details = { kind: 'extensions', bytes, limit: MAX_WORK, largest: largest.bytes } as const
  findings.add(largest.place, 'chain/limit-exceeded', details)
  return false
}

function extensionBytes({ extensionList }: Certificate): number {
  return extensionList.reduce((sum, { value }) => sum + value.length, 0)
}
