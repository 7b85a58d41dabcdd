/** Revocation by the CRLs at hand (RFC 5280 section 6.3). A list that cannot be relied on is an error, never a pass. */
import { DerError } from '../x509/der.js'
import type { Crl } from '../x509/crl.js'
import { extensionName } from '../x509/extensions.js'
import type { Context } from './context.js'
import type { Notebook, Place } from './place.js'

export function checkRevocation(path: readonly Place[], crls: readonly Crl[], context: Context, notes: Notebook): void {
  if (crls.length === 0) return
  const used = new Set<Crl>()
  path.forEach((subject, i) => {
    const issuer = path[i + 1]
    if (issuer === undefined) return
    const own = crls.filter((crl) => crl.issuer.equals(subject.certificate.issuer))
    // A CA that was renewed with a new key has two lists under one name; each speaks for the key that signed it.
    const signed = own.filter((crl) => crl.isSignedBy(issuer.certificate))
    for (const crl of own) used.add(crl)
    if (own.length === 0) notes.add(subject, 'revocation/no-crl', { issuer: issuer.certificate.subject.toString() })
    for (const crl of signed.length > 0 ? signed : own) checkAgainst(subject, issuer, crl, context, notes)
  })
  for (const crl of crls) {
    if (!used.has(crl)) notes.add(null, 'revocation/crl-unused', { origin: crl.origin, issuer: crl.issuer.toString() })
  }
}

function checkAgainst(subject: Place, issuer: Place, crl: Crl, context: Context, notes: Notebook): void {
  if (!crl.isSignedBy(issuer.certificate) || !crl.signatureAlgorithmsAgree) {
    const details = { origin: crl.origin, issuer: issuer.certificate.subject.toString() }
    notes.add(issuer, 'revocation/crl-signature-invalid', details)
    return
  }
  const { keyUsage } = issuer.certificate.extensions
  if (keyUsage !== null && !keyUsage.has('cRLSign'))
    notes.add(issuer, 'revocation/crl-sign-missing', { origin: crl.origin })
  checkListItself(crl, context, notes)
  if (!covers(crl, subject, notes)) return
  checkEntry(subject, crl, notes)
}

function checkListItself(crl: Crl, { at, clockSkew }: Context, notes: Notebook): void {
  const { origin, thisUpdate, nextUpdate } = crl
  const now = Math.floor(at.getTime() / 1000) * 1000
  if (now + clockSkew < thisUpdate.getTime()) notes.add(null, 'revocation/crl-not-yet-valid', { origin, thisUpdate })
  if (nextUpdate === null) notes.add(null, 'revocation/crl-next-update-missing', { origin })
  else if (now - clockSkew > nextUpdate.getTime()) notes.add(null, 'revocation/crl-expired', { origin, nextUpdate })
  if (!crl.hasNumber) notes.add(null, 'revocation/crl-number-missing', { origin })
  for (const oid of crl.blockingExtensions) {
    notes.add(null, 'revocation/crl-extension-critical', { origin, extension: extensionName(oid) })
  }
  if (crl.isDelta) notes.add(null, 'revocation/crl-delta', { origin })
  if (crl.scope?.indirect === true) notes.add(null, 'revocation/crl-indirect', { origin })
}

function covers(crl: Crl, subject: Place, notes: Notebook): boolean {
  const { scope } = crl
  if (scope === null) return true
  const { isCa } = subject.certificate
  const narrowed = [
    [scope.onlyUserCerts && isCa, 'end-entity certificates'],
    [scope.onlyCaCerts && !isCa, 'CA certificates'],
    [scope.onlyAttributeCerts, 'attribute certificates'],
    [scope.onlySomeReasons, 'some reasons of revocation'],
  ] as const
  const miss = narrowed.find(([applies]) => applies)
  if (miss === undefined) return true
  notes.add(subject, 'revocation/crl-scope', { origin: crl.origin, scope: miss[1] })
  // A list of some reasons still revokes for those.
  return scope.onlySomeReasons
}

function checkEntry(subject: Place, crl: Crl, notes: Notebook): void {
  const { serialNumber, serial } = subject.certificate
  try {
    const entry = crl.find(serial)
    if (entry === null) return
    const { reason, revokedAt, unknownCritical } = entry
    for (const oid of unknownCritical) {
      notes.add(null, 'revocation/crl-extension-critical', { origin: crl.origin, extension: extensionName(oid) })
    }
    // In a full list, a hold that ended must not be listed at all; a delta's removal says nothing here.
    if (reason !== 'removeFromCRL') {
      notes.add(subject, 'revocation/revoked', { serialNumber, reason, revokedAt, crl: crl.origin })
    }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    notes.add(null, 'revocation/crl-malformed', { origin: crl.origin, reason: error.reason })
  }
}
