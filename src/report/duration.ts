/** Durations in the options of this package. */
import { optionInvalid, textInvalid } from './option-error.js'

/** Longest delay of a Node timer, in milliseconds: 24 days. */
export const MAX_DELAY = 2_147_483_647

/** The pause after consecutive failures, in milliseconds: exponential, and half of it random, so that processes do not retry together. */
export function backoffPause(failures: number, { first, longest }: { first: number; longest: number }): number {
  const pause = Math.min(longest, first * 2 ** (failures - 1))
  return pause / 2 + (Math.random() * pause) / 2
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function isUnit(text: string): text is keyof typeof UNIT_MS {
  return Object.hasOwn(UNIT_MS, text)
}

/**
 * Reads a duration such as `'90d'`, `'12h'`, `'30m'`, `'5s'` or `'250ms'` and returns milliseconds.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything else; `option` names the option in the error.
 */
export function parseDuration(text: unknown, option: string): number {
  const [, amount = '', unit = ''] = (typeof text === 'string' ? /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) : null) ?? []
  if (isUnit(unit)) return Number(amount) * UNIT_MS[unit]
  const accepted = 'a duration string such as "90d", "12h", "30m", "5s" or "250ms"'
  if (typeof text !== 'number' || !Number.isSafeInteger(text) || text < 0) throw textInvalid(option, text, accepted)
  const meant = text % 1000 === 0 ? `${String(text / 1000)}s` : `${String(text)}ms`
  throw optionInvalid(option, `must be ${accepted}; received ${String(text)}: write "${meant}" for milliseconds`)
}
