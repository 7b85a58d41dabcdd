/** Finds the targets that are members of one cluster. */
import { dirname } from 'node:path'
import { readEtcdConfig, type ReadConfigOptions } from '../../config/index.js'
import type { Target } from './targets.js'

interface Membership {
  readonly target: Target
  readonly names: readonly string[]
  /** The token and the names of the list of members; null if it lists nobody else. */
  readonly cluster: string | null
}

/**
 * Members with the same token and the same names in `initial-cluster` are one cluster. If two of them have one name, they are
 * compared only within their directory.
 */
export async function clustersOf(targets: readonly Target[], options: ReadConfigOptions): Promise<Target[][]> {
  const all: Membership[] = []
  for (const target of targets) all.push(await membershipOf(target, options))
  const clusters = [...groupBy(all, ({ cluster }) => cluster).values()].flatMap((group) =>
    hasRepeatedName(group) ? [...groupBy(group, ({ target }) => dirname(target.name)).values()] : [group],
  )
  return clusters
    .filter((group) => group.length > 1 && !hasRepeatedName(group))
    .map((group) => group.map(({ target }) => target))
}

async function membershipOf(target: Target, options: ReadConfigOptions): Promise<Membership> {
  const members = await readEtcdConfig(target.input, { ...options, readFiles: false })
  const names = members.flatMap(({ name }) => name ?? [])
  const [first] = members
  const listed = [...new Set(first.initialCluster.map(({ name }) => name))].sort()
  const isListed = listed.length > 1 && names.some((name) => listed.includes(name))
  return { target, names, cluster: isListed ? JSON.stringify([first.initialClusterToken, ...listed]) : null }
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string | null): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const each of values) {
    const key = keyOf(each)
    if (key !== null) groups.set(key, [...(groups.get(key) ?? []), each])
  }
  return groups
}

function hasRepeatedName(group: readonly Membership[]): boolean {
  const names = group.flatMap((each) => each.names)
  return new Set(names).size < names.length
}
