/** The ledger: which serial numbers an authority has issued and revoked, and which revocation lists it has given out. */
import { isError, isEtcdMtlsError } from '../report/errors.js'
import type { RevocationReason } from '../x509/distribution-point.js'
import { withTimeout } from './with-timeout.js'
import { issueRefused } from './refuse.js'

/** A certificate that was issued. */
export interface IssuedEntry {
  readonly kind: 'issued'
  /** Upper-case hexadecimal, as `Certificate.serialNumber`. */
  readonly serialNumber: string
  /** The CA that signed: SHA-256 of its public key, as lower-case hexadecimal. */
  readonly issuer: string
  /** RFC 4514. */
  readonly subject: string
  /** `server`, `peer`, `client` or `ca`. */
  readonly role: string
  readonly notAfter: Date
  /** As `Certificate.fingerprint256`. */
  readonly fingerprint256: string
  /** SHA-256 of its public key (SubjectPublicKeyInfo), as lower-case hexadecimal. */
  readonly keyFingerprint256: string
  /** When it was issued. */
  readonly at: Date
}

/**
 * Why a certificate was revoked (RFC 5280 section 5.3.1). A hold is none of them: etcd knows serial numbers alone, so that
 * whatever is on a list is out.
 */
export type RevokeReason = Exclude<RevocationReason, 'certificateHold'> | 'unspecified'

/** All of them. */
export const REVOKE_REASONS: readonly RevokeReason[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
  'aACompromise',
]

/** A certificate that was revoked. */
export interface RevokedEntry {
  readonly kind: 'revoked'
  readonly serialNumber: string
  readonly issuer: string
  readonly reason: RevokeReason
  /** That of the certificate's public key; null if only its serial number is known, as from a CRL. */
  readonly keyFingerprint256: string | null
  /** Since when. */
  readonly at: Date
}

/** A revocation list that was given out. */
export interface CrlNumberEntry {
  readonly kind: 'crl'
  /** The CRL number (RFC 5280 section 5.2.3). */
  readonly number: bigint
  readonly issuer: string
  readonly at: Date
}

export type LedgerEntry = IssuedEntry | RevokedEntry | CrlNumberEntry

/**
 * Where an authority notes what it did, and reads what is to be revoked. Several authorities may share one: each entry
 * names its CA. `fileLedger` is one; any store that keeps the order can be another.
 */
export interface Ledger {
  /** Adds entries at the end, all or none. Resolves once they are safe: only then is a certificate handed out. */
  append(entries: readonly LedgerEntry[]): Promise<void>
  /** Everything that was added, in that order. */
  read(): Promise<readonly LedgerEntry[]>
}

/** A ledger that lasts as long as the object. What is issued is forgotten once it has expired, unless it was revoked. */
export function memoryLedger(): Ledger {
  let entries: LedgerEntry[] = []
  let pruneAt = 1024
  return {
    append: async (more) => {
      for (const each of more) entries.push(each)
      if (entries.length > pruneAt) {
        entries = withoutExpired(entries)
        // Pruned again at twice the size: the work for each entry stays the same, however many there are.
        pruneAt = Math.max(1024, 2 * entries.length)
      }
      return Promise.resolve()
    },
    read: async () => Promise.resolve([...entries]),
  }
}

/** The time is that of the newest entry: an authority may have a clock of its own. */
function withoutExpired(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const key = ({ issuer, serialNumber }: IssuedEntry | RevokedEntry): string => `${issuer} ${serialNumber}`
  const now = entries.reduce((latest, { at }) => Math.max(latest, at.getTime()), -Infinity)
  // A revocation list names what was revoked until it has expired, and learns of that here.
  const revoked = new Set(entries.flatMap((each) => (each.kind === 'revoked' ? [key(each)] : [])))
  return entries.filter((each) => each.kind !== 'issued' || each.notAfter.getTime() >= now || revoked.has(key(each)))
}

/** Milliseconds that a ledger may take. A file waits up to two minutes for the lock that another process holds. */
const LONGEST_WAIT = 180_000

/**
 * The same ledger, whose calls reject with an error of this package, and reject at all.
 *
 * What was not noted is not handed out. A store that notes it after its time is up holds a certificate that nobody has.
 */
export function guardedLedger(ledger: Ledger): Ledger {
  return {
    append: async (entries) => {
      await told('The ledger did not note it, so nothing was handed out', async () => ledger.append(entries))
    },
    read: async () => {
      const given = await told('The ledger cannot be read', async () => ledger.read())
      const list: unknown = given
      if (!Array.isArray(list)) throw issueRefused('The ledger cannot be read: it gave no list of entries')
      return given
    },
  }
}

async function told<T>(failure: string, work: () => Promise<T>): Promise<T> {
  try {
    return await withTimeout(LONGEST_WAIT, 'The ledger', work())
  } catch (cause) {
    if (isEtcdMtlsError(cause)) throw cause
    const words = isError(cause) ? cause.message : String(cause)
    throw issueRefused(`${failure}: ${words}`, { cause })
  }
}
