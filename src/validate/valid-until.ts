/** Until when a chain is accepted: by the rules of Go, with which etcd checks the certificates of members and of clients. */
import type { CertificateRef, Finding, FindingCode } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { validateChain } from './validate.js'

/** The certificate that ends first on the way from a leaf to a CA. Refused: why. */
export type Acceptance =
  | { readonly until: number; readonly certificate: CertificateRef }
  | { readonly reason: string; readonly code: FindingCode | null }

/** Whether a certificate is accepted. */
export interface AcceptanceQuestion {
  readonly chain: readonly Certificate[]
  /** Null if they are not known: then only dates, names and usages are checked. */
  readonly anchors: readonly Certificate[] | null
  /** Of a server, null if it is not known; of a client undefined. */
  readonly host: string | null | undefined
}

/** Most paths of one chain that follow each other in time: of CAs that are replaced by cross-signed ones. */
const MAX_PATHS = 10

/** Validates at a time; then again after the end of each path that is found, because there may be another one. */
export function validateUntil({ chain, anchors, host }: AcceptanceQuestion, at: Date): Acceptance {
  const purpose = host === undefined ? 'clientAuth' : 'serverAuth'
  const hosts = typeof host === 'string' ? [host] : []
  let found: Acceptance | null = null
  for (let time = at, i = 0; i < MAX_PATHS; i += 1) {
    const input = { chain: [...chain], trustAnchors: [...(anchors ?? [])] }
    const { path, findings } = validateChain(input, { usage: 'peer', hosts, at: time })
    const refused = findings.flatMap(withConsequences).find((each) => isRefusedFor(each, purpose, anchors !== null))
    // The message without the options that name the files: a finding names the file once.
    if (refused !== undefined)
      return found ?? { reason: refused.message.replace(/ \(from [^()]*\)/g, ''), code: refused.code }
    const whole =
      anchors === null
        ? chain.map((each, index) => certificateRef(each, index === 0 ? 'leaf' : 'intermediate', index))
        : (path ?? [])
    const [first, ...others] = whole
    if (first === undefined) break
    const certificate = others.reduce((one, other) => (other.notAfter < one.notAfter ? other : one), first)
    found = { until: certificate.notAfter.getTime(), certificate }
    // Go refuses a certificate as soon as the second of notAfter has begun.
    time = new Date(found.until + 1)
  }
  return found ?? { reason: 'There is no path to a CA.', code: null }
}

/** Whether a certificate is refused because of its dates. */
export function isDateCode(code: string | null): boolean {
  return code === 'validity/expired' || code === 'validity/not-yet-valid' || code === 'validity/expires-soon'
}

/** Whether only dates are wrong. */
export function areOfDates(findings: readonly Finding[]): boolean {
  const errors = findings.filter(({ severity }) => severity === 'error')
  return errors.length > 0 && errors.every(({ code }) => isDateCode(code))
}

function withConsequences(finding: Finding): Finding[] {
  return [finding, ...finding.consequences.flatMap(withConsequences)]
}

/** `usage: 'peer'` has the rules of Go for both purposes, of which one dial needs one. */
function isRefusedFor({ code, severity, details }: Finding, purpose: string, isTrustKnown: boolean): boolean {
  if (severity !== 'error') return false
  if (!isTrustKnown && /^(?:chain|constraints|name-constraints)\//.test(code)) return false
  if (code !== 'usage/extended-key-usage-missing' || !('missing' in details)) return true
  return [details.missing].flat().includes(purpose)
}
