/** Makes a new root authority. */
import { Authority } from './authority.js'
import { type CreateAuthorityOptions, makeRoot } from './make-ca.js'

/**
 * Makes a new root CA: a key and a self-signed certificate that may sign certificates and revocation lists, and nothing
 * else. It lives in memory; `authority.export()` gives it as PEM text.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the `crypto` given does not make such a key, or the `signer` does not
 * sign with its own.
 */
export async function createAuthority(options: CreateAuthorityOptions): Promise<Authority> {
  return new Authority(await makeRoot(options))
}
