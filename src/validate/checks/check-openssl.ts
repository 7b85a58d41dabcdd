/** Whether OpenSSL, and so Node, accepts the one path that it builds, when a valid path was found here. */
import type { Finding } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Budget } from '../budget.js'
import { noCrl } from '../revocation/check-revocation.js'
import type { IssuerIndex } from '../issuer-index.js'
import { type IssuerVerdicts, judgeAboveLeaf, type PathRules, placesOf } from '../judge.js'
import { linkOf } from '../link.js'
import { crlRefusals } from '../revocation/openssl-crls.js'
import { isSelfSigned, type OpensslOptions, type OpensslPath, opensslPath } from '../openssl-path.js'
import { findingOf, FindingCollector, type PathCertificate } from '../path-certificate.js'

/** What OpenSSL chooses from, and what its choice is checked by. */
export interface OpensslInput {
  readonly intermediates: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  readonly index: IssuerIndex
  readonly issuers: IssuerVerdicts
  readonly rules: PathRules
  /** Limits of following OpenSSL. */
  readonly budget: Budget
}

/**
 * Follows OpenSSL's choice and reports what it refuses.
 *
 * @param path A path that is valid.
 */
export function checkOpenssl(path: readonly PathCertificate[], input: OpensslInput, notes: FindingCollector): void {
  const { usage } = input.issuers.context
  const anchor = path.at(-1)
  // Whoever trusts the root alone needs the intermediate: the server of a client, or another member.
  if (usage !== 'server' && anchor?.certificate.isSelfIssued === false) tellOfAnchor(anchor, input, notes)
  const taken = hasNoChoice(path, input) ? null : follow(path, input, {})
  const refusal = taken === null ? null : refusalOf(taken, path, input)
  // A search that was cut short must never look like a pass.
  if (input.budget.isExhausted || input.index.isCutShort)
    notes.add(null, 'chain/limit-exceeded', { kind: 'search', ...input.budget.limits })
  if (taken !== null && refusal !== null) report(path, { taken, refusal }, input, notes)
  const isTaken = taken !== null && refusal === null
  checkCrls(isTaken ? placesOf({ certificates: taken.certificates, anchored: true }) : path, input, notes)
}

/**
 * Node requires a CRL for every certificate of the path as soon as it is given one. A client that connected gives it none.
 * What another finding says of a certificate is not repeated.
 */
export function checkCrls(
  path: readonly PathCertificate[],
  { issuers: { context }, rules }: Pick<OpensslInput, 'issuers' | 'rules'>,
  notes: FindingCollector,
): void {
  const { usage, at } = context
  const { crls, isConnected: connected } = rules
  if (crls.length === 0 || usage !== 'server' || connected) return
  const isValid = !notes.hasErrors
  const reported = new Set<Certificate | undefined>()
  for (const { place, code, severity } of notes.notes)
    if (severity === 'error' && code.startsWith('revocation/')) reported.add(place?.certificate)
  for (const { place, refused } of crlRefusals(path, crls, at)) {
    if (reported.has(place.certificate)) continue
    // What is wrong with a CRL of the same issuer, another finding says.
    const isMissing = isValid || !crls.some(({ issuer }) => issuer.equals(place.certificate.issuer))
    if (refused === null && isMissing) notes.add(place, 'revocation/no-crl', noCrl(place, crls, context, connected))
    if (refused !== null && isValid) {
      const { crl, reason } = refused
      notes.add(place, 'revocation/openssl-picks-other-crl', { origin: crl.origin, reason, usage, connected })
    }
  }
}

/** Whether all that was given is the path, without two of one name, and the root can be seen to be one. */
function hasNoChoice(path: readonly PathCertificate[], { intermediates, anchors }: OpensslInput): boolean {
  const last = path.at(-1)?.certificate
  if (last === undefined || intermediates.length + anchors.length !== path.length - 1 || !isSelfSigned(last))
    return false
  return new Set(path.map(({ certificate }) => certificate.subject.key)).size === path.length
}

type Change = Pick<OpensslOptions, 'first' | 'without'>

function follow(
  path: readonly PathCertificate[],
  { index, issuers, budget }: OpensslInput,
  change: Change,
): OpensslPath | null {
  const leaf = path[0]?.certificate
  const { at } = issuers.context
  return leaf === undefined ? null : opensslPath(leaf, index, { at, ...change }, budget)
}

/** What OpenSSL refuses about its path, as part of a sentence; null if it accepts it, or if the budget is used up. */
function refusalOf(taken: OpensslPath, path: readonly PathCertificate[], input: OpensslInput): string | null {
  if (!taken.isTrusted) return deadEnd(taken)
  const { certificates } = taken
  if (commonLength(taken, path) === Math.max(certificates.length, path.length)) return null
  for (const [i, child] of certificates.entries()) {
    const issuer = certificates[i + 1]
    const link = issuer === undefined ? 'signed' : linkOf(child, issuer, input.budget)
    if (link === null) return null
    if (link === 'other-key') return `the key of "${issuer?.subject.toString() ?? ''}" did not make the signature`
  }
  const notes = new FindingCollector()
  judgeAboveLeaf(placesOf({ certificates, anchored: true }), input.issuers, input.rules, notes)
  const errors = notes.notes.filter(({ severity }) => severity === 'error').map(findingOf)
  return errors.find(isRefusedByOpenssl)?.message.replace(/\.$/, '') ?? null
}

/** Errors that Go alone refuses do not matter to OpenSSL; those of which nobody's words are known might. */
function isRefusedByOpenssl({ refusals }: Finding): boolean {
  return refusals.length === 0 || refusals.some(({ by }) => by === 'Node' || by === 'OpenSSL')
}

function deadEnd({ certificates, sent }: OpensslPath): string {
  const last = certificates.at(-1)
  if (last === undefined) return ''
  const who = `"${last.subject.toString()}"`
  const issuer = `"${last.issuer.toString()}"`
  if (certificates.length > sent)
    return `${who} is trusted but not self-signed, and no certificate of its issuer ${issuer} is trusted`
  if (isSelfSigned(last)) return `${who} counts as a self-signed root and is not the trusted CA of that name`
  return `no certificate that was given fits as the issuer ${issuer} of ${who}`
}

function commonLength({ certificates }: OpensslPath, path: readonly PathCertificate[]): number {
  const split = certificates.findIndex((each, i) => path[i]?.certificate.equals(each) !== true)
  return split === -1 ? certificates.length : split
}

function report(
  path: readonly PathCertificate[],
  { taken, refusal }: { taken: OpensslPath; refusal: string },
  input: OpensslInput,
  notes: FindingCollector,
): void {
  const { certificates, sent, isTrusted } = taken
  const { usage } = input.issuers.context
  const common = commonLength(taken, path)
  const isAnchored = certificates.length > sent || (certificates.length === 1 && input.index.isAnchor(certificates[0]))
  const last = placesOf({ certificates, anchored: isAnchored }).at(-1)
  const isAbove = common === Math.min(certificates.length, path.length)
  const child = path[Math.min(common, path.length) - 1]
  if (last === undefined || child === undefined) return
  if (!isTrusted && isAbove && isAnchored) {
    if (usage === 'server' || last.certificate.isSelfIssued) tellOfAnchor(last, input, notes)
    return
  }
  const picked = certificates[common]
  const needed = path[common]?.certificate
  notes.add(child, 'chain/openssl-picks-other-path', {
    usage,
    connected: input.rules.isConnected,
    issuer: child.certificate.issuer.toString(),
    picked: picked?.fingerprint256 ?? null,
    from: common < sent ? 'sent' : isSent(picked, input) ? 'both' : 'trusted',
    needed: needed?.fingerprint256 ?? null,
    change: changeFor(path, { picked, needed }, input),
    reason: refusal,
  })
}

function isSent(certificate: Certificate | undefined, { intermediates }: OpensslInput): boolean {
  return certificate !== undefined && intermediates.some((each) => each.equals(certificate))
}

function tellOfAnchor(
  place: PathCertificate,
  { issuers, rules: { isConnected: connected } }: OpensslInput,
  notes: FindingCollector,
): void {
  const { issuer, isSelfIssued: selfIssued } = place.certificate
  const { usage } = issuers.context
  notes.add(place, 'chain/anchor-not-self-signed', { usage, connected, issuer: issuer.toString(), selfIssued })
}

/** The change to one certificate after which OpenSSL accepts; `path` if there is none. */
function changeFor(
  path: readonly PathCertificate[],
  { picked, needed }: { picked: Certificate | undefined; needed: Certificate | undefined },
  input: OpensslInput,
): 'order' | 'remove' | 'path' {
  const helps = (change: Change): boolean => {
    const taken = follow(path, input, change)
    return taken !== null && refusalOf(taken, path, input) === null && !input.budget.isExhausted
  }
  if (picked === undefined) return 'path'
  if (needed !== undefined && helps({ first: needed })) return 'order'
  return helps({ without: picked }) ? 'remove' : 'path'
}
