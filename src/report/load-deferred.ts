import { asError, codeOf, EtcdMtlsError } from './errors.js'

/**
 * Runs a dynamic import: the one way in which code of this package loads at a first call.
 *
 * @throws {EtcdMtlsError} `ERR_LOAD_FAILED`. Node 20 remembers a load that failed, so every later attempt gives the same error there.
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
