/** The settings that all authorities have: ledger and clock. */
import { randomFillSync } from 'node:crypto'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import { guardedLedger, type Ledger, memoryLedger } from './ledger.js'

/** Options of `createAuthority`, `loadAuthority` and `createIntermediate`. */
export interface AuthoritySettings {
  /**
   * Records issued and revoked certificates: `fileLedger(path)`, or your own store. A certificate is returned only
   * after it is recorded.
   *
   * @default in memory
   */
  ledger?: Ledger | undefined
  /** Returns the time, for tests. @default the machine's time */
  clock?: (() => Date) | undefined
}

export const SETTINGS = ['ledger', 'clock'] as const satisfies (keyof AuthoritySettings)[]

export interface Settings {
  readonly ledger: Ledger
  readonly now: () => Date
  /** Returns the bytes of the next serial number: 1 to 20, of which the first is 1 to 127 (RFC 5280 section 4.1.2.2). */
  readonly nextSerial: () => Uint8Array
  /** Runs one task at a time, so that no entry is added between a task's read of the ledger and its write. */
  readonly runExclusive: <T>(work: () => Promise<T>) => Promise<T>
}

export function readSettings({ ledger = memoryLedger(), clock }: AuthoritySettings): Settings {
  if (clock !== undefined && typeof clock !== 'function') throw valueInvalid('clock', clock, 'a function')
  if (!isLedger(ledger)) throw valueInvalid('ledger', ledger, 'a ledger, such as fileLedger(path) returns')
  let last: Promise<unknown> = Promise.resolve()
  return {
    ledger: guardedLedger(ledger),
    now: () => (clock === undefined ? new Date() : checkNow(clock())),
    nextSerial: randomSerial,
    runExclusive: async (work) => {
      const current = last.then(work)
      // The caller gets the error; the next task only waits for the end.
      last = current.catch(() => undefined)
      return current
    },
  }
}

function isLedger(value: unknown): value is Ledger {
  const { append, read } = Object(value) as Readonly<Record<string, unknown>>
  return typeof append === 'function' && typeof read === 'function'
}

/** The dates that certificates can have (RFC 5280 section 4.1.2.5), less a year for the lifetime. */
export const EARLIEST = Date.UTC(1950, 0, 1)
const LATEST = Date.UTC(9999, 0, 1) - 1

function checkNow(now: unknown): Date {
  if (now instanceof Date && now.getTime() >= EARLIEST && now.getTime() <= LATEST) return now
  throw optionInvalid('clock', 'must return a Date in the years 1950 to 9998')
}

/** A positive number of 16 bytes, of which 126 bits are random. The CA/Browser Forum requires 64 random bits. */
function randomSerial(): Uint8Array {
  const serial = randomFillSync(new Uint8Array(16))
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}
