/** Watches a source of credentials, and passes each new set on. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { asError } from '../report/errors.js'
import type { RotationOutcome } from './rotation.js'
import { backoffPause, pause } from './timing.js'
import type { TlsEvent } from './tls-session.js'

export interface FollowerParts {
  /** The credentials in use now. */
  current(): Credentials
  /** Switches to these; null if the source is no longer the client's. Rejects when the client is closed. */
  take(credentials: Credentials, source: CredentialSource): Promise<RotationOutcome | null>
  emit(event: TlsEvent): void
}

const PAUSES = { first: 1000, longest: 60_000 }

/** Follows one source. What it yields during a rotation waits, and only the newest set counts. */
export class Follower {
  readonly #source: CredentialSource
  readonly #parts: FollowerParts
  readonly #stopped = new AbortController()
  #yielded: Credentials | null = null
  /** What was yielded and waits for its turn. */
  #offered: Credentials | null = null
  #taking = false
  /** Whether its failure was the last event about the source. */
  #failed = false
  #wake: () => void = () => undefined

  constructor(source: CredentialSource, parts: FollowerParts) {
    this.#source = source
    this.#parts = parts
    void this.#watch()
  }

  stop(): void {
    this.#stopped.abort()
    this.#wake()
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  /** Never rejects. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopped
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.#watchOnce(() => {
          failures = 0
        })
        // The source has ended: it never changes again.
        return
      } catch (error) {
        if (this.#isStopped()) return
        const retryIn = Math.round(backoffPause(failures + 1, PAUSES))
        this.#failed = true
        this.#parts.emit({
          type: 'source-failed',
          at: new Date(),
          origin: this.#source.origin,
          error: asError(error),
          retryIn,
        })
        await pause(retryIn, signal, false)
      }
    }
  }

  async #watchOnce(onGood: () => void): Promise<void> {
    const { signal } = this.#stopped
    const held = this.#yielded ?? this.#parts.current()
    for await (const credentials of this.#source.watch?.(signal, held) ?? []) {
      if (this.#isStopped()) return
      onGood()
      this.#emitRecovery(credentials)
      this.#yielded = credentials
      this.#offered = credentials
      this.#wake()
      if (!this.#taking) void this.#takeAll()
    }
  }

  /** Also if nothing has changed: the consumers that saw the failure wait for it. */
  #emitRecovery(credentials: Credentials): void {
    if (!this.#failed) return
    this.#failed = false
    const changed = !isSame(credentials, this.#parts.current())
    this.#parts.emit({ type: 'source-recovered', at: new Date(), origin: this.#source.origin, changed })
  }

  /** Never rejects. */
  async #takeAll(): Promise<void> {
    this.#taking = true
    try {
      let failures = 0
      for (let next = this.#nextOffer(); next !== null; next = this.#nextOffer()) {
        const inUse = this.#parts.current()
        if (isSame(next, inUse)) continue
        const outcome = await this.#parts.take(next, this.#source)
        if (outcome === null) return
        if (!outcome.rotated && outcome.healsAt !== null) {
          await this.#pauseUntil(outcome.healsAt)
        } else if (!outcome.rotated && outcome.retry) {
          // The servers may accept them later, as when their own trust is renewed.
          await this.#pauseUnlessOffered(Math.round(backoffPause(failures + 1, PAUSES)))
          failures += 1
        } else {
          failures = 0
          continue
        }
        // Unless rotate() was called meanwhile.
        if (this.#parts.current() === inUse) this.#offered ??= next
      }
    } catch {
      // The client was closed.
    } finally {
      this.#taking = false
    }
  }

  #nextOffer(): Credentials | null {
    const offered = this.#stopped.signal.aborted ? null : this.#offered
    this.#offered = null
    return offered
  }

  /** Clocks are set and machines sleep, which no timer follows: so the time is read again and again. */
  async #pauseUntil(time: number): Promise<void> {
    for (let left = time - Date.now(); left > 0; left = time - Date.now()) {
      if (this.#offered !== null || this.#isStopped()) return
      await this.#pauseUnlessOffered(Math.min(left, PAUSES.longest))
    }
  }

  async #pauseUnlessOffered(milliseconds: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => {
      woken.abort()
    }
    if (this.#offered === null && !this.#stopped.signal.aborted) await pause(milliseconds, woken.signal, false)
  }
}

/** Whether switching from one to the other would change nothing. A key is identified by its certificate. */
function isSame(one: Credentials, other: Credentials): boolean {
  return (
    one === other ||
    (sameBytes(one.chain, other.chain) &&
      sameBytes(one.trustAnchors, other.trustAnchors) &&
      sameBytes(one.clientAnchors ?? [], other.clientAnchors ?? []) &&
      sameBytes(one.crls, other.crls))
  )
}

function sameBytes(ones: readonly { raw: Uint8Array }[], others: readonly { raw: Uint8Array }[]): boolean {
  return (
    ones.length === others.length &&
    ones.every(({ raw }, index) => {
      const other = others[index]?.raw
      return other !== undefined && Buffer.compare(raw, other) === 0
    })
  )
}
