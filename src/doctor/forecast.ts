/** Which members of a cluster can connect, and until when. No input or output, and no clock. */
import type { CertificateRef, Finding, FindingCode } from '../report/finding.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { validateChain } from '../validate/validate.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { type Host, readHost } from '../x509/names.js'
import type { DialRefusal, ForecastMember, QuorumForecast } from './cluster-report.js'

/** The certificate that ends first on the way from a leaf to a CA. Refused: why. */
export type Acceptance =
  | { readonly until: number; readonly certificate: CertificateRef }
  | { readonly reason: string; readonly code: FindingCode | null }

/** One member dials another one. */
interface Dial {
  /** Milliseconds since 1970: `-Infinity` if it is refused now, `Infinity` if nothing is known of it. */
  readonly until: number
  readonly certificate: CertificateRef | null
  readonly refusals: readonly DialRefusal[]
}

/**
 * Computes which members can connect at a time, and until when a majority of them can, if no certificate is renewed. Member `a` can dial
 * `b` if `a` accepts the certificate that `b` serves, and `b` the one that `a` presents, by the rules of Go, with which etcd checks
 * both. Two members are connected if one of them can dial the other. Open connections outlast this: etcd checks only new ones.
 *
 * @example
 * ```ts
 * const { until, pairs } = forecast(members, { at: new Date() })
 * ```
 * @param members At most 100.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export function forecast(members: readonly ForecastMember[], options: { readonly at: Date }): QuorumForecast {
  checkOptions('options', options, ['at'])
  const { at } = options
  if (!(at instanceof Date) || Number.isNaN(at.getTime())) throw optionInvalid('at', 'must be a valid Date')
  if (!Array.isArray(members) || members.length > MAX_MEMBERS)
    throw valueInvalid('members', members, `an array of at most ${String(MAX_MEMBERS)} members`)
  const all: readonly ForecastMember[] = members
  const dials = new Dials(at)
  const pairs = all.flatMap((a, i) =>
    all.slice(i + 1).map((b) => {
      const both = [dials.of(a, b), dials.of(b, a)] as const
      return { a, b, both, last: both[0].until < both[1].until ? both[1] : both[0] }
    }),
  )
  const voters = all.filter(({ isLearner }) => !isLearner)
  const needed = Math.floor(voters.length / 2)
  // The member that stays connected to enough others for the longest time.
  let last = needed === 0 ? UNLIMITED : NEVER
  for (const voter of voters) {
    const others = pairs.filter(({ a, b }) => (a === voter || b === voter) && !(a.isLearner || b.isLearner))
    const sorted = others.map((pair) => pair.last).sort((one, other) => (one.until < other.until ? 1 : -1))
    const end = sorted[needed - 1]
    if (end !== undefined && end.until > last.until) last = end
  }
  return {
    until: dateOf(last),
    certificate: last.certificate,
    hasQuorum: last.until !== -Infinity,
    pairs: pairs.map(({ a, b, both, last: end }) => ({
      members: [a.name, b.name] as const,
      until: dateOf(end),
      isKnown: end.until !== Infinity,
      refusals: both.flatMap(({ refusals }) => refusals),
    })),
    assumed: all.filter(({ anchors }) => anchors === null).map(({ name }) => name),
  }
}

function dateOf({ until }: Dial): Date | null {
  return Number.isFinite(until) ? new Date(until) : null
}

/** Many more than etcd recommends. The time of a forecast is quadratic in them. */
const MAX_MEMBERS = 100
/** Most paths of one chain that follow each other in time: of CAs that are replaced by cross-signed ones. */
const MAX_PATHS = 10

const UNLIMITED: Dial = { until: Infinity, certificate: null, refusals: [] }
const NEVER: Dial = { until: -Infinity, certificate: null, refusals: [] }

/** The dials of one cluster. The same chain is validated once for the same CAs. */
class Dials {
  readonly #at: Date
  readonly #known = new Map<string, Acceptance>()
  readonly #ids = new Map<unknown, number>()

  constructor(at: Date) {
    this.#at = at
  }

  of(from: ForecastMember, to: ForecastMember): Dial {
    const presented = from.clientChain ?? from.chain
    const halves: [by: ForecastMember, acceptance: Acceptance][] = []
    if (to.chain !== null) halves.push([from, this.#acceptsServer(from, to.chain, to.peerUrls)])
    if (to.requiresCertificates && presented !== null) halves.push([to, this.#acceptsClient(to, presented, from)])
    const refusals = halves.flatMap(([by, half]) =>
      'reason' in half ? [{ from: from.name, to: to.name, by: by.name, reason: half.reason, code: half.code }] : [],
    )
    if (refusals.length > 0) return { ...NEVER, refusals }
    let first: Dial = UNLIMITED
    for (const [, half] of halves)
      if (!('reason' in half) && half.until < first.until) first = { ...half, refusals: [] }
    return first
  }

  /** etcd dials each of the URLs in turn. */
  #acceptsServer({ anchors }: ForecastMember, chain: readonly Certificate[], urls: readonly string[]): Acceptance {
    const [first, ...others] = hostsOf(urls).map(({ value }) => this.#validate({ chain, anchors, host: value }))
    if (first === undefined) return this.#validate({ chain, anchors, host: null })
    return [first, ...others].find((each) => !('reason' in each)) ?? first
  }

  #acceptsClient(by: ForecastMember, chain: readonly Certificate[], from: ForecastMember): Acceptance {
    const [leaf] = chain
    const accepted = this.#validate({ chain, anchors: by.anchors, host: undefined })
    if ('reason' in accepted || leaf === undefined) return accepted
    const name = leaf.subject.commonName ?? ''
    if (by.allowedNames.length > 0 && !by.allowedNames.includes(name))
      return refusedBecause(`The common name "${name}" is not an allowed name.`, 'config/member-not-allowed')
    if (by.allowedHosts.length > 0 && !by.allowedHosts.some((host) => isCovered(leaf, host)))
      return refusedBecause('The certificate covers no allowed host.', 'config/member-not-allowed')
    const revoked = chain.find(({ serial }) =>
      by.crls.some((crl) => crl.damage === null && crl.entries.find(serial) !== null),
    )
    if (revoked !== undefined)
      return refusedBecause(`The CRL has the serial number ${revoked.serialNumber}.`, 'config/member-revoked')
    return by.checksAddress && isFromOtherAddress(leaf, from.peerUrls)
      ? refusedBecause('The certificate does not cover the address of the member.', 'san/host-not-covered')
      : accepted
  }

  #validate(question: Question): Acceptance {
    const key = [question.chain, question.anchors].map((each) => this.#idOf(each)).join() + String(question.host)
    const known = this.#known.get(key) ?? validateUntil(question, this.#at)
    this.#known.set(key, known)
    return known
  }

  /** The same for lists with the same certificates. */
  #idOf(list: readonly Certificate[] | null): number {
    const known = this.#ids.get(list)
    if (known !== undefined) return known
    const text = list === null ? '' : list.map(({ fingerprint256 }) => fingerprint256).join()
    const id = this.#ids.get(text) ?? this.#ids.size
    this.#ids.set(text, id).set(list, id)
    return id
  }
}

/** Whether a certificate is accepted. */
interface Question {
  readonly chain: readonly Certificate[]
  /** Null if they are not known. */
  readonly anchors: readonly Certificate[] | null
  /** Of a server, null if it is not known; of a client undefined. */
  readonly host: string | null | undefined
}

function refusedBecause(reason: string, code: FindingCode | null = null): Acceptance {
  return { reason, code }
}

/** Validates at a time; then again after the end of each path that is found, because there may be another one. */
export function validateUntil({ chain, anchors, host }: Question, at: Date): Acceptance {
  const purpose = host === undefined ? 'clientAuth' : 'serverAuth'
  const hosts = typeof host === 'string' ? [host] : []
  let found: Acceptance | null = null
  for (let time = at, i = 0; i < MAX_PATHS; i += 1) {
    const input = { chain: [...chain], trustAnchors: [...(anchors ?? [])] }
    const { path, findings } = validateChain(input, { usage: 'peer', hosts, at: time })
    const refused = findings.flatMap(withConsequences).find((each) => isRefusedFor(each, purpose, anchors !== null))
    if (refused !== undefined) return found ?? { reason: reasonOf(refused), code: refused.code }
    const whole = anchors === null ? refsOf(chain) : (path ?? [])
    const [first, ...others] = whole
    if (first === undefined) return found ?? refusedBecause('There is no path to a CA.')
    const certificate = others.reduce((one, other) => (other.notAfter < one.notAfter ? other : one), first)
    found = { until: certificate.notAfter.getTime(), certificate }
    // Go refuses a certificate as soon as the second of notAfter has begun.
    time = new Date(found.until + 1)
  }
  return found ?? refusedBecause('There is no path to a CA.')
}

/** Whether a certificate is refused because of its dates. */
export function isDateCode(code: string | null): boolean {
  return code === 'validity/expired' || code === 'validity/not-yet-valid' || code === 'validity/expires-soon'
}

/** Whether only dates are wrong: of the server's certificates, or of the client's. */
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

function refsOf(chain: readonly Certificate[]): CertificateRef[] {
  return chain.map((each, i) => certificateRef(each, i === 0 ? 'leaf' : 'intermediate', i))
}

/** The hosts of URLs, those that cannot be read left out. */
export function hostsOf(urls: readonly string[]): Host[] {
  return urls.flatMap((url) => (URL.canParse(url) ? toHost(new URL(url).hostname.replace(/^\[|\]$/g, '')) : []))
}

function toHost(text: string): Host[] {
  const reading = readHost(text)
  return 'host' in reading ? [reading.host] : []
}

function isCovered(leaf: Certificate, host: string): boolean {
  return toHost(host).some(({ value }) => leaf.covers([value]).some(({ name }) => name !== null))
}

/**
 * Whether etcd refuses the certificate because of the address that it comes from (checkCertSAN in client/pkg/transport/listener_tls.go). A
 * name of DNS is looked up there, which is not known here.
 */
function isFromOtherAddress({ subjectAltNames }: Certificate, urls: readonly string[]): boolean {
  const hosts = hostsOf(urls)
  const areAddresses = hosts.length > 0 && hosts.every(({ kind }) => kind === 'ip')
  const addresses = subjectAltNames.filter(({ kind }) => kind === 'ip').map(({ value }) => value)
  if (!areAddresses || addresses.length === 0 || subjectAltNames.some(({ kind }) => kind === 'dns')) return false
  return !hosts.some(({ value }) => addresses.includes(value))
}

/** The message without the options that name the files: a finding names the file once. */
function reasonOf({ message }: Finding): string {
  return message.replace(/ \(from [^()]*\)/g, '')
}
