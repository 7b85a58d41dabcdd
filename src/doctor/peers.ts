/** Findings about members that refuse each other's peer certificates now: one for each cause, with its pairs in the details. */
import { groupBy } from '../config/lint/rule.js'
import { type CaFile, cluster, type Reissued } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker } from '../report/finding.js'
import type { Certificate } from '../x509/certificate.js'
import type { DialRefusal, ForecastMember, QuorumForecast } from './cluster-report.js'
import { isAlive, isIssuing, sideOf } from './compare.js'
import { hostsOf } from './forecast.js'
import type { ExaminedMember } from './members.js'

const finding = findingMaker(cluster)

/** `by` refuses the certificate of `of`. */
interface Refusal extends DialRefusal {
  readonly of: string
  readonly pair: string
  /** Whether the two are connected in the other direction. */
  readonly isConnected: boolean
}

/** The certificate leads to no CA of the member that refuses it: the certificate is wrong, or the CA file of that member. */
const OF_CA: readonly (string | null)[] = [
  ...['chain/issuer-not-found', 'chain/root-not-trusted', 'chain/issuer-key-differs', 'chain/no-trust-anchors'],
  'signature/invalid',
]

/** The members, and the same ones as the forecast has them. */
interface Evidence {
  readonly members: readonly ExaminedMember[]
  readonly now: readonly ForecastMember[]
}

export function comparePeers(evidence: Evidence, { pairs }: QuorumForecast): Finding<'cluster/peer-refused'>[] {
  const all = pairs.flatMap((pair) =>
    pair.refusals.map((each): Refusal => {
      const of = each.by === each.from ? each.to : each.from
      return { ...each, of, pair: pair.members.join('\n'), isConnected: isAlive(pair) }
    }),
  )
  // A certificate that is both served and presented is refused twice.
  const refusals = groupBy(all, ({ by, of }) => [by, of].join('\n')).map(([, [first]]) => first)
  const suspects = new Map(refusals.map((each) => [each, suspectOf(each, refusals, evidence)]))
  const isSuspect = (side: Suspect, name: string): boolean =>
    refusals.some((each) => suspects.get(each) === side && each[side] === name)
  // The CA file and the certificate of one member may both be of another CA; members with the same fault are one cause.
  const causes = groupBy(refusals, (each) => {
    const side = suspects.get(each)
    if (side === undefined) return String(each.code)
    return side === null ? each.pair : SUSPECTS.filter((one) => isSuspect(one, each[side])).join()
  })
  return causes.map(([, some]) => {
    const [{ code, reason }] = some
    const side = suspects.get(some[0])
    const inFile = side === null ? some : some.filter((each) => suspects.get(each) === 'by')
    const reissued = some.filter((each) => side === null || suspects.get(each) !== 'by')
    const wrongFiles = side === null ? [] : inFile.map(({ by }) => by)
    const details = {
      refusals: refusalsIn(some),
      pairs: some.map(({ from, to, by, reason: why }) => ({ from, to, by, reason: why })),
      isConnected: some.every(({ isConnected }) => isConnected),
      reason,
      files: groupBy(inFile, ({ by }) => by).map(([by, own]) => fileOf(by, own, evidence)),
      reissued: [...new Set(reissued.map(({ of }) => of))].map((of) => reissuedOf(of, wrongFiles, evidence)),
    }
    if (side === null) return finding('cluster/peer-refused', { kind: 'either', ...details })
    if (side !== undefined) return finding('cluster/peer-refused', { kind: 'CA', ...details })
    const kind = code === 'config/member-not-allowed' ? 'not allowed' : 'certificate'
    return finding('cluster/peer-refused', { kind, ...details })
  })
}

const SUSPECTS = ['by', 'of'] as const
type Suspect = (typeof SUSPECTS)[number]

/**
 * Whose fault it is that a CA is not known, by the other members whose CAs are known: most of them accept the certificate, or most refuse
 * it. Null: they do not decide it. Undefined: the refusal has another cause.
 */
function suspectOf({ code, by, of }: Refusal, all: readonly Refusal[], { now }: Evidence): Suspect | null | undefined {
  if (!OF_CA.includes(code)) return undefined
  const others = now.filter(({ name, anchors }) => name !== by && name !== of && anchors !== null)
  const isRefusing = (name: string): boolean => all.some((each) => each.by === name && each.of === of)
  const refusing = others.filter(({ name }) => isRefusing(name)).length
  if (refusing * 2 === others.length) return null
  return refusing * 2 < others.length ? 'by' : 'of'
}

/** Members that refuse the same certificates are in one entry. */
function refusalsIn(some: readonly Refusal[]): { by: string[]; of: string[] }[] {
  const each = groupBy(some, ({ of }) => of).map(([of, own]) => ({ of, by: own.map(({ by }) => by).sort() }))
  return groupBy(each, ({ by }) => by.join('\n')).map(([, same]) => ({ by: same[0].by, of: same.map(({ of }) => of) }))
}

/** The CA file of a member, and a file of another member that has the CAs of the certificates that it refuses. */
function fileOf(by: string, refused: readonly Refusal[], { members, now }: Evidence): CaFile {
  const chains = now
    .filter(({ name }) => refused.some(({ of }) => of === name))
    .flatMap(({ chain, clientChain }) => [chain ?? [], clientChain ?? []].filter(({ length }) => length > 0))
  const isComplete = (certificates: readonly Certificate[] = []): boolean =>
    chains.every((chain) => certificates.some((ca) => isIssuing(ca, chain)))
  const files = members.flatMap((member) => {
    const { path, place, certificates } = sideOf(member, 'peer')?.ca ?? {}
    return path === undefined
      ? []
      : [{ member: member.label, path, option: place?.option, isComplete: isComplete(certificates) }]
  })
  const own = files.find(({ member }) => member === by)
  const source = files.find(({ member, isComplete: is }) => member !== by && is)
  return {
    member: by,
    file: own?.path ?? null,
    option: own?.option ?? '--peer-trusted-ca-file',
    authorities: [...new Set(chains.map((chain) => String(chain.at(-1)?.issuer)))],
    isChanged: own?.isComplete === true,
    source: source === undefined ? null : { member: source.member, file: source.path },
  }
}

/** What a certificate of a member needs so that all members accept it, those left out whose CA file is wrong. */
function reissuedOf(member: string, wrongFiles: readonly string[], { now }: Evidence): Reissued {
  const [first = [], ...others] = now
    .filter(({ name }) => name !== member && !wrongFiles.includes(name))
    .flatMap(({ anchors }) => (anchors === null ? [] : [anchors]))
  const common = first.filter((ca) => ca.isCa && others.every((each) => each.some((one) => one.equals(ca))))
  const urls = now.find(({ name }) => name === member)?.peerUrls ?? []
  return {
    member,
    hosts: [...new Set(hostsOf(urls).map(({ value }) => value))],
    authorities: [...new Set(common.map(({ subject }) => String(subject)))],
  }
}
