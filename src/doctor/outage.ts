/** Findings about members that do not answer. */
import { cluster } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker } from '../report/finding.js'
import { type ExaminedMember, isReached } from './members.js'
import type { SeenPort } from './process.js'

const finding = findingMaker(cluster)

/** Whether nothing answers at its client port. */
export function isDown({ client }: ExaminedMember): boolean {
  return client !== null && client.answers === null && !isReached(client.seen)
}

/** Whether its machine answers, and nothing listens at both of its ports. */
function isStopped({ client, peer }: ExaminedMember): boolean {
  return isRefused(client?.seen ?? null) && isRefused(peer)
}

function isRefused(seen: SeenPort | null): boolean {
  return seen?.observation.refusal?.detail.includes('ECONNREFUSED') === true
}

/**
 * A member that is down is a warning, and an error if the members that answer have no leader and are too few for one. If no member
 * answers, the client's findings about each endpoint say why.
 */
export function compareOutage(members: readonly ExaminedMember[]): Finding[] {
  const answers = members.flatMap(({ client }) => client?.answers ?? [])
  const down = members.filter(isDown)
  if (answers.length === 0 || down.length === 0) return []
  const voters = members.filter(({ listed }) => !listed.isLearner)
  const downVoters = down.filter((each) => voters.includes(each))
  const spare = voters.length - downVoters.length - (Math.floor(voters.length / 2) + 1)
  const hasLeader = answers.some(({ role }) => role === 'leader' || role === 'follower')
  // A leader that has just lost the others reports for a second that it is one.
  if (spare < 0 && (!hasLeader || downVoters.every(isStopped))) {
    const details = { down: downVoters.map(downDetails), voters: voters.length }
    const leaderless = members.flatMap(({ client }) => client?.findings.filter(isNoLeader) ?? [])
    return [{ ...finding('cluster/member-down', { kind: 'no quorum', ...details }), consequences: leaderless }]
  }
  return down.map((member) => {
    const role = member.listed.isLearner ? 'learner' : 'voter'
    return finding('cluster/member-down', { kind: 'one', ...downDetails(member), spare: Math.max(spare, 0), role })
  })
}

export function isNoLeader({ code }: Finding): boolean {
  return code === 'endpoint/no-leader'
}

function downDetails({ label, client }: ExaminedMember) {
  const { kind, detail = '' } = client?.seen.observation.refusal ?? {}
  // An observation that ends at the time-out does not say how far it came; the client does.
  const isSilent = kind === 'silent' || client?.findings.some(({ code }) => code === 'endpoint/silent') === true
  const state = isSilent ? 'silent' : isRefused(client?.seen ?? null) ? 'refused' : 'unreachable'
  return { member: label, endpoint: client?.seen.url ?? '', state, detail } as const
}
