/** A store that refuses stale fencing tokens, as whatever a lock guards has to. */
export class FencedStore {
  /** The tokens of the writes that were accepted, in order. */
  readonly accepted: string[] = []
  refused = 0
  #highest = 0n

  /** @returns Whether the write was accepted. */
  write(fencingToken: string): boolean {
    const token = BigInt(fencingToken)
    if (token < this.#highest) {
      this.refused += 1
      return false
    }
    this.#highest = token
    this.accepted.push(fencingToken)
    return true
  }
}
