/** The settings that all authorities have: crypto, ledger, clock and serial numbers. */
import { randomFillSync } from 'node:crypto'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { type KeyMaker, keyMaker } from './keys.js'
import { guardedLedger, type Ledger, memoryLedger } from './ledger.js'
import { checkCrypto } from './options.js'

/** Options of `createAuthority`, `loadAuthority` and `createIntermediate`. */
export interface AuthoritySettings {
  /**
   * The Web Crypto implementation that makes keys and signs. Default: @peculiar/webcrypto; RSA keys, keys on NIST curves
   * and signatures are made by node:crypto directly, which is faster. Keys are extractable, because they are written to
   * files.
   */
  crypto?: WebCrypto | undefined
  /**
   * Records issued and revoked certificates: `fileLedger(path)`, or your own store. A certificate is returned only
   * after it is recorded. Default: in memory.
   */
  ledger?: Ledger | undefined
  /** Returns the time, for tests. Default: the machine's time. */
  clock?: (() => Date) | undefined
  /**
   * Returns the bytes of the next serial number: 1 to 20, of which the first is 1 to 127 (RFC 5280 section 4.1.2.2). For
   * tests, and for serial numbers from elsewhere. Default: 16 bytes with 126 random bits.
   */
  serialNumbers?: (() => Uint8Array) | undefined
}

export const SETTINGS = ['crypto', 'ledger', 'clock', 'serialNumbers'] as const satisfies (keyof AuthoritySettings)[]

export interface Settings {
  /** null for the default. */
  readonly crypto: WebCrypto | null
  readonly makeKey: KeyMaker
  readonly ledger: Ledger
  readonly now: () => Date
  readonly nextSerial: () => Uint8Array
  /** Runs one task at a time, so that no entry is added between a task's read of the ledger and its write. */
  readonly runExclusive: <T>(work: () => Promise<T>) => Promise<T>
}

export function readSettings({ crypto, ledger = memoryLedger(), clock, serialNumbers }: AuthoritySettings): Settings {
  checkCrypto(crypto, 'crypto')
  for (const [option, value] of Object.entries<unknown>({ clock, serialNumbers })) {
    if (value !== undefined && typeof value !== 'function') throw valueInvalid(option, value, 'a function')
  }
  if (!isLedger(ledger)) throw valueInvalid('ledger', ledger, 'a ledger, such as fileLedger(path) returns')
  let last: Promise<unknown> = Promise.resolve()
  return {
    crypto: crypto ?? null,
    makeKey: keyMaker(crypto ?? null),
    ledger: guardedLedger(ledger),
    now: () => (clock === undefined ? new Date() : checkNow(clock())),
    nextSerial: () => (serialNumbers === undefined ? randomSerial(crypto) : checkSerial(serialNumbers())),
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

function checkSerial(serial: unknown): Uint8Array {
  const [first = 0] = serial instanceof Uint8Array && serial.length <= 20 ? serial : []
  // Copied, because the caller may reuse the array.
  if (serial instanceof Uint8Array && first > 0 && first < 0x80) return Uint8Array.from(serial)
  throw optionInvalid('serialNumbers', 'must return 1 to 20 bytes, of which the first is 1 to 127')
}

/** A positive number of 16 bytes, of which 126 bits are random. The CA/Browser Forum requires 64 random bits. */
function randomSerial(crypto: WebCrypto | undefined): Uint8Array {
  const serial = new Uint8Array(16)
  if (crypto === undefined) randomFillSync(serial)
  else crypto.getRandomValues(serial)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}
