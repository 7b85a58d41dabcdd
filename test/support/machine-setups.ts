/** The form of the tables of machines, and what an examination of one must report. */
import { expect } from 'vitest'
import type { ClusterReport } from '../../src/doctor/index.js'
import type { Finding } from '../../src/report/index.js'
import type { CommandResult } from './command.js'
import { Machine, type Space } from './machine.js'
import type { Cluster } from './machine-cluster.js'

/** What `etcd-mtls doctor --json` prints about a machine: what the tests read of it. */
interface MachineDocument {
  readonly ok: boolean
  readonly complete: boolean
  readonly clusters: readonly ReportedCluster[]
  readonly findings: readonly Finding[]
  readonly unchecked: ClusterReport['unchecked']
}

type ReportedCluster = Pick<ClusterReport, 'members' | 'findings' | 'unchecked'> & {
  readonly clusterId: string | null
}

export interface Built {
  /** All that run, as they are: reports are compared with them. */
  readonly clusters: readonly Cluster[]
  /** Of the doctor. */
  readonly args?: readonly string[]
  /** Where the doctor runs. @default the machine */
  readonly space?: Space
}

interface SetUp {
  readonly name: string
  readonly build: (machine: Machine) => Promise<Built>
  /** What a line of the unchecked must contain. @default none */
  readonly unchecked?: string
}

/** A machine without a fault. */
export interface HealthySetUp extends SetUp {
  /** The labels of clusters that are not asked, because their addresses do not lead to them or no CA verifies them. */
  readonly hidden?: readonly string[]
  /** The names of members that serve no requests. */
  readonly silent?: readonly string[]
  /** @default 0 */
  readonly exit?: readonly (0 | 3)[]
}

/** A finding that must be there. */
export interface Planted {
  /** The labels of the clusters in whose reports it may be; `top`: across clusters; `unknown`: in that of another cluster. */
  readonly in: readonly string[]
  readonly severity: 'error' | 'warning'
  readonly code?: string
  /** What the finding must contain. */
  readonly says?: (clusters: readonly Cluster[]) => readonly string[]
}

/** A machine with a fault. */
export interface FaultySetUp extends SetUp {
  readonly planted: readonly Planted[]
  /** The labels of clusters in which nothing is wrong. */
  readonly spared: readonly string[]
  /** @default 1 */
  readonly exit?: readonly number[]
  /** Whether the fault shows only after a minute. */
  readonly isSlow?: boolean
}

/** Builds the machine and examines it. */
export async function examineSetUp(
  { build }: SetUp,
  check: (result: CommandResult, built: Built) => void,
): Promise<void> {
  await using machine = await Machine.boot()
  const built = await build(machine)
  check(await (built.space ?? machine).doctor(built.args), built)
}

/** What was reported, with the labels of the clusters. */
interface Reported {
  readonly clusters: readonly (ReportedCluster & { readonly label: string })[]
  /** Errors and warnings. */
  readonly alarms: readonly { readonly in: string; readonly finding: Finding }[]
  readonly unchecked: readonly string[]
}

function readResult(
  { stdout, stderr, code }: CommandResult,
  clusters: readonly Cluster[],
  hidden: readonly string[],
): Reported {
  const document = stdout === '' ? {} : (JSON.parse(stdout) as Partial<MachineDocument>)
  if (!isOfMachine(document)) throw new Error(`No document with clusters, exit ${String(code)}: ${stderr}${stdout}`)
  const labelled = label(document.clusters, clusters, hidden)
  const places = [{ label: 'top', findings: document.findings }, ...labelled]
  return {
    clusters: labelled,
    alarms: places.flatMap(({ label: where, findings }) =>
      findings.filter(({ severity }) => severity !== 'info').map((finding) => ({ in: where, finding })),
    ),
    unchecked: [document, ...document.clusters].flatMap((each) => each.unchecked.map(({ message }) => message)),
  }
}

function isOfMachine(document: Partial<MachineDocument>): document is MachineDocument {
  return document.clusters !== undefined
}

/** By the IDs. Clusters with equal members have equal IDs: these differ by names, and in whether they are reached. */
function label(
  reported: readonly ReportedCluster[],
  clusters: readonly Cluster[],
  hidden: readonly string[],
): (ReportedCluster & { readonly label: string })[] {
  const free = new Set(clusters)
  const fit = (each: ReportedCluster, cluster: Cluster): number => {
    const isReached = each.members.some((member) => member.isReached)
    const named = each.members.filter(({ name }) => cluster.members.some((member) => member.name === name))
    return named.length + (isReached === hidden.includes(cluster.label) ? 0 : 2)
  }
  return reported.map((each) => {
    const [best] = [...free]
      .filter(({ id }) => id === each.clusterId)
      .sort((one, other) => fit(each, other) - fit(each, one))
    if (best !== undefined) free.delete(best)
    return { ...each, label: best?.label ?? 'unknown' }
  })
}

const textOf = ({ in: where, finding: { severity, code, message } }: Reported['alarms'][number]): string =>
  `${where}: ${severity} ${code}: ${message}`

/** No alarm, and each cluster with its own members. */
export function expectHealthy(setUp: HealthySetUp, result: CommandResult, { clusters }: Built): void {
  const { hidden = [], silent = [], exit = [0], unchecked: line } = setUp
  const reported = readResult(result, clusters, hidden)
  const membersOf = (name: string, members: readonly (readonly [string | null, boolean])[]): string => {
    const seen = members.map(
      (each) => `${String(each[0])} ${each[1] || silent.includes(each[0] ?? '') ? 'answers' : 'is silent'}`,
    )
    return `${name}: ${hidden.includes(name) ? 'not asked' : seen.sort().join(', ')}`
  }
  const seen = reported.clusters.map((each) =>
    membersOf(
      each.label,
      each.members.map(({ name, isReached }) => [name, isReached]),
    ),
  )
  const expected = clusters.map((each) =>
    membersOf(
      each.label,
      each.members.map(({ name }) => [name, true]),
    ),
  )
  expect({ alarms: reported.alarms.map(textOf), clusters: seen.sort() }).toEqual({
    alarms: [],
    clusters: expected.sort(),
  })
  expectLine(reported, line)
  expect([...exit], reported.unchecked.join('\n')).toContain(result.code)
}

/** Each planted fault in its own cluster, and no alarm about another one. */
export function expectFound(setUp: FaultySetUp, result: CommandResult, { clusters }: Built): void {
  const { planted, spared, exit = [1], unchecked: line } = setUp
  const reported = readResult(result, clusters, [])
  for (const { in: places, severity, code, says } of planted) {
    const facts = says?.(clusters) ?? []
    const isPlanted = ({ in: where, finding }: Reported['alarms'][number]): boolean =>
      places.includes(where) &&
      finding.severity === severity &&
      (code === undefined || finding.code === code) &&
      facts.every((fact) => JSON.stringify(finding).includes(fact))
    const what = `${severity} ${code ?? ''} with "${facts.join('" and "')}" in ${places.join(' or ')}`
    expect(reported.alarms.some(isPlanted), `${what} among:\n${reported.alarms.map(textOf).join('\n')}`).toBe(true)
  }
  expect(reported.alarms.filter((each) => spared.includes(each.in)).map(textOf)).toEqual([])
  const answering = reported.clusters.filter(({ members }) => members.some(({ isReached }) => isReached))
  expect(answering.map((each) => each.label)).toEqual(expect.arrayContaining([...spared]))
  expectLine(reported, line)
  expect([...exit], reported.unchecked.join('\n')).toContain(result.code)
}

function expectLine({ unchecked }: Reported, line: string | undefined): void {
  if (line !== undefined) expect(unchecked.join('\n')).toContain(line)
}
