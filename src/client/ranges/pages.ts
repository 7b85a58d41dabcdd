/** The keys of a prefix at one revision, page by page. */
import { EtcdMtlsError, isError, isEtcdMtlsError } from '../../report/errors.js'
import { checkOptions, valueInvalid } from '../../report/option-error.js'
import type { SecureEtcd3 } from '../etcd3/secure-etcd3.js'
import { type KeyRange, type KeyValue, keyValue, prefixRange } from './watch.js'

/** Options of {@link pages}. */
export interface PagesOptions {
  /** Empty for all keys. */
  prefix: string | Buffer
  /** The keys of a page, at most. A page whose answer is too large for gRPC has fewer. @default 1000 */
  limit?: number | undefined
}

/** Some of the keys, in the order of their bytes. */
export interface Page {
  entries: KeyValue[]
  /** That of all pages. Watch from the revision after it to continue. */
  revision: string
}

const DEFAULT_LIMIT = 1000

/**
 * Yields the keys of a prefix at one revision, that of the first page. It holds one page in memory. A `signal` is that of
 * `client.withSignal`.
 *
 * @example
 * ```ts
 * for await (const { entries } of pages(client, { prefix: 'config/' })) console.log(entries.length)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` at once; `ERR_PAGES_COMPACTED` if etcd compacts the revision before the last page:
 *   `details` has the last key. Errors of calls are those of etcd3.
 * @experimental It may change in a minor release.
 */
export function pages(client: SecureEtcd3, options: PagesOptions): AsyncIterableIterator<Page, undefined> {
  checkOptions('options', options, ['prefix', 'limit'])
  const { prefix, limit = DEFAULT_LIMIT } = options
  if (!Number.isSafeInteger(limit) || limit < 1) throw valueInvalid('limit', limit, 'a positive integer')
  return pagesOf(client, prefixRange(prefix), limit)
}

async function* pagesOf(client: SecureEtcd3, range: KeyRange, most: number): AsyncGenerator<Page, undefined> {
  let revision = '0'
  let limit = most
  let last: Buffer | null = null
  for (;;) {
    const key: Buffer = last === null ? range.key : Buffer.concat([last, Buffer.alloc(1)])
    try {
      const { kvs, more, header } = await client.kv.range({ ...range, key, limit, revision })
      if (revision === '0') revision = header.revision
      last = kvs.at(-1)?.key ?? last
      yield { entries: kvs.map(keyValue), revision }
      if (!more) return undefined
    } catch (error) {
      if (!isError(error)) throw error
      if (error.message.includes('required revision has been compacted')) throw compacted(range, revision, last, error)
      if (limit === 1 || !isEtcdMtlsError(error.cause, 'ERR_ANSWER_TOO_LARGE')) throw error
      limit = Math.ceil(limit / 2)
    }
  }
}

function compacted({ key }: KeyRange, revision: string, last: Buffer | null, cause: Error): EtcdMtlsError {
  const prefix = key.toString()
  const lastKey = last?.toString() ?? null
  const message =
    `etcd has compacted revision ${revision} before all keys of ${JSON.stringify(prefix)} were read: the last key is` +
    ` ${JSON.stringify(lastKey)}. Read them again from the first page, and compact less often or read larger pages.`
  return new EtcdMtlsError('ERR_PAGES_COMPACTED', message, { prefix, revision, lastKey }, { cause })
}
