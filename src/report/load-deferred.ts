import { asError, codeOf, EtcdMtlsError } from './errors.js'

/**
 * Runs a dynamic import. All code of this package that loads at a first call loads through it.
 *
 * @throws {EtcdMtlsError} `ERR_LOAD_FAILED`. Node 20 caches a failed load, so later attempts fail with the same error.
 */
export async function loadDeferred<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const message =
      `The code for this call could not be loaded: ${asError(cause).message}. If a limit was reached, such as that of open files` +
      ' (EMFILE), remove the cause and call again; on Node 20 restart the process.'
    throw new EtcdMtlsError('ERR_LOAD_FAILED', message, { errorCode: codeOf(cause) }, { cause })
  }
}
