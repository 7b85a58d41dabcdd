/** Durations as Go writes them, `1h30m` or `1.5s` (time.ParseDuration). */

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
/** Go's time.Duration is an int64. */
const MOST = 2n ** 63n - 1n
/** Far longer than any duration; digits are work. */
const MAX_TEXT = 100

/** A duration in nanoseconds; null for a text that Go does not take for one. */
export function parseGoDuration(text: string): bigint | null {
  if (text.length > MAX_TEXT) return null
  const [, sign, rest = ''] = /^([-+]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0n
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return null
  let sum = 0n
  for (const [, whole = '', fraction = '', unit = ''] of rest.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const one = NANOSECONDS[unit] ?? 0n
    sum += BigInt(whole === '' ? 0 : whole) * one
    sum += fraction === '' ? 0n : (BigInt(fraction) * one) / 10n ** BigInt(fraction.length)
  }
  if (sum > MOST) return null
  return sign === '-' ? -sum : sum
}
