/** What one kind of client met in one run, or in several, and what of it was promised. */
import { leaseFaults, observerFaults, registerFaults, setFaults, valuesAppliedTwice, watchFaults } from './checks.js'
import type { Death } from './faults.js'
import type { QuorumChange } from './quorum.js'
import type { Recording } from './record.js'
import { type ElectedLeader, type Recovery, recoveryOf } from './recovery.js'
import type { StoreEvent } from './store-history.js'
import type { ClientKind } from './clients/work.js'

export interface Account {
  readonly answered: number
  readonly outcomeUnknown: number
  /** Calls that failed and were certain to have had no effect, by their message. */
  readonly failures: Readonly<Record<string, number>>
  readonly registers: number
  readonly notLinearizable: readonly string[]
  readonly appliedTwice: readonly string[]
  readonly elements: number
  readonly setFaults: readonly string[]
  readonly watches: number
  readonly events: number
  readonly watchFaults: readonly string[]
  readonly leases: number
  readonly leasesLostWhileConnected: number
  readonly leasesLostOtherwise: number
  readonly leasesExpiredUnnoticed: number
  /** How often a lock was held, or an election won. */
  readonly terms: number
  readonly coordinationFaults: readonly string[]
  readonly leadersObserved: number
  readonly observerFaults: readonly string[]
  readonly rotations: number
  readonly rotationFailures: readonly string[]
  readonly recovery: Recovery
  /** Megabytes in a minute, fitted to the second half of the run; one value for each run. */
  readonly growth: { readonly rss: readonly number[]; readonly heap: readonly number[] }
}

/** One run with its circumstances. */
export interface ChaosReport {
  readonly seed: number
  readonly seconds: number
  /** Kinds of faults; null: all of them, alone and at once. */
  readonly only: readonly string[] | null
  /** Part of the time in which a quorum was connected to each other and to the clients, 0 to 1. */
  readonly quorumConnected: number
  readonly deaths: number
  /** Mean number of processes that were ready to run on this machine, by the minute, and its processors. */
  readonly load: number
  readonly processors: number
  readonly clients: Partial<Record<ClientKind, Account>>
}

export interface Circumstances {
  readonly prefix: string
  readonly events: readonly StoreEvent[]
  readonly quorum: readonly QuorumChange[]
  readonly deaths: readonly Death[]
  readonly elected: readonly ElectedLeader[]
}

export function accountOf(recording: Recording, circumstances: Circumstances): Account {
  const { prefix, quorum, deaths, elected } = circumstances
  const events = circumstances.events.filter(({ key }) => key.includes(prefix))
  const failures: Record<string, number> = {}
  for (const { message, unknown } of recording.of('failure')) {
    if (!unknown) failures[message] = (failures[message] ?? 0) + 1
  }
  const leases = leaseFaults(recording, events, quorum)
  const memory = recording.of('memory')
  const fit = (read: (each: (typeof memory)[number]) => number): number =>
    slope(memory.slice(Math.floor(memory.length / 2)).map((each) => [each.at / 60_000, read(each) / 1024 / 1024]))
  return {
    answered:
      recording.of('call').filter((each) => each.answered).length +
      recording.of('element').filter(({ certain }) => certain).length,
    outcomeUnknown: recording.of('failure').filter(({ unknown }) => unknown).length,
    failures,
    registers: recording.of('register').length,
    notLinearizable: registerFaults(recording),
    appliedTwice: valuesAppliedTwice(prefix, events),
    elements: recording.of('element').length,
    setFaults: setFaults(recording, events),
    watches: recording.of('watch').length,
    events: recording.of('events').reduce((sum, { lines }) => sum + lines.length, 0),
    watchFaults: watchFaults(recording, events),
    leases: recording.of('lease').length,
    leasesLostWhileConnected: leases.whileConnected,
    leasesLostOtherwise: leases.others,
    leasesExpiredUnnoticed: leases.unnoticed,
    terms: recording.of('term').length,
    coordinationFaults: recording.of('coordination-fault').map(({ message }) => message),
    leadersObserved: recording.of('leader').length,
    observerFaults: observerFaults(recording, events),
    rotations: recording.of('rotation').length,
    rotationFailures: recording.of('rotation').flatMap(({ failure }) => failure ?? []),
    recovery: recoveryOf(deaths, elected, recording.of('call')),
    growth: { rss: [fit(({ rss }) => rss)], heap: [fit(({ heap }) => heap)] },
  }
}

/** Of the line that fits the points best. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: number[]): number => values.reduce((sum, each) => sum + each, 0) / Math.max(1, values.length)
  const [x, y] = [mean(points.map((each) => each[0])), mean(points.map((each) => each[1]))]
  const above = points.reduce((sum, each) => sum + (each[0] - x) * (each[1] - y), 0)
  const below = points.reduce((sum, each) => sum + (each[0] - x) ** 2, 0)
  return below === 0 ? 0 : Math.round((100 * above) / below) / 100
}

export function failedCalls({ failures }: Account): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0)
}

export function allCalls(account: Account): number {
  return account.answered + account.outcomeUnknown + failedCalls(account)
}

/** Largest part of the calls whose outcome may be unknown when members are only restarted in order, in percent. */
const RESTART_UNKNOWN = 0.1

/** The promises that were broken, each in a few words; none: all were kept. */
export function brokenPromises({ clients, only }: Pick<ChaosReport, 'clients' | 'only'>): string[] {
  const account = clients['etcd-mtls']
  if (account === undefined) return ['nothing was measured']
  const broken = (
    [
      ['registers that are not linearizable', account.notLinearizable.length],
      ['values applied twice', account.appliedTwice.length],
      ['faults of sets', account.setFaults.length],
      ['faults in the history of watches', account.watchFaults.length],
      ['leases lost while a quorum was connected', account.leasesLostWhileConnected],
      ['leases that expired unnoticed', account.leasesExpiredUnnoticed],
      ['faults of locks and elections', account.coordinationFaults.length],
      ['faults of observers of an election', account.observerFaults.length],
    ] as const
  ).flatMap(([what, count]) => (count > 0 ? [`${what}: ${String(count)}`] : []))
  const share = (part: number, of: Account): number => (100 * part) / Math.max(1, allCalls(of))
  const plain = clients.etcd3
  if (plain !== undefined && share(failedCalls(account), account) > share(failedCalls(plain), plain)) {
    broken.push('more failed calls than with plain etcd3')
  }
  if (only?.length === 1 && only[0] === 'restart') {
    if (failedCalls(account) > 0) broken.push(`failed calls: ${String(failedCalls(account))}`)
    if (share(account.outcomeUnknown, account) > RESTART_UNKNOWN) broken.push('too many calls of unknown outcome')
  }
  return broken
}

/** Several runs as one. */
export function sumAccounts(accounts: readonly [Account, ...Account[]]): Account {
  return accounts.slice(1).reduce((sum, each) => {
    const merged = Object.entries(sum).map(([name, value]) => [name, merge(value, each[name as keyof Account])])
    return Object.fromEntries(merged) as Account
  }, accounts[0])
}

/** Numbers are added, lists joined, and objects merged in the same way. */
function merge(one: unknown, other: unknown): unknown {
  if (typeof one === 'number') return one + Number(other ?? 0)
  if (Array.isArray(one)) return (one as unknown[]).concat(other ?? [])
  const [left, right] = [one as Record<string, unknown>, (other ?? {}) as Record<string, unknown>]
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  return Object.fromEntries(names.map((name) => [name, name in left ? merge(left[name], right[name]) : right[name]]))
}
