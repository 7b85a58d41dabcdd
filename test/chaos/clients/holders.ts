/** Who holds what, as the holders believe, next to a store that refuses stale fencing tokens. */
import { FencedStore } from '../../support/fenced-store.js'

export interface Holder {
  /** Whether the client says that it still holds. */
  isHeld(): boolean
}

/** The holders of one lock, or the leaders of one election. */
export class Holders {
  readonly #name: string
  readonly #report: (fault: string) => void
  readonly #store = new FencedStore()
  readonly #holders = new Set<Holder>()
  #last = 0n

  constructor(name: string, report: (fault: string) => void) {
    this.#name = name
    this.#report = report
  }

  /** @param token null if the client has none. */
  enter(holder: Holder, token: string | null): void {
    const others = [...this.#holders].filter((each) => each.isHeld())
    if (others.length > 0) this.#report(`${this.#name}: ${String(others.length + 1)} holders at once`)
    this.#holders.add(holder)
    if (token === null) return
    if (BigInt(token) <= this.#last) this.#report(`${this.#name}: token ${token} after ${String(this.#last)}`)
    this.#last = BigInt(token)
  }

  /** A write to what is guarded. It may be refused only to one who no longer holds. */
  write(holder: Holder, token: string): void {
    if (!holder.isHeld()) return
    if (!this.#store.write(token)) this.#report(`${this.#name}: stale token ${token} of a holder`)
  }

  leave(holder: Holder): void {
    this.#holders.delete(holder)
  }
}
