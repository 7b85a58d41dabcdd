/** With which words, and at which byte, a reader of DER refuses what it is given. */
import { DerError } from '../../src/x509/der.js'

/** The refusal; throws if nothing is refused, or by another error. */
export function refusalAt(read: () => unknown): [reason: string, offset: number] {
  try {
    read()
  } catch (error) {
    if (error instanceof DerError) return [error.reason, error.offset]
    throw error
  }
  throw new Error('Nothing was refused')
}

/** The reason of the refusal. */
export function refusal(read: () => unknown): string {
  const [reason] = refusalAt(read)
  return reason
}
