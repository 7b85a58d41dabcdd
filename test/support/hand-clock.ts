/** Clocks that a test moves by hand: nothing waits for time. */
import type { Timing } from '../../src/authority/renewing-source.js'

interface Wait {
  readonly until: number
  readonly end: () => void
}

export interface HandClock extends Timing {
  /** Lets time go by: the time of day, and every wait that ends by then. */
  advance(milliseconds: number): void
  /** Sets the time of day, as a person or a time server does; no wait ends by it. */
  set(time: Date): void
  /** How long the waits under way have to go, in milliseconds. */
  readonly waits: number[]
}

export function handClock(start = new Date('2026-06-01T00:00:00Z')): HandClock {
  let elapsed = 0
  let day = start.getTime()
  const waits = new Set<Wait>()
  return {
    now: () => new Date(day),
    elapsed: () => elapsed,
    wait: (milliseconds, signal) =>
      new Promise<void>((resolve) => {
        if (signal.aborted) {
          resolve()
          return
        }
        const wait: Wait = {
          until: elapsed + milliseconds,
          end: () => {
            waits.delete(wait)
            signal.removeEventListener('abort', wait.end)
            resolve()
          },
        }
        signal.addEventListener('abort', wait.end)
        waits.add(wait)
      }),
    advance: (milliseconds) => {
      elapsed += milliseconds
      day += milliseconds
      for (const wait of [...waits]) if (wait.until <= elapsed) wait.end()
    },
    set: (time) => {
      day = time.getTime()
    },
    get waits() {
      return [...waits].map(({ until }) => until - elapsed)
    },
  }
}
