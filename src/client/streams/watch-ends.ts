/**
 * Why watches ended. etcd3 makes the error of a watch that etcd canceled from the text of the reason alone; the error that explains
 * the reason waits here until etcd3 has emitted its own.
 */
import type { EtcdMtlsError } from '../../report/errors.js'

/** A caller that closes its stream never reads the end of a watch: what waits must not grow without limit. */
const MAX_KEPT = 1000

export class WatchEnds {
  readonly #causes = new Map<string, EtcdMtlsError>()

  /** @param reason The text that etcd3 is given. It names the keys: two watches with the same text have the same cause. */
  note(reason: string, cause: EtcdMtlsError): void {
    this.#causes.set(reason, cause)
    for (const oldest of this.#causes.keys()) {
      if (this.#causes.size <= MAX_KEPT) break
      this.#causes.delete(oldest)
    }
  }

  causeOf(reason: string): EtcdMtlsError | null {
    return this.#causes.get(reason) ?? null
  }
}
