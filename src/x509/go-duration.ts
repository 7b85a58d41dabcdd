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
  const sign = /^[-+]/.exec(text)?.[0] ?? ''
  const rest = text.slice(sign.length)
  if (rest === '0') return 0n
  if (rest === '') return null
  let sum = 0n
  for (let at = 0; at < rest.length;) {
    const part = /(?:(\d+)(?:\.(\d*))?|\.(\d+))(ns|us|µs|μs|ms|s|m|h)/y
    part.lastIndex = at
    const [found, whole = '0', after = '', alone = after, unit = ''] = part.exec(rest) ?? []
    if (found === undefined) return null
    const one = NANOSECONDS[unit] ?? 0n
    sum += BigInt(whole) * one + (alone === '' ? 0n : (BigInt(alone) * one) / 10n ** BigInt(alone.length))
    at += found.length
  }
  if (sum > MOST) return null
  return sign === '-' ? -sum : sum
}
