/** What to make of the contents of files as they were found, look by look. It reads nothing and waits for nothing. */
import type { Finding } from '../../report/finding.js'
import type { MaterialReading } from '../assemble.js'
import type { Credentials } from '../credentials.js'
import { fingerprintOf } from '../fingerprint.js'
import type { Known } from './credential-iterator.js'
import type { WatchTiming } from './watch-options.js'

/** What follows from a look. */
export type Step =
  | { readonly kind: 'give'; readonly credentials: Credentials }
  | { readonly kind: 'report'; readonly findings: readonly Finding[] }
  /** Look again when something changes, and at this time in any case; null for no time. */
  | { readonly kind: 'wait'; readonly until: number | null }

/** Goes from look to look for one consumer. Times are milliseconds of a clock that never goes back. */
export class Debouncer {
  readonly #timing: WatchTiming
  /** Undefined where the consumer has what the first look finds. */
  #known: Known | undefined
  #contents: string | null = null
  #reading: MaterialReading = { credentials: null, findings: [] }
  #fingerprint: string | null = null
  /** Since when the credentials are what they are. */
  #sameSince = 0
  /** Since when there was nothing to give that lasted. */
  #brokenSince: number | null = null
  /** What is wrong now, and since when it is that; null for nothing. */
  #trouble: { readonly name: string; readonly since: number } | null = null
  /** Since when there is something new that can be used, whether or not it goes on changing. */
  #usableSince: number | null = null

  constructor(timing: WatchTiming, known: Known | undefined) {
    this.#timing = timing
    this.#known = known
  }

  get known(): Known | undefined {
    return this.#known
  }

  /**
   * Checks one look.
   *
   * @param contents Equal for equal contents.
   * @param read Makes something of the contents; called only where they differ from those of the last look.
   */
  judge(contents: string, read: () => MaterialReading, now: number): Step {
    if (contents !== this.#contents) {
      this.#reading = read()
      this.#contents = contents
      const { credentials } = this.#reading
      const fingerprint = credentials === null ? null : fingerprintOf(credentials)
      if (fingerprint !== this.#fingerprint) this.#sameSince = now
      this.#fingerprint = fingerprint
    }
    const { credentials, findings } = this.#reading
    this.#known ??= { held: this.#fingerprint, reported: null }
    return credentials === null ? this.#broken(findings, this.#known, now) : this.#usable(credentials, this.#known, now)
  }

  #usable(credentials: Credentials, { held, reported }: Known, now: number): Step {
    if (held === this.#fingerprint && reported === null) {
      this.#settled()
      return { kind: 'wait', until: null }
    }
    this.#trouble = null
    this.#usableSince ??= now
    // What never stops changing is given all the same, at long intervals, as long as it fits together.
    const due = Math.min(this.#sameSince + this.#timing.quiet, this.#usableSince + this.#timing.settle)
    if (now < due) return { kind: 'wait', until: due }
    this.#settled()
    this.#known = { held: this.#fingerprint, reported: null }
    return { kind: 'give', credentials }
  }

  #broken(findings: readonly Finding[], { held, reported }: Known, now: number): Step {
    this.#usableSince = null
    this.#brokenSince ??= now
    const name = troubleOf(findings)
    if (name !== this.#trouble?.name) this.#trouble = { name, since: now }
    if (name === reported) return { kind: 'wait', until: null }
    // After a failure was reported, others are reported only if they last themselves.
    const due = (reported === null ? this.#brokenSince : this.#trouble.since) + this.#timing.settle
    if (now < due) return { kind: 'wait', until: due }
    this.#known = { held, reported: name }
    return { kind: 'report', findings }
  }

  #settled(): void {
    this.#brokenSince = null
    this.#usableSince = null
  }
}

/** What is wrong and where, without what changes while a file grows. */
function troubleOf(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const named = errors.map(({ code, details }) => {
    const file = 'file' in details ? details.file : null
    return JSON.stringify([code, file])
  })
  return named.sort().join()
}
