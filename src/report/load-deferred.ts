import { asError, codeOf, EtcdMtlsError } from './errors.js'

/** Codes of errors about a limit of the process or of the system, by errno(3). */
const LIMITS: ReadonlySet<string | null> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])
/** Codes for a module or another file that is not there. */
const MISSING: ReadonlySet<string | null> = new Set(['ENOENT', 'MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'])

/**
 * Runs a dynamic import. All code of this package that loads at a first call loads through it.
 *
 * @throws {EtcdMtlsError} `ERR_LOAD_FAILED`. Node 20 caches a failed load, so later attempts fail with the same error.
 */
export async function loadDeferred<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const errorCode = codeOf(cause)
    // Node's messages about modules go on with a stack of modules.
    const [reason = ''] = asError(cause).message.split('\n')
    const message = `The code for this call could not be loaded: ${reason.replace(/\.$/, '')}. ${remedyFor(errorCode)}`
    throw new EtcdMtlsError('ERR_LOAD_FAILED', message, { errorCode }, { cause })
  }
}

/**
 * Makes functions of a module that loads at the first call of one of them. The module has their documentation. All of them must
 * return promises.
 */
export function deferred<M extends object>(load: () => Promise<M>) {
  return <K extends keyof M>(name: K): M[K] => {
    const call = async (...args: unknown[]): Promise<unknown> => {
      const code = (await loadDeferred(load))[name] as (...args: unknown[]) => unknown
      return code(...args)
    }
    return call as unknown as M[K] // the same signature
  }
}

function remedyFor(errorCode: string | null): string {
  if (LIMITS.has(errorCode)) {
    return 'A limit was reached: close what is open or raise the limit, and call again; on Node 20 restart the process.'
  }
  if (MISSING.has(errorCode)) {
    return (
      'A file is missing: install the package again. In a bundle, leave etcd3 and @grpc/grpc-js out, which read files from their' +
      ' own folders: most bundlers call the option `external`, webpack `externals`, Next.js `serverExternalPackages`.'
    )
  }
  return 'The `cause` of this error has the reason.'
}
