/** Exponential back-off with half jitter. */

export interface BackoffLimits {
  /** The upper bound of the first pause, in milliseconds. */
  first: number
  /** The upper bound of every pause, in milliseconds. */
  longest: number
}

/** The pause after a number of failures in a row, in milliseconds. Half of it is random, so that clients spread. */
export function backoffPause(failures: number, { first, longest }: BackoffLimits): number {
  const pause = Math.min(longest, first * 2 ** (failures - 1))
  return pause / 2 + (Math.random() * pause) / 2
}
