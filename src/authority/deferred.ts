/** Public functions that load their code at the first call, so that importing the package for its client stays fast. `@function`: the API pages show the function itself. */
import { resolve } from 'node:path'
import { checkDirectory } from '../credentials/checks.js'
import type { WatchableSource } from '../credentials/credentials.js'
import type { TrustedOwnerOption } from '../files/guarded-file-system.js'
import { deferred } from '../report/load-deferred.js'
import { checkAccount, checkOptions, valueInvalid } from '../report/option-error.js'
import type { Authority } from './authority.js'
import type { IssueRequest } from './issue-options.js'
import type { Ledger } from './ledger.js'
import { SOURCE } from './renewal-due.js'

const code = deferred(() => import('./deferred-code.js'))

/** @function */
export const createAuthority = code('createAuthority')
/** @function */
export const createRequest = code('createRequest')
/** @function */
export const issueCluster = code('issueCluster')
/** @function */
export const loadAuthority = code('loadAuthority')
/** @function */
export const openAuthority = code('openAuthority')
/** @function */
export const renewCredentials = code('renewCredentials')
/** @function */
export const renewDirectory = code('renewDirectory')
/** @function */
export const writeCluster = code('writeCluster')
/** @function */
export const writeCrl = code('writeCrl')
/** @function */
export const writeTrust = code('writeTrust')
const openLedger = code('openLedger')

/**
 * Credentials that an authority in this process issues at the first `load()`, and again after two thirds of their lifetime,
 * counted from when they were issued: for `load()`, and for `watch()`, which yields each set of them. A client with this
 * source switches to each set while it keeps running.
 *
 * Any number of loads and watches share one certificate. If the authority refuses or does not answer, the old credentials
 * are used as long as they are valid; `watch()` throws the reason once, and the source tries again after one second, then
 * after longer pauses of at most a minute. `load()` rejects only if no credentials are valid. The source checks the clock
 * every minute, so it notices a clock that was set and a machine that slept. No timer keeps the process alive.
 *
 * With `request.validity`, the first certificate is refused if the authority expires earlier; later ones expire with the
 * authority, and once a new one would not expire later, `watch()` throws that.
 *
 * @example
 * ```ts
 * const credentials = fromAuthority(authority, { role: 'client', name: 'app' })
 * const client = await createSecureClient({ endpoints: 'https://10.0.0.1:2379', credentials })
 * ```
 * @param request As for `authority.issue`. Each certificate has a new key, unless the request has one.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong request.
 */
export function fromAuthority(
  authority: Authority,
  request: IssueRequest,
  options: {
    /** The share of the lifetime after which credentials are issued again, above 0 and below 1. @default 2/3 */
    fraction?: number | undefined
    /**
     * The share of the rest of the lifetime by which that time is moved at random, 0 to 0.5, so that processes that
     * started together do not renew together.
     *
     * @default 0.1
     */
    jitter?: number | undefined
    /** Returns numbers from 0 to 1, for tests. @default Math.random */
    random?: (() => number) | undefined
  } = {},
): WatchableSource {
  const isAuthority = SOURCE in (Object(authority) as object)
  if (!isAuthority) throw valueInvalid('authority', authority, 'an Authority')
  return authority[SOURCE](request, options)
}

/**
 * A ledger in the file `path`, one line for each entry. Each line carries a hash over the line before it, and the file
 * `<path>.head` holds the length of the ledger and its last hash: entries that are changed, removed or cut off are
 * reported, because a CRL without them would undo revocations. The files are created with mode 0600 at the first entry;
 * their directory must exist. Any number of processes may add to it: the lock `<path>.lock` makes one wait for the other.
 * Entries are flushed to the disk before `append` resolves; concurrent calls are written together.
 *
 * A line that a crash has cut off is ignored, and removed with the next entry: no certificate was returned for it.
 *
 * `append` and `read` reject with:
 *
 * - `ERR_WRITE_FAILED` if the file system refuses.
 * - `ERR_ISSUE_REFUSED` if entries are missing or were changed (the message names the line, and the way back from the last
 *   CRL, `authority.restoreRevocations`), and for a file of more than 256 MiB.
 *
 * @example
 * ```ts
 * const authority = await createAuthority({ name: 'etcd CA', ledger: fileLedger('/srv/ca/ledger.jsonl') })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function fileLedger(path: string, options: TrustedOwnerOption = {}): Ledger {
  checkDirectory(path, 'path', 'the path of a file')
  checkOptions('options', options, ['trustedOwner'])
  if (options.trustedOwner !== undefined) checkAccount('trustedOwner', options.trustedOwner, 'user')
  const place = resolve(path)
  let opened: Promise<Ledger> | undefined
  const open = (): Promise<Ledger> =>
    (opened ??= openLedger(place, options).catch((error: unknown) => {
      opened = undefined
      throw error
    }))
  return { append: async (entries) => (await open()).append(entries), read: async () => (await open()).read() }
}
