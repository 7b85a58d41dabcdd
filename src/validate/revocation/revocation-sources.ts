/** Selects the CRLs that apply for one CA: the newest of each scope, with its delta CRLs. */
import { type Crl, numberText } from '../../x509/crl/crl.js'
import type { CrlEntry } from '../../x509/crl/crl-entries.js'
import { hex } from '../../x509/der.js'
import { FindingCollector, type PathCertificate, type Rules } from '../context.js'
import { hasBegun, checkCrl, checkCrlTime } from './crl-rules.js'

/** A CRL from which the status of its signer's certificates is read. */
export interface StatusSource {
  readonly signer: PathCertificate
  readonly crl: Crl
  /** The delta CRLs that update it; rarely more than one. */
  readonly deltas: readonly Crl[]
  /** If there are any, a certificate that the CRL does not list has an unknown status. */
  readonly faults: FindingCollector
  /** A delta CRL without its full CRL still revokes, but does not cover the certificates that it does not list. */
  readonly isUnmatchedDelta: boolean
}

/** The sources of one signer, and the findings about CRLs that do not apply. */
export interface SortedCrls {
  readonly sources: readonly StatusSource[]
  readonly findings: FindingCollector
}

export function sortSigned(signer: PathCertificate, crls: readonly Crl[], rules: Rules): SortedCrls {
  const sources: StatusSource[] = []
  const findings = new FindingCollector(rules)
  const scopeOf = ({ scopeBytes }: Crl): string => (scopeBytes === null ? '' : hex(scopeBytes))
  for (const scope of new Set(crls.map(scopeOf))) {
    const sameScope = crls.filter((crl) => scopeOf(crl) === scope)
    const full = newestOf(sameScope, false, findings)
    const deltas = newestOf(sameScope, true, findings)
    for (const crl of full) {
      const matching = deltas.filter((each) => hasBegun(each, rules) && mismatchReason(each, crl) === null)
      const faults = faultsOf(signer, crl, matching, rules)
      sources.push({ signer, crl, deltas: matching, faults, isUnmatchedDelta: false })
      for (const { origin } of matching)
        findings.add(null, 'revocation/crl-delta', { kind: 'applied', origin, to: crl.origin })
      if (crl.announcesDelta && deltas.length === 0)
        findings.add(null, 'revocation/crl-delta', { kind: 'announced', origin: crl.origin })
    }
    for (const delta of deltas) {
      const faults = faultsOfUnmatchedDelta(signer, delta, full, findings)
      if (faults !== null) sources.push({ signer, crl: delta, deltas: [], faults, isUnmatchedDelta: true })
    }
  }
  return { sources, findings }
}

/** Null if the delta CRL matches a full CRL, or a newer one replaces it. */
function faultsOfUnmatchedDelta(
  signer: PathCertificate,
  delta: Crl,
  full: readonly Crl[],
  findings: FindingCollector,
): FindingCollector | null {
  const mismatches = full.map((each) => mismatchReason(delta, each))
  if (mismatches.includes(null) && hasBegun(delta, findings.rules)) return null
  const { origin, number } = delta
  const newer = full.find((each) => each.number !== null && number !== null && each.number >= number)
  if (newer !== undefined) {
    reportReplaced(delta, newer, findings)
    return null
  }
  const faults = faultsOf(signer, delta, [], findings.rules)
  // A delta CRL of the future is not an error next to a current full CRL.
  if (mismatches.includes(null)) return faults
  const reason = mismatches[0] ?? 'no full CRL of the same key and scope was given'
  findings.add(null, 'revocation/crl-delta', { kind: 'refused', origin, reason })
  findings.addAll(faults)
  return new FindingCollector(findings.rules)
}

function reportReplaced({ origin, issuer }: Crl, newer: Crl, findings: FindingCollector): void {
  const reason = `the newer ${newer.origin} replaces it`
  findings.add(null, 'revocation/crl-unused', { origin, issuer: issuer.toString(), reason })
}

/** Why a delta CRL does not belong to a full one (RFC 5280 section 5.2.4); null if it does. */
function mismatchReason(delta: Crl, full: Crl): string | null {
  if (delta.number === null || delta.baseNumber === null) return 'it has no number of its own or of its base'
  if (full.number === null) return 'the full CRL has no CRL number'
  if (full.number < delta.baseNumber) {
    return `it starts from number ${numberText(delta.baseNumber)} and the full CRL has the older number ${numberText(full.number)}`
  }
  return full.number < delta.number ? null : 'the full CRL is not older'
}

function faultsOf(signer: PathCertificate, crl: Crl, deltas: readonly Crl[], rules: Rules): FindingCollector {
  const faults = new FindingCollector(rules)
  const { keyUsage } = signer.certificate.extensions
  // RFC 5280 section 6.3.3 (f): without the keyUsage extension, the key may sign CRLs.
  if (keyUsage?.has('cRLSign') === false) faults.add(signer, 'revocation/crl-sign-missing', { origin: crl.origin })
  for (const each of [crl, ...deltas]) checkCrl(each, signer, faults)
  // Section 5.2.4: the combination has the dates of the delta CRL.
  for (const each of deltas.length > 0 ? deltas : [crl]) checkCrlTime(each, faults)
  return faults
}

/** The full or the delta CRLs that no newer one replaces. A CRL of the future does not replace the current one yet. */
function newestOf(all: readonly Crl[], isDelta: boolean, findings: FindingCollector): Crl[] {
  const crls = all.filter((crl) => crl.isDelta === isDelta)
  const begun = crls.filter((crl) => hasBegun(crl, findings.rules))
  return crls.filter((crl) => {
    const newer = begun.find((each) => replaces(each, crl))
    if (newer !== undefined) reportReplaced(crl, newer, findings)
    return newer === undefined
  })
}

/**
 * Whether the first CRL is newer by number and by date. If these contradict each other, for example because a CA reset its counter,
 * neither replaces the other, and a certificate that either lists is revoked.
 */
function replaces(newer: Crl, older: Crl): boolean {
  const later = newer.thisUpdate.getTime() - older.thisUpdate.getTime()
  if (newer.number === null || older.number === null) return later > 0
  return later >= 0 && newer.number >= older.number && (later > 0 || newer.number > older.number)
}

const REMOVED = 'removeFromCRL'
const HOLD = 'certificateHold'

/** The entry that revokes a serial number, and its CRL; null if no CRL has it, or a delta CRL removed it. */
export function findRevocation(
  { crl, deltas, isUnmatchedDelta }: StatusSource,
  serial: Uint8Array,
): { readonly entry: CrlEntry; readonly crl: Crl } | null {
  const ownEntriesOf = ({ entries }: Crl): CrlEntry[] =>
    entries.entriesOf(serial).filter(({ isOfOtherIssuer }) => !isOfOtherIssuer)
  let removed = false
  for (const delta of deltas) {
    const changes = ownEntriesOf(delta)
    const entry = changes.find(({ reason }) => reason !== REMOVED)
    if (entry !== undefined) return { entry, crl: delta }
    removed ||= changes.length > 0
  }
  // Only a delta CRL can remove an entry, and only a hold; removeFromCRL in a full CRL still revokes.
  const remaining = ownEntriesOf(crl).filter(
    ({ reason }) => !(isUnmatchedDelta && reason === REMOVED) && !(removed && reason === HOLD),
  )
  const entry = remaining.find(({ reason }) => reason !== REMOVED) ?? remaining[0]
  return entry === undefined ? null : { entry, crl }
}
