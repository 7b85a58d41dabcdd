/** Which members of a cluster can connect, and until when. No input or output, and no clock. */
import type { CertificateRef, FindingCode } from '../report/finding.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { type Acceptance, type AcceptanceQuestion, type Acceptor, refusedByEtcd, validateUntil } from './valid-until.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import { hostsOfUrls } from '../x509/names.js'

/** What {@link forecast} needs of one member. */
export interface ForecastMember {
  readonly name: string
  /** Whether it does not vote. */
  readonly isLearner: boolean
  /** The URLs that other members dial. */
  readonly peerUrls: readonly string[]
  /** The chain that it serves to members, the leaf first; null if that is not known. */
  readonly chain: readonly Certificate[] | null
  /** The chain that it presents when it dials; null if that is `chain`. */
  readonly clientChain: readonly Certificate[] | null
  /** The CAs that it trusts for members; null if that is not known: then only dates, names and usages are checked. */
  readonly anchors: readonly Certificate[] | null
  /** Whether it requires the certificates of members. */
  readonly requiresCertificates: boolean
  /** Common names, of which a certificate must have one; empty for no such restriction. */
  readonly allowedNames: readonly string[]
  /** Hosts, of which a certificate must cover one; empty for no such restriction. */
  readonly allowedHosts: readonly string[]
  /** Its CRLs. etcd checks only their serial numbers, and neither the signer nor the dates. */
  readonly crls: readonly Crl[]
  /** Whether it compares the names of a certificate with the address that the member dials from. */
  readonly checksAddress: boolean
}

/** Why one member refuses a certificate of another one. */
export interface DialRefusal {
  /** Who dials, and who is dialled. */
  readonly from: string
  readonly to: string
  /** The member that refuses, and the finding about the certificate that it refuses, as a message. */
  readonly by: string
  readonly reason: string
  /** The code of that finding; null if absent. */
  readonly code: FindingCode | null
}

/** Two members, and until when one of them can dial the other. */
export interface PairForecast {
  readonly members: readonly [string, string]
  /** The last moment at which one can dial the other; null if neither can now, or if that is not known. */
  readonly until: Date | null
  /** Whether the certificates of both are known. */
  readonly isKnown: boolean
  /** Why dials are refused now: empty if both can dial. */
  readonly refusals: readonly DialRefusal[]
}

/** Until when the members of a cluster can connect, if no certificate is renewed. */
export interface QuorumForecast {
  /**
   * The last moment at which a majority of the voters can connect. Null: there is no such moment, because the cluster has one voter or no
   * chain is known.
   */
  readonly until: Date | null
  /** The certificate that ends then; null without a date. */
  readonly certificate: CertificateRef | null
  /** Whether a majority can connect now. */
  readonly hasQuorum: boolean
  readonly pairs: readonly PairForecast[]
  /** The members whose CAs are not known. */
  readonly assumed: readonly string[]
}

interface Dial {
  /** Milliseconds since 1970: `-Infinity` if it is refused now, `Infinity` if nothing is known of it. */
  readonly until: number
  readonly certificate: CertificateRef | null
  readonly refusals: readonly DialRefusal[]
}

const UNLIMITED: Dial = { until: Infinity, certificate: null, refusals: [] }
const NEVER: Dial = { until: -Infinity, certificate: null, refusals: [] }

/** Many more than etcd recommends. The time of a forecast is quadratic in them. */
const MAX_MEMBERS = 100

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
  const pairs = all.flatMap((a, i) => all.slice(i + 1).map((b) => ({ a, b, dial: dials.between(a, b) })))
  const voters = all.filter(({ isLearner }) => !isLearner)
  const needed = Math.floor(voters.length / 2)
  // The member that stays connected to enough others for the longest time.
  let last = needed === 0 ? UNLIMITED : NEVER
  for (const voter of voters) {
    const others = pairs.filter(({ a, b }) => (a === voter || b === voter) && !(a.isLearner || b.isLearner))
    const sorted = others.map(({ dial }) => dial).sort((one, other) => (one.until < other.until ? 1 : -1))
    const end = sorted[needed - 1]
    if (end !== undefined && end.until > last.until) last = end
  }
  return {
    until: dateOf(last),
    certificate: last.certificate,
    hasQuorum: last.until !== -Infinity,
    pairs: pairs.map(({ a, b, dial }) => ({
      members: [a.name, b.name],
      until: dateOf(dial),
      isKnown: dial.until !== Infinity,
      refusals: dial.refusals,
    })),
    assumed: all.filter(({ anchors }) => anchors === null).map(({ name }) => name),
  }
}

function dateOf({ until }: Dial): Date | null {
  return Number.isFinite(until) ? new Date(until) : null
}

export function isAlive({ until, isKnown }: PairForecast): boolean {
  return until !== null || !isKnown
}

/** The dials of one cluster. The same chain is validated once for the same CAs. */
export class Dials {
  readonly #at: Date
  readonly #known = new Map<string, Acceptance>()

  constructor(at: Date) {
    this.#at = at
  }

  /** The dial that works for longer, with the refusals of both. */
  between(a: ForecastMember, b: ForecastMember): Dial {
    const [one, other] = [this.#dial(a, b), this.#dial(b, a)]
    return { ...(one.until < other.until ? other : one), refusals: [...one.refusals, ...other.refusals] }
  }

  #dial(from: ForecastMember, to: ForecastMember): Dial {
    const presented = from.clientChain ?? from.chain
    const halves: [by: ForecastMember, acceptance: Acceptance][] = []
    if (to.chain !== null) halves.push([from, this.#acceptsServer(from, to.chain, to.peerUrls)])
    if (to.requiresCertificates && presented !== null)
      halves.push([to, this.acceptsClient(to, presented, from.peerUrls)])
    let first = UNLIMITED
    const refusals: DialRefusal[] = []
    for (const [by, half] of halves) {
      if ('reason' in half) refusals.push({ from: from.name, to: to.name, by: by.name, ...half })
      else if (half.until < first.until) first = { ...half, refusals }
    }
    return refusals.length > 0 ? { ...NEVER, refusals } : first
  }

  /** etcd dials each of the URLs in turn. */
  #acceptsServer({ anchors }: ForecastMember, chain: readonly Certificate[], urls: readonly string[]): Acceptance {
    const [first, ...others] = hostsOfUrls(urls).map(({ value }) => this.#validate({ chain, anchors, host: value }))
    if (first === undefined) return this.#validate({ chain, anchors, host: null })
    return [first, ...others].find((each) => !('reason' in each)) ?? first
  }

  /** @param urls Where the client dials from. */
  acceptsClient(by: Acceptor, chain: readonly Certificate[], urls: readonly string[]): Acceptance {
    const accepted = this.#validate({ chain, anchors: by.anchors, host: undefined })
    return 'reason' in accepted ? accepted : (refusedByEtcd(by, chain, urls) ?? accepted)
  }

  #validate(question: AcceptanceQuestion): Acceptance {
    const { chain, anchors, host } = question
    const lists = [chain, ...(anchors === null ? [] : [anchors])]
    const prints = lists.map((list) => list.map(({ fingerprint256 }) => fingerprint256).join())
    const key = [String(host), ...prints].join('\n')
    const known = this.#known.get(key) ?? validateUntil(question, this.#at)
    this.#known.set(key, known)
    return known
  }
}
