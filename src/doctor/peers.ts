/** Findings about members that refuse each other's peer certificates now: one for each cause, with its pairs in the details. */
import { groupBy } from '../config/internal.js'
import { findingMaker } from '../report/internal.js'
import { type CaFile, cluster, type Reissue } from '../report/internal-catalogue.js'
import type { Finding } from '../report/index.js'
import { hostsOfUrls } from '../x509/internal.js'
import type { Comparison } from './evidence.js'
import { type DialRefusal, type ForecastMember, isAlive } from '../validate/internal.js'
import { isIssuing, sideOf } from './read-evidence.js'

const finding = findingMaker(cluster)

/** `by` refuses the certificate of `of`. */
interface Refusal extends DialRefusal {
  readonly of: string
  /** Whether the two are connected in the other direction. */
  readonly isConnected: boolean
}

/** The certificate leads to no CA of the member that refuses it: the certificate is wrong, or the CA file of that member. */
const OF_CA: readonly (string | null)[] = [
  ...['chain/issuer-not-found', 'chain/root-not-trusted', 'chain/issuer-key-differs', 'chain/no-trust-anchors'],
  'signature/invalid',
]

type Evidence = Pick<Comparison, 'members' | 'now' | 'expected'>

export function comparePeers(evidence: Evidence): Finding<'cluster/peer-refused'>[] {
  const all = evidence.expected.pairs.flatMap((pair) =>
    pair.refusals.map((each): Refusal => {
      const of = each.by === each.from ? each.to : each.from
      return { ...each, of, isConnected: isAlive(pair) }
    }),
  )
  // A certificate that is both served and presented is refused twice.
  const refusals = groupBy(all, ({ by, of }) => [by, of].join('\n')).map(([, [first]]) => first)
  const suspects = new Map(refusals.map((each) => [each, suspectIn(each, refusals, evidence)]))
  // The CA file and the certificate of one member may both be of another CA.
  const causes = groupBy(refusals, (each) => {
    const side = suspects.get(each) ?? null
    return side === null ? each : each[side]
  })
  return causes.map(([, some]) => {
    const [{ code, reason }] = some
    const side = suspects.get(some[0])
    const inFile = some.filter((each) => suspects.get(each) !== 'of')
    const inCertificate = some.filter((each) => suspects.get(each) !== 'by')
    const details = {
      refusals: refusalsIn(some),
      pairs: some.map(({ from, to, by, reason: why }) => ({ from, to, by, reason: why })),
      isConnected: some.every(({ isConnected }) => isConnected),
      reason,
    }
    const reissue = inCertificate.length === 0 ? null : reissueFor(inCertificate, evidence)
    if (code === 'config/member-not-allowed')
      return finding('cluster/peer-refused', { kind: 'not allowed', ...details })
    if (reissue !== null && (side === 'code' || inFile.length === 0))
      return finding('cluster/peer-refused', { kind: 'certificate', ...details, reissue })
    const caFile = fileFor(inFile, evidence)
    return side === null && reissue !== null
      ? finding('cluster/peer-refused', { kind: 'either', ...details, caFile, reissue })
      : finding('cluster/peer-refused', { kind: 'CA file', ...details, caFile, reissue })
  })
}

/** `by`: the CA file of the member that refuses is wrong. `of`: the certificate. Null: one of them. `code`: the cause is not the CA. */
type Suspect = 'by' | 'of' | 'code' | null

/** The other members whose CAs are known decide: most of them accept the certificate, or most refuse it. */
function suspectIn({ code, by, of }: Refusal, all: readonly Refusal[], { now }: Evidence): Suspect {
  if (!OF_CA.includes(code)) return 'code'
  const others = now.filter(({ name, anchors }) => name !== by && name !== of && anchors !== null)
  const refusing = others.filter(({ name }) => all.some((each) => each.by === name && each.of === of)).length
  if (refusing * 2 === others.length) return null
  return refusing * 2 < others.length ? 'by' : 'of'
}

/** Members that refuse the same certificates are in one entry. */
function refusalsIn(some: readonly Refusal[]): { by: string[]; of: string[] }[] {
  const each = groupBy(some, ({ of }) => of).map(([of, own]) => ({ of, by: own.map(({ by }) => by).sort() }))
  return groupBy(each, ({ by }) => by.join('\n')).map(([, same]) => ({ by: same[0].by, of: same.map(({ of }) => of) }))
}

/** The CA file of the member that refuses, and a file of another member that has the CAs of the certificates. */
function fileFor(refused: readonly Refusal[], { members, now }: Evidence): CaFile {
  const own = refused[0]?.by ?? ''
  const chains = now
    .filter(({ name }) => refused.some(({ of }) => of === name))
    .flatMap(({ chain, clientChain }) => [chain ?? [], clientChain ?? []].filter(({ length }) => length > 0))
  const files = members.flatMap((member) => {
    const ca = sideOf(member, 'peer')?.ca ?? null
    if (ca === null) return []
    const isComplete = chains.every((chain) => ca.certificates.some((each) => isIssuing(each, chain)))
    return [{ member: member.label, file: ca.path, option: ca.place.option, isComplete }]
  })
  const { file = null, option, isComplete: isChanged = false } = files.find(({ member }) => member === own) ?? {}
  const source = files.find((each) => each.member !== own && each.isComplete)
  return {
    ...{ member: own, file, isChanged, option: option ?? '--peer-trusted-ca-file' },
    authorities: [...new Set(chains.map((chain) => String(chain.at(-1)?.issuer)))],
    source: source === undefined ? null : { member: source.member, file: source.file },
  }
}

/** What certificates need so that all members accept them. */
function reissueFor(refused: readonly Refusal[], { now }: Evidence): Reissue {
  const members = [...new Set(refused.map(({ of }) => of))]
  const isOwn = ({ name }: ForecastMember): boolean => members.includes(name)
  const [first = [], ...more] = now.flatMap((each) => (isOwn(each) || each.anchors === null ? [] : [each.anchors]))
  const common = first.filter((ca) => ca.isCa && more.every((each) => each.some((one) => one.equals(ca))))
  const urls = now.filter(isOwn).flatMap(({ peerUrls }) => peerUrls)
  return {
    members,
    hosts: [...new Set(hostsOfUrls(urls).map(({ value }) => value))],
    authorities: [...new Set(common.map(({ subject }) => String(subject)))],
  }
}
