/** Which of the lists at hand speak for one CA: the newest of each scope, with the delta CRL that brings it up to date. */
import { type Crl, numberText } from '../../x509/crl/crl.js'
import type { CrlEntry } from '../../x509/crl/crl-entries.js'
import { hex } from '../../x509/der.js'
import { FindingCollector, type PathCertificate, type Rules } from '../context.js'
import { hasBegun, checkCrl, checkCrlTime } from './crl-rules.js'

/** A list that says something about the certificates of its signer. */
export interface StatusSource {
  readonly signer: PathCertificate
  readonly list: Crl
  /** What changed since then; rarely more than one. */
  readonly deltas: readonly Crl[]
  /** Why nothing can be concluded from what is not listed; empty if something can. */
  readonly faults: FindingCollector
  /** A delta CRL without the full one that it belongs to: it covers nothing, but what it revokes is revoked. */
  readonly coversNothing: boolean
}

/** The sources of one signer, and the findings about CRLs that do not apply. */
export interface SignedLists {
  readonly sources: readonly StatusSource[]
  readonly findings: FindingCollector
}

export function sortSigned(signer: PathCertificate, crls: readonly Crl[], rules: Rules): SignedLists {
  const sources: StatusSource[] = []
  const findings = new FindingCollector(rules)
  const scopeOf = ({ scopeBytes }: Crl): string => (scopeBytes === null ? '' : hex(scopeBytes))
  for (const scope of new Set(crls.map(scopeOf))) {
    const sameScope = crls.filter((crl) => scopeOf(crl) === scope)
    const full = newestOf(sameScope, false, findings)
    const deltas = newestOf(sameScope, true, findings)
    for (const list of full) {
      const fitting = deltas.filter((each) => hasBegun(each, rules) && misfit(each, list) === null)
      const faults = faultsOf(signer, list, fitting, rules)
      sources.push({ signer, list, deltas: fitting, faults, coversNothing: false })
      for (const { origin } of fitting)
        findings.add(null, 'revocation/crl-delta', { kind: 'applied', origin, to: list.origin })
      if (list.announcesDelta && deltas.length === 0)
        findings.add(null, 'revocation/crl-delta', { kind: 'announced', origin: list.origin })
    }
    for (const delta of deltas) {
      const faults = strayFaults(signer, delta, full, findings)
      if (faults !== null) sources.push({ signer, list: delta, deltas: [], faults, coversNothing: true })
    }
  }
  return { sources, findings }
}

/** The faults of a delta CRL that belongs to no full list at hand; null if it does belong to one, or is out of date. */
function strayFaults(
  signer: PathCertificate,
  list: Crl,
  full: readonly Crl[],
  findings: FindingCollector,
): FindingCollector | null {
  const misfits = full.map((each) => misfit(list, each))
  if (misfits.includes(null) && hasBegun(list, findings.rules)) return null
  const { origin, number } = list
  const newer = full.find((each) => each.number !== null && number !== null && each.number >= number)
  if (newer !== undefined) {
    reportReplaced(list, newer, findings)
    return null
  }
  const faults = faultsOf(signer, list, [], findings.rules)
  // One that is only of the future is no error next to a full list that is current.
  if (misfits.includes(null)) return faults
  const reason = misfits[0] ?? 'no full CRL of the same key and scope was given'
  findings.add(null, 'revocation/crl-delta', { kind: 'refused', origin, reason })
  findings.addAll(faults)
  return new FindingCollector(findings.rules)
}

function reportReplaced({ origin, issuer }: Crl, newer: Crl, findings: FindingCollector): void {
  const reason = `the newer ${newer.origin} replaces it`
  findings.add(null, 'revocation/crl-unused', { origin, issuer: issuer.toString(), reason })
}

/** Why a delta CRL does not belong to a full one (RFC 5280 section 5.2.4); null if it does. */
function misfit(delta: Crl, full: Crl): string | null {
  if (delta.number === null || delta.baseNumber === null) return 'it has no number of its own or of its base'
  if (full.number === null) return 'the full CRL has no CRL number'
  if (full.number < delta.baseNumber) {
    return `it starts from number ${numberText(delta.baseNumber)} and the full CRL has the older number ${numberText(full.number)}`
  }
  return full.number < delta.number ? null : 'the full CRL is not older'
}

function faultsOf(signer: PathCertificate, list: Crl, deltas: readonly Crl[], rules: Rules): FindingCollector {
  const faults = new FindingCollector(rules)
  const { keyUsage } = signer.certificate.extensions
  // RFC 5280 section 6.3.3 (f): if there is no key usage, the key may be used for all.
  if (keyUsage?.has('cRLSign') === false) faults.add(signer, 'revocation/crl-sign-missing', { origin: list.origin })
  for (const each of [list, ...deltas]) checkCrl(each, signer, faults)
  // Section 5.2.4: the combination has the dates of the delta CRL.
  for (const each of deltas.length > 0 ? deltas : [list]) checkCrlTime(each, faults)
  return faults
}

/**
 * The full or the delta lists that no other one replaces. A list of the future replaces none: until it begins, the one before it is
 * in force.
 */
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
 * Whether the first list is the newer one by number and by date. Where these contradict each other, as after a CA's
 * counter was reset, neither replaces the other, and what either lists is revoked.
 */
function replaces(newer: Crl, older: Crl): boolean {
  const later = newer.thisUpdate.getTime() - older.thisUpdate.getTime()
  if (newer.number === null || older.number === null) return later > 0
  return later >= 0 && newer.number >= older.number && (later > 0 || newer.number > older.number)
}

const REMOVED = 'removeFromCRL'
const HOLD = 'certificateHold'

/** The entry that revokes a serial number, and its list; null if there is none, or a delta CRL lifts it. */
export function lookUp(
  { list, deltas, coversNothing }: StatusSource,
  serial: Uint8Array,
): { readonly entry: CrlEntry; readonly list: Crl } | null {
  // Entries that speak of a certificate of the list's own issuer.
  const ownEntriesOf = ({ entries }: Crl): CrlEntry[] =>
    entries.entriesOf(serial).filter(({ isOfOtherIssuer }) => !isOfOtherIssuer)
  let removed = false
  for (const delta of deltas) {
    const changes = ownEntriesOf(delta)
    const entry = changes.find(({ reason }) => reason !== REMOVED)
    if (entry !== undefined) return { entry, list: delta }
    removed ||= changes.length > 0
  }
  // Only a delta CRL may remove, and only what is on hold; a full list that names a serial number so still names it.
  const lasting = ownEntriesOf(list).filter(
    ({ reason }) => !(coversNothing && reason === REMOVED) && !(removed && reason === HOLD),
  )
  const entry = lasting.find(({ reason }) => reason !== REMOVED) ?? lasting[0]
  return entry === undefined ? null : { entry, list }
}
