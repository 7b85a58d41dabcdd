/** The caller's ledger, which may be a store far away: what it does wrong is told in words of this package, and in bounded time. */
import { isEtcdMtlsError, isError } from '../report/errors.js'
import type { Ledger } from './ledger.js'
import { within } from './patience.js'
import { issueRefused } from './refuse.js'

/** Milliseconds that a ledger may take. A file waits up to two minutes for the lock that another process holds. */
const LONGEST_WAIT = 180_000

/**
 * The same ledger, whose calls reject with an error of this package, and reject at all.
 *
 * What was not noted is not handed out. A store that notes it after its time is up holds a certificate that nobody has.
 */
export function carefulLedger(ledger: Ledger): Ledger {
  return {
    append: async (entries) => {
      await told('The ledger did not note it, so nothing was handed out', async () => ledger.append(entries))
    },
    read: async () => {
      const given = await told('The ledger cannot be read', async () => ledger.read())
      const list: unknown = given
      if (!Array.isArray(list)) throw issueRefused('The ledger cannot be read: it gave no list of entries')
      return given
    },
  }
}

async function told<T>(failure: string, work: () => Promise<T>): Promise<T> {
  try {
    return await within(LONGEST_WAIT, 'The ledger', work())
  } catch (cause) {
    if (isEtcdMtlsError(cause)) throw cause
    const words = isError(cause) ? cause.message : String(cause)
    throw issueRefused(`${failure}: ${words}`, { cause })
  }
}
