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
import type { Entry, Recording } from './record.js'
import type { ClientKind } from './clients/work.js'

type Check = (recording: Recording, all: Circumstances, prefix: string) => readonly string[]

/** What must not happen: by the row of the table, what it is counted in, if it is, and what finds it. */
const PROMISES = {
  'registers that are not linearizable': ['register', registerFaults],
  'values applied twice': [null, (_, { events }, prefix) => valuesAppliedTwice(prefix, events)],
  'faults of append-only sets': ['element', (recording, { events }) => setFaults(recording, events)],
  'faults in the history of watches': ['events', (recording, { events }) => watchFaults(recording, events)],
  'leases lost, quorum connected': ['lease', (recording, all) => leaseFaults(recording, all).whileConnected],
  'leases that expired unnoticed': [null, (recording, all) => leaseFaults(recording, all).unnoticed],
  'faults of locks and elections': ['term', (recording) => messagesOf(recording)],
  'faults of an observer': ['leader', (recording, { events }) => observerFaults(recording, events)],
} satisfies Readonly<Record<string, readonly [Entry['type'] | null, Check]>>

type Row = keyof typeof PROMISES
export const PROMISED = Object.keys(PROMISES) as Row[]

const COUNTED = ['register', 'element', 'watch', 'events', 'lease', 'term', 'leader', 'rotation'] as const

export interface Account {
  readonly answered: number
  readonly outcomeUnknown: number
  /** Calls that failed and were certain to have had no effect, by their message. */
  readonly failures: Readonly<Record<string, number>>
  /** How many there were, by the type of their entry. */
  readonly seen: Readonly<Record<(typeof COUNTED)[number], number>>
  readonly faults: Readonly<Record<Row, readonly string[]>>
  readonly leasesLostOtherwise: number
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

export function accountOf(recording: Recording, circumstances: Circumstances, prefix: string): Account {
  const all = { ...circumstances, events: circumstances.events.filter(({ key }) => key.includes(prefix)) }
  const failures: Record<string, number> = {}
  for (const { unknown, message } of recording.of('failure')) {
    if (!unknown) failures[message] = (failures[message] ?? 0) + 1
  }
  const calls = recording.of('call')
  const answered = [...calls.filter((each) => each.answered), ...recording.of('element').filter((each) => each.certain)]
  const events = recording.of('events').reduce((sum, { lines }) => sum + lines.length, 0)
  const seen = byName(COUNTED, (type) => (type === 'events' ? events : recording.of(type).length))
  return {
    answered: answered.length,
    outcomeUnknown: recording.of('failure').filter((each) => each.unknown).length,
    failures,
    seen,
    faults: byName(PROMISED, (row) => PROMISES[row][1](recording, all, prefix)),
    leasesLostOtherwise: leaseFaults(recording, all).others,
    rotationFailures: recording.of('rotation').flatMap(({ failure }) => failure ?? []),
    recovery: recoveryOf(all.deaths, all.elected, calls),
    rss: recording.of('memory').map(({ rss }) => Math.round(rss / 1024 / 1024)),
  }
}

function messagesOf(recording: Recording): string[] {
  return recording.of('coordination-fault').map(({ message }) => message)
}

function byName<Name extends string, Value>(names: readonly Name[], make: (name: Name) => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Value>
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

/** Largest part of the calls whose outcome may be unknown when members are only restarted in order, in percent. */
const RESTART_UNKNOWN = 0.1

/** The promises that were broken, each in a few words; none: all were kept. */
export function brokenPromises({ clients, only }: Pick<ChaosReport, 'clients' | 'only'>): string[] {
  const { 'etcd-mtls': account, etcd3: plain } = clients
  if (account === undefined) return ['nothing was measured']
  const broken = Object.entries(account.faults).flatMap(([row, { length }]) =>
    length > 0 ? [`${row}: ${String(length)}`] : [],
  )
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
  ...PROMISED.map((row): readonly [string, Cell] => [
    row,
    ({ faults, seen }) => {
      const [type] = PROMISES[row]
      return `${String(faults[row].length)}${type === null ? '' : ` of ${String(seen[type])}`}`
    },
  ]),
  ['leases lost, no quorum for a while', (each) => String(each.leasesLostOtherwise)],
  ['rotations that failed', (each) => `${String(each.rotationFailures.length)} of ${String(each.seen.rotation)}`],
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

function details(kind: string, { faults, rotationFailures, failures }: Account): string[] {
  const counted = Object.entries(failures).map(([message, count]) => `${String(count)} x ${message}`)
  const lists = { ...faults, 'rotations that failed': rotationFailures, 'failed calls': counted }
  return Object.entries(lists).flatMap(([row, list]) => {
    const more = list.length > MAX_LINES ? [`and ${String(list.length - MAX_LINES)} more`] : []
    return [...list.slice(0, MAX_LINES), ...more].map((each) => `${kind}, ${row}: ${each}`)
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
