/** Machines with a fault in one cluster, and another cluster in which nothing is wrong. */
import { cpSync, rmSync } from 'node:fs'
import { expect } from 'vitest'
import type { FaultySetUp, Planted } from './machine-setups.js'
import type { Machine } from './machine.js'
import { Cluster, type ClusterPlan, type MemberPlan, oneCa } from './machine-cluster.js'
import {
  installK3s,
  k3sMember,
  kubeadmFlags,
  kubeadmMember,
  completeKubeadm,
  leaveKubeadmPki,
  writeApiserver,
  writeClients,
  writeEtcdManifest,
} from './machine-kubernetes.js'
import { one, onMachines, running, three } from './machine-plans.js'
import { ip, mintCa, mintLeaf } from './mint.js'

const DAY = 86_400_000
const EXPIRED = { notBefore: new Date(Date.now() - 400 * DAY), notAfter: new Date(Date.now() - 35 * DAY) }
const SOON = { notAfter: new Date(Date.now() + 3 * DAY) }

const otherCa = mintCa({ subject: 'Other CA' })

/** On ports that no other cluster has. */
const healthy = (label = 'healthy'): ClusterPlan => one(label, { ports: [7379, 7380] })

/** One faulty cluster and a healthy one, each of them started first. */
function bothOrders(
  name: string,
  plan: ClusterPlan,
  planted: readonly Planted[],
  more: {
    exit?: readonly number[]
    args?: readonly string[]
    after?: (faulty: Cluster, machine: Machine) => Promise<void>
  } = {},
): FaultySetUp[] {
  const { exit = [1], args = [], after } = more
  return [true, false].map((isFirst) => ({
    name: `${name}, started ${isFirst ? 'before' : 'after'} a healthy cluster`,
    async build(machine) {
      const clusters = await running(machine, ...(isFirst ? [plan, healthy()] : [healthy(), plan]))
      for (const each of clusters) if (each.label === plan.label) await after?.(each, machine)
      return { clusters, args }
    },
    planted,
    spared: ['healthy'],
    exit,
  }))
}

const error = (code: string, ...facts: readonly string[]): Planted => ({
  in: ['A'],
  severity: 'error',
  code,
  says: () => facts,
})
const warning = (code: string, ...facts: readonly string[]): Planted => ({
  in: ['A'],
  severity: 'warning',
  code,
  says: () => facts,
})

/** The IDs of two clusters. */
const ids =
  (...labels: readonly string[]) =>
  (clusters: readonly Cluster[]): string[] =>
    clusters.filter((each) => labels.includes(each.label)).map(({ id }) => id)

/** The plan of a cluster with other parts of one member. */
function withMember(plan: ClusterPlan, name: string, parts: Partial<MemberPlan>): ClusterPlan {
  return { ...plan, members: plan.members.map((each) => (each.name === name ? { ...each, ...parts } : each)) }
}

/** Waits until a process that does not join has run for more than a minute. */
async function notJoined(startedAt: number): Promise<void> {
  await expect.poll(() => Date.now() - startedAt, { timeout: 120_000 }).toBeGreaterThan(62_000)
}

/** Starts a cluster of three, whose last member does not join. */
async function withStranger(
  machine: Machine,
  plan: ClusterPlan,
  flags: Readonly<Record<string, string>> = {},
): Promise<Cluster[]> {
  const cluster = new Cluster(machine, plan)
  const members = cluster.members
  for (const each of members) await each.start(each === members.at(-1) ? flags : {})
  await Promise.all(members.slice(0, -1).map((each) => each.serving()))
  const others = await running(machine, healthy())
  await notJoined(members.at(-1)?.running.startedAt ?? 0)
  return [cluster, ...others]
}

const CONFIG = '/etc/etcd/etcd.conf.yml'

async function enableUnit(machine: Machine): Promise<void> {
  const lines = [
    '[Service]',
    `ExecStart=/usr/bin/etcd --config-file=${CONFIG}`,
    '[Install]',
    'WantedBy=multi-user.target',
  ]
  machine.write('/etc/systemd/system/etcd.service', `${lines.join('\n')}\n`, 0o644)
  await machine.must(['mkdir', '-p', '/etc/systemd/system/multi-user.target.wants'])
  await machine.must(['ln', '-s', '../etcd.service', '/etc/systemd/system/multi-user.target.wants/etcd.service'])
}

const enabledUnit = async (machine: Machine): Promise<void> => {
  const tls = {
    'cert-file': '/etc/etcd/server.crt',
    'key-file': '/etc/etcd/server.key',
    'trusted-ca-file': '/etc/etcd/ca.crt',
    'client-cert-auth': true,
  }
  const { server: ca } = oneCa('etcd CA')
  const leaf = mintLeaf({ subject: 'stopped', names: [ip('127.0.0.1')], issuer: ca })
  machine.write('/etc/etcd/ca.crt', ca.pem)
  machine.write('/etc/etcd/server.crt', leaf.pem)
  machine.write('/etc/etcd/server.key', leaf.keyPem)
  const urls = { 'listen-client-urls': 'https://127.0.0.1:2379', 'advertise-client-urls': 'https://127.0.0.1:2379' }
  const config = { name: 'stopped', 'data-dir': '/var/lib/etcd/stopped', ...urls, 'client-transport-security': tls }
  machine.write(CONFIG, JSON.stringify(config))
  await enableUnit(machine)
}

/** Nothing runs for the manifest or the unit. Its report is that of a cluster without an ID, or at the top. */
const notRunning = (...facts: readonly string[]): Planted => ({
  in: ['top', 'unknown'],
  severity: 'error',
  says: () => facts,
})

function writeStoppedKubeadm(machine: Machine): void {
  leaveKubeadmPki(machine)
  writeEtcdManifest(machine, kubeadmFlags('node-1'))
}

const inFiles: readonly FaultySetUp[] = [
  ...bothOrders('an etcd with an expired certificate', one('A', { server: EXPIRED }), [
    error('validity/expired', 'A-0'),
  ]),
  ...bothOrders(
    'an etcd whose certificate ends in three days',
    one('A', { server: SOON }),
    [warning('validity/expires-soon', 'A-0')],
    { exit: [0] },
  ),
  ...bothOrders(
    'a cluster of which one member trusts another CA for peers',
    three('A', 5001),
    [error('cluster/peer-refused', 'A-2')],
    {
      // It accepts connections, and serves nothing.
      args: ['--dial-timeout', '5s'],
      async after(cluster) {
        const last = cluster.member('A-2')
        await last.stop()
        last.space.write(`${last.folder}/peer-ca.crt`, otherCa.pem)
        await last.start()
        await last.running.says('rejected connection')
      },
    },
  ),
  ...bothOrders(
    'a cluster of which one member has a CA file that it did not read yet',
    three('A', 5001),
    [error('cluster/refused-after-restart', 'A-2')],
    {
      after(cluster) {
        const last = cluster.member('A-2')
        last.space.write(`${last.folder}/peer-ca.crt`, otherCa.pem)
        return Promise.resolve()
      },
    },
  ),
  ...bothOrders(
    'an etcd that requests no certificate of its peers',
    one('A', {
      flags: {
        'peer-auto-tls': 'true',
        'peer-cert-file': null,
        'peer-key-file': null,
        'peer-trusted-ca-file': null,
        'peer-client-cert-auth': null,
      },
    }),
    [error('config/auto-tls', '2380')],
  ),
  ...bothOrders(
    'an etcd that is reached on a socket without TLS',
    one('A', {
      flags: { 'listen-client-urls': 'https://127.0.0.1:2379,unix:///var/lib/etcd/A/A-0/etcd.sock' },
    }),
    [warning('config/plaintext-url', 'etcd.sock')],
    { exit: [0] },
  ),
  {
    name: 'an expired pair for probes of the CA of a running etcd of kubeadm',
    async build(machine) {
      const clusters = await running(machine, one('A', kubeadmMember()), healthy())
      completeKubeadm(machine, clusters[0])
      writeClients(machine, clusters[0].cas.client, EXPIRED)
      return { clusters }
    },
    planted: [{ in: ['A', 'top'], severity: 'error', code: 'validity/expired', says: () => ['healthcheck-client'] }],
    spared: ['healthy'],
  },
  {
    name: 'an etcd of k3s with an expired certificate, next to a healthy cluster',
    async build(machine) {
      await installK3s(machine)
      return {
        clusters: await running(machine, healthy(), { label: 'A', members: [{ ...k3sMember(), server: EXPIRED }] }),
      }
    },
    planted: [error('validity/expired', '/var/lib/rancher/k3s/server/tls/etcd/server.crt')],
    spared: ['healthy'],
  },
  {
    name: 'an etcd in a pod with an expired certificate, next to a healthy cluster',
    async build(machine) {
      const address = '10.77.0.9'
      const space = await machine.reachablePod('pod', address)
      return { clusters: await running(machine, one('A', { address, space, server: EXPIRED }), healthy()) }
    },
    planted: [error('validity/expired', 'A-0')],
    spared: ['healthy'],
  },
]

const inMembers: readonly FaultySetUp[] = [
  ...bothOrders(
    'a cluster of which one member was stopped',
    three('A', 5001),
    [warning('cluster/member-down', 'A-1')],
    {
      exit: [0, 3],
      after: (cluster) => cluster.member('A-1').stop(),
    },
  ),
  ...bothOrders('a cluster without a quorum', three('A', 5001), [error('cluster/member-down', 'A-1', 'A-2')], {
    async after(cluster) {
      await cluster.member('A-1').stop()
      await cluster.member('A-2').stop()
      await cluster.member('A-0').running.says((log) => /lost leader|no leader/.test(log))
    },
  }),
  {
    name: 'a cluster of which the member of another machine was stopped',
    async build(machine) {
      const plan = await onMachines(machine, 'A', [2379, 2380])
      const clusters = await running(machine, healthy(), plan)
      await clusters[1].member('A-2').stop()
      return { clusters }
    },
    planted: [warning('cluster/member-down', 'A-2')],
    spared: ['healthy'],
    exit: [0, 3],
  },
  ...bothOrders(
    'an etcd whose peer URL refuses connections',
    one('A', {
      flags: { 'initial-advertise-peer-urls': 'https://127.0.0.1:2390' },
    }),
    [{ in: ['A'], severity: 'warning', says: () => ['127.0.0.1:2390'] }],
    { exit: [0, 3] },
  ),
  ...bothOrders(
    'a cluster of which one peer port is closed by the firewall',
    three('A', 5001),
    [{ in: ['A'], severity: 'warning', says: () => ['127.0.0.1:5006'] }],
    {
      exit: [0, 3],
      async after(_, machine) {
        const chain = ['type filter hook input priority 0', 'tcp dport 5006 ct state new reject with tcp reset']
        const rules = `table ip closed {\nchain input {\n${chain.join('\n')}\n}\n}\n`
        await machine.must(['nft', '-f', '-'], rules)
      },
    },
  ),
  {
    name: 'a member that was started with the data directory of another cluster',
    async build(machine) {
      const [other] = await running(machine, one('B', { ports: [3379, 3380] }))
      await other.member('B-0').stop()
      const cluster = new Cluster(machine, three('A', 5001))
      await cluster.member('A-0').start()
      await cluster.member('A-1').start()
      await cluster.member('A-2').start({ 'data-dir': other.member('B-0').dataDir })
      await cluster.serving()
      return { clusters: [cluster, other, ...(await running(machine, healthy()))] }
    },
    planted: [{ in: ['A', 'B', 'top'], severity: 'error', says: ids('A', 'B') }],
    spared: ['healthy'],
  },
  {
    name: 'a member that was started with a copy of the data of a member on another machine',
    async build(machine) {
      const plan = withMember(await onMachines(machine, 'A', [2379, 2380]), 'A-0', { form: 'yaml', config: CONFIG })
      const [cluster] = await running(machine, plan)
      const [copy, original] = [cluster.member('A-0'), cluster.member('A-1')]
      await copy.stop()
      rmSync(`${machine.root}${copy.dataDir}`, { recursive: true })
      cpSync(`${original.space.root}${original.dataDir}`, `${machine.root}${copy.dataDir}`, { recursive: true })
      await enableUnit(machine)
      await copy.start()
      const endpoints = ['A-1', 'A-2'].map((name) => cluster.member(name).clientUrl).join()
      return { clusters: [cluster], args: ['--endpoints', endpoints, ...cluster.client()] }
    },
    planted: [error('cluster/data-used-twice', 'of A-0', 'A-1 itself answers', 'member remove')],
    spared: [],
  },
  {
    name: 'a member of another machine at whose client URL another cluster answers',
    async build(machine) {
      const plan = await onMachines(machine, 'A', [2379, 2380])
      const [cluster] = await running(machine, plan)
      await cluster.member('A-2').stop()
      const { space, address } = plan.members[2] ?? {}
      const place = { ...(space === undefined ? {} : { space }), ...(address === undefined ? {} : { address }) }
      const others = await running(machine, one('B', place, { cas: cluster.cas }), healthy())
      return { clusters: [cluster, ...others] }
    },
    planted: [{ in: ['A', 'top'], severity: 'error', says: ids('A', 'B') }],
    spared: ['healthy'],
  },
  {
    name: 'a member with a new data directory and another token, which does not join',
    build: async (machine) => ({
      clusters: await withStranger(machine, three('A', 5001), { 'initial-cluster-token': 'another' }),
    }),
    planted: [{ in: ['A', 'top', 'unknown'], severity: 'error', says: () => ['A-2', 'cluster ID mismatch'] }],
    spared: ['healthy'],
    isSlow: true,
  },
  {
    name: 'a new member whose certificate its peers refuse, which does not join',
    async build(machine) {
      const strange = { peer: { issuer: otherCa } }
      return { clusters: await withStranger(machine, withMember(three('A', 5001), 'A-2', strange)) }
    },
    planted: [{ in: ['A', 'top', 'unknown'], severity: 'error', says: () => ['A-2'] }],
    spared: ['healthy'],
    isSlow: true,
  },
]

/** Two clusters of one CA, of which the client asks for both. */
function mixed(name: string, isOtherFirst: boolean): FaultySetUp {
  return {
    name,
    async build(machine) {
      const cas = oneCa('Shared CA')
      const clusters = await running(machine, three('A', 5001, { cas }), one('B', { ports: [3379, 3380] }, { cas }))
      const urls = clusters.flatMap(({ members }) => members.map(({ clientUrl }) => clientUrl))
      const order = isOtherFirst ? urls.toReversed() : urls
      return { clusters, args: ['--endpoints', order.join(), ...clusters[0].client()] }
    },
    planted: [{ in: ['top'], severity: 'error', says: (clusters) => [...ids('A', 'B')(clusters), 'A-0', 'B-0'] }],
    spared: ['A', 'B'],
  }
}

const apiserver = (...facts: readonly string[]): Planted => ({
  in: ['main', 'other', 'top'],
  severity: 'error',
  code: 'cluster/apiserver-cannot-connect',
  says: () => facts,
})

const acrossClusters: readonly FaultySetUp[] = [
  mixed('endpoints of two clusters', false),
  mixed('endpoints of two clusters, the smaller one first', true),
  {
    name: 'a kube-apiserver that is given the port of another cluster',
    async build(machine) {
      const clusters = await running(
        machine,
        one('main', kubeadmMember()),
        one('other', { ports: [3379, 3380] }),
        healthy(),
      )
      completeKubeadm(machine, clusters[0])
      writeApiserver(machine, 'https://127.0.0.1:3379')
      return { clusters }
    },
    planted: [apiserver('127.0.0.1:3379')],
    spared: ['healthy'],
  },
  {
    name: 'a kube-apiserver that the cluster for its events refuses',
    async build(machine) {
      const clusters = await running(
        machine,
        one('main', kubeadmMember()),
        one('other', { ports: [3379, 3380] }),
        healthy(),
      )
      completeKubeadm(machine, clusters[0])
      writeApiserver(machine, 'https://127.0.0.1:2379', '/events#https://127.0.0.1:3379')
      return { clusters }
    },
    planted: [apiserver('127.0.0.1:3379')],
    spared: ['healthy'],
  },
  {
    name: 'a kube-apiserver that is given a port at which nothing listens',
    async build(machine) {
      const clusters = await running(machine, one('main', kubeadmMember()), healthy())
      completeKubeadm(machine, clusters[0])
      writeApiserver(machine, 'https://127.0.0.1:2399')
      return { clusters }
    },
    planted: [apiserver('127.0.0.1:2399')],
    spared: ['healthy'],
  },
]

const stopped: readonly FaultySetUp[] = [
  {
    name: 'an enabled unit whose etcd does not run',
    async build(machine) {
      await enabledUnit(machine)
      return { clusters: [] }
    },
    planted: [notRunning('etcd.service')],
    spared: [],
  },
  {
    name: 'a manifest of kubeadm whose etcd does not run',
    build(machine) {
      writeStoppedKubeadm(machine)
      return Promise.resolve({ clusters: [] })
    },
    planted: [notRunning('/etc/kubernetes/manifests/etcd.yaml')],
    spared: [],
  },
  {
    name: 'a manifest of kubeadm whose etcd does not run, next to a healthy cluster',
    async build(machine) {
      writeStoppedKubeadm(machine)
      return { clusters: await running(machine, healthy()) }
    },
    planted: [notRunning('/etc/kubernetes/manifests/etcd.yaml')],
    spared: ['healthy'],
  },
  {
    name: 'the disk of another machine, whose processes are not seen',
    async build(machine) {
      writeStoppedKubeadm(machine)
      await machine.must(['sh', '-ec', 'mkdir -p /mnt/disk/etc; cp -a /etc/kubernetes /mnt/disk/etc'])
      return { clusters: [], args: ['--root', '/mnt/disk'] }
    },
    planted: [],
    spared: [],
    exit: [1, 3],
    unchecked: 'no etcd process is visible from here',
  },
]

export const faultySetUps: readonly FaultySetUp[] = [...inFiles, ...inMembers, ...acrossClusters, ...stopped]
