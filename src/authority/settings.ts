/** What every authority is told beside what it is: which crypto works, where issued serials are noted, which clock counts. */
import { randomFillSync } from 'node:crypto'
import { optionInvalid } from '../report/option-error.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { type KeyMaker, keyMaker } from './keys.js'
import { guardedLedger, type Ledger, memoryLedger } from './ledger.js'
import { checkCrypto } from './options.js'

/** Options of `createAuthority`, `loadAuthority` and `createIntermediate` alike. */
export interface AuthoritySettings {
  /**
   * The Web Crypto implementation that makes the keys of what is issued, and that signs. Default: @peculiar/webcrypto's; what
   * that would have node:crypto do (RSA keys, keys on NIST curves, signatures) is asked of node:crypto directly, and is
   * quicker. Keys are made extractable, since they end in files.
   */
  crypto?: WebCrypto | undefined
  /**
   * Where issued and revoked serial numbers are noted: `fileLedger(path)`, or a store of your own. A certificate is handed
   * out only after it is noted. Default: in memory, as long as the authority lives.
   */
  ledger?: Ledger | undefined
  /** The time. Default: that of the machine. For tests, and for issuing as of another moment. */
  clock?: (() => Date) | undefined
  /**
   * Gives the octets of the next serial number: 1 to 20, of which the first is 1 to 127 (RFC 5280 section 4.1.2.2). For
   * tests, and for serial numbers that come from elsewhere. Default: 16 octets, 126 bits of them random.
   */
  serialNumbers?: (() => Uint8Array) | undefined
}

export const SETTINGS = ['crypto', 'ledger', 'clock', 'serialNumbers'] as const satisfies (keyof AuthoritySettings)[]

/** The settings as they are used. */
export interface Settings {
  /** null for the default. */
  readonly crypto: WebCrypto | null
  readonly makeKey: KeyMaker
  readonly ledger: Ledger
  readonly now: () => Date
  readonly nextSerial: () => Uint8Array
  /** Runs works on the ledger one after another: those that read it, decide by it and add to it. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readSettings(given: AuthoritySettings): Settings {
  checkCrypto(given.crypto, 'crypto')
  checkFunction(given.clock, 'clock')
  checkFunction(given.serialNumbers, 'serialNumbers')
  const ledger = given.ledger ?? memoryLedger()
  if (!isLedger(ledger)) throw optionInvalid('ledger', 'must be a ledger, such as fileLedger(path) gives')
  const { clock, serialNumbers, crypto } = given
  return {
    crypto: crypto ?? null,
    makeKey: keyMaker(crypto ?? null),
    ledger: guardedLedger(ledger),
    now: () => readClock(clock),
    nextSerial: () => (serialNumbers === undefined ? randomSerial(crypto ?? null) : checkSerial(serialNumbers())),
    inTurn: oneAfterAnother(),
  }
}

function oneAfterAnother(): Settings['inTurn'] {
  let last: Promise<unknown> = Promise.resolve()
  return async (work) => {
    const mine = last.then(work, work)
    // Kept without its outcome, which is the caller's own.
    last = mine.then(
      () => undefined,
      () => undefined,
    )
    return mine
  }
}

function checkFunction(value: unknown, option: string): void {
  if (value !== undefined && typeof value !== 'function') throw optionInvalid(option, 'must be a function')
}

function isLedger(value: unknown): value is Ledger {
  return (
    typeof value === 'object' &&
    value !== null &&
    'append' in value &&
    'read' in value &&
    typeof value.append === 'function' &&
    typeof value.read === 'function'
  )
}

/** The dates that certificates can carry (RFC 5280 section 4.1.2.5), and a year for what is issued. */
export const EARLIEST = Date.UTC(1950, 0, 1)
const LATEST = Date.UTC(9999, 0, 1) - 1

function readClock(clock: (() => Date) | undefined): Date {
  if (clock === undefined) return new Date()
  const now: unknown = clock()
  if (!(now instanceof Date) || !(now.getTime() >= EARLIEST && now.getTime() <= LATEST))
    throw optionInvalid('clock', 'must give a Date in the years 1950 to 9998')
  return now
}

/** RFC 5280 section 4.1.2.2: positive, and at most 20 octets. */
function checkSerial(serial: unknown): Uint8Array {
  const right =
    serial instanceof Uint8Array &&
    serial.length > 0 &&
    serial.length <= 20 &&
    (serial[0] ?? 0) > 0 &&
    (serial[0] ?? 0) < 0x80
  if (!right) throw optionInvalid('serialNumbers', 'must give 1 to 20 octets, of which the first is 1 to 127')
  return Uint8Array.from(serial) // its own: whoever gave it may use the array again
}

/**
 * A serial number of exactly 16 octets, positive and never zero; 126 of its bits are random. RFC 5280 section 4.1.2.2
 * allows up to 20 octets, and the CA/Browser Forum asks for 64 random bits.
 */
function randomSerial(crypto: WebCrypto | null): Uint8Array {
  const octets = new Uint8Array(16)
  if (crypto === null) randomFillSync(octets)
  else crypto.getRandomValues(octets)
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40
  return octets
}
