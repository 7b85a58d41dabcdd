/** Whether etcd accepts a certificate, and until when: by the rules of Go for its path, and by its own for the names of clients. */
import type { CertificateRef, Finding, FindingCode } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import { hostsOfUrls, readHost } from '../x509/names.js'
import { validateChain } from './validate.js'

/** The certificate that ends first on the way from a leaf to a CA. Refused: why. */
export type Acceptance =
  | { readonly until: number; readonly certificate: CertificateRef }
  | { readonly reason: string; readonly code: FindingCode | null }

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

export function isDateCode(code: string | null): boolean {
  return code === 'validity/expired' || code === 'validity/not-yet-valid' || code === 'validity/expires-soon'
}

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

/** Whose certificates a member accepts. */
export interface Acceptor {
  /** Null if they are not known. */
  readonly anchors: readonly Certificate[] | null
  readonly allowedNames: readonly string[]
  readonly allowedHosts: readonly string[]
  readonly crls: readonly Crl[]
  readonly checksAddress: boolean
}

/**
 * What etcd checks of the certificate of a client, or of a member that dials, besides its path (client/pkg/transport/listener_tls.go).
 *
 * @param urls Where the client dials from.
 */
export function refusedByEtcd(
  by: Acceptor,
  chain: readonly Certificate[],
  urls: readonly string[],
): Extract<Acceptance, { readonly reason: string }> | null {
  const [leaf] = chain
  if (leaf === undefined) return null
  const name = leaf.subject.commonName ?? ''
  if (by.allowedNames.length > 0 && !by.allowedNames.includes(name))
    return { reason: `The common name "${name}" is not an allowed name.`, code: 'config/member-not-allowed' }
  if (by.allowedHosts.length > 0 && !by.allowedHosts.some((host) => isCovered(leaf, host)))
    return { reason: 'The certificate covers no allowed host.', code: 'config/member-not-allowed' }
  const isRevoked = ({ serial }: Certificate): boolean =>
    by.crls.some((crl) => crl.damage === null && crl.entries.find(serial) !== null)
  const revoked = chain.find(isRevoked)
  if (revoked !== undefined)
    return { reason: `The CRL has the serial number ${revoked.serialNumber}.`, code: 'config/member-revoked' }
  return by.checksAddress && isFromOtherAddress(leaf, urls)
    ? { reason: 'The certificate does not cover the address of the member.', code: 'san/host-not-covered' }
    : null
}

function isCovered(leaf: Certificate, host: string): boolean {
  const reading = readHost(host)
  return 'host' in reading && leaf.covers([reading.host.value]).some(({ name }) => name !== null)
}

/** Whether the certificate does not cover the address that it comes from (checkCertSAN). A name of DNS is looked up there, which is not known here. */
function isFromOtherAddress({ subjectAltNames }: Certificate, urls: readonly string[]): boolean {
  const hosts = hostsOfUrls(urls)
  const areAddresses = hosts.length > 0 && hosts.every(({ kind }) => kind === 'ip')
  const addresses = subjectAltNames.filter(({ kind }) => kind === 'ip').map(({ value }) => value)
  if (!areAddresses || addresses.length === 0 || subjectAltNames.some(({ kind }) => kind === 'dns')) return false
  return !hosts.some(({ value }) => addresses.includes(value))
}
