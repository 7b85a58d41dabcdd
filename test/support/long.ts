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
import type { TestAPI } from 'vitest'
import { Random } from '../fuzz/random.js'

/** True in `npm run test:long`, which sets `ETCD_MTLS_TEST_LONG=1`. */
export const isLong = process.env['ETCD_MTLS_TEST_LONG'] === '1'

/** The value for this run: the short one in `npm test`, the long one in `npm run test:long`. */
export function scaled<T>({ short, long }: { readonly short: T; readonly long: T }): T {
  return isLong ? long : short
}

/** Where random choices start: another number in each `npm test`, which prints it; `ETCD_MTLS_TEST_SEED` repeats a run. */
export const seed = Number(process.env['ETCD_MTLS_TEST_SEED'] ?? 1)

/** Each of the cases in `npm run test:long`; in `npm test` a random choice of them, `count` in all, in their order. */
export function drawn<T>(cases: Iterable<T>, count: number): T[] {
  const all = [...cases]
  if (isLong || all.length <= count) return all
  const kept = new Set<number>()
  const random = new Random(seed + all.length)
  while (kept.size < count) kept.add(random.below(all.length))
  return all.filter((_, index) => kept.has(index))
}

/**
 * A part of many cases that differ in a number only, such as the system call at which a process is killed: in `npm test`
 * the first, the last and a random choice, `count` in all; in `npm run test:long` every one. `npm test` prints the seed.
 */
export function sample<T>(cases: Iterable<T>, count: number): T[] {
  const all = [...cases]
  if (isLong || all.length <= count) return all
  const kept = new Set([0, all.length - 1])
  const random = new Random(seed + all.length)
  while (kept.size < count) kept.add(random.below(all.length))
  return all.filter((_, index) => kept.has(index))
}

/**
 * `it` of a file whose tests are slow and each prove a thing of their own: in `npm test` one in `share` of them, beginning with a
 * random one, and as many rows of each table; in `npm run test:long` every one.
 *
 * ```ts
 * import { it as every } from 'vitest'
 *
 * const it = oneIn(3, every)
 * ```
 */
export function oneIn(share: number, every: TestAPI): TestAPI {
  if (isLong) return every
  let count = seed % share
  return new Proxy(every, {
    apply: (test, self, args) => {
      if (count++ % share === 0) Reflect.apply(test, self, args)
    },
    get: (test, name) =>
      name === 'each'
        ? (table: readonly unknown[]) => test.each(drawn(table, Math.ceil(table.length / share)))
        : (Reflect.get(test, name, test) as unknown),
  })
}
