/** What is wrong with one list: faults, for which nothing can be concluded from it, and what is worth a warning. */
import { bytesEqual } from '../../x509/der.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { ExtensionId, extensionName } from '../../x509/extensions.js'
import { WEAK_DIGESTS } from '../checks/check-key.js'
import type { Context } from '../context.js'
import type { FindingCollector, PathCertificate } from '../path-certificate.js'

/** Extensions of one list that findings are made of, each kind. */
const MAX_EXTENSIONS_TOLD = 20

/** The faults of a list that the signer's key signed; the dates are checked by {@link judgeTime}. */
export function judgeList(crl: Crl, signer: PathCertificate, notes: FindingCollector): void {
  const { origin, extensions, signatureAlgorithm } = crl
  if (!crl.signatureAlgorithmsAgree) {
    const algorithm = algorithmText(crl)
    notes.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm, reason: 'stated twice' })
  }
  if ('scheme' in signatureAlgorithm && WEAK_DIGESTS.has(signatureAlgorithm.scheme.digest)) {
    notes.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm: algorithmText(crl), reason: 'weak' })
  }
  const other = otherAuthority(crl, signer.certificate)
  if (other !== null)
    notes.add(signer, 'revocation/crl-signer-differs', { kind: 'key identifier', origin, reason: other })
  const refuse = (oid: string, reason: string): void => {
    const extension = extensionName(oid)
    notes.add(null, 'revocation/crl-extension-refused', { kind: 'extension', origin, extension, reason })
  }
  for (const { oid, reason } of extensions.problems) refuse(oid, reason)
  for (const oid of extensions.duplicates.slice(0, MAX_EXTENSIONS_TOLD)) refuse(oid, 'it occurs more than once')
  for (const oid of blockingExtensions(crl)) refuse(oid, 'it is critical, and is not processed or must not be critical')
  if (isIndirect(crl)) notes.add(null, 'revocation/crl-extension-refused', { kind: 'indirect', origin })
}

function algorithmText({ signatureAlgorithm }: Crl): string {
  return 'scheme' in signatureAlgorithm ? signatureAlgorithm.scheme.name : signatureAlgorithm.unknown
}

/** Section 5.3: a critical extension of any entry that is not processed stands in the way of the whole list. */
function blockingExtensions(crl: Crl): string[] {
  const all = new Set([...crl.blockingExtensions, ...crl.entries.unknownCritical])
  return [...all].slice(0, MAX_EXTENSIONS_TOLD)
}

/** Whether the list speaks of certificates of other issuers, too. */
export function isIndirect(crl: Crl): boolean {
  return crl.scope?.indirect === true || crl.entries.hasOtherIssuer
}

/** Whether the serial numbers of its entries may be those of other certificates than the issuer's own. */
export function speaksOfOthers(crl: Crl): boolean {
  return isIndirect(crl) || crl.scope?.onlyAttributeCerts === true
}

/** Which other authority the list says that signed it; null if it points to this one, or to none. */
export function otherAuthority({ extensions }: Crl, { extensions: own, issuer, serial }: Certificate): string | null {
  const key = extensions.authorityKey
  if (key === null) return null
  const { subjectKeyIdentifier } = own
  if (
    key.keyIdentifier !== null &&
    subjectKeyIdentifier !== null &&
    !bytesEqual(key.keyIdentifier, subjectKeyIdentifier)
  )
    return 'another key'
  if (key.serial !== null && !bytesEqual(key.serial, serial)) return 'a certificate of another serial number'
  const names = (key.issuer ?? []).flatMap(({ directoryName }) => directoryName ?? [])
  return names.every((name) => name.equals(issuer)) ? null : 'a certificate of another issuer'
}

/** Whether the list says that this certificate's key signed it. */
export function namesAuthority(crl: Crl, certificate: Certificate): boolean {
  const { keyIdentifier = null, serial = null } = crl.extensions.authorityKey ?? {}
  const saysWhich = (keyIdentifier !== null && certificate.extensions.subjectKeyIdentifier !== null) || serial !== null
  return saysWhich && otherAuthority(crl, certificate) === null
}

/** Whether the list has begun at the time of the validation. */
export function hasBegun({ thisUpdate }: Crl, { at, clockSkew }: Context): boolean {
  return wholeSeconds(at) + clockSkew >= thisUpdate.getTime()
}

/** Whether the list is current (RFC 5280 sections 5.1.2.4 and 5.1.2.5). */
export function judgeTime(crl: Crl, context: Context, notes: FindingCollector): void {
  const { origin, thisUpdate, nextUpdate } = crl
  if (nextUpdate !== null && thisUpdate > nextUpdate) {
    notes.add(null, 'revocation/crl-not-current', { kind: 'inverted', origin, thisUpdate, nextUpdate })
  } else if (!hasBegun(crl, context)) {
    notes.add(null, 'revocation/crl-not-current', { kind: 'not yet valid', origin, thisUpdate })
  } else if (nextUpdate !== null && wholeSeconds(context.at) - context.clockSkew > nextUpdate.getTime()) {
    notes.add(null, 'revocation/crl-not-current', { kind: 'expired', origin, nextUpdate })
  }
}

function wholeSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000
}

/** What does not stand in the way of a list, but will in that of others, or at another time. */
export function remarkOn(crl: Crl, notes: FindingCollector): void {
  const { origin } = crl
  if (crl.version === 1) notes.add(null, 'revocation/crl-form', { kind: 'version 1', origin })
  const reasons = [
    ...(crl.nextUpdate === null ? ['has no date of its next update'] : []),
    ...(crl.version !== 1 && !has(crl, ExtensionId.cRLNumber) ? ['has no CRL number'] : []),
    ...crl.oddities,
  ]
  for (const oid of [ExtensionId.issuingDistributionPoint, ExtensionId.deltaCRLIndicator]) {
    if (crl.extensions.all.some((each) => each.oid === oid && !each.critical)) {
      reasons.push(`does not mark its ${extensionName(oid)} as critical`)
    }
  }
  for (const reason of reasons) notes.add(null, 'revocation/crl-unusual', { origin, reason })
}

function has({ extensions }: Crl, oid: string): boolean {
  return extensions.all.some((each) => each.oid === oid)
}
