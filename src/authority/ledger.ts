/** The ledger: which certificates and CRLs an authority has issued, and which certificates it has revoked. */
import { isError, isEtcdMtlsError } from '../report/errors.js'
import { REVOCATION_REASONS, type RevocationReason } from '../x509/crl/distribution-point.js'
import { issueRefused, withTimeout } from './refuse.js'

/**
 * Why a certificate was revoked (RFC 5280 section 5.3.1). A hold is not possible: etcd reads only serial numbers, so every
 * certificate in a CRL is refused.
 */
export type RevokeReason = Exclude<RevocationReason, 'certificateHold'> | 'unspecified'

export const REVOKE_REASONS: readonly RevokeReason[] = [
  'unspecified',
  ...REVOCATION_REASONS.filter((reason) => reason !== 'certificateHold'),
]

/** An entry of a ledger: a certificate that was issued or revoked, or a CRL that was issued. */
export type LedgerEntry =
  | {
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
  | {
      readonly kind: 'revoked'
      readonly serialNumber: string
      readonly issuer: string
      readonly reason: RevokeReason
      /** As of an issued certificate; null if only the serial number is known, as from a CRL. */
      readonly keyFingerprint256: string | null
      /** Since when the certificate is revoked. */
      readonly at: Date
    }
  | {
      readonly kind: 'crl'
      /** The CRL number (RFC 5280 section 5.2.3). */
      readonly number: bigint
      readonly issuer: string
      readonly at: Date
    }

export type IssuedEntry = Extract<LedgerEntry, { kind: 'issued' }>
export type RevokedEntry = Extract<LedgerEntry, { kind: 'revoked' }>

/**
 * Records what an authority issued and revoked. Several authorities can share one. Use `fileLedger`, or write your own
 * for another store.
 */
export interface Ledger {
  /** Adds entries at the end, all or none. Resolves when they are stored. */
  append(entries: readonly LedgerEntry[]): Promise<void>
  /** All entries, in that order. */
  read(): Promise<readonly LedgerEntry[]>
}

/** A ledger in memory. An issued certificate is removed after it has expired, unless it was revoked. */
export function memoryLedger(): Ledger {
  let entries: LedgerEntry[] = []
  let pruneAt = 1024
  return {
    append: async (more) => {
      for (const each of more) entries.push(each)
      if (entries.length > pruneAt) {
        entries = withoutExpired(entries)
        // Doubling keeps the average cost of an entry constant.
        pruneAt = Math.max(1024, 2 * entries.length)
      }
      return Promise.resolve()
    },
    read: async () => Promise.resolve([...entries]),
  }
}

/** Uses the time of the newest entry, because an authority may have its own clock. */
function withoutExpired(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const key = ({ issuer, serialNumber }: IssuedEntry | RevokedEntry): string => `${issuer} ${serialNumber}`
  const now = entries.reduce((latest, { at }) => Math.max(latest, at.getTime()), -Infinity)
  // The issued entry of a revoked certificate stays: a CRL lists the certificate until its notAfter.
  const revoked = new Set(entries.flatMap((each) => (each.kind === 'revoked' ? [key(each)] : [])))
  return entries.filter((each) => each.kind !== 'issued' || each.notAfter.getTime() >= now || revoked.has(key(each)))
}

/** Milliseconds. A file ledger waits up to two minutes for the lock of another process. */
const LEDGER_TIMEOUT = 180_000

/**
 * Wraps the caller's ledger: every failure is an EtcdMtlsError, a timeout included. After a timeout the store may still record an
 * entry, whose certificate was not returned.
 */
export function guardedLedger(ledger: Ledger): Ledger {
  const guarded = async <T>(failure: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await withTimeout(LEDGER_TIMEOUT, 'The ledger', work())
    } catch (cause) {
      if (isEtcdMtlsError(cause)) throw cause
      throw issueRefused(`${failure}: ${isError(cause) ? cause.message : String(cause)}`, { cause })
    }
  }
  return {
    append: async (entries) =>
      guarded('The ledger did not record it, so nothing was returned', async () => ledger.append(entries)),
    read: async () => {
      const entries: unknown = await guarded('The ledger cannot be read', async () => ledger.read())
      if (Array.isArray(entries)) return entries as LedgerEntry[] // as its type promises
      throw issueRefused('The ledger cannot be read: it did not return a list of entries')
    },
  }
}
