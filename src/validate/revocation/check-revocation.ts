/**
 * Revocation by the lists at hand (RFC 5280 section 6.3). A list that cannot be relied on never passes a certificate,
 * and whatever its issuer's key signed as revoked is revoked, even by a list that is faulty otherwise.
 */
import type { FindingDetails } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { bytesEqual } from '../../x509/der.js'
import { REVOCATION_REASONS, type RevocationReason } from '../../x509/crl/distribution-point.js'
import type { Context } from '../context.js'
import type { FindingCollector, PathCertificate } from '../path-certificate.js'
import { isIndirect, namesAuthority, otherAuthority, remarkOn, speaksOfOthers } from './revocation-faults.js'
import { coverageOf, namesIssuer } from './revocation-scope.js'
import {
  type Listing,
  lookUp,
  type SignedLists,
  signerOf,
  sortSigned,
  type StatusSource,
} from './revocation-sources.js'

/**
 * Checks every certificate of a path but the anchor. A path that does not end at an anchor is not looked at: nobody
 * vouches for the keys that would have signed the lists.
 */
export function checkRevocation(
  path: readonly PathCertificate[],
  { crls, anchors, isConnected }: RevocationRules,
  context: Context,
  notes: FindingCollector,
): void {
  if (crls.length === 0 && context.revocation !== 'require') return
  if (path.at(-1)?.role === 'anchor') new RevocationCheck(path, crls, { anchors, isConnected, context, notes }).run()
}

/** What a path is checked against for revocation. */
export interface RevocationRules {
  readonly crls: readonly Crl[]
  readonly anchors: readonly Certificate[]
  /** Whether this is the report of a client that connected all the same: it passes no CRL to Node. */
  readonly isConnected: boolean
}

/** Other trust anchors of the issuer's name by whose keys a list is verified, and issuers of lists that a finding names. */
const MAX_OTHER_KEYS = 5
const MAX_ISSUERS_SHOWN = 20

class RevocationCheck {
  readonly #path: readonly PathCertificate[]
  readonly #anchors: readonly Certificate[]
  readonly #isConnected: boolean
  readonly #context: Context
  readonly #notes: FindingCollector
  readonly #lists: readonly Crl[]
  /** Which CA of the path signed a list; there is no entry for one that none did. */
  readonly #signers = new Map<Crl, PathCertificate>()
  readonly #signed = new Map<PathCertificate, SignedLists>()
  readonly #needed = new Set<StatusSource>()
  readonly #revoked = new Set<PathCertificate>()
  /** CAs that are told to lack the right to sign lists. */
  readonly #mute = new Set<PathCertificate>()
  /** Names of issuers of which a list cannot be used at all, which is reported once for the list. */
  readonly #troubled = new Set<string>()

  constructor(
    path: readonly PathCertificate[],
    crls: readonly Crl[],
    rest: Omit<RevocationRules, 'crls'> & { context: Context; notes: FindingCollector },
  ) {
    this.#path = path
    this.#anchors = rest.anchors
    this.#isConnected = rest.isConnected
    this.#context = rest.context
    this.#notes = rest.notes
    this.#lists = distinct(crls).filter((crl) => this.#isReadable(crl))
  }

  run(): void {
    const issuers = this.#path.slice(1)
    for (const crl of this.#lists) {
      const signer = signerOf(crl, issuers)
      if (signer !== null) this.#signers.set(crl, signer)
    }
    for (const issuer of new Set(this.#signers.values())) {
      const own = this.#lists.filter((crl) => this.#signers.get(crl) === issuer)
      this.#signed.set(issuer, sortSigned(issuer, own, this.#context))
    }
    for (const crl of this.#lists) if (!this.#signers.has(crl)) this.#judgeUnsigned(crl)
    for (const subject of this.#path.slice(0, -1)) this.#judgeSubject(subject)
    this.#tellOfLists()
    warnOfEtcd(this.#path, this.#lists, this.#signers, this.#revoked, this.#notes)
  }

  #isReadable(crl: Crl): boolean {
    const { damage, origin } = crl
    if (damage === null) return true
    this.#notes.add(null, 'revocation/crl-malformed', { origin, reason: damage })
    this.#troubled.add(crl.issuer.key)
    return false
  }

  /** A list that no CA of the path signed: of a CA that has nothing to do with it, or not what it says it is. */
  #judgeUnsigned(crl: Crl): void {
    const { origin, signatureAlgorithm } = crl
    const issuer = crl.issuer.toString()
    const namesakes = this.#path.slice(1).filter(({ certificate }) => crl.issuer.equals(certificate.subject))
    const [first] = namesakes
    if (first === undefined) {
      this.#judgeForeign(crl)
      return
    }
    const other = this.#otherAnchorOf(crl)
    if (other !== undefined) {
      const reason = `another key of that CA signed it (certificate SHA-256 ${other.fingerprint256}), which did not sign this path`
      this.#notes.add(null, 'revocation/crl-unused', { origin, issuer, reason })
      return
    }
    const meant = namesakes.find(({ certificate }) => namesAuthority(crl, certificate))
    if (meant === undefined && namesakes.some((place) => this.#signed.has(place))) {
      this.#notes.add(null, 'revocation/crl-unused', { origin, issuer, reason: 'another key signed it' })
      return
    }
    if ('unknown' in signatureAlgorithm) {
      const algorithm = signatureAlgorithm.unknown
      this.#notes.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm, reason: 'unsupported' })
    } else {
      const otherKey = namesakes.every(({ certificate }) => otherAuthority(crl, certificate) !== null)
      this.#notes.add(meant ?? first, 'revocation/crl-signer-differs', { kind: 'signature', origin, issuer, otherKey })
    }
    this.#troubled.add(crl.issuer.key)
  }

  /** Another trust anchor of the same CA whose key signed the list, as after the CA got a new key. */
  #otherAnchorOf(crl: Crl): Certificate | undefined {
    return this.#anchors
      .filter(
        (anchor) => crl.issuer.equals(anchor.subject) && this.#path.every((place) => !place.certificate.equals(anchor)),
      )
      .slice(0, MAX_OTHER_KEYS)
      .find((anchor) => crl.isSignedBy(anchor))
  }

  /** A list of a CA that is not in the path, which matters where a certificate says that this CA lists it, too. */
  #judgeForeign(crl: Crl): void {
    const { origin } = crl
    const points = this.#path.flatMap(({ certificate }) => certificate.extensions.crlDistributionPoints ?? [])
    const isNamed = points.some((point) => namesIssuer(point, crl))
    if (isNamed && isIndirect(crl))
      this.#notes.add(null, 'revocation/crl-extension-refused', { kind: 'indirect', origin })
    else {
      const details = { origin, issuer: crl.issuer.toString(), reason: 'that CA issued nothing in the path' }
      this.#notes.add(null, 'revocation/crl-unused', details)
    }
  }

  #judgeSubject(subject: PathCertificate): void {
    const { certificate } = subject
    const sources = this.#sourcesFor(subject)
    const covered = new Set<RevocationReason>()
    const faulty: StatusSource[] = []
    const others: { origin: string; only: string }[] = []
    let isPartly = false
    for (const source of sources) {
      const { list, faults } = source
      // An entry of a list that is not marked as indirect says itself whose certificate it speaks of.
      const isMarked = list.scope?.indirect === true || list.scope?.onlyAttributeCerts === true
      const listing = isMarked ? null : lookUp(source, certificate.serial)
      if (listing !== null) this.#tellRevoked(subject, listing)
      if (source.coversNothing) continue
      const coverage = coverageOf(list, certificate)
      if ('only' in coverage) others.push({ origin: list.origin, only: coverage.only })
      else if (faults.hasErrors) faulty.push(source)
      else {
        isPartly = true
        for (const reason of coverage.reasons) covered.add(reason)
      }
    }
    const missing = REVOCATION_REASONS.filter((reason) => !covered.has(reason))
    if (missing.length === 0) return
    for (const source of faulty) this.#needed.add(source)
    if (faulty.length > 0 || this.#revoked.has(subject)) return
    if (isPartly) this.#notes.add(subject, 'revocation/crl-scope', { kind: 'reasons', missing })
    else if (others.length > 0)
      this.#notes.add(subject, 'revocation/crl-scope', { kind: 'certificates', lists: others })
    else if (!sources.some(({ coversNothing }) => coversNothing) && !this.#troubled.has(certificate.issuer.key)) {
      // Which CRLs Node lacks for a server, OpenSSL's own choice shows (see check-openssl.ts).
      const { usage, revocation } = this.#context
      if (usage !== 'server' || this.#isConnected || revocation === 'require')
        this.#notes.add(subject, 'revocation/no-crl', noCrl(subject, this.#lists, this.#context, this.#isConnected))
    }
  }

  /**
   * The sources of a certificate's issuer: lists that the key signed which signed the certificate, or the key of a CA
   * of the same name above it, as where a CA's new key is certified by its old one. Never one below: a CA does not
   * vouch for itself.
   */
  #sourcesFor({ certificate, index }: PathCertificate): StatusSource[] {
    return this.#path
      .slice(index + 1)
      .filter((signer) => signer.certificate.subject.equals(certificate.issuer))
      .flatMap((signer) => this.#signed.get(signer)?.sources ?? [])
  }

  #tellRevoked(subject: PathCertificate, { entry, list }: Listing): void {
    // One list that says so is enough.
    if (this.#revoked.has(subject)) return
    this.#revoked.add(subject)
    const { serialNumber } = subject.certificate
    const { reason, revokedAt, invalidSince } = entry
    const inFuture = revokedAt > this.#context.at
    const details = { serialNumber, reason, revokedAt, invalidSince, inFuture, crl: list.origin }
    this.#notes.add(subject, 'revocation/revoked', details)
  }

  /** What there is to tell of each list once, however many certificates it was asked about. */
  #tellOfLists(): void {
    const told = new Set<Crl>()
    for (const { sources, notes } of this.#signed.values()) {
      this.#notes.addAll(notes)
      for (const source of sources) this.#tellOfSource(source, told)
    }
  }

  #tellOfSource(source: StatusSource, told: Set<Crl>): void {
    const { list, deltas, faults } = source
    for (const each of [list, ...deltas]) {
      if (!told.has(each)) remarkOn(each, this.#notes)
      told.add(each)
    }
    if (this.#needed.has(source)) this.#tellFaults(source)
    else if (faults.hasErrors) {
      const [first] = faults.notes
      const reason = `it is not needed, and faulty (${first?.code ?? ''})`
      this.#notes.add(null, 'revocation/crl-unused', { origin: list.origin, issuer: list.issuer.toString(), reason })
    }
  }

  #tellFaults({ signer, faults }: StatusSource): void {
    for (const each of faults.notes) {
      // One fault of the CA's certificate, however many lists it signed.
      if (each.code === 'revocation/crl-sign-missing') {
        if (this.#mute.has(signer)) continue
        this.#mute.add(signer)
      }
      this.#notes.notes.push(each)
    }
  }
}

/** The details of `revocation/no-crl`. */
export function noCrl(
  { role, certificate }: PathCertificate,
  lists: readonly Crl[],
  { usage, revocation }: Context,
  connected: boolean,
): FindingDetails['revocation/no-crl'] {
  return {
    issuer: certificate.issuer.toString(),
    given: [...new Set(lists.map(({ issuer }) => issuer.toString()))].slice(0, MAX_ISSUERS_SHOWN),
    ofCa: role !== 'leaf',
    required: revocation === 'require',
    usage,
    connected,
  }
}

/** Each list once, though it may be passed in two files. */
function distinct(crls: readonly Crl[]): Crl[] {
  return crls.filter((crl, i) => !crls.slice(0, i).some((before) => bytesEqual(before.raw, crl.raw)))
}

/**
 * Warns of CRLs with which etcd would refuse what is valid: everything, or single certificates. etcd reads one file, no more of it
 * than serial numbers, and refuses every certificate of such a number (etcd client/pkg/transport/listener_tls.go, checkCRL).
 */
function warnOfEtcd(
  path: readonly PathCertificate[],
  lists: readonly Crl[],
  signers: ReadonlyMap<Crl, PathCertificate>,
  revoked: ReadonlySet<PathCertificate>,
  notes: FindingCollector,
): void {
  const asPem = lists.filter(({ form }) => form === 'pem').map(({ origin }) => origin)
  if (asPem.length > 0) notes.add(null, 'revocation/crl-form', { kind: 'PEM', origins: [...new Set(asPem)] })
  for (const place of path) {
    if (revoked.has(place)) continue
    const { serial, serialNumber } = place.certificate
    const naming = lists.filter((crl) => crl.entries.entriesOf(serial).length > 0)
    if (naming.length === 0) continue
    const told = naming.map((crl) => ({ origin: crl.origin, why: whyNotRevoked(place, crl, signers.get(crl)) }))
    notes.add(place, 'revocation/serial-listed', { serialNumber, lists: told })
  }
}

function whyNotRevoked(
  { certificate, role, index }: PathCertificate,
  crl: Crl,
  signer: PathCertificate | undefined,
): string {
  if (role === 'anchor') return 'a trust anchor is trusted whatever lists say'
  if (!crl.issuer.equals(certificate.issuer)) return 'the list is of another CA'
  if (signer === undefined || signer.index <= index) return 'the list is not signed by the key of its issuer'
  return speaksOfOthers(crl) ? 'the list may mean another certificate' : 'a newer list no longer names it'
}
