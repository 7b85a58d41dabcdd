/** What an etcd has written, line by line, and the wait for a line that is still to come. */

/** Lines kept; an etcd that is left running for hours must not fill the memory of its test. */
const MAX_LINES = 5_000

interface Waiter {
  readonly pattern: RegExp
  readonly settle: (line: string) => void
}

export class LogBuffer {
  readonly #lines: string[] = []
  readonly #waiters = new Set<Waiter>()
  #rest = ''

  /** Takes the next piece of output; it may end in the middle of a line. */
  write(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#add(line)
  }

  /** Ends a line that has no line break, as the last words of a process may. */
  end(): void {
    if (this.#rest !== '') this.#add(this.#rest)
    this.#rest = ''
  }

  /** Every line so far, oldest first. */
  lines(): string[] {
    return [...this.#lines]
  }

  /** Forgets the lines so far, so that a later wait sees only what comes after. */
  clear(): void {
    this.#lines.length = 0
    this.#rest = ''
  }

  /**
   * Resolves with the first line that matches, also one that was written before. Rejects with the reason of `signal`.
   */
  async waitFor(pattern: RegExp, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    // A pattern with the flags g or y remembers where it stopped; it would miss every other line.
    const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    const seen = this.#lines.find((line) => stateless.test(line))
    if (seen !== undefined) return seen
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiters.delete(waiter)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        done()
        reject(signal.reason as Error)
      }
      const waiter: Waiter = {
        pattern: stateless,
        settle: (line) => {
          done()
          resolve(line)
        },
      }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  #add(raw: string): void {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    this.#lines.push(line)
    if (this.#lines.length > MAX_LINES) this.#lines.shift()
    for (const waiter of this.#waiters) {
      if (waiter.pattern.test(line)) waiter.settle(line)
    }
  }
}
