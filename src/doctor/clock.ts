/** Compares the clock of this machine, by which the dates of certificates are checked, with those of the members. */
import type { ClockReading } from '../client/internal-diagnosis.js'
import { findingMaker, uncheckedIn } from '../report/internal.js'
import { cluster } from '../report/internal-catalogue.js'
import type { CertificateRef, Finding } from '../report/index.js'
import { areOfDates, durationText, isDateCode } from '../validate/internal.js'
import type { Asking, ExaminedCluster, ExaminedMember } from './evidence.js'

const finding = findingMaker(cluster)
type ClockDiffers = Finding<'cluster/clock-differs'>

/** Clocks that differ by less agree: an answer takes time. */
const AGREEMENT = 60_000
/** From here on a difference is a warning, also if no date depends on it. */
const NOTICED = 300_000

interface MemberClock extends ClockReading {
  readonly member: ExaminedMember
  /** The member's clock minus this machine's, in milliseconds. */
  readonly difference: number
}

interface ComparedClocks extends ExaminedCluster {
  /** The time to check certificates at: that of the members if this machine's clock is wrong. */
  readonly at: Date
  readonly clockFindings: readonly Finding[]
}

/**
 * The clock that differs from those of most members is wrong; one member alone does not show whose. What was refused only because of
 * this machine's clock becomes a consequence of the finding about it, and dates are then checked at the time of the members.
 */
export function compareClocks(examined: ExaminedCluster, { at, isNow }: Pick<Asking, 'at' | 'isNow'>): ComparedClocks {
  const all = [...examined.members, ...examined.others]
  const clocks = all.flatMap(clockOf)
  const most = clocksOfMost(clocks)
  const offset = most[0]?.difference ?? 0
  const time = new Date(at.getTime() + offset)
  const refused = all.filter(({ client }) => isNow && client?.answers === null && areOfDates(client.findings))
  const affected = refused.filter(
    (each) => !isNear(offset, 0) && errorsOf(each).every(({ certificate }) => isValidAt(certificate, time)),
  )
  const isClear = clocks.length > 1
  const own = isNear(offset, 0) ? [] : [ownFinding(isClear ? 'this machine' : 'unclear', most, affected)]
  const others = clocks
    .filter(({ difference }) => !isNear(difference, offset))
    .map((each) => (most.length > 0 ? memberFinding(each, all, offset) : ownFinding('unclear', [each], [])))
  const isWrong = isNow && own.length > 0 && (isClear || affected.length > 0)
  const corrected = (member: ExaminedMember): ExaminedMember => {
    const { client } = member
    if (!isWrong || client === null) return member
    const kept = client.findings.filter(({ code, certificate }) => !isDateCode(code) || !isValidAt(certificate, time))
    return { ...member, client: { ...client, findings: affected.includes(member) ? own : kept } }
  }
  return {
    ...examined,
    at: isWrong ? time : at,
    members: examined.members.map(corrected),
    others: examined.others.map(corrected),
    clockFindings: [...own, ...others].filter(isNoticed),
    unchecked: [
      ...examined.unchecked,
      ...(clocks.length === 0 && refused.length > 0 ? [uncheckedIn(null, 'server', NOT_COMPARED)] : []),
      ...affected.map(({ label }) => uncheckedIn(null, 'server', `${label} was not asked: ${NOT_USABLE}`)),
    ],
  }
}

const NOT_COMPARED =
  'No member returned its time, so the clock of this machine was not compared: if it is wrong, so is what is reported about dates.'
const NOT_USABLE = 'by the clock of this machine, a certificate is not valid.'

function clockOf(member: ExaminedMember): MemberClock[] {
  const clock = member.client?.clock ?? null
  return clock === null ? [] : [{ ...clock, member, difference: clock.peer - clock.own }]
}

/** Those that agree, if they are more than half; otherwise none. */
function clocksOfMost(clocks: readonly MemberClock[]): MemberClock[] {
  const groups = clocks.map(({ difference }) => clocks.filter((each) => isNear(each.difference, difference)))
  return groups.find(({ length }) => length * 2 > clocks.length) ?? []
}

function isNear(difference: number, offset: number): boolean {
  return Math.abs(difference - offset) < AGREEMENT
}

function errorsOf({ client }: ExaminedMember): Finding[] {
  return (client?.findings ?? []).filter(({ severity }) => severity === 'error')
}

function isValidAt(validity: Pick<CertificateRef, 'notBefore' | 'notAfter'> | null, time: Date): boolean {
  return validity !== null && validity.notBefore <= time && time <= validity.notAfter
}

/** @param affected The members that were not asked because of the clock of this machine. */
function ownFinding(
  kind: 'this machine' | 'unclear',
  clocks: readonly MemberClock[],
  affected: readonly ExaminedMember[],
): ClockDiffers {
  const { peer = 0, own = 0 } = clocks[0] ?? {}
  const members = clocks.map(({ member }) => member.label)
  const refused = affected.map(({ label }) => label)
  const certificates = affected.flatMap(errorsOf).flatMap(({ certificate }) => certificate ?? [])
  const distinct = new Map(certificates.map((each) => [each.fingerprint256, each]))
  const consequences = [...distinct.values()].map((each) => {
    const { notBefore, notAfter } = each
    return finding('cluster/clock-differs', { kind: 'would refuse', notBefore, notAfter }, each)
  })
  return { ...finding('cluster/clock-differs', { kind, ...timesOf(own, peer), members, refused }), consequences }
}

/** With the members whose peer certificates it would refuse by its clock. */
function memberFinding(
  { member, own, peer }: MemberClock,
  all: readonly ExaminedMember[],
  offset: number,
): ClockDiffers {
  const right = new Date(own + offset)
  const refused = all.flatMap(({ label, peer: port }) => {
    const leaf = label === member.label ? undefined : port?.chain[0]
    return leaf !== undefined && isValidAt(leaf, right) && !isValidAt(leaf, new Date(peer)) ? [label] : []
  })
  const times = timesOf(peer, own + offset)
  return finding('cluster/clock-differs', { kind: 'member', member: member.label, ...times, refused })
}

function timesOf(clock: number, others: number) {
  const apart = durationText(Math.abs(clock - others))
  return { clock: new Date(clock), others: new Date(others), offset: clock - others, apart }
}

function isNoticed({ details }: ClockDiffers): boolean {
  return 'offset' in details && (details.refused.length > 0 || Math.abs(details.offset) >= NOTICED)
}
