/** Durations of Go, which etcd and etcdctl read. */
const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n, // U+00B5
  μs: 1_000n, // U+03BC
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

/** A duration in nanoseconds; null if Go's time.ParseDuration rejects the string. */
export function parseGoDuration(text: string): bigint | null {
  const [, sign, rest = ''] = /^([-+]?)(.{1,99})$/.exec(text) ?? []
  if (rest === '0') return 0n
  const parts = [...rest.matchAll(/(?:(\d+)(?:\.(\d*))?|\.(\d+))(ns|us|µs|μs|ms|s|m|h)/gy)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== rest) return null
  let sum = 0n
  for (const [, whole = '0', after = '', alone = after, unit = ''] of parts) {
    const one = NANOSECONDS[unit] ?? 0n
    sum += BigInt(whole) * one + (alone === '' ? 0n : (BigInt(alone) * one) / 10n ** BigInt(alone.length))
  }
  // Go's time.Duration is an int64.
  if (sum >= 2n ** 63n) return null
  return sign === '-' ? -sum : sum
}
