/**
 * Tests whose full form takes minutes: `npm test` runs a short form of them, `npm run test:long` the full one.
 *
 * ```ts
 * import { scaled } from '../support/long.js'
 *
 * const ROUNDS = scaled({ short: 20, long: 2_000 })
 * ```
 *
 * A test file imports this module directly: that is how `npm run test:long` finds the files that have a full form.
 */

/** True in `npm run test:long`, which sets `ETCD_MTLS_TEST_LONG=1`. */
export const isLong = process.env['ETCD_MTLS_TEST_LONG'] === '1'

/** The value for this run: the short one in `npm test`, the long one in `npm run test:long`. */
export function scaled<T>({ short, long }: { readonly short: T; readonly long: T }): T {
  return isLong ? long : short
}
