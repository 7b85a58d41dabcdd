/**
 * Revocation by the lists at hand (RFC 5280 section 6.3). A list that cannot be relied on never passes a certificate,
 * and whatever its issuer's key signed as revoked is revoked, even by a list that is faulty otherwise.
 */
import type { FindingDetails } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { REVOCATION_REASONS, type RevocationReason } from '../../x509/crl/distribution-point.js'
import { bytesEqual } from '../../x509/der.js'
import { type FindingCollector, MAX_SHOWN, type PathCertificate, type Rules } from '../context.js'
import { coverageOf, isIndirect, namesAuthority, namesIssuer, otherAuthority, warnAboutCrl } from './crl-rules.js'
import { lookUp, type SignedLists, sortSigned, type StatusSource } from './revocation-sources.js'

/**
 * Checks every certificate of a path but the anchor. A path that does not end at an anchor is not looked at: nobody
 * vouches for the keys that would have signed the lists.
 */
export function checkRevocation(path: readonly PathCertificate[], findings: FindingCollector): void {
  if (findings.rules.crls.length === 0 && findings.rules.revocation !== 'require') return
  if (path.at(-1)?.role === 'anchor') new RevocationCheck(path, findings).run()
}

/** Other trust anchors of the issuer's name by whose keys a list is verified. */
const MAX_OTHER_KEYS = 5

class RevocationCheck {
  readonly #path: readonly PathCertificate[]
  readonly #findings: FindingCollector
  readonly #lists: readonly Crl[]
  /** Which CA of the path signed a list; there is no entry for one that none did. */
  readonly #signers = new Map<Crl, PathCertificate>()
  readonly #signed = new Map<PathCertificate, SignedLists>()
  readonly #needed = new Set<StatusSource>()
  readonly #revoked = new Set<PathCertificate>()
  /** Names of issuers of which a list cannot be used at all, which is reported once for the list. */
  readonly #troubled = new Set<string>()

  constructor(path: readonly PathCertificate[], findings: FindingCollector) {
    this.#path = path
    this.#findings = findings
    const { crls } = findings.rules
    // Each list once, though it may be passed in two files.
    const distinct = crls.filter((crl, i) => !crls.slice(0, i).some((before) => bytesEqual(before.raw, crl.raw)))
    this.#lists = distinct.filter((crl) => this.#isReadable(crl))
  }

  run(): void {
    const issuers = this.#path.slice(1)
    for (const crl of this.#lists) {
      // A path has no two CAs of one name and key.
      const signer = issuers.find(
        ({ certificate }) => crl.issuer.equals(certificate.subject) && crl.isSignedBy(certificate),
      )
      if (signer !== undefined) this.#signers.set(crl, signer)
    }
    for (const issuer of new Set(this.#signers.values())) {
      const own = this.#lists.filter((crl) => this.#signers.get(crl) === issuer)
      this.#signed.set(issuer, sortSigned(issuer, own, this.#findings.rules))
    }
    for (const crl of this.#lists) if (!this.#signers.has(crl)) this.#checkUnsigned(crl)
    for (const subject of this.#path.slice(0, -1)) this.#checkSubject(subject)
    this.#reportLists()
    this.#warnOfEtcd()
  }

  #isReadable({ damage, origin, issuer }: Crl): boolean {
    if (damage === null) return true
    this.#findings.add(null, 'revocation/crl-malformed', { origin, reason: damage })
    this.#troubled.add(issuer.key)
    return false
  }

  #unused({ origin, issuer }: Crl, reason: string): void {
    this.#findings.add(null, 'revocation/crl-unused', { origin, issuer: issuer.toString(), reason })
  }

  /** A list that no CA of the path signed: of a CA that has nothing to do with it, or not what it says it is. */
  #checkUnsigned(crl: Crl): void {
    const { origin, issuer, signatureAlgorithm: made } = crl
    const namesakes = this.#path.slice(1).filter(({ certificate }) => issuer.equals(certificate.subject))
    const [first] = namesakes
    if (first === undefined) {
      // It matters if a certificate says that this CA lists it as well.
      const points = this.#path.flatMap(({ certificate }) => certificate.extensions.crlDistributionPoints ?? [])
      if (isIndirect(crl) && points.some((point) => namesIssuer(point, crl)))
        this.#findings.add(null, 'revocation/crl-extension-refused', { kind: 'indirect', origin })
      else this.#unused(crl, 'that CA issued nothing in the path')
      return
    }
    const other = this.#otherAnchorOf(crl)
    const meant = namesakes.find(({ certificate }) => namesAuthority(crl, certificate))
    if (other !== undefined) {
      const which = `certificate SHA-256 ${other.fingerprint256}`
      this.#unused(crl, `another key of that CA signed it (${which}), which did not sign this path`)
    } else if (meant === undefined && namesakes.some((place) => this.#signed.has(place))) {
      this.#unused(crl, 'another key signed it')
    } else {
      this.#troubled.add(issuer.key)
      if ('unknown' in made) {
        const details = { origin, algorithm: made.unknown, reason: 'unsupported' } as const
        this.#findings.add(null, 'revocation/crl-algorithm-refused', details)
        return
      }
      const otherKey = namesakes.every(({ certificate }) => otherAuthority(crl, certificate) !== null)
      const details = { kind: 'signature', origin, issuer: issuer.toString(), otherKey } as const
      this.#findings.add(meant ?? first, 'revocation/crl-signer-differs', details)
    }
  }

  /** Another trust anchor of the same CA whose key signed the list, as after the CA got a new key. */
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
    const covered = new Set<RevocationReason>()
    const faulty: StatusSource[] = []
    const others: { origin: string; only: string }[] = []
    let isPartly = false
    for (const source of sources) {
      const { list, faults } = source
      // An entry of a list that is not marked as indirect says itself whose certificate it is about.
      const isMarked = list.scope?.indirect === true || list.scope?.onlyAttributeCerts === true
      if (!isMarked) this.#reportRevoked(subject, source)
      if (source.coversNothing) continue
      const coverage = coverageOf(list, certificate)
      if ('only' in coverage) others.push({ origin: list.origin, only: coverage.only })
      else if (faults.errors.length > 0) faulty.push(source)
      else {
        isPartly = true
        for (const reason of coverage.reasons) covered.add(reason)
      }
    }
    const missing = REVOCATION_REASONS.filter((reason) => !covered.has(reason))
    if (missing.length === 0) return
    for (const source of faulty) this.#needed.add(source)
    if (faulty.length > 0 || this.#revoked.has(subject)) return
    if (isPartly) this.#findings.add(subject, 'revocation/crl-scope', { kind: 'reasons', missing })
    else if (others.length > 0)
      this.#findings.add(subject, 'revocation/crl-scope', { kind: 'certificates', lists: others })
    else if (!sources.some(({ coversNothing }) => coversNothing) && !this.#troubled.has(certificate.issuer.key)) {
      // Which CRLs Node lacks for a server, OpenSSL's own choice shows (openssl-path.ts).
      const { usage, revocation, isConnected } = this.#findings.rules
      if (usage !== 'server' || isConnected || revocation === 'require')
        this.#findings.add(subject, 'revocation/no-crl', noCrl(subject, this.#lists, this.#findings.rules))
    }
  }

  /**
   * The sources of a certificate's issuer: lists that the key signed which signed the certificate, or the key of a CA
   * of the same name above it, as if a CA's new key is certified by its old one. Never one below: a CA does not vouch for itself.
   */
  #sourcesFor({ certificate, index }: PathCertificate): StatusSource[] {
    return this.#path
      .slice(index + 1)
      .filter((signer) => signer.certificate.subject.equals(certificate.issuer))
      .flatMap((signer) => this.#signed.get(signer)?.sources ?? [])
  }

  /** Reports a certificate that a source lists. One list that says so is enough. */
  #reportRevoked(subject: PathCertificate, source: StatusSource): void {
    const { serial, serialNumber } = subject.certificate
    const listing = this.#revoked.has(subject) ? null : lookUp(source, serial)
    if (listing === null) return
    this.#revoked.add(subject)
    const { reason, revokedAt, invalidSince } = listing.entry
    const inFuture = revokedAt > this.#findings.rules.at
    const details = { serialNumber, reason, revokedAt, invalidSince, inFuture, crl: listing.list.origin }
    this.#findings.add(subject, 'revocation/revoked', details)
  }

  /** Reports each list once, however many certificates it was asked about. */
  #reportLists(): void {
    const reported = new Set<Crl | PathCertificate>()
    const isFirst = (what: Crl | PathCertificate): boolean => !reported.has(what) && reported.add(what).size > 0
    for (const { sources, findings } of this.#signed.values()) {
      this.#findings.addAll(findings)
      for (const source of sources) {
        const { signer, list, deltas, faults } = source
        for (const each of [list, ...deltas]) if (isFirst(each)) warnAboutCrl(each, this.#findings)
        if (this.#needed.has(source)) {
          // One fault of the CA's certificate, however many lists it signed.
          for (const each of faults.drafts)
            if (each.code !== 'revocation/crl-sign-missing' || isFirst(signer)) this.#findings.drafts.push(each)
        } else if (faults.errors.length > 0)
          this.#unused(list, `it is not needed, and faulty (${faults.drafts[0]?.code ?? ''})`)
      }
    }
  }

  /**
   * Warns of CRLs with which etcd would refuse what is valid: everything, or single certificates. etcd reads one file, no more of it
   * than serial numbers, and refuses every certificate of such a number (etcd client/pkg/transport/listener_tls.go, checkCRL).
   */
  #warnOfEtcd(): void {
    const asPem = this.#lists.filter(({ form }) => form === 'pem').map(({ origin }) => origin)
    if (asPem.length > 0) this.#findings.add(null, 'revocation/crl-form', { kind: 'PEM', origins: [...new Set(asPem)] })
    for (const place of this.#path) {
      const { serial, serialNumber } = place.certificate
      const naming = this.#lists.filter((crl) => crl.entries.entriesOf(serial).length > 0)
      if (this.#revoked.has(place) || naming.length === 0) continue
      const lists = naming.map((crl) => ({ origin: crl.origin, why: this.#whyNotRevoked(place, crl) }))
      this.#findings.add(place, 'revocation/serial-listed', { serialNumber, lists })
    }
  }

  #whyNotRevoked({ certificate, role, index }: PathCertificate, crl: Crl): string {
    if (role === 'anchor') return 'a trust anchor is trusted whatever lists say'
    if (!crl.issuer.equals(certificate.issuer)) return 'the list is of another CA'
    if ((this.#signers.get(crl)?.index ?? 0) <= index) return 'the list is not signed by the key of its issuer'
    const speaksOfOthers = isIndirect(crl) || crl.scope?.onlyAttributeCerts === true
    return speaksOfOthers ? 'the list may mean another certificate' : 'a newer list no longer names it'
  }
}

export function noCrl(
  { role, certificate }: PathCertificate,
  lists: readonly Crl[],
  { usage, revocation, isConnected: connected }: Rules,
): FindingDetails['revocation/no-crl'] {
  return {
    issuer: certificate.issuer.toString(),
    given: [...new Set(lists.map(({ issuer }) => issuer.toString()))].slice(0, MAX_SHOWN),
    ofCa: role !== 'leaf',
    required: revocation === 'require',
    usage,
    connected,
  }
}
