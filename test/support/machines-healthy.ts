/** Machines on which nothing is wrong. */
import type { Built, HealthySetUp } from './machine-setups.js'
import type { Machine } from './machine.js'
import { Cluster, type ClusterPlan, type Flags, type MemberPlan, oneCa } from './machine-cluster.js'
import { grown, neighbours, one, onMachines, running, three } from './machine-plans.js'
import {
  completeKubeadm,
  installK3s,
  k3sMember,
  kubeadmMember,
  leaveKubeadmPki,
  writeApiserver,
  writeKopsApiserver,
  writeK3sClient,
} from './machine-kubernetes.js'
import { dns, mintCa, mintCrl } from './mint.js'

const PAST = { notBefore: new Date(Date.now() - 400 * 86_400_000), notAfter: new Date(Date.now() - 35 * 86_400_000) }

/** A healthy machine with one cluster of one member, and what the cluster has in addition. */
function alone(name: string, member: Partial<MemberPlan>, more: Partial<ClusterPlan> = {}): HealthySetUp {
  return { name, build: async (machine) => ({ clusters: await running(machine, one('A', member, more)) }) }
}

const flag = (flags: Flags): Partial<MemberPlan> => ({ flags })

/** A pod with its own loopback addresses alone, and an etcd of this machine, on the same ports. */
async function withHiddenPod(machine: Machine, isPodFirst: boolean): Promise<Built> {
  const space = await machine.pod('pod')
  const pod = one('pod', { space })
  const host = one('host')
  return { clusters: await running(machine, ...(isPodFirst ? [pod, host] : [host, pod])) }
}

async function withReachablePod(machine: Machine, isPodFirst: boolean): Promise<Built> {
  const address = '10.77.0.9'
  const pod = one('pod', { address, space: await machine.reachablePod('pod', address) })
  const host = one('host')
  return { clusters: await running(machine, ...(isPodFirst ? [pod, host] : [host, pod])) }
}

const separate = {
  server: mintCa({ subject: 'Server CA' }),
  client: mintCa({ subject: 'Client CA' }),
  peer: mintCa({ subject: 'Peer CA' }),
}

/** Trusts only the CA of clients on its client port, and has a pair of that CA for its own gateway. */
async function withSeparateCas(machine: Machine): Promise<[Cluster]> {
  const cluster = new Cluster(machine, one('A', {}, { cas: separate }))
  const [, , , cert = '', , key = ''] = cluster.client()
  const ca = machine.write('/etc/etcd/clients.crt', separate.client.pem, 0o644)
  await cluster.member('A-0').start({ 'trusted-ca-file': ca, 'client-cert-file': cert, 'client-key-file': key })
  await cluster.serving()
  return [cluster]
}

const unit = (command: string): string =>
  `[Unit]\nDescription=etcd\n\n[Service]\nType=notify\n${command}\n\n[Install]\nWantedBy=multi-user.target\n`

export const healthySetUps: readonly HealthySetUp[] = [
  alone('one etcd that gets flags', {}),
  alone('one etcd that gets a configuration file', { form: 'yaml' }),
  alone('one etcd that gets variables', { form: 'env' }),
  alone('one etcd that has the default name', { name: 'default' }),
  alone('one etcd that serves metrics over HTTP', flag({ 'listen-metrics-urls': 'http://127.0.0.1:2381' })),
  alone('one etcd that listens on the loopback address of IPv6', {
    flags: {
      'listen-client-urls': 'https://[::1]:2379',
      'advertise-client-urls': 'https://[::1]:2379',
      'listen-peer-urls': 'https://[::1]:2380',
      'initial-advertise-peer-urls': 'https://[::1]:2380',
    },
  }),
  alone(
    'one etcd that listens on a unix socket too',
    flag({
      'listen-client-urls': 'https://127.0.0.1:2379,unixs:///var/lib/etcd/A/A-0/etcd.sock',
    }),
  ),
  alone(
    'one etcd that listens on all addresses',
    flag({
      'listen-client-urls': 'https://0.0.0.0:2379',
      'listen-peer-urls': 'https://0.0.0.0:2380',
    }),
  ),
  alone('one etcd with its log of changes in another directory', flag({ 'wal-dir': '/var/lib/etcd-wal' })),
  alone(
    'one etcd that serves HTTP on a port of its own',
    flag({ 'listen-client-http-urls': 'https://127.0.0.1:2382' }),
  ),
  {
    name: 'three members of one cluster',
    build: async (machine) => ({ clusters: await running(machine, three('A', 5001)) }),
  },
  {
    name: 'a member of a cluster on three machines',
    async build(machine) {
      return { clusters: await running(machine, await onMachines(machine, 'A', [2379, 2380])) }
    },
  },
  {
    name: 'a control-plane node of kops, with a member of each of two clusters on three machines',
    async build(machine) {
      const others = await neighbours(machine)
      const cas = oneCa('etcd-clients-ca')
      const main = { ...(await onMachines(machine, 'main', [4001, 2380], others)), cas }
      const events = { ...(await onMachines(machine, 'events', [4002, 2381], others)), cas }
      const clusters = await running(machine, events, main)
      writeKopsApiserver(machine, cas.client)
      return { clusters }
    },
  },
  {
    name: 'the etcd of Cilium, whose clients verify a name that is not its address',
    async build(machine) {
      const names = ['clustermesh-apiserver.cilium.io', '*.mesh.cilium.io', 'clustermesh-apiserver.kube-system.svc']
      const address = '10.77.0.9'
      const space = await machine.reachablePod('clustermesh', address)
      return { clusters: await running(machine, one('A', { address, space, server: { names: names.map(dns) } })) }
    },
    ...{ hidden: ['A'], exit: [3], unchecked: 'Pass --endpoints with one of these names' },
  },
  {
    name: 'one etcd with passwords, which requests no certificate of its clients',
    async build(machine) {
      const clusters = await running(machine, one('A', flag({ 'client-cert-auth': null, 'trusted-ca-file': null })))
      for (const command of ['user add root:secret', 'user grant-role root root', 'auth enable'])
        await clusters[0].etcdctl(...command.split(' '))
      return { clusters }
    },
    ...{ hidden: ['A'], exit: [3], unchecked: '--cacert' },
  },
  {
    name: 'a cluster that was grown member by member',
    build: async (machine) => ({ clusters: [await grown(machine, three('A', 5001), false)] }),
  },
  {
    name: 'a cluster of one member with a learner',
    async build(machine) {
      const { label, members } = three('A', 5001)
      return { clusters: [await grown(machine, { label, members: members.slice(0, 2) }, true)] }
    },
    silent: ['A-1'],
  },
  {
    name: 'the PKI of an earlier kubeadm, next to an etcd that was started by hand',
    async build(machine) {
      leaveKubeadmPki(machine)
      return { clusters: await running(machine, one('A')) }
    },
  },
  {
    name: 'the expired PKI of an earlier kubeadm, next to an etcd that was started by hand',
    async build(machine) {
      leaveKubeadmPki(machine, PAST)
      return { clusters: await running(machine, one('A')) }
    },
  },
  {
    name: 'the PKI of an earlier kubeadm, and two clusters',
    async build(machine) {
      leaveKubeadmPki(machine)
      return { clusters: await running(machine, one('A'), one('B', { ports: [3379, 3380] })) }
    },
  },
  {
    name: 'a node of kubeadm',
    async build(machine) {
      const clusters = await running(machine, one('A', kubeadmMember()))
      completeKubeadm(machine, clusters[0])
      writeApiserver(machine, 'https://127.0.0.1:2379')
      return { clusters }
    },
  },
  {
    name: 'a node of kubeadm, whose etcd is in a pod with the network of the node',
    async build(machine) {
      const space = await machine.pod('node-1', { isNetworkOwn: false })
      const clusters = await running(machine, one('A', kubeadmMember({ space })))
      completeKubeadm(machine, clusters[0])
      return { clusters }
    },
  },
  {
    name: 'a node of kubeadm, with another etcd that was started first',
    async build(machine) {
      const clusters = await running(machine, one('B', { ports: [3379, 3380] }), one('A', kubeadmMember()))
      completeKubeadm(machine, clusters[1])
      writeApiserver(machine, 'https://127.0.0.1:2379')
      return { clusters }
    },
  },
  {
    name: 'a kube-apiserver with another cluster for events',
    async build(machine) {
      const cas = oneCa('etcd-ca')
      const clusters = await running(
        machine,
        one('main', kubeadmMember(), { cas }),
        one('events', { ports: [3379, 3380] }, { cas }),
      )
      completeKubeadm(machine, clusters[0])
      writeApiserver(machine, 'https://127.0.0.1:2379', '/events#https://127.0.0.1:3379')
      return { clusters }
    },
  },
  {
    name: 'one etcd with a CA each for servers, clients and peers',
    build: async (machine) => ({ clusters: await running(machine, one('A', {}, { cas: separate })) }),
  },
  {
    name: 'one etcd that trusts only the CA of clients, and credentials that are given',
    async build(machine) {
      const clusters = await withSeparateCas(machine)
      return { clusters, args: ['--endpoints', 'https://127.0.0.1:2379', ...clusters[0].client()] }
    },
  },
  {
    name: 'one etcd that trusts only the CA of clients, and no file with the CA of its server',
    build: async (machine) => ({ clusters: await withSeparateCas(machine) }),
    ...{ hidden: ['A'], exit: [3] },
  },
  {
    name: 'an etcd in a pod with the ports of this machine, started before that of the machine',
    build: (machine) => withHiddenPod(machine, true),
    ...{ hidden: ['pod'], exit: [3], unchecked: 'nsenter -t ' },
  },
  {
    name: 'an etcd in a pod with the ports of this machine, started after that of the machine',
    build: (machine) => withHiddenPod(machine, false),
    ...{ hidden: ['pod'], exit: [3], unchecked: 'nsenter -t ' },
  },
  {
    name: 'an etcd in a pod with an address of its own, started before that of the machine',
    build: (machine) => withReachablePod(machine, true),
  },
  {
    name: 'an etcd in a pod with an address of its own, started after that of the machine',
    build: (machine) => withReachablePod(machine, false),
  },
  {
    name: 'an etcd in a pod with the names, the paths and the ports of that of the machine',
    async build(machine) {
      const space = await machine.pod('node-1')
      await space.must([
        'sh',
        '-ec',
        'mkdir -p /etc/etcd /var/lib/etcd; mount -t tmpfs -o mode=755 none /etc/etcd; mount -t tmpfs -o mode=755 none /var/lib/etcd',
      ])
      const same = { name: 'default', folder: '/etc/etcd/pki', flags: { 'data-dir': '/var/lib/etcd/data' } }
      return { clusters: await running(machine, one('pod', { ...same, space }), one('host', same)) }
    },
    ...{ hidden: ['pod'], exit: [3], unchecked: 'nsenter -t ' },
  },
  {
    name: 'a pod with the network of a node of kubeadm, from which the processes of the node are not seen',
    async build(machine) {
      const clusters = await running(machine, one('A', kubeadmMember()))
      completeKubeadm(machine, clusters[0])
      return { clusters, space: await machine.pod('debug', { isNetworkOwn: false }) }
    },
    exit: [0, 3],
  },
  {
    name: 'one cluster whose members are in three containers of Compose',
    async build(machine) {
      const members = []
      for (const i of [1, 2, 3]) {
        const [name, address] = [`etcd${String(i)}`, `10.77.0.${String(i + 1)}`]
        members.push({ name, address, space: await machine.reachablePod(name, address) })
      }
      return { clusters: await running(machine, { label: 'A', members }) }
    },
  },
  {
    name: 'five virtual clusters in pods',
    async build(machine) {
      const plans: ClusterPlan[] = []
      for (const i of [1, 2, 3, 4, 5]) {
        const address = `10.77.0.${String(i + 10)}`
        const space = await machine.reachablePod('etcd-0', address)
        plans.push(one(`v${String(i)}`, { name: 'etcd-0', address, space }))
      }
      return { clusters: await running(machine, ...plans) }
    },
  },
  {
    name: 'a unit that is disabled, next to an etcd that was started by hand',
    async build(machine) {
      machine.write('/etc/etcd/old.yml', 'name: old\ndata-dir: /var/lib/old\n', 0o644)
      machine.write(
        '/etc/systemd/system/etcd.service',
        unit('ExecStart=/usr/bin/etcd --config-file /etc/etcd/old.yml'),
        0o644,
      )
      return { clusters: await running(machine, one('A')) }
    },
  },
  {
    name: 'a unit that is enabled, and the etcd that it starts',
    async build(machine) {
      const config = '/etc/etcd/etcd.conf.yml'
      machine.write('/etc/systemd/system/etcd.service', unit(`ExecStart=/usr/bin/etcd --config-file=${config}`), 0o644)
      await machine.must(['mkdir', '-p', '/etc/systemd/system/multi-user.target.wants'])
      await machine.must(['ln', '-s', '../etcd.service', '/etc/systemd/system/multi-user.target.wants/etcd.service'])
      return { clusters: await running(machine, one('A', { form: 'yaml', config })) }
    },
  },
  {
    name: 'one etcd that asks for users',
    async build(machine) {
      const clusters = await running(machine, one('A'))
      for (const command of ['user add root:secret', 'user grant-role root root', 'auth enable'])
        await clusters[0].etcdctl(...command.split(' '))
      return { clusters }
    },
  },
  {
    name: 'one etcd with CRLs',
    async build(machine) {
      const cas = oneCa('A CA')
      const { der } = mintCrl({ issuer: cas.client, revoked: [{ serial: 4711n }] })
      const file = machine.write('/etc/etcd/crl.der', der, 0o644)
      const flags = { 'client-crl-file': file, 'peer-crl-file': file }
      return { clusters: await running(machine, one('A', { flags }, { cas })) }
    },
  },
  {
    name: 'a gateway in front of one etcd',
    async build(machine) {
      const clusters = await running(machine, one('A'))
      const gateway = ['etcd', 'gateway', 'start', '--endpoints=127.0.0.1:2379', '--listen-addr=127.0.0.1:23790']
      await (await machine.start(gateway)).says('ready to proxy')
      return { clusters }
    },
  },
  {
    name: 'three members whose only name is a wildcard',
    async build(machine) {
      const hosts = [0, 1, 2].map((i) => `m${String(i)}.etcd.test`)
      machine.write('/etc/hosts', `127.0.0.1 ${hosts.join(' ')} localhost\n`, 0o644)
      const { label, members } = three('A', 5001)
      const named = members.map((each, i): MemberPlan => {
        const [client, peer] = (each.ports ?? []).map((port) => `https://127.0.0.1:${String(port)}`)
        const flags = { 'listen-client-urls': client ?? null, 'listen-peer-urls': peer ?? null }
        const names = [dns('*.etcd.test')]
        return { ...each, address: hosts[i] ?? '', flags, server: { names }, peer: { names } }
      })
      return { clusters: await running(machine, { label, members: named }) }
    },
  },
  {
    name: 'one etcd that advertises the URL of a proxy',
    async build(machine) {
      const proxy = ['etcd', 'gateway', 'start', '--endpoints=127.0.0.1:2379', '--listen-addr=127.0.0.1:23790']
      await (await machine.start(proxy)).says('ready to proxy')
      const flags = { 'advertise-client-urls': 'https://127.0.0.1:23790' }
      return { clusters: await running(machine, one('A', { flags })) }
    },
  },
  {
    name: 'an endpoint that leads to each of three members in turn',
    async build(machine) {
      const clusters = await running(machine, three('A', 5001))
      const endpoints = ['127.0.0.1:5001', '127.0.0.1:5003', '127.0.0.1:5005']
      const gateway = ['etcd', 'gateway', 'start', `--endpoints=${endpoints.join()}`, '--listen-addr=127.0.0.1:23790']
      await (await machine.start(gateway)).says('ready to proxy')
      return { clusters, args: ['--endpoints', 'https://127.0.0.1:23790', ...clusters[0].client()] }
    },
  },
  {
    name: 'one etcd with an intermediate CA that has an RSA key of 2048 bits, without its root',
    async build(machine) {
      const root = mintCa({ subject: 'Root' })
      const ca = mintCa({ subject: 'Issuing CA', issuer: root, notAfter: new Date('2040-01-01'), key: 'rsa-2048' })
      return { clusters: await running(machine, one('A', {}, { cas: { server: ca, client: ca, peer: ca } })) }
    },
  },
  {
    name: 'one etcd whose server certificate is only for servers, without a gateway',
    async build(machine) {
      const flags = { 'enable-grpc-gateway': 'false' }
      const clusters = await running(machine, one('A', { flags, server: { usages: ['serverAuth'] } }))
      return { clusters, args: ['--endpoints', 'https://127.0.0.1:2379', ...clusters[0].client()] }
    },
  },
  {
    name: 'a gRPC proxy in front of one etcd',
    async build(machine) {
      const clusters = await running(machine, one('A'))
      // The proxy refuses a client certificate with a common name.
      const [, ca = '', , cert = '', , key = ''] = clusters[0].client({ subject: [] })
      const server = ['--cert-file=/etc/etcd/A/A-0/server.crt', '--key-file=/etc/etcd/A/A-0/server.key']
      const proxy = [
        'etcd',
        'grpc-proxy',
        'start',
        '--endpoints=https://127.0.0.1:2379',
        '--listen-addr=127.0.0.1:23790',
      ]
      const flags = [
        ...server,
        '--trusted-ca-file=/etc/etcd/A/A-0/ca.crt',
        `--cacert=${ca}`,
        `--cert=${cert}`,
        `--key=${key}`,
      ]
      await (await machine.start([...proxy, ...flags])).says('started gRPC proxy')
      return { clusters }
    },
  },
  {
    name: 'the etcd that is a part of k3s',
    async build(machine) {
      await installK3s(machine)
      const clusters = await running(machine, { label: 'k3s', members: [k3sMember()] })
      writeK3sClient(machine, clusters[0].cas)
      return { clusters }
    },
  },
  {
    name: 'the etcd that is a part of k3s, and another etcd',
    async build(machine) {
      await installK3s(machine)
      const clusters = await running(machine, one('A', { ports: [3379, 3380] }), {
        label: 'k3s',
        members: [k3sMember()],
      })
      writeK3sClient(machine, clusters[1].cas)
      return { clusters }
    },
  },
  {
    name: 'a member that was started again with another token',
    async build(machine) {
      const clusters = await running(machine, three('A', 5001))
      const last = clusters[0].member('A-2')
      await last.stop()
      await last.start({ 'initial-cluster-token': 'another' })
      await last.serving()
      return { clusters }
    },
  },
  {
    name: 'two clusters, of which the first was started again at last',
    async build(machine) {
      const clusters = await running(machine, one('A'), one('B', { ports: [3379, 3380] }))
      const first = clusters[0].member('A-0')
      await first.stop()
      await first.start()
      await first.serving()
      return { clusters }
    },
  },
]
