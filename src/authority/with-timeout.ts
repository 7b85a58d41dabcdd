/** The time limit for a key across a network and for a remote store. */
import { issueRefused } from './refuse.js'

/**
 * The result of some work within a time limit. A later result is ignored.
 *
 * The timer keeps the process alive, which could end in the middle of issuing otherwise.
 *
 * @param who For people, at the start of a sentence: `The signer`.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if it takes longer.
 */
export async function withTimeout<T>(milliseconds: number, who: string, work: Promise<T>): Promise<T> {
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
