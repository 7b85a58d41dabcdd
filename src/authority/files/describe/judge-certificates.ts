/** What the certificates of a folder are good for, and what is wrong with them. */
import type { Finding } from '../../../report/finding.js'
import { durationText } from '../../../validate/check-validity.js'
import { unfoldRepeats } from '../../../validate/fold.js'
import { validateChain } from '../../../validate/validate.js'
import { type Certificate, certificateRef } from '../../../x509/certificate.js'
import { parseDuration } from '../../../x509/time.js'
import type { Role } from '../../roles.js'
import { finding } from './finding.js'
import type { Relations } from './relate.js'

export interface JudgeOptions {
  readonly at: Date
  /** A duration; undefined for the validator's default. */
  readonly expiryWarning: string | undefined
}

export interface Judgement {
  readonly roles: readonly Role[]
  readonly findings: readonly Finding[]
}

const ROLES = ['server', 'peer', 'client'] as const

/** Judges an end-entity certificate in each role by the validator; the findings are those of the role that it fits. */
export function judgeLeaf(
  leaf: Certificate,
  files: readonly string[],
  relations: Relations,
  { at, expiryWarning }: JudgeOptions,
): Judgement {
  const above = relations.chainOf(leaf)
  const top = above.at(-1)
  const isWhole = top !== undefined && relations.signerOf(top)?.certificate === top
  const material = {
    leaf,
    intermediates: above.slice(0, -1),
    // Without its issuer nothing leads to a trust anchor; what else can be told of it is told all the same.
    trustAnchors: top ?? leaf,
  }
  // An API server is none of etcd, and has no gateway that dials itself.
  const ignore = files.every((file) => /(?:^|\/)apiserver\.crt$/.test(file))
    ? (['usage/gateway-client-auth-missing'] as const)
    : []
  const reports = ROLES.map((role) => ({
    role,
    report: validateChain(material, { usage: role, at, expiryWarning, ignore: [...ignore] }),
  }))
  const hasNames = leaf.subjectAltNames.length > 0
  const roles = reports
    .filter(({ role, report }) => (role === 'client' || hasNames) && !report.findings.some(isAgainstUsage))
    .map(({ role }) => role)
  const chosen = roles.includes('server') ? 'server' : roles.includes('client') ? 'client' : likely(leaf)
  const findings = unfoldRepeats(reports.find(({ role }) => role === chosen)?.report.findings ?? [])
  return { roles, findings: isWhole ? findings : findings.filter(({ code }) => !code.startsWith('chain/')) }
}

function isAgainstUsage({ code, severity }: Finding): boolean {
  return severity === 'error' && code.startsWith('usage/')
}

/** Of a certificate that fits no role, the one that it was probably meant for. */
function likely(leaf: Certificate): Role {
  return leaf.subjectAltNames.length > 0 ? 'server' : 'client'
}

const DAY = 86_400_000

/** The validity of a CA: it may have issued nothing that is here. */
export function judgeCa(ca: Certificate, { at, expiryWarning }: JudgeOptions): Finding[] {
  const { notBefore, notAfter } = ca
  const ref = certificateRef(ca, ca.isSelfIssued ? 'anchor' : 'intermediate', 0)
  const now = at.getTime()
  if (now > notAfter.getTime() + 999) {
    return [finding('validity/expired', { notAfter, at, ago: durationText(now - notAfter.getTime()) }, ref)]
  }
  if (now < notBefore.getTime()) {
    return [finding('validity/not-yet-valid', { notBefore, at, ahead: durationText(notBefore.getTime() - now) }, ref)]
  }
  const lifetime = notAfter.getTime() - notBefore.getTime()
  const window =
    expiryWarning === undefined ? Math.min(lifetime / 3, 30 * DAY) : parseDuration(expiryWarning, 'expiryWarning')
  const left = notAfter.getTime() - now
  return left < window ? [finding('validity/expires-soon', { notAfter, left: durationText(left) }, ref)] : []
}
