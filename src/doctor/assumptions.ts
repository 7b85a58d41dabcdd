/** Findings of the lint about what a configuration alone does not show. What the members show decides. */
import type { Finding } from '../report/index.js'
import { dialable } from '../client/internal.js'
import type { ExaminedMember, PlannedMember } from './evidence.js'
import { isForNames } from './pairs.js'
import type { Ports } from './members.js'
import { isDown, isRefused } from './outage.js'
import { isReached, sideOf } from './read-evidence.js'

interface Seen {
  readonly members: readonly ExaminedMember[]
  readonly planned: readonly PlannedMember[]
  readonly ports: Ports
}

/** A finding about what works is left out. It is an info if nothing failed, and it is not known whether it works. */
export async function checkAssumptions(
  linted: readonly Finding[],
  { members, planned, ports }: Seen,
): Promise<Finding[]> {
  const running = planned.flatMap(({ evidence: { kind, source } }) => (kind === 'process' ? [source] : []))
  const checked = linted.map(async (each): Promise<Finding[]> => {
    if (each.code === 'config/peer-address-unprovable') return members.some(isFailing) ? [each] : [asInfo(each)]
    if (each.code === 'config/client-auth-off' && each.details.side === 'client') return ofPasswords(each, members)
    if (isOfNames(each, planned)) return [asInfo(each)]
    if (AT_START.includes(each.code) && running.includes(each.place?.file ?? '')) return [asInfo(each)]
    if (each.code !== 'config/advertise-unreachable' || !isForwardable(each.details.kind)) return [each]
    const isWorking = await answersAt(each.details.url, members, ports)
    return isWorking === true ? [] : [isWorking === false ? each : asInfo(each)]
  })
  return (await Promise.all(checked)).flat()
}

/** Whether etcd requires passwords in place of certificates is not known before it was asked. */
function ofPasswords(finding: Finding, members: readonly ExaminedMember[]): Finding[] {
  const answers = members.flatMap(({ client }) => client?.answers ?? [])
  if (answers.some(({ isLoggedIn, isAuthEnabled }) => isLoggedIn || isAuthEnabled === true)) return []
  return [
    answers.length === 0 && members.some(({ client }) => client !== null && isReached(client))
      ? asInfo(finding)
      : finding,
  ]
}

/** What the certificate of a single etcd does not cover, if its clients may know it by a name. */
function isOfNames(finding: Finding, planned: readonly PlannedMember[]): boolean {
  if (finding.code !== 'san/host-not-covered') return false
  const config = planned.length === 1 ? planned[0]?.config : undefined
  const chain = config?.client.cert?.certificates ?? []
  const isLeaf = chain[0]?.fingerprint256 === finding.certificate?.fingerprint256
  return config !== undefined && isLeaf && isForNames([finding], chain, [config])
}

/** With these arguments etcd ends at once, so a process that has them is another program, or a release that is not known. */
const AT_START: readonly string[] = ['config/argument-misplaced', 'config/option-unknown']

function asInfo(finding: Finding): Finding {
  return { ...finding, severity: 'info' }
}

/** Warnings about a certificate of a server that Go, and so etcd and etcdctl, accepts. The lint knows whether the gateway is on. */
const OF_OTHER_CLIENTS: readonly string[] = [
  ...['chain/anchor-not-self-signed', 'key/size-unusual', 'usage/gateway-client-auth-missing'],
]

/** A finding of the client of this examination. */
export function withoutAlarm(finding: Finding): Finding {
  return finding.severity === 'warning' && OF_OTHER_CLIENTS.includes(finding.code) ? asInfo(finding) : finding
}

/** Whether it is down, or has lost the others. */
function isFailing(member: ExaminedMember): boolean {
  const { answers = null } = member.client ?? {}
  return isDown(member) || (answers !== null && answers.role === null && !member.listed.isLearner)
}

/** From this machine, a proxy or a forwarder looks as from others. A loopback address does not. */
function isForwardable(kind: string): boolean {
  return kind === 'port' || kind === 'address'
}

/** Whether the member that advertises a URL answers at it; null if that is not known from here. */
async function answersAt(url: string, members: readonly ExaminedMember[], ports: Ports): Promise<boolean | null> {
  const [endpoint] = dialable([url])
  const member = members.find(({ listed }) => [...listed.clientURLs, ...listed.peerURLs].includes(url))
  if (endpoint === undefined || member === undefined) return false
  const port = member.listed.clientURLs.includes(url) ? 'client' : 'peer'
  const asked = port === 'client' ? await ports.ask(endpoint) : null
  const seen = asked ?? (await ports.observe(endpoint))
  const { answers = null } = asked ?? {}
  if (answers !== null && member.listed.id !== '') return answers.memberId === member.listed.id
  const [[served], file] = [seen.chain, sideOf(member, port)?.cert]
  if (served !== undefined) return file?.certificates[0]?.equals(served) === true
  return isReached(seen) || isRefused(seen) ? false : null
}
