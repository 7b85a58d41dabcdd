/** What the evidence about ports and members shows. */
import type { EtcdConfigFile, EtcdConfigSide } from '../config/index.js'
import type { Finding, Unchecked } from '../report/index.js'
import type { Certificate, DistinguishedName } from '../x509/internal.js'
import type { AskedPort, ExaminedMember, ListedMember, Note, Port, SeenPort } from './evidence.js'

export const PORTS: readonly Port[] = ['client', 'peer']

/** Null if its files are on another machine. */
export function sideOf({ planned }: ExaminedMember, port: Port): EtcdConfigSide | null {
  return planned?.evidence.otherMachine === null ? planned.config[port] : null
}

export function filesOf(member: ExaminedMember, role: 'cert' | 'ca'): EtcdConfigFile[] {
  return PORTS.flatMap((port) => sideOf(member, port)?.[role] ?? [])
}

/** Whether it answers requests, for its own cluster. */
export function isAnswering({ client }: ExaminedMember): boolean {
  return client !== null && client.answers !== null
}

/** Whether anything answered. */
export function isReached({ refusal }: SeenPort): boolean {
  return !['unreachable', 'silent', 'aborted'].includes(refusal?.kind ?? '')
}

/** The longest list of members that one of the ports returned. */
export function listIn(asked: readonly AskedPort[]): readonly ListedMember[] {
  const lists = asked.flatMap(({ answers }) => (answers === null ? [] : [answers.members]))
  return lists.reduce((one, other) => (other.length > one.length ? other : one), [])
}

export function isIssuing(ca: Certificate, chain: readonly Certificate[]): boolean {
  return chain.some((each) => each.issuer.equals(ca.subject) && each.isSignedBy(ca))
}

export function isOfAccepted(chain: readonly Certificate[], accepted: readonly DistinguishedName[]): boolean {
  return chain.some(({ issuer }) => accepted.some((each) => each.equals(issuer)))
}

export function overlap(some: readonly string[], others: readonly string[]): boolean {
  return some.some((url) => others.includes(url))
}

/** A URL without its path, to compare it. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url
}

export function findingsIn(notes: readonly Note[]): Finding[] {
  return notes.flatMap((each) => ('code' in each ? [each] : []))
}

export function uncheckedOf(notes: readonly Note[]): Unchecked[] {
  return notes.flatMap((each) => ('code' in each ? [] : [each]))
}
