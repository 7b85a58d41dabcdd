/** What one kind of client met in one run, or in several, what of it was promised, and the table of it. */
import {
  type Circumstances,
  leaseFaults,
  observerFaults,
  type Recovery,
  recoveryOf,
  registerFaults,
  setFaults,
  valuesAppliedTwice,
  watchFaults,
} from './checks.js'
import type { Recording } from './record.js'
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
  /** Megabytes at the end; one value for each run. */
  readonly rss: readonly number[]
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

export function accountOf(recording: Recording, all: Circumstances, prefix: string): Account {
  const events = all.events.filter(({ key }) => key.includes(prefix))
  const unknown = recording.of('failure').filter((each) => each.unknown).length
  const failures: Record<string, number> = {}
  for (const each of recording.of('failure')) {
    if (!each.unknown) failures[each.message] = (failures[each.message] ?? 0) + 1
  }
  const leases = leaseFaults(recording, events, all.quorum)
  const calls = recording.of('call')
  const elements = recording.of('element')
  return {
    answered: calls.filter((each) => each.answered).length + elements.filter(({ certain }) => certain).length,
    outcomeUnknown: unknown,
    failures,
    registers: recording.of('register').length,
    notLinearizable: registerFaults(recording),
    appliedTwice: valuesAppliedTwice(prefix, events),
    elements: elements.length,
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
    recovery: recoveryOf(all.deaths, all.elected, calls),
    rss: recording.of('memory').map(({ rss }) => Math.round(rss / 1024 / 1024)),
  }
}

function failedCalls({ failures }: Account): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0)
}

function allCalls(account: Account): number {
  return account.answered + account.outcomeUnknown + failedCalls(account)
}

/** In percent of all calls. */
function share(part: number, account: Account): number {
  return (100 * part) / Math.max(1, allCalls(account))
}

type Names = { readonly [Name in keyof Account]: Account[Name] extends readonly string[] | number ? Name : never }
type Countable = Names[keyof Account]

/** What must not happen, by the row of the table; with what it is counted in. */
const PROMISES: readonly (readonly [row: string, of: Countable, whole?: Countable, what?: string])[] = [
  ['registers that are not linearizable', 'notLinearizable', 'registers'],
  ['values applied twice', 'appliedTwice'],
  ['faults of append-only sets', 'setFaults', 'elements', 'elements'],
  ['faults in the history of watches', 'watchFaults', 'events', 'events'],
  ['leases lost, quorum connected', 'leasesLostWhileConnected', 'leases'],
  ['leases that expired unnoticed', 'leasesExpiredUnnoticed'],
  ['faults of locks and elections', 'coordinationFaults', 'terms', 'terms'],
  ['faults of an observer', 'observerFaults', 'leadersObserved', 'leaders'],
]

function count(account: Account, name: Countable): number {
  const value = account[name]
  return typeof value === 'number' ? value : value.length
}

/** Largest part of the calls whose outcome may be unknown when members are only restarted in order, in percent. */
const RESTART_UNKNOWN = 0.1

/** The promises that were broken, each in a few words; none: all were kept. */
export function brokenPromises({ clients, only }: Pick<ChaosReport, 'clients' | 'only'>): string[] {
  const { 'etcd-mtls': account, etcd3: plain } = clients
  if (account === undefined) return ['nothing was measured']
  const broken = PROMISES.flatMap(([row, name]) => {
    const faults = count(account, name)
    return faults > 0 ? [`${row}: ${String(faults)}`] : []
  })
  if (plain !== undefined && share(failedCalls(account), account) > share(failedCalls(plain), plain)) {
    broken.push('more failed calls than with plain etcd3')
  }
  if (only?.length === 1 && only[0] === 'restart') {
    if (failedCalls(account) > 0) broken.push(`failed calls: ${String(failedCalls(account))}`)
    if (share(account.outcomeUnknown, account) > RESTART_UNKNOWN) broken.push('too many calls of unknown outcome')
  }
  return broken
}

/** Several runs as one: numbers are added, lists joined, and objects merged in the same way. */
export function sumAccounts(accounts: readonly Account[]): Account {
  return accounts.reduce((sum, each) => merge(sum, each) as Account)
}

function merge(one: unknown, other: unknown): unknown {
  if (one === undefined || other === undefined) return one ?? other
  if (typeof one === 'number') return one + Number(other)
  if (Array.isArray(one)) return (one as unknown[]).concat(other)
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>]
  return Object.fromEntries(Object.keys({ ...left, ...right }).map((name) => [name, merge(left[name], right[name])]))
}

type Cell = (account: Account) => string

const ROWS: readonly (readonly [string, Cell])[] = [
  ['calls', (each) => String(allCalls(each))],
  ...PROMISES.map(([row, name, whole, what = '']): readonly [string, Cell] => [
    row,
    (each) => {
      const of = whole === undefined ? '' : ` of ${String(count(each, whole))} ${what}`
      return `${String(count(each, name))}${of}`.trim()
    },
  ]),
  ['leases lost, no quorum for a while', (each) => String(each.leasesLostOtherwise)],
  ['rotations that failed', (each) => `${String(each.rotationFailures.length)} of ${String(each.rotations)}`],
  ['outcome unknown', (each) => percent(each.outcomeUnknown, each)],
  ['other failures', (each) => percent(failedCalls(each), each)],
  ['recovery, follower died, p50 / p99', (each) => times(each.recovery.follower)],
  ['recovery, leader died, p50 / p99', (each) => times(each.recovery.leader)],
  ['memory at the end (RSS), MB', (each) => each.rss.join(' ')],
]

/** The lines of the table, and of everything that went wrong. */
export function table(clients: ChaosReport['clients']): string[] {
  const columns = Object.entries(clients)
  const widths = [Math.max(...ROWS.map(([name]) => name.length)), ...columns.map(() => 26)]
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`
  const head = [line(['', ...columns.map(([kind]) => kind)]), line(widths.map((width) => '-'.repeat(width)))]
  const rows = ROWS.map(([name, cell]) => line([name, ...columns.map(([, account]) => cell(account))]))
  return [...head, ...rows, ...columns.flatMap(([kind, account]) => details(kind, account))]
}

/** Lines of each kind of fault that are printed. */
const MAX_LINES = 10

function details(kind: string, account: Account): string[] {
  const lists = [
    account.notLinearizable.map((key) => `${key} is not linearizable`),
    account.appliedTwice.map((value) => `${value} was applied twice`),
    account.setFaults,
    account.watchFaults,
    account.coordinationFaults,
    account.observerFaults,
    account.rotationFailures,
    Object.entries(account.failures).map(([message, times]) => `${String(times)} x ${message}`),
  ]
  return lists.flatMap((list) => {
    const left = list.length - MAX_LINES
    const more = left > 0 ? [`and ${String(left)} more`] : []
    return [...list.slice(0, MAX_LINES), ...more].map((each) => `${kind}: ${each}`)
  })
}

function percent(part: number, account: Account): string {
  return `${String(part)} (${share(part, account).toFixed(2)} %)`
}

function times(values: readonly number[]): string {
  if (values.length === 0) return '-'
  const sorted = [...values].sort((one, other) => one - other)
  const at = (part: number): string => String(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))])
  return `${at(0.5)} / ${at(0.99)} ms (${String(values.length)})`
}
