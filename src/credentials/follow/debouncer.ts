/** Decides, read after read, what a consumer is given. It reads nothing and waits for nothing. */
import type { Finding } from '../../report/finding.js'
import type { MaterialReading } from '../assemble.js'
import type { Credentials } from '../credentials.js'
import { fingerprintOf } from '../fingerprint.js'
import type { Known } from './credential-iterator.js'
import type { WatchTiming } from './watched-files.js'

/** What follows from a read. */
export type Step =
  | { readonly kind: 'give'; readonly credentials: Credentials }
  | { readonly kind: 'report'; readonly findings: readonly Finding[] }
  /** Read again when something changes, and at this time in any case; null for no time. */
  | { readonly kind: 'wait'; readonly until: number | null }

/** The state of one consumer. Times are milliseconds of a monotonic clock. */
export class Debouncer {
  readonly #timing: WatchTiming
  /** Undefined if the consumer has what the first read finds. */
  #known: Known | undefined
  #contents: string | null = null
  #reading: MaterialReading = { credentials: null, findings: [] }
  #fingerprint: string | null = null
  /** Since when the credentials are the same. */
  #sameSince = 0
  /** Since when nothing lasted that can be given. */
  #brokenSince: number | null = null
  /** The current failure, and since when it is the same; null for none. */
  #trouble: { readonly name: string; readonly since: number } | null = null
  /** Since when there is something new that can be used, even if it keeps changing. */
  #usableSince: number | null = null

  constructor(timing: WatchTiming, known: Known | undefined) {
    this.#timing = timing
    this.#known = known
  }

  get known(): Known {
    return this.#known ?? { held: this.#fingerprint, reported: null }
  }

  /** @param read Reads the contents; called only if `contents` differs from the last call. */
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
    this.#known = this.known
    return credentials === null ? this.#broken(findings, this.#known, now) : this.#usable(credentials, this.#known, now)
  }

  #usable(credentials: Credentials, { held, reported }: Known, now: number): Step {
    if (held === this.#fingerprint && reported === null) {
      this.#settled()
      return { kind: 'wait', until: null }
    }
    this.#trouble = null
    this.#usableSince ??= now
    // What never stops changing is given, too, at long intervals, as long as it fits together.
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

/** The codes and files of the errors, without what changes while a file grows. */
function troubleOf(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const named = errors.map(({ code, details }) => {
    const file = 'file' in details ? details.file : null
    return JSON.stringify([code, file])
  })
  return named.sort().join()
}
