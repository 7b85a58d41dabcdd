/** Machines with two, three and four healthy clusters, in each order of start. */
import type { HealthySetUp } from './machine-setups.js'
import type { Machine } from './machine.js'
import { Cluster, type ClusterPlan, oneCa } from './machine-cluster.js'

/** One of the clusters of a machine, before it is started. */
type Part = (machine: Machine) => Promise<ClusterPlan>

/** One member, with the ports of its own. */
function single(label: string, client: number, more: Partial<ClusterPlan> & { name?: string } = {}): Part {
  const { name = `${label}-0`, ...plan } = more
  return () => Promise.resolve({ label, members: [{ name, ports: [client, client + 1] }], ...plan })
}

/** Three members on one machine, as in a Procfile. */
function three(label: string, client: number): Part {
  const members = [0, 1, 2].map((i) => {
    return { name: `${label}-${String(i)}`, ports: [client + 2 * i, client + 2 * i + 1] as const }
  })
  return () => Promise.resolve({ label, members })
}

/** One member in a pod that this machine reaches. */
function inPod(label: string, number: number, name = `${label}-0`): Part {
  const address = `10.77.0.${String(10 + number)}`
  return async (machine) => {
    const space = await machine.reachablePod(name, address)
    return { label, members: [{ name, address, space }] }
  }
}

function permutations<T>(all: readonly T[]): T[][] {
  if (all.length < 2) return [[...all]]
  return all.flatMap((first, i) => permutations(all.toSpliced(i, 1)).map((others) => [first, ...others]))
}

/** A machine for each order. The labels are those of the parts. */
function inEachOrder(name: string, parts: Readonly<Record<string, Part>>): HealthySetUp[] {
  return permutations(Object.keys(parts)).map((order) => ({
    name: `${name}, started in the order ${order.join(', ')}`,
    async build(machine) {
      const clusters: Cluster[] = []
      for (const label of order) {
        const plan = await parts[label]?.(machine)
        if (plan === undefined) throw new Error(`No plan for ${label}.`)
        const cluster = new Cluster(machine, plan)
        await cluster.start()
        clusters.push(cluster)
      }
      await Promise.all(clusters.map((each) => each.serving()))
      return { clusters }
    },
  }))
}

const shared = oneCa('Shared CA')

export const inOrders: readonly HealthySetUp[] = [
  ...inEachOrder('the main and the events cluster of kops', {
    main: single('main', 4001),
    events: single('events', 4101),
  }),
  ...inEachOrder('two clusters with the names, the token and the pods of gardener', {
    main: inPod('main', 1, 'etcd-0'),
    events: inPod('events', 2, 'etcd-0'),
  }),
  ...inEachOrder('two clusters whose members have the name default', {
    one: single('one', 2379, { name: 'default' }),
    other: single('other', 3379, { name: 'default' }),
  }),
  ...inEachOrder('two clusters with one CA and different tokens', {
    one: single('one', 2379, { cas: shared, token: 'one' }),
    other: single('other', 3379, { cas: shared, token: 'other' }),
  }),
  ...inEachOrder('a cluster of three members, and one of kubeadm that grew from one', {
    three: three('three', 5001),
    single: single('single', 2379),
  }),
  ...inEachOrder('an etcd of this machine and two tenants of Kamaji', {
    host: single('host', 2379),
    tenant: inPod('tenant', 1),
    guest: inPod('guest', 2),
  }),
  ...inEachOrder('three clusters of one member', {
    one: single('one', 2379),
    two: single('two', 3379, { name: 'one-0' }),
    three: single('three', 4379, { token: 'three' }),
  }),
  ...inEachOrder('four clusters of one member, of which two share a CA', {
    a: single('a', 2379),
    b: single('b', 3379, { cas: shared }),
    c: single('c', 4379, { cas: shared, name: 'a-0' }),
    d: single('d', 5379, { name: 'default' }),
  }),
]
