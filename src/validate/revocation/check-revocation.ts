/**
 * Checks revocation by CRLs (RFC 5280 section 6.3). A faulty CRL never passes a certificate, but it revokes the certificates that it
 * lists if its issuer's key signed it.
 */
import type { FindingDetails } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl, CrlForm } from '../../x509/crl/crl.js'
import { pointText } from '../../x509/crl/distribution-point.js'
import { bytesEqual } from '../../x509/der.js'
import { type FindingCollector, MAX_SHOWN, type PathCertificate, type Rules } from '../context.js'
import { covers, namesAuthority, otherAuthority, warnAboutCrl } from './crl-rules.js'
import { type SortedCrls, sortSigned, type StatusSource } from './revocation-sources.js'

/**
 * Checks every certificate of a path except the anchor, and a leaf that is its own anchor. It skips a path that does not end at an
 * anchor, because the keys that sign its CRLs are not trusted.
 */
export function checkRevocation(path: readonly PathCertificate[], findings: FindingCollector): void {
  const { crls, anchors, revocation } = findings.rules
  const last = path.at(-1)
  if ((crls.length === 0 && revocation !== 'require') || last === undefined) return
  if (last.role === 'anchor') new RevocationCheck(path, findings).run()
  else if (last.index === 0 && anchors.some((anchor) => anchor.equals(last.certificate)))
    new RevocationCheck(path, findings).runForPinned(last)
}

/** Bounds the signatures verified to explain one CRL that no CA of the path signed. */
const MAX_OTHER_KEYS = 5

const UNRELATED = 'that CA issued nothing in the path'

class RevocationCheck {
  readonly #path: readonly PathCertificate[]
  readonly #findings: FindingCollector
  /** All CRLs that can be read: etcd compares the serial numbers of each. */
  readonly #readable: readonly Crl[]
  /** Those that are supported. */
  readonly #crls: readonly Crl[]
  /** The CA of the path that signed each CRL, without the CRLs that none of them signed. */
  readonly #signers = new Map<Crl, PathCertificate>()
  readonly #sorted = new Map<PathCertificate, SortedCrls>()
  /** Faulty sources without which the status of a certificate is unknown. */
  readonly #needed = new Set<StatusSource>()
  readonly #revoked = new Set<PathCertificate>()
  /** Issuers with an unusable CRL, which is reported instead of a missing one. */
  readonly #issuersOfUnusable = new Set<string>()

  constructor(path: readonly PathCertificate[], findings: FindingCollector) {
    this.#path = path
    this.#findings = findings
    const { crls } = findings.rules
    // The caller may pass the same CRL in two files.
    const distinct = crls.filter((crl, i) => !crls.slice(0, i).some((before) => bytesEqual(before.raw, crl.raw)))
    this.#readable = distinct.filter((crl) => this.#isReadable(crl))
    this.#crls = this.#readable.filter((crl) => this.#isSupported(crl))
  }

  run(): void {
    const issuers = this.#path.slice(1)
    for (const crl of this.#crls) {
      // At most one matches: no two CAs of a path have the same name and key.
      const signer = issuers.find(
        ({ certificate }) => crl.issuer.equals(certificate.subject) && crl.isSignedBy(certificate),
      )
      if (signer !== undefined) this.#signers.set(crl, signer)
    }
    for (const issuer of new Set(this.#signers.values())) {
      const own = this.#crls.filter((crl) => this.#signers.get(crl) === issuer)
      this.#sorted.set(issuer, sortSigned(issuer, own, this.#findings.rules))
    }
    for (const crl of this.#crls) if (!this.#signers.has(crl)) this.#checkUnsigned(crl)
    for (const subject of this.#path.slice(0, -1)) this.#checkSubject(subject)
    this.#reportCrls()
    this.#warnOfEtcd()
  }

  /** No certificate of its issuer was given, so no signature can be verified; etcd and OpenSSL compare the serial number. */
  runForPinned(leaf: PathCertificate): void {
    for (const crl of this.#crls) if (crl.issuer.equals(leaf.certificate.issuer)) this.#reportRevoked(leaf, crl)
    this.#warnOfEtcd()
  }

  #isReadable({ damage, origin, issuer }: Crl): boolean {
    if (damage === null) return true
    this.#findings.add(null, 'revocation/crl-malformed', { origin, reason: damage })
    this.#issuersOfUnusable.add(issuer.key)
    return false
  }

  /** Reports a CRL that is not supported as an error if its issuer is one of this path, whichever key signed it. */
  #isSupported(crl: Crl): boolean {
    const { unsupportedScope, origin, issuer } = crl
    if (unsupportedScope === null) return true
    if (this.#path.some(({ certificate }) => issuer.equals(certificate.issuer))) {
      this.#findings.add(null, 'revocation/crl-unsupported', { origin, unsupportedScope, readByEtcd: false })
      this.#issuersOfUnusable.add(issuer.key)
    } else this.#reportUnused(crl, UNRELATED)
    return false
  }

  #reportUnused({ origin, issuer }: Crl, reason: string): void {
    this.#findings.add(null, 'revocation/crl-unused', { origin, issuer: issuer.toString(), reason })
  }

  /** Explains a CRL that no CA of the path signed: it is of an unrelated CA, or its signature is wrong. */
  #checkUnsigned(crl: Crl): void {
    const { origin, issuer, signatureAlgorithm } = crl
    const sameName = this.#path.slice(1).filter(({ certificate }) => issuer.equals(certificate.subject))
    const [first] = sameName
    if (first === undefined) {
      this.#reportUnused(crl, UNRELATED)
      return
    }
    const other = this.#otherAnchorOf(crl)
    const named = sameName.find(({ certificate }) => namesAuthority(crl, certificate))
    if (other !== undefined) {
      const which = `certificate SHA-256 ${other.fingerprint256}`
      this.#reportUnused(crl, `another key of that CA signed it (${which}), which did not sign this path`)
    } else if (named === undefined && sameName.some((place) => this.#sorted.has(place))) {
      this.#reportUnused(crl, 'another key signed it')
    } else {
      this.#issuersOfUnusable.add(issuer.key)
      if ('unknown' in signatureAlgorithm) {
        const details = { origin, algorithm: signatureAlgorithm.unknown, reason: 'unsupported' } as const
        this.#findings.add(null, 'revocation/crl-algorithm-refused', details)
        return
      }
      const otherKey = sameName.every(({ certificate }) => otherAuthority(crl, certificate) !== null)
      const details = { kind: 'signature', origin, issuer: issuer.toString(), otherKey } as const
      this.#findings.add(named ?? first, 'revocation/crl-signer-differs', details)
    }
  }

  /** Another trust anchor of the same name whose key signed the CRL, for example the old key of the CA. */
  #otherAnchorOf(crl: Crl): Certificate | undefined {
    const isInPath = (anchor: Certificate): boolean => this.#path.some(({ certificate }) => certificate.equals(anchor))
    return this.#findings.rules.anchors
      .filter((anchor) => crl.issuer.equals(anchor.subject) && !isInPath(anchor))
      .slice(0, MAX_OTHER_KEYS)
      .find((anchor) => crl.isSignedBy(anchor))
  }

  #checkSubject(subject: PathCertificate): void {
    const { certificate } = subject
    const sources = this.#sourcesFor(subject)
    for (const { crl } of sources) this.#reportRevoked(subject, crl)
    const covering = sources.filter(({ crl }) => covers(crl, certificate))
    if (covering.some(({ faults }) => faults.errors.length === 0)) return
    for (const source of covering) this.#needed.add(source)
    if (covering.length > 0 || this.#revoked.has(subject)) return
    if (sources.length > 0) {
      const lists = sources.flatMap(({ crl: { origin, distributionPoint: point } }) =>
        point === null ? [] : { origin, point: pointText(point) },
      )
      this.#findings.add(subject, 'revocation/crl-scope', { lists })
    } else if (!this.#issuersOfUnusable.has(certificate.issuer.key)) {
      // For a server, openssl-path.ts reports the missing CRLs, because Node refuses it without them.
      const { usage, revocation, isConnected } = this.#findings.rules
      if (usage !== 'server' || isConnected || revocation === 'require')
        this.#findings.add(subject, 'revocation/no-crl', noCrl(subject, this.#crls, this.#findings.rules))
    }
  }

  /**
   * CRLs of the key that signed the certificate, or of a CA of the same name further up, for example the old key of a CA that
   * certified its new one. A CA further down cannot confirm its own status.
   */
  #sourcesFor({ certificate, index }: PathCertificate): StatusSource[] {
    return this.#path
      .slice(index + 1)
      .filter((signer) => signer.certificate.subject.equals(certificate.issuer))
      .flatMap((signer) => this.#sorted.get(signer)?.sources ?? [])
  }

  /** Reports the first CRL that lists the certificate. */
  #reportRevoked(subject: PathCertificate, crl: Crl): void {
    const entry = crl.find(subject.certificate)
    if (entry === null || this.#revoked.has(subject)) return
    this.#revoked.add(subject)
    const { reason, revokedAt, invalidSince } = entry
    const { serialNumber } = subject.certificate
    const inFuture = revokedAt > this.#findings.rules.at
    const details = { serialNumber, reason, revokedAt, invalidSince, inFuture, crl: crl.origin }
    this.#findings.add(subject, 'revocation/revoked', details)
  }

  #reportCrls(): void {
    const mute = new Set<PathCertificate>()
    for (const { sources, findings } of this.#sorted.values()) {
      this.#findings.addAll(findings)
      for (const source of sources) {
        const { signer, crl, faults } = source
        warnAboutCrl(crl, this.#findings)
        if (this.#needed.has(source)) {
          // A missing cRLSign is a fault of the CA certificate, so it is reported once for all its CRLs.
          for (const each of faults.drafts)
            if (each.code !== 'revocation/crl-sign-missing' || !mute.has(signer)) this.#findings.drafts.push(each)
          mute.add(signer)
        } else if (faults.errors.length > 0)
          this.#reportUnused(crl, `it is not needed, and faulty (${faults.drafts[0]?.code ?? ''})`)
      }
    }
  }

  /**
   * Warns of CRLs with which etcd refuses valid certificates. etcd reads one file, compares only serial numbers, and refuses every
   * certificate with a listed one (etcd client/pkg/transport/listener_tls.go, checkCRL).
   */
  #warnOfEtcd(): void {
    const originsOf = (form: CrlForm): string[] => [
      ...new Set(this.#readable.filter((crl) => crl.form === form).map(({ origin }) => origin)),
    ]
    const [asPem, asText] = [originsOf('pem'), originsOf('text')]
    if (asPem.length > 0) this.#findings.add(null, 'revocation/crl-form', { kind: 'PEM', origins: asPem })
    if (asText.length > 0) {
      const details = { kind: 'text', origins: asText, usage: this.#findings.rules.usage } as const
      this.#findings.add(null, 'revocation/crl-form', details)
    }
    for (const place of this.#path) {
      const { serialNumber } = place.certificate
      const listing = this.#readable.filter((crl) => crl.find(place.certificate) !== null)
      if (this.#revoked.has(place) || listing.length === 0) continue
      const lists = listing.map((crl) => ({ origin: crl.origin, why: this.#whyNotRevoked(place, crl) }))
      this.#findings.add(place, 'revocation/serial-listed', { serialNumber, lists })
    }
  }

  #whyNotRevoked({ certificate, role, index }: PathCertificate, crl: Crl): string {
    if (role === 'anchor') return 'a trust anchor is trusted whatever lists say'
    if (!crl.issuer.equals(certificate.issuer)) return 'the list is of another CA'
    if (crl.unsupportedScope !== null) return 'the list is not supported'
    if ((this.#signers.get(crl)?.index ?? 0) <= index) return 'the list is not signed by the key of its issuer'
    return 'a newer list no longer names it'
  }
}

export function noCrl(
  { role, certificate }: PathCertificate,
  crls: readonly Crl[],
  { usage, revocation, isConnected: connected }: Rules,
): FindingDetails['revocation/no-crl'] {
  return {
    issuer: certificate.issuer.toString(),
    given: [...new Set(crls.map(({ issuer }) => issuer.toString()))].slice(0, MAX_SHOWN),
    ofCa: role !== 'leaf',
    required: revocation === 'require',
    usage,
    connected,
  }
}
