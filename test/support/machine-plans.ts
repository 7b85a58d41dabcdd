/** Plans of clusters that several tables of machines start. */
import { expect } from 'vitest'
import { ADDRESS, type Machine, type Space } from './machine.js'
import { Cluster, type ClusterPlan, type MemberPlan } from './machine-cluster.js'

/** Starts clusters, the first one first. Resolves when all of them serve. */
export async function running<Plans extends ClusterPlan[]>(
  machine: Machine,
  ...plans: Plans
): Promise<{ [Each in keyof Plans]: Cluster }> {
  const clusters = plans.map((plan) => new Cluster(machine, plan))
  for (const each of clusters) await each.start()
  await Promise.all(clusters.map((each) => each.serving()))
  return clusters as { [Each in keyof Plans]: Cluster }
}

/** A cluster of one member. */
export function one(label: string, member: Partial<MemberPlan> = {}, more: Partial<ClusterPlan> = {}): ClusterPlan {
  return { label, members: [{ name: `${label}-0`, ...member }], ...more }
}

/** A cluster of three members on this machine. */
export function three(label: string, first: number, more: Partial<ClusterPlan> = {}): ClusterPlan {
  const members = [0, 1, 2].map((i) => {
    return { name: `${label}-${String(i)}`, ports: [first + 2 * i, first + 2 * i + 1] as const }
  })
  return { label, members, ...more }
}

/** Members that a running cluster adds one after the other, so that their initial clusters differ. */
export async function grown(machine: Machine, plan: ClusterPlan, isLearner: boolean): Promise<Cluster> {
  const cluster = new Cluster(machine, plan)
  const known: string[] = []
  for (const [i, each] of cluster.members.entries()) {
    const add = ['member', 'add', each.name, `--peer-urls=${each.peerUrl}`, ...(isLearner ? ['--learner'] : [])]
    // The cluster accepts a member after it has been connected for five seconds.
    if (i > 0) await expect.poll(() => cluster.etcdctl(...add).then(Boolean, String)).toBe(true)
    known.push(`${each.name}=${each.peerUrl}`)
    await each.start({ 'initial-cluster': known.join(), 'initial-cluster-state': i > 0 ? 'existing' : 'new' })
    await each.serving()
  }
  return cluster
}

/** The plan of a cluster with a member on this machine, and on each of two others. */
export async function onMachines(
  machine: Machine,
  label: string,
  ports: readonly [number, number],
  others?: readonly Space[],
): Promise<ClusterPlan> {
  await machine.network()
  const spaces = [machine, ...(others ?? (await neighbours(machine)))]
  const members = spaces.map((space, i): MemberPlan => {
    return { name: `${label}-${String(i)}`, address: addressOf(i), ports, space }
  })
  return { label, members }
}

const addressOf = (i: number): string => (i === 0 ? ADDRESS : `10.77.0.${String(i + 1)}`)

export function neighbours(machine: Machine): Promise<Space[]> {
  return Promise.all([1, 2].map((i) => machine.neighbour(`node-${String(i + 1)}`, addressOf(i))))
}
