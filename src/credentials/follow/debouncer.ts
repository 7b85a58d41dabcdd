/** Decides after each read whether to yield credentials, to report a failure or to wait. It does no I/O. */
import type { Finding } from '../../report/finding.js'
import type { MaterialReading } from '../assemble.js'
import type { Credentials } from '../credentials.js'
import { fingerprintOf } from '../fingerprint.js'
import type { ConsumerState } from './credential-iterator.js'
import type { WatchTiming } from './watched-files.js'

export type Step =
  | { readonly kind: 'yield'; readonly credentials: Credentials }
  | { readonly kind: 'report'; readonly findings: readonly Finding[] }
  /** Read again after a change, and at this time at the latest; null if there is no limit. */
  | { readonly kind: 'wait'; readonly until: number | null }

/** The state of one consumer. Times are milliseconds of a monotonic clock. */
export class Debouncer {
  readonly #timing: WatchTiming
  /** Undefined if the consumer has the credentials that the first read returns. */
  #state: ConsumerState | undefined
  #contents: string | null = null
  #reading: MaterialReading = { credentials: null, findings: [] }
  #fingerprint: string | null = null
  #sameSince = 0
  /** The time of the first unusable read since credentials were last stable; null if there was none. */
  #unusableSince: number | null = null
  /** The current failure and the time of its first read; null if absent. */
  #failure: { readonly id: string; readonly since: number } | null = null
  /** The time since which new usable credentials exist, even if they keep changing; null if there are none. */
  #usableSince: number | null = null

  constructor(timing: WatchTiming, state: ConsumerState | undefined) {
    this.#timing = timing
    this.#state = state
  }

  get state(): ConsumerState {
    return this.#state ?? { held: this.#fingerprint, reported: null }
  }

  /** @param read Reads the contents; called only if `contents` differs from the last call. */
  step(contents: string, read: () => MaterialReading, now: number): Step {
    if (contents !== this.#contents) {
      this.#reading = read()
      this.#contents = contents
      const { credentials } = this.#reading
      const fingerprint = credentials === null ? null : fingerprintOf(credentials)
      if (fingerprint !== this.#fingerprint) this.#sameSince = now
      this.#fingerprint = fingerprint
    }
    const { credentials, findings } = this.#reading
    this.#state = this.state
    return credentials === null
      ? this.#stepIfUnusable(findings, this.#state, now)
      : this.#stepIfUsable(credentials, this.#state, now)
  }

  #stepIfUsable(credentials: Credentials, { held, reported }: ConsumerState, now: number): Step {
    if (held === this.#fingerprint && reported === null) {
      this.#resetTimes()
      return { kind: 'wait', until: null }
    }
    this.#failure = null
    this.#usableSince ??= now
    // Credentials that never stop changing are yielded after `settle`, so that the consumer does not wait indefinitely.
    const due = Math.min(this.#sameSince + this.#timing.quiet, this.#usableSince + this.#timing.settle)
    if (now < due) return { kind: 'wait', until: due }
    this.#resetTimes()
    this.#state = { held: this.#fingerprint, reported: null }
    return { kind: 'yield', credentials }
  }

  #stepIfUnusable(findings: readonly Finding[], { held, reported }: ConsumerState, now: number): Step {
    this.#usableSince = null
    this.#unusableSince ??= now
    const id = failureId(findings)
    if (id !== this.#failure?.id) this.#failure = { id, since: now }
    if (id === reported) return { kind: 'wait', until: null }
    // After a reported failure, another one must last for `settle` itself.
    const due = (reported === null ? this.#unusableSince : this.#failure.since) + this.#timing.settle
    if (now < due) return { kind: 'wait', until: due }
    this.#state = { held, reported: id }
    return { kind: 'report', findings }
  }

  #resetTimes(): void {
    this.#unusableSince = null
    this.#usableSince = null
  }
}

/** Identifies a failure by the codes and files of its errors. Other details change while a file is written. */
function failureId(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const named = errors.map(({ code, details }) => {
    const file = 'file' in details ? details.file : null
    return JSON.stringify([code, file])
  })
  return named.sort().join()
}
