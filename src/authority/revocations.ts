/** What a ledger holds against issuing: certificates that were revoked, and keys that were compromised. */
import { ledger as rows } from '../report/catalogue/ledger.js'
import { findingMaker } from '../report/finding.js'
import type { Certificate } from '../x509/certificate.js'
import { type Issuer, keyFingerprint } from './issuer.js'
import type { Ledger, LedgerEntry, RevokedEntry, RevokeReason } from './ledger.js'
import { issueRefused } from './refuse.js'

const finding = findingMaker(rows)

/** RFC 5280 section 5.3.1: the reasons by which somebody else may have the private key. */
const COMPROMISED: readonly RevokeReason[] = ['keyCompromise', 'cACompromise', 'aACompromise']

/** The revocations of a ledger at one moment. */
export class Revocations {
  readonly #certificates = new Map<string, RevokedEntry>()
  readonly #keys = new Map<string, RevokedEntry>()

  constructor(entries: readonly LedgerEntry[]) {
    for (const entry of entries) {
      if (entry.kind !== 'revoked') continue
      this.#certificates.set(`${entry.issuer} ${entry.serialNumber}`, entry)
      const isCompromised = COMPROMISED.includes(entry.reason)
      if (isCompromised && entry.keyFingerprint256 !== null) this.#keys.set(entry.keyFingerprint256, entry)
    }
  }

  static async read(ledger: Ledger): Promise<Revocations> {
    return new Revocations(await ledger.read())
  }

  /**
   * Renewal must not undo a revocation.
   *
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the certificate was revoked, with the finding `ledger/certificate-revoked`.
   */
  refuseCertificate({ certificate, chain }: Issuer, leaf: Certificate): void {
    const ca = [certificate, ...chain].find((each) => leaf.issuer.equals(each.subject) && leaf.isSignedBy(each))
    if (ca === undefined) return
    const entry = this.#certificates.get(`${keyFingerprint(ca.spki)} ${leaf.serialNumber}`)
    if (entry === undefined) return
    const { serialNumber, reason, at } = entry
    const found = finding('ledger/certificate-revoked', {
      subject: leaf.subject.toString(),
      serialNumber,
      reason,
      revokedAt: at,
    })
    throw issueRefused(`${found.message} ${found.remedy}`, { findings: [found] })
  }

  /**
   * A key that somebody else may have is not certified again, by whatever name.
   *
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`, with the finding `ledger/key-compromised`.
   */
  refuseKey(spki: Uint8Array): void {
    const keyFingerprint256 = keyFingerprint(spki)
    const entry = this.#keys.get(keyFingerprint256)
    if (entry === undefined) return
    const { serialNumber, reason, at } = entry
    const found = finding('ledger/key-compromised', { keyFingerprint256, serialNumber, reason, revokedAt: at })
    throw issueRefused(`${found.message} ${found.remedy}`, { findings: [found] })
  }
}
