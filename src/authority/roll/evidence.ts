/** What the files and the endpoints of a roll show now. */
import { join } from 'node:path'
import type { Credentials } from '../../credentials/credentials.js'
import type { Finding } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import { finding } from './finding.js'
import { leadsTo } from './leads-to.js'
import { acceptsCertificate, lookAtEndpoint, type LookOptions, type RollEndpoint } from './look-endpoint.js'
import type { CaRollPlan } from './plan-types.js'
import { readChainFile } from './read-chain.js'

/** The certificates of a plan. */
export interface RollCas {
  readonly from: Certificate
  readonly to: Certificate
  readonly cross: Certificate | null
}

/** A certificate in use, with what is sent behind it. */
export interface ChainInUse {
  /** For people: a file or an endpoint. */
  readonly where: string
  readonly chain: readonly Certificate[]
}

export interface TrustFile {
  readonly file: string
  readonly anchors: readonly Certificate[]
}

export type Trust = 'yes' | 'no' | 'unknown'

/** A member as it is reached. */
export interface MemberView {
  readonly member: string
  readonly endpoint: string
  readonly from: Trust
  readonly to: Trust
}

export interface FileEvidence {
  readonly trust: readonly TrustFile[]
  readonly certificates: readonly ChainInUse[]
  readonly findings: readonly Finding[]
}

export interface LiveEvidence {
  readonly members: readonly MemberView[]
  readonly certificates: readonly ChainInUse[]
  readonly findings: readonly Finding[]
}

export async function readFiles(plan: CaRollPlan, directory: string, signal?: AbortSignal): Promise<FileEvidence> {
  const findings: Finding[] = []
  const read = async (file: string): Promise<readonly Certificate[] | null> => {
    signal?.throwIfAborted()
    const { chain, reason } = await readChainFile(join(directory, file), file)
    if (chain === null) {
      const words = reason === 'missing' ? 'it is not there.' : reason
      findings.push(finding('ca-roll/file-unreadable', { file, reason: words }))
    }
    return chain
  }
  const trust: TrustFile[] = []
  for (const file of plan.files.trust) {
    const anchors = await read(file)
    if (anchors !== null) trust.push({ file, anchors })
  }
  const certificates: ChainInUse[] = []
  for (const file of plan.files.certificates) {
    const chain = await read(file)
    if (chain !== null) certificates.push({ where: file, chain })
  }
  return { trust, certificates, findings }
}

/** An endpoint of a member. */
export interface NamedEndpoint {
  readonly member: string
  readonly endpoint: RollEndpoint
}

export async function lookAtMembers(
  endpoints: readonly NamedEndpoint[],
  cas: RollCas,
  credentials: readonly Credentials[],
  options: LookOptions,
): Promise<LiveEvidence> {
  const findings: Finding[] = []
  const certificates: ChainInUse[] = []
  const members: MemberView[] = []
  // One after the other: a check must not be felt by a cluster that is at work.
  for (const { member, endpoint } of endpoints) {
    const view = await lookAtEndpoint(endpoint, options)
    if (!view.reached) {
      findings.push(finding('ca-roll/endpoint-silent', { endpoint: endpoint.url, reason: view.reason }))
      continue
    }
    if (view.chain !== null) certificates.push({ where: endpoint.url, chain: view.chain })
    const byName = trustByName(view.authorities, cas)
    const trust = isKnown(byName) ? byName : await trustByTrying(endpoint, byName, cas, credentials, options)
    if (!isKnown(trust)) {
      const reason = view.authorities === null ? 'it shows no names of CAs' : 'the two have one name'
      findings.push(finding('ca-roll/trust-hidden', { endpoint: endpoint.url, reason }))
    }
    members.push({ member, endpoint: endpoint.url, ...trust })
  }
  return { members, certificates, findings }
}

type TrustInBoth = Pick<MemberView, 'from' | 'to'>

function isKnown({ from, to }: TrustInBoth): boolean {
  return from !== 'unknown' && to !== 'unknown'
}

/** Go names each CA once, so two of one name are two names; of one alone it cannot be told which it is. */
function trustByName(
  authorities: readonly { equals(other: Certificate['subject']): boolean }[] | null,
  { from, to }: RollCas,
): TrustInBoth {
  if (authorities === null) return { from: 'unknown', to: 'unknown' }
  const count = (ca: Certificate): number => authorities.filter((name) => name.equals(ca.subject)).length
  if (!from.subject.equals(to.subject))
    return { from: count(from) > 0 ? 'yes' : 'no', to: count(to) > 0 ? 'yes' : 'no' }
  if (count(from) === 1) return { from: 'unknown', to: 'unknown' }
  return count(from) === 0 ? { from: 'no', to: 'no' } : { from: 'yes', to: 'yes' }
}

/** Tries client certificates: one of the old CA, one of the new, each without a way to the other CA. */
async function trustByTrying(
  endpoint: RollEndpoint,
  known: TrustInBoth,
  { from, to, cross }: RollCas,
  credentials: readonly Credentials[],
  options: LookOptions,
): Promise<TrustInBoth> {
  const tryOne = async (ca: Certificate, other: Certificate): Promise<Trust> => {
    for (const each of credentials) {
      const [leaf, ...rest] = each.chain
      const chain = [leaf, ...rest.filter((link) => cross?.equals(link) !== true)] as const
      if (!leadsTo(chain, [ca]) || leadsTo(chain, [other])) continue
      const accepted = await acceptsCertificate(endpoint, { ...each, chain: [...chain] }, options)
      if (accepted !== null) return accepted ? 'yes' : 'no'
    }
    return 'unknown'
  }
  return {
    from: known.from === 'unknown' ? await tryOne(from, to) : known.from,
    to: known.to === 'unknown' ? await tryOne(to, from) : known.to,
  }
}
