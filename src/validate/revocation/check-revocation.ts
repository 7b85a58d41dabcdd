/**
 * Checks revocation by CRLs (RFC 5280 section 6.3). A faulty CRL never passes a certificate, but it revokes the certificates that it
 * lists if its issuer's key signed it.
 */
import type { FindingDetails } from '../../report/finding.js'
import { signatureText } from '../../x509/algorithms.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl, CrlForm } from '../../x509/crl/crl.js'
import { pointText } from '../../x509/crl/distribution-point.js'
import { bytesEqual } from '../../x509/der.js'
import { type FindingCollector, MAX_SHOWN, type PathCertificate, type Rules } from '../context.js'
import { covers, hasBegun, namesAuthority, otherAuthority, warnAboutCrl } from './crl-rules.js'
import { replaces, type SortedCrls, sortSigned, type StatusSource } from './revocation-sources.js'

/**
 * Checks every certificate of a path except the anchor, and a leaf that is its own anchor. It skips a path that does not end at an
 * anchor, because the keys that sign its CRLs are not trusted.
 */
export function checkRevocation(path: readonly PathCertificate[], findings: FindingCollector): void {
  const { crls, anchors, revocation } = findings.rules
  if (crls.length === 0 && revocation !== 'require') return
  const end = endOf(path, anchors)
  if (end?.role === 'anchor') new RevocationCheck(path, findings).run()
  else if (end !== null) new RevocationCheck(path, findings).runForPinned(end)
}

function endOf(path: readonly PathCertificate[], anchors: readonly Certificate[]): PathCertificate | null {
  const last = path.at(-1)
  if (last === undefined || last.role === 'anchor') return last ?? null
  return last.index === 0 && anchors.some((anchor) => anchor.equals(last.certificate)) ? last : null
}

function distinct(crls: readonly Crl[]): Crl[] {
  // The caller may pass the same CRL in two files.
  return crls.filter((crl, i) => !crls.slice(0, i).some((before) => bytesEqual(before.raw, crl.raw)))
}

/** Bounds the signatures verified to explain one CRL that no CA of the path signed. */
const MAX_OTHER_KEYS = 5

const UNRELATED = 'that CA issued nothing in the path'

class RevocationCheck {
  readonly #path: readonly PathCertificate[]
  readonly #findings: FindingCollector
  /** All CRLs that can be read. */
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
    this.#readable = distinct(findings.rules.crls).filter((crl) => this.#isReadable(crl))
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
    this.#warnOfForm()
  }

  /** No certificate of its issuer was given, so no signature can be verified; etcd and OpenSSL compare the serial number. */
  runForPinned(leaf: PathCertificate): void {
    for (const crl of this.#crls) if (crl.issuer.equals(leaf.certificate.issuer)) this.#reportRevoked(leaf, crl)
    this.#warnOfForm()
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
        const details = { origin, algorithm: signatureText(signatureAlgorithm), reason: 'unsupported' } as const
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

  #reportRevoked(subject: PathCertificate, crl: Crl): void {
    if (this.#revoked.has(subject) || crl.find(subject.certificate) === null) return
    this.#revoked.add(subject)
    addRevoked(subject, crl, false, this.#findings)
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

  /** Warns of files that etcd does not read. */
  #warnOfForm(): void {
    const originsOf = (form: CrlForm): string[] => [
      ...new Set(this.#readable.filter((crl) => crl.form === form).map(({ origin }) => origin)),
    ]
    const [asPem, asText] = [originsOf('pem'), originsOf('text')]
    if (asPem.length > 0) this.#findings.add(null, 'revocation/crl-form', { kind: 'PEM', origins: asPem })
    if (asText.length > 0) {
      const details = { kind: 'text', origins: asText, usage: this.#findings.rules.usage } as const
      this.#findings.add(null, 'revocation/crl-form', details)
    }
  }
}

function addRevoked(subject: PathCertificate, crl: Crl, isUnneeded: boolean, findings: FindingCollector): void {
  const entry = crl.find(subject.certificate)
  if (entry === null) return
  const { serialNumber } = subject.certificate
  const inFuture = entry.revokedAt > findings.rules.at
  findings.add(subject, 'revocation/revoked', { serialNumber, ...entry, inFuture, isUnneeded, crl: crl.origin })
}

/** Certificates of a chain that are checked; OpenSSL refuses longer handshakes (SSL_MAX_CERT_LIST_DEFAULT). */
export const MAX_SENT = 100

/**
 * Reports what etcd refuses beyond the rules of RFC 5280: it reads one file, compares only serial numbers, and refuses a client that
 * sends a certificate with a listed one, used or not (etcd client/pkg/transport/listener_tls.go, checkCRL).
 *
 * @param sent What a client or a member sends after the leaf.
 */
export function checkSerials(
  path: readonly PathCertificate[],
  sent: readonly Certificate[],
  findings: FindingCollector,
): void {
  const { usage, anchors } = findings.rules
  const crls = distinct(findings.rules.crls).filter(({ damage }) => damage === null)
  const isOfClient = usage === 'client' || usage === 'peer'
  if (crls.length === 0 || !(isOfClient || endOf(path, anchors) !== null)) return
  const isIn = (list: readonly Certificate[], one: Certificate): boolean => list.some((each) => each.equals(one))
  const used = path.map(({ certificate }) => certificate)
  const unused = [...sent.slice(0, MAX_SENT).entries()]
    .filter(([, certificate]) => isOfClient && !isIn(used, certificate))
    .map(([index, certificate]) => ({ certificate, role: 'intermediate' as const, index }))
  for (const place of [...path, ...unused]) {
    const { certificate, role } = place
    const listing = crls.filter((crl) => crl.find(certificate) !== null)
    const isRevoked = findings.drafts.some((each) => each.code === 'revocation/revoked' && each.place === place)
    if (listing.length === 0 || isRevoked) continue
    const known = [...used, ...sent, ...anchors]
    const lists = listing.map((crl) => ({ crl, why: whyNotRevoked(certificate, crl, known, findings.rules) }))
    const own =
      isOfClient && (role === 'leaf' || isIn(sent, certificate)) ? lists.find(({ why }) => why === null) : undefined
    if (own !== undefined)
      addRevoked(place, own.crl, !path.includes(place) || (role === 'anchor' && certificate.isSelfIssued), findings)
    else {
      const texts = lists.map(({ crl: { origin }, why }) => ({ origin, why: why ?? TRUSTED }))
      findings.add(place, 'revocation/serial-listed', { serialNumber: certificate.serialNumber, lists: texts })
    }
  }
}

const TRUSTED = 'a trust anchor is trusted whatever lists say'

/** Null if the CRL is of the certificate's issuer: of its key, or of its name if no CA of that name is known. */
function whyNotRevoked(certificate: Certificate, crl: Crl, known: readonly Certificate[], rules: Rules): string | null {
  if (!crl.issuer.equals(certificate.issuer)) return 'the list is of another CA'
  if (crl.unsupportedScope !== null) return 'the list is not supported'
  const issuers = known.filter(({ subject }) => subject.equals(crl.issuer)).slice(0, MAX_OTHER_KEYS)
  if (issuers.length === 0) return null
  const signer = issuers.find((each) => certificate.isSignedBy(each) && crl.isSignedBy(each))
  if (signer === undefined) return 'the list is not signed by the key of its issuer'
  const isReplaced = rules.crls.some((each) => each.isSignedBy(signer) && hasBegun(each, rules) && replaces(each, crl))
  return isReplaced ? 'a newer list no longer names it' : null
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
