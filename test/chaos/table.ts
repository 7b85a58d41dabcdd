/** The account of a run, with plain etcd3 next to it. */
import { type Account, allCalls, type ChaosReport, failedCalls } from './account.js'
import { quantile } from './recovery.js'

type Cell = (account: Account) => string

const ROWS: readonly (readonly [string, Cell])[] = [
  ['calls', (each) => String(allCalls(each))],
  ['registers that are not linearizable', (each) => of(each.notLinearizable.length, each.registers)],
  ['values applied twice', (each) => String(each.appliedTwice.length)],
  ['faults of append-only sets', (each) => of(each.setFaults.length, each.elements, 'elements')],
  ['faults in the history of watches', (each) => of(each.watchFaults.length, each.events, 'events')],
  ['leases lost, quorum connected', (each) => of(each.leasesLostWhileConnected, each.leases)],
  ['leases lost, no quorum for a while', (each) => String(each.leasesLostOtherwise)],
  ['leases that expired unnoticed', (each) => String(each.leasesExpiredUnnoticed)],
  ['faults of locks and elections', (each) => of(each.coordinationFaults.length, each.terms, 'terms')],
  ['faults of an observer', (each) => of(each.observerFaults.length, each.leadersObserved, 'leaders')],
  ['rotations that failed', (each) => of(each.rotationFailures.length, each.rotations)],
  ['outcome unknown', (each) => share(each.outcomeUnknown, each)],
  ['other failures', (each) => share(failedCalls(each), each)],
  ['recovery, follower died, p50 / p99', (each) => times(each.recovery.follower)],
  ['recovery, leader died, p50 / p99', (each) => times(each.recovery.leader)],
  ['growth of memory (RSS), MB/min', (each) => mean(each.growth.rss)],
  ['growth of the heap, MB/min', (each) => mean(each.growth.heap)],
]

/** The lines of the table, and of everything that went wrong. */
export function table(clients: ChaosReport['clients']): string[] {
  const columns = Object.entries(clients)
  const widths = [Math.max(...ROWS.map(([name]) => name.length)), 26, 26]
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`
  const lines = [line(['', ...columns.map(([kind]) => kind)])]
  lines.push(line(widths.slice(0, columns.length + 1).map((width) => '-'.repeat(width))))
  for (const [name, cell] of ROWS) lines.push(line([name, ...columns.map(([, account]) => cell(account))]))
  for (const [kind, account] of columns) lines.push('', ...details(kind, account))
  return lines
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
    Object.entries(account.failures).map(([message, count]) => `${String(count)} x ${message}`),
  ]
  return lists.flatMap((list) => {
    const left = list.length - MAX_LINES
    const shown = list.slice(0, MAX_LINES)
    return [...shown, ...(left > 0 ? [`and ${String(left)} more`] : [])].map((each) => `${kind}: ${each}`)
  })
}

function of(part: number, whole: number, what = ''): string {
  return whole === 0 ? '-' : `${String(part)} of ${String(whole)} ${what}`.trim()
}

function share(part: number, account: Account): string {
  return `${String(part)} (${((100 * part) / Math.max(1, allCalls(account))).toFixed(2)} %)`
}

function times(values: readonly number[]): string {
  if (values.length === 0) return '-'
  return `${String(quantile(values, 0.5))} / ${String(quantile(values, 0.99))} ms (${String(values.length)})`
}

function mean(values: readonly number[]): string {
  return (values.reduce((sum, each) => sum + each, 0) / Math.max(1, values.length)).toFixed(2)
}
