/**
 * Decides on the next step of the replacement of a CA from what the ports of all members accept and serve, and what their files say.
 * etcd reads its CAs only at its start (etcd issue #11555): a member needs a restart exactly if its ports do not accept the CAs of its files.
 */
import { validateConnected } from '../../validate/internal.js'
import type { Certificate } from '../../x509/internal.js'
import type { RollMember, RollPort, RollState, RollStep, Trust } from './roll-state.js'

type Chain = readonly Certificate[]

/** The certificates of the two CAs. */
export interface RollCas {
  readonly from: Chain
  readonly to: Chain
}

/** A port with the certificates behind {@link RollPort}. */
export interface PortEvidence extends RollPort {
  readonly chain: Chain
  /** The CAs that it trusts after the next restart; null if that is not known. */
  readonly anchors: Chain | null
  /** Why it is not known what it accepts; null if it is. */
  readonly problem: string | null
}

export interface MemberEvidence extends RollMember {
  readonly host: string
  /** Why it does not answer a linearizable read; null if it does. */
  readonly unread: string | null
  /** How many milliseconds its clock is ahead; null if that is not known. */
  readonly clock: number | null
  /** The CA files that were seen and are not as the plan has them. */
  readonly differing: readonly string[]
  readonly ports: readonly PortEvidence[]
}

/** A client whose files are known here. */
export interface ClientEvidence {
  readonly name: string
  readonly chain: Chain
  readonly anchors: Chain
}

export interface RollEvidence {
  readonly cas: RollCas
  readonly members: readonly MemberEvidence[]
  readonly clients: readonly ClientEvidence[]
  /** What prevents every step. */
  readonly problems: readonly string[]
  readonly at: Date
}

type Decision = Pick<RollState, 'step' | 'refusals'>

const MAX_CLOCK = 60_000

export function decide(evidence: RollEvidence): Decision {
  const { members, problems } = evidence
  const before = [...problems, ...members.flatMap(unfit)]
  if (before.length > 0) return refused(before)
  const waiting = members.filter(({ ports }) => ports.some(({ file, accepts }) => file !== null && file !== accepts))
  if (waiting.length === 0) return nextStage(evidence)
  const harms = waiting.flatMap((each) => harmsOfRestart(each, evidence))
  if (harms.length > 0) return refused(harms)
  const [next] = waiting
    .filter(({ isVisible }) => isVisible)
    .sort((one, other) => Number(one.isLeader) - Number(other.isLeader))
  return next === undefined ? refused(waiting.map(notSeen)) : step('restart', [next])
}

function refused(refusals: readonly string[]): Decision {
  return { step: null, refusals }
}

function step(kind: RollStep['kind'], members: readonly MemberEvidence[]): Decision {
  return { step: { kind, members: members.map(({ name }) => name) }, refusals: [] }
}

function unfit({ name, unread, clock, ports, differing }: MemberEvidence): string[] {
  const seconds = Math.round((clock ?? 0) / 1000)
  return [
    ...ports.flatMap(({ port, problem }) =>
      problem === null ? [] : [`It is not known what the ${port} port of ${name} accepts: ${problem}.`],
    ),
    ...(unread === null ? [] : [`${name} does not answer a linearizable read: ${unread}.`]),
    ...(Math.abs(clock ?? 0) > MAX_CLOCK
      ? [`The clock of ${name} differs from that of this machine by ${String(seconds)} s: correct it first.`]
      : []),
    ...differing.map((file) => `${name} reads ${file}, which is not as the directory has it: copy the file first.`),
  ]
}

function notSeen({ name, host }: MemberEvidence): string {
  return `${name} needs a restart, and the files that it will read were not seen: run this on ${host} too.`
}

/** What a restart of this member would break: its links to other members, its own gateway, and clients. */
function harmsOfRestart(member: MemberEvidence, { cas, members, clients, at }: RollEvidence): string[] {
  const refuses = (anchors: Chain | null, chain: Chain): boolean =>
    anchors !== null && chain.length > 0 && !isVerified(chain, anchors, at)
  const start = `Do not restart ${member.name}: it`
  const portOf = ({ ports }: MemberEvidence, kind: RollPort['port']): PortEvidence | undefined =>
    ports.find(({ port }) => port === kind)
  const [own, peer] = [portOf(member, 'client'), portOf(member, 'peer')]
  const harms: string[] = []
  for (const other of members.filter((each) => each !== member)) {
    const theirs = portOf(other, 'peer')
    if (peer === undefined || theirs === undefined) continue
    if (refuses(peer.anchors, theirs.chain))
      harms.push(`${start} would refuse ${other.name}, whose certificate is of ${issuerOf(theirs.chain)}.`)
    const now = [...(hasOld(theirs.accepts) ? cas.from : []), ...(hasNew(theirs.accepts) ? cas.to : [])]
    if (now.length > 0 && refuses(now, peer.chain))
      harms.push(`${start} would be refused by ${other.name}, which does not accept ${issuerOf(peer.chain)}.`)
  }
  if (own === undefined) return harms
  if (refuses(own.anchors, own.chain))
    harms.push(`${start} would refuse its own gateway, whose certificate is of ${issuerOf(own.chain)}.`)
  const lost = clients.filter(({ chain }) => refuses(own.anchors, chain))
  return [
    ...harms,
    ...lost.map(
      ({ name, chain }) => `${start} would refuse the client ${name}, whose certificate is of ${issuerOf(chain)}.`,
    ),
  ]
}

function hasOld(trust: Trust | null): boolean {
  return trust === 'old' || trust === 'both'
}

function hasNew(trust: Trust | null): boolean {
  return trust === 'new' || trust === 'both'
}

function issuerOf(chain: Chain): string {
  return `"${String(chain.at(-1)?.issuer ?? '')}"`
}

export function isVerified(chain: Chain, trustAnchors: Chain, at: Date): boolean {
  const given = { chain: [...chain], trustAnchors: [...trustAnchors] }
  return chain.length > 0 && trustAnchors.length > 0 && validateConnected(given, { usage: 'any', at }).ok
}

/** All members run with the CAs of their files. */
function nextStage({ cas, members, clients, at }: RollEvidence): Decision {
  const isNew = (chain: Chain): boolean => isVerified(chain, cas.to, at)
  // A port that knows neither CA has another one, as peers may.
  const isRolling = ({ accepts, serves }: PortEvidence): boolean => accepts !== 'other' || serves !== 'other'
  const having = (isSo: (port: PortEvidence) => boolean): MemberEvidence[] =>
    members.filter(({ ports }) => ports.some((each) => isRolling(each) && isSo(each)))
  if (having(({ accepts, serves }) => serves !== 'other' || hasOld(accepts) || hasNew(accepts)).length === 0)
    return refused(['No port accepts or serves certificates of these CAs: they are not those of this cluster.'])
  const old = having(({ chain }) => !isNew(chain))
  const oldClients = clients.filter(({ chain }) => !isNew(chain))
  const onlyOld = having(({ accepts }) => accepts === 'old')
  // With a cross-certificate, members that trust only the old CA accept the new certificates.
  if (onlyOld.length > 0 && old.length + oldClients.length > 0) return step('trust-both', onlyOld)
  const unfinished = having(({ accepts }) => hasOld(accepts))
  if (old.length > 0) {
    const left = clients.filter(({ anchors }) => !anchors.some((each) => cas.to.some((ca) => ca.equals(each))))
    if (left.length > 0)
      return refused(
        left.map(({ name }) => `The client ${name} does not trust the new CA: write both CAs to it first.`),
      )
    if (unfinished.length > 0 || having(({ accepts }) => accepts === 'any').length > 0) return step('reissue', old)
    return refused(
      old.map(({ name }) => `${name} serves a certificate of another CA than the new one, the only trusted.`),
    )
  }
  if (oldClients.length > 0 && unfinished.length > 0)
    return refused(
      oldClients.map(
        ({ name, chain }) => `The client ${name} has a certificate of ${issuerOf(chain)}: reissue it first.`,
      ),
    )
  return unfinished.length > 0 ? step('trust-new', unfinished) : step('done', [])
}
