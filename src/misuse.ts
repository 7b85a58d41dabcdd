/** A wrong call throws at once: `ERR_OPTION_INVALID`, naming the option. */
import { EtcdMtlsError } from './errors.js'
import { printable } from './report/printable.js'

/**
 * The error for one bad option. `reason` is a sentence that starts with a verb, as `must be a string`; what it repeats of
 * the caller's values is escaped in the message.
 */
export function optionInvalid(option: string, reason: string): EtcdMtlsError<'ERR_OPTION_INVALID'> {
  return new EtcdMtlsError('ERR_OPTION_INVALID', printable(`Option "${option}" ${reason}`), { option, reason })
}

/**
 * Refuses anything that is not an options object, and every key that is not known.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (options === null || typeof options !== 'object' || Array.isArray(options))
    throw optionInvalid(where, 'must be an object')
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw optionInvalid(`${where}.${key}`, `is not known; known are ${known.join(', ')}`)
    }
  }
}
