/** How long an authority waits for what is not its own: a key across a network, a store. */
import { issueRefused } from './refuse.js'

/**
 * What the work gives, within a bound. What it gives later is used by nobody.
 *
 * The timer keeps the process alive: it would end in the middle of issuing otherwise, without a word, where nothing else does.
 *
 * @param who For people, at the start of a sentence: `The signer`.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where it takes longer.
 */
export async function within<T>(milliseconds: number, who: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(issueRefused(`${who} gave no answer within ${String(milliseconds / 1000)} s`))
    }, milliseconds)
  })
  try {
    return await Promise.race([work, bound])
  } finally {
    clearTimeout(timer)
  }
}
