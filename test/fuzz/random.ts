/** Numbers that look random and come again for the same seed, so that a failure can be repeated. */
export interface Random {
  /** An integer from 0 up to, and without, `limit`. */
  below(limit: number): number
  /** One of the list. */
  pick<T>(list: readonly T[]): T
  bytes(length: number): Buffer
}

/** Mulberry32: small, and even enough for choosing what to break. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    pick: (list) => {
      const chosen = list[below(list.length)]
      if (chosen === undefined) throw new TypeError('Nothing to pick from')
      return chosen
    },
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  }
}
